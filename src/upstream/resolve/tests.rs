use std::fs;
use std::time::SystemTime;

use super::*;

/// A machine with these files; an empty text is a file that is not there.
fn machine(hosts: &str, resolv_conf: &str) -> (tempfile::TempDir, Resolver) {
    let dir = tempfile::tempdir().unwrap();
    let paths =
        Paths { hosts: dir.path().join("hosts"), resolv_conf: dir.path().join("resolv.conf") };
    for (path, text) in [(&paths.hosts, hosts), (&paths.resolv_conf, resolv_conf)] {
        if !text.is_empty() {
            fs::write(path, text).unwrap();
        }
    }
    (dir, Resolver::with_paths(&[], paths))
}

async fn resolved(resolver: &Resolver, name: &str) -> Vec<String> {
    let addresses = resolver.resolve(name, 80).await.unwrap();
    addresses.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn without_any_settings_localhost_is_known_and_else_it_is_said_what_is_missing() {
    let (_dir, resolver) = machine("", "");
    for name in ["localhost", "LocalHost.", "app.localhost"] {
        assert_eq!(resolved(&resolver, name).await, ["127.0.0.1:80", "[::1]:80"], "{name}");
    }
    let error = resolver.resolve("app", 80).await.unwrap_err().to_string();
    assert!(error.starts_with("app not resolved: ") && error.contains("resolv.conf"), "{error}");
}

#[tokio::test]
async fn the_hosts_file_is_enough_and_is_read_anew_when_it_changes() {
    let (dir, resolver) = machine("10.0.0.1 app my_app # one\nfd00::1 APP\n", "");
    assert_eq!(resolved(&resolver, "app").await, ["10.0.0.1:80", "[fd00::1]:80"]);
    assert_eq!(resolved(&resolver, "my_app").await, ["10.0.0.1:80"]);
    let hosts = dir.path().join("hosts");
    fs::write(&hosts, "10.0.0.2 app\n").unwrap();
    let later = SystemTime::now() + Duration::from_secs(1);
    fs::File::options().append(true).open(&hosts).unwrap().set_modified(later).unwrap();
    assert_eq!(resolved(&resolver, "app").await, ["10.0.0.2:80"]);
}

#[test]
fn search_domains_come_first_for_names_with_few_dots() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("resolv.conf");
    fs::write(&path, "search a.test svc.test\noptions ndots:2\nnameserver 10.0.0.53\n").unwrap();
    for servers in [&[][..], &["127.0.0.1:5353".parse().unwrap()]] {
        let servers = system::Servers::read(&path, servers).unwrap();
        for (name, expected) in [
            ("app", "app.a.test. app.svc.test. app."),
            ("app.one", "app.one.a.test. app.one.svc.test. app.one."),
            ("app.one.two", "app.one.two. app.one.two.a.test. app.one.two.svc.test."),
            ("app.", "app."),
        ] {
            let names = servers.candidates(&name.parse().unwrap());
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            assert_eq!(names.join(" "), expected);
        }
    }
}

#[test]
fn families_alternate_and_each_address_is_first_in_its_turn() {
    let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let addresses = |v4: &[&str], v6: &[&str]| Addresses { v4: parse(v4), v6: parse(v6) };
    for (addresses, turn, expected) in [
        (addresses(&[], &[]), 7, ""),
        (addresses(&["10.0.0.1", "10.0.0.2"], &["::1"]), 0, "10.0.0.1 ::1 10.0.0.2"),
        (addresses(&["10.0.0.1", "10.0.0.2"], &["::1"]), 1, "10.0.0.2 ::1 10.0.0.1"),
        (addresses(&["10.0.0.1"], &["::1", "::2", "::3"]), 2, "10.0.0.1 ::3 ::1 ::2"),
    ] {
        let ordered: Vec<String> =
            addresses.in_order(turn).iter().map(ToString::to_string).collect();
        assert_eq!(ordered.join(" "), expected);
    }
}
