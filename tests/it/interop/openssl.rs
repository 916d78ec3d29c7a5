//! OpenSSL's own client: versions, ALPN and tickets, seen from the other side.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::{Proxy, Upstream, program, repository, within};

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
#[ignore = "needs OpenSSL"]
async fn alpn_chooses_http_1_and_refuses_to_speak_h2_alone() {
    let proxy = proxy().await;
    for (offered, seen) in [
        ("h2,http/1.1", "\nALPN protocol: http/1.1\n"),
        ("http/1.1", "\nALPN protocol: http/1.1\n"),
        ("h2", "alert no application protocol"),
        ("http/1.0", "alert no application protocol"),
    ] {
        for version in ["-tls1_2", "-tls1_3"] {
            let said = s_client(proxy.addr, &[version, "-alpn", offered]).await;
            assert!(said.contains(seen), "{offered} {version}: no {seen:?} in\n{said}");
        }
    }
    let said = s_client(proxy.addr, &[]).await;
    assert!(said.contains("\nNo ALPN negotiated\n") && said.contains("hello"), "{said}");
}

#[tokio::test]
#[ignore = "needs OpenSSL"]
async fn certificate_is_verified_with_every_version() {
    let proxy = proxy().await;
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = s_client(proxy.addr, &[flag]).await;
        assert!(said.contains(&format!("\nNew, {version}, Cipher is ")), "{said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
        assert!(said.contains("hello"), "{said}");
    }
}

#[tokio::test]
#[ignore = "needs OpenSSL"]
async fn reconnecting_resumes_every_time_with_a_ticket_and_without() {
    let proxy = proxy().await;
    // Without a request each time: `-reconnect` only shakes hands, and TLS 1.2 has its ticket by then.
    let said = s_client(proxy.addr, &["-tls1_2", "-reconnect"]).await;
    assert_eq!(said.matches("\nReused, TLSv1.2, ").count(), 5, "{said}");
    let said = s_client(proxy.addr, &["-tls1_2", "-reconnect", "-no_ticket"]).await;
    assert_eq!(said.matches("\nReused, TLSv1.2, ").count(), 5, "{said}");
}

#[tokio::test]
#[ignore = "needs OpenSSL"]
async fn handshake_of_tls_1_3_is_followed_by_one_ticket() {
    let proxy = proxy().await;
    let said = s_client(proxy.addr, &["-tls1_3"]).await;
    assert_eq!(said.matches("Post-Handshake New Session Ticket arrived").count(), 1, "{said}");
    assert!(said.contains("Max Early Data: 0"), "early data can be replayed:\n{said}");
}

async fn proxy() -> Proxy {
    // The upstream's task goes on without its handle.
    Proxy::start(&Upstream::answering(PAGE).await).await
}

/// All that `openssl s_client` says, once it has asked for a page and the connection has ended.
pub(super) async fn s_client(addr: SocketAddr, args: &[&str]) -> String {
    let mut child = Command::new(program("openssl"))
        .args(["s_client", "-ign_eof", "-servername", "localhost", "-CAfile"])
        .arg(repository("certs/ca.pem"))
        .args(["-connect", &addr.to_string()])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // It may have ended already: a refusal is what some tests wait for.
    let _ = child.stdin.take().unwrap().write_all(request).await;
    let output = within("openssl s_client", child.wait_with_output()).await.unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}
