//! Who may ask for what. What a peer from elsewhere may is in `admin/judge.rs`, which can be told so.

use tokio::net::UnixStream;
use wssgate::addr::Listen;

use super::{ask, ask_over, ask_with, start, tunnel};
use crate::support::{Binary, Proxy, Upstream, echo};

#[tokio::test]
async fn pages_from_elsewhere_do_not_get_at_tunnels() {
    let upstream = Upstream::echo().await;
    let (proxy, admin) = start(&upstream, |_| {}).await;
    let mut client = tunnel(&proxy).await;
    let own = format!("Origin: http://{admin}\r\n");
    for (lines, status) in [
        ("", 200),
        (own.as_str(), 200),
        ("Host: localhost:9090\r\n", 200),
        ("Host: evil.example\r\n", 403),
        ("Origin: https://evil.example\r\n", 403),
        ("Host: localhost\r\nOrigin: http://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
    ] {
        for path in ["/tunnels", "/status", "/"] {
            let answer = ask_with(admin, &format!("GET {path}"), lines).await;
            assert_eq!(answer.status, status, "{path} {lines}");
        }
        for path in ["/healthz", "/readyz", "/metrics"] {
            let answer = ask_with(admin, &format!("GET {path}"), lines).await;
            assert_eq!(answer.status, 200, "{path} {lines}");
        }
        let deleted = ask_with(admin, "DELETE /tunnels/9", lines).await.status;
        assert_eq!(deleted, if status == 200 { 404 } else { 403 }, "{lines}");
    }
    // What a browser asks first for a DELETE from another page.
    let asked = ask_with(admin, "OPTIONS /tunnels/1", "Origin: https://evil.example\r\n").await;
    assert_eq!(asked.status, 405);
    assert!(!asked.head.contains("access-control"), "{}", asked.head);
    echo(&mut client, "it lives").await;
}

#[tokio::test]
async fn with_allow_remote_any_name_will_do() {
    let upstream = Upstream::echo().await;
    let (_proxy, admin) = start(&upstream, |config| config.admin.allow_remote = true).await;
    for (lines, status) in
        [("Host: wssgate.example\r\n", 200), ("Origin: https://evil.example\r\n", 403)]
    {
        assert_eq!(ask_with(admin, "GET /tunnels", lines).await.status, status, "{lines}");
    }
    assert_eq!(ask(admin, "DELETE /tunnels/9").await.status, 404);
}

#[tokio::test]
async fn a_unix_socket_is_kept_by_its_file() {
    let upstream = Upstream::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let listen: Listen = format!("unix:{}?mode=0600", path.display()).parse().unwrap();
    let _proxy = Proxy::start_all(&[upstream.addr()], |config| {
        config.admin.listen = Some(listen);
    })
    .await;
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let stream = UnixStream::connect(&path).await.unwrap();
    let answer = ask_over(stream, "GET /tunnels HTTP/1.1\r\nHost: anything\r\n\r\n").await;
    assert_eq!((answer.status, &answer.json()["open"]), (200, &0.into()));
}

/// The program may not remove files, but this one (Landlock).
#[tokio::test]
async fn a_unix_socket_is_gone_with_the_program() {
    let upstream = Upstream::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let admin = format!("--admin=unix:{}", path.display());
    let (binary, _) = Binary::serving(&upstream.addr(), &[&admin]).await;
    let line = binary.line("admin listening").await;
    assert_eq!(line["listener"], format!("unix:{}", path.display()));
    assert!(path.exists());
    binary.signal("TERM").await;
    assert_eq!(binary.ended().await.0, 0);
    assert!(!path.exists());
}
