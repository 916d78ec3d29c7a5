//! Tickets across reloads: of certificates, and of the file that the tickets' keys come from.

use std::fs;
use std::net::SocketAddr;

use tokio_rustls::rustls;

use super::{Pki, Site, becomes, replace, serve, shown};
use crate::support::{Client, TlsOptions, echo, until};

/// Whether a connection to `then` resumes a session made now with `now`.
async fn resumes(now: SocketAddr, then: SocketAddr, client: &TlsOptions) -> bool {
    let connector = client.connector();
    let mut resumed = false;
    for addr in [now, then] {
        let mut client = Client::connect_with(addr, connector.clone()).await.unwrap();
        client.upgrade().await;
        echo(&mut client, "the ticket has come before this").await;
        resumed = client.resumed();
    }
    resumed
}

#[tokio::test]
async fn tickets_outlive_a_reload_of_certificates() {
    let pki = Pki::new();
    let (old, new) = (pki.issue(&["localhost"]), pki.issue(&["localhost"]));
    let site = Site::start(std::slice::from_ref(&old), |_| {}).await;
    let client = |version| TlsOptions { versions: vec![version], ..pki.client("localhost") };
    let connectors: Vec<_> =
        rustls::ALL_VERSIONS.iter().map(|version| client(version).connector()).collect();
    for connector in &connectors {
        let mut client = Client::connect_with(site.addr(), connector.clone()).await.unwrap();
        client.upgrade().await;
        echo(&mut client, "the ticket has come before this").await;
        assert!(!client.resumed());
    }
    new.write(site.folder.path(), "0");
    becomes(site.addr(), &pki.client("localhost"), &old, &new).await;
    for (connector, version) in connectors.iter().zip(rustls::ALL_VERSIONS) {
        let mut client = Client::connect_with(site.addr(), connector.clone()).await.unwrap();
        client.upgrade().await;
        echo(&mut client, "resumed").await;
        assert!(client.resumed(), "{version:?}");
    }
    assert_eq!(shown(site.addr(), &pki.client("localhost")).await, new.certificate);
}

#[tokio::test]
async fn a_new_ticket_key_is_taken_in_and_the_one_before_stays_good() {
    let pki = Pki::new();
    let client = pki.client("localhost");
    let folder = tempfile::tempdir().unwrap();
    let keys = ["changing", "fixed"].map(|name| folder.path().join(name));
    let (first, second) = ("1".repeat(48), "2".repeat(48));
    fs::write(&keys[0], &first).unwrap();
    fs::write(&keys[1], &second).unwrap();
    let [changing_key, fixed_key] = keys.clone();
    let changing = Site::start(&[pki.issue(&["localhost"])], |config| {
        config.tls.ticket_key_file = Some(changing_key);
    })
    .await;
    let fixed = serve(changing.files.clone(), |config| {
        config.tls.ticket_key_file = Some(fixed_key);
    })
    .await;
    let addr = changing.addr();
    assert!(resumes(addr, addr, &client).await);
    assert!(!resumes(addr, fixed.addr, &client).await, "two secrets");

    // A ticket of the first secret, to be shown when the second one seals.
    let early = client.connector();
    let mut tunnel = Client::connect_with(addr, early.clone()).await.unwrap();
    tunnel.upgrade().await;
    echo(&mut tunnel, "the ticket has come before this").await;

    replace(&keys[0], &second);
    until("both share a secret", || resumes(addr, fixed.addr, &client)).await;
    assert!(resumes(fixed.addr, addr, &client).await);
    let mut late = Client::connect_with(addr, early).await.unwrap();
    late.upgrade().await;
    echo(&mut late, "resumed").await;
    assert!(late.resumed());
    echo(&mut tunnel, "untouched").await;
}
