//! Certificates that change under a running server, in every way that files are changed.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use wssgate::config::Files;
use wssgate::server::Order;

use super::layout::{Certbot, Kubernetes};
use super::{Pki, Site, becomes, replace, serve, shown};
use crate::support::{Client, Issued, Proxy, echo, within};

fn two(pki: &Pki) -> [Issued; 2] {
    [pki.issue(&["localhost"]), pki.issue(&["localhost"])]
}

#[tokio::test]
async fn overwritten_files_are_taken_in_and_tunnels_live_on() {
    let pki = Pki::new();
    let [old, new] = two(&pki);
    let site = Site::start(std::slice::from_ref(&old), |_| {}).await;
    let client = pki.client("localhost");
    let mut tunnel = Client::connect_with(site.addr(), client.connector()).await.unwrap();
    tunnel.upgrade().await;
    // There and back: what has served once can serve again.
    for (before, now) in [(&old, &new), (&new, &old)] {
        fs::write(&site.files[0].chain, &now.chain).unwrap();
        fs::write(&site.files[0].key, &now.key).unwrap();
        becomes(site.addr(), &client, before, now).await;
        echo(&mut tunnel, "still here").await;
    }
}

#[tokio::test]
async fn renamed_files_are_taken_in() {
    let pki = Pki::new();
    let [old, new] = two(&pki);
    let site = Site::start(std::slice::from_ref(&old), |_| {}).await;
    replace(&site.files[0].key, &new.key);
    replace(&site.files[0].chain, &new.chain);
    becomes(site.addr(), &pki.client("localhost"), &old, &new).await;
}

#[tokio::test]
async fn a_file_with_key_and_chain_is_taken_in() {
    let pki = Pki::new();
    let [old, new] = two(&pki);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.pem");
    fs::write(&path, old.combined()).unwrap();
    let proxy = serve(vec![Files { chain: path.clone(), key: path.clone() }], |_| {}).await;
    replace(&path, &new.combined());
    becomes(proxy.addr, &pki.client("localhost"), &old, &new).await;
}

#[tokio::test]
async fn a_kubernetes_secret_is_taken_in() {
    let pki = Pki::new();
    let [old, new] = two(&pki);
    let folder = tempfile::tempdir().unwrap();
    let mut mount = Kubernetes::new(folder.path(), &old);
    let proxy = serve(vec![mount.files()], |_| {}).await;
    let client = pki.client("localhost");
    for (before, now) in [(&old, &new), (&new, &old), (&old, &new)] {
        mount.swap(now);
        becomes(proxy.addr, &client, before, now).await;
    }
}

#[tokio::test]
async fn a_renewal_by_certbot_is_taken_in() {
    let pki = Pki::new();
    let [old, new] = two(&pki);
    let folder = tempfile::tempdir().unwrap();
    let mut certbot = Certbot::new(folder.path(), &old);
    let proxy = serve(vec![certbot.files()], |_| {}).await;
    let client = pki.client("localhost");
    for (before, now) in [(&old, &new), (&new, &old)] {
        certbot.renew(now);
        becomes(proxy.addr, &client, before, now).await;
    }
}

#[tokio::test]
async fn while_files_are_missing_the_old_pair_serves() {
    let pki = Pki::new();
    let [old, new] = two(&pki);
    let site = Site::start(std::slice::from_ref(&old), |_| {}).await;
    let client = pki.client("localhost");
    for (before, now) in [(&old, &new), (&new, &old)] {
        for path in [&site.files[0].chain, &site.files[0].key] {
            fs::remove_file(path).unwrap();
            site.proxy.reload(|_| {}).await;
            assert_eq!(shown(site.addr(), &client).await, before.certificate);
        }
        now.write(site.folder.path(), "0");
        becomes(site.addr(), &client, before, now).await;
    }
}

/// In pieces that end anywhere, with a look and a handshake after each.
#[tokio::test]
async fn half_written_files_never_serve() {
    let pki = Pki::new();
    let [old, new] = two(&pki);
    let site = Site::start(std::slice::from_ref(&old), |_| {}).await;
    let client = pki.client("localhost");
    for (path, content) in [(&site.files[0].chain, &new.chain), (&site.files[0].key, &new.key)] {
        let mut file = OpenOptions::new().write(true).truncate(true).open(path).unwrap();
        let last = content.len() - 1;
        for (index, piece) in content.as_bytes()[..last].chunks(131).enumerate() {
            assert_eq!(shown(site.addr(), &client).await, old.certificate);
            file.write_all(piece).unwrap();
            if index % 3 == 0 {
                // Somebody reloads at the worst of times.
                site.proxy.reload(|_| {}).await;
            }
        }
        assert_eq!(shown(site.addr(), &client).await, old.certificate);
        file.write_all(&content.as_bytes()[last..]).unwrap();
    }
    becomes(site.addr(), &client, &old, &new).await;
}

#[tokio::test]
async fn one_of_two_pairs_changes_alone() {
    let pki = Pki::new();
    let pairs = ["a.example", "b.example"].map(|name| pki.issue(&[name]));
    let site = Site::start(&pairs, |_| {}).await;
    let (a, b) = (pki.client("a.example"), pki.client("b.example"));
    let new = pki.issue(&["b.example", "c.example"]);
    new.write(site.folder.path(), "1");
    becomes(site.addr(), &b, &pairs[1], &new).await;
    assert_eq!(shown(site.addr(), &a).await, pairs[0].certificate);
    // Names go by what serves now.
    assert_eq!(shown(site.addr(), &pki.client("c.example")).await, new.certificate);

    // A pair that is broken does not keep the other one back.
    let newer = pki.issue(&["b.example"]);
    replace(&site.files[0].chain, "nothing\n");
    newer.write(site.folder.path(), "1");
    becomes(site.addr(), &b, &new, &newer).await;
    assert_eq!(shown(site.addr(), &a).await, pairs[0].certificate);
}

/// Moves the folder away and puts another one in its place.
fn replace_folder(folder: &Path, issued: &Issued) {
    let beside = folder.with_extension("new");
    fs::create_dir(&beside).unwrap();
    issued.write(&beside, "server");
    fs::rename(folder, folder.with_extension("old")).unwrap();
    fs::rename(&beside, folder).unwrap();
    fs::remove_dir_all(folder.with_extension("old")).unwrap();
}

#[tokio::test]
async fn a_folder_replaced_by_another_of_its_name_is_followed() {
    let pki = Pki::new();
    let [old, new] = two(&pki);
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("certificates");
    fs::create_dir(&folder).unwrap();
    let (chain, key) = old.write(&folder, "server");
    let proxy = serve(vec![Files { chain, key }], |_| {}).await;
    let client = pki.client("localhost");
    replace_folder(&folder, &new);
    becomes(proxy.addr, &client, &old, &new).await;
    // The new folder is watched as the old one was.
    let next = pki.issue(&["localhost"]);
    next.write(&folder, "server");
    becomes(proxy.addr, &client, &new, &next).await;
}

/// Where a link above the folder changes no event says so.
struct Linked {
    temporary: tempfile::TempDir,
    proxy: Proxy,
}

impl Linked {
    async fn start(issued: &Issued) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let link = temporary.path().join("current");
        Self::release(temporary.path(), "one", issued);
        symlink("one", &link).unwrap();
        let files = Files { chain: link.join("server.pem"), key: link.join("server.key") };
        let proxy = serve(vec![files], |_| {}).await;
        Self { temporary, proxy }
    }

    fn swap(&self, name: &str, issued: &Issued) {
        let root = self.temporary.path();
        Self::release(root, name, issued);
        symlink(name, root.join("next")).unwrap();
        fs::rename(root.join("next"), root.join("current")).unwrap();
    }

    fn release(root: &Path, name: &str, issued: &Issued) {
        fs::create_dir(root.join(name)).unwrap();
        issued.write(&root.join(name), "server");
    }
}

#[tokio::test]
async fn what_no_event_tells_is_found_by_the_periodic_look() {
    let pki = Pki::new();
    let [old, new] = two(&pki);
    let linked = Linked::start(&old).await;
    let (addr, client) = (linked.proxy.addr, pki.client("localhost"));
    // The first may be seen by the look that a watch begins with, the second by none but the periodic one.
    linked.swap("two", &new);
    becomes(addr, &client, &old, &new).await;
    linked.swap("three", &old);
    becomes(addr, &client, &new, &old).await;
}

#[tokio::test]
async fn an_order_takes_in_at_once() {
    let pki = Pki::new();
    let [old, new] = two(&pki);
    let linked = Linked::start(&old).await;
    let (addr, client) = (linked.proxy.addr, pki.client("localhost"));
    assert_eq!(shown(addr, &client).await, old.certificate);
    linked.swap("two", &new);
    linked.proxy.reload(|_| {}).await;
    assert_eq!(shown(addr, &client).await, new.certificate);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_the_next_look() {
    let pki = Pki::new();
    let site = Site::start(&[pki.issue(&["localhost"])], |_| {}).await;
    site.proxy.reload(|_| {}).await;
    site.proxy.order(Order::Drain).await;
    within("the end", site.proxy.outcome()).await;
}
