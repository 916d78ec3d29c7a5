//! With strict names, a request for a host that the served certificate does not cover is answered 421
//! (RFC 9110, 15.5.20).

use std::time::Duration;

use tokio_rustls::rustls;
use wssgate::config::{Certificates, Files, Listener};

use super::Pki;
use crate::support::{Client, Proxy, TlsOptions, Upstream, upgrade_request};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const COVERED: [&str; 12] = [
    "chat.example",
    "chat.example:8443",
    "chat.example.",
    "chat.example.:8443",
    "CHAT.Example",
    "a.wild.example",
    "A.WILD.example.:1",
    "192.0.2.7",
    "192.0.2.7:443",
    "[2001:db8::7]",
    "[2001:db8::7]:443",
    "[2001:DB8:0::7]",
];

/// `other.example` is another certificate's.
const NOT_COVERED: [&str; 11] = [
    "other.example",
    "other.example:443",
    "wild.example",
    "a.b.wild.example",
    "xchat.example",
    "example",
    "chat.example.com",
    "192.0.2.8",
    "[2001:db8::8]",
    "127.0.0.1",
    "localhost",
];

/// A plain upstream behind two certificates, the first of which is asked for.
async fn site(pki: &Pki, tweak: impl FnOnce(&mut Listener)) -> (Proxy, Upstream) {
    let upstream = Upstream::answering(ANSWER).await;
    let folder = tempfile::tempdir().unwrap();
    let names: [&[&str]; 2] = [
        &["chat.example", "*.wild.example", "192.0.2.7", "2001:db8::7"],
        // Its wildcard covers the first one's name too, and it is not what is served for that.
        &["other.example", "*.example"],
    ];
    let files = names.iter().enumerate().map(|(index, names)| {
        let (chain, key) = pki.issue(names).write(folder.path(), &index.to_string());
        Files { chain, key }
    });
    let files = Certificates::Files(files.collect());
    let proxy = Proxy::start_with(&[upstream.addr()], |config| {
        config.tls.certificates = files;
        tweak(config);
    })
    .await;
    (proxy, upstream)
}

fn request(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

async fn status(proxy: &Proxy, client: &TlsOptions, request: &str) -> String {
    let mut client = Client::connect_with(proxy.addr, client.connector()).await.unwrap();
    let (head, _) = client.ask(request).await;
    head.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn every_host_is_passed_on_by_default() {
    let pki = Pki::new();
    let (proxy, mut upstream) = site(&pki, |_| {}).await;
    let client = pki.client("chat.example");
    for host in COVERED.iter().chain(&NOT_COVERED) {
        assert_eq!(status(&proxy, &client, &request(host)).await, "200", "{host}");
        assert!(upstream.accept().await.text().contains(&format!("\r\nHost: {host}\r\n")));
    }
}

#[tokio::test]
async fn strict_names_hold_for_the_host_too() {
    let pki = Pki::new();
    let (proxy, mut upstream) = site(&pki, |config| config.tls.strict_sni = true).await;
    let client = pki.client("chat.example");
    for host in COVERED {
        assert_eq!(status(&proxy, &client, &request(host)).await, "200", "{host}");
        upstream.accept().await;
    }
    for host in NOT_COVERED {
        assert_eq!(status(&proxy, &client, &request(host)).await, "421", "{host}");
    }
    let websocket = upgrade_request();
    assert!(websocket.contains("Host: example.com\r\n"));
    assert_eq!(status(&proxy, &client, &websocket).await, "421");
    // Nobody says which host he means in HTTP/1.0.
    assert_eq!(status(&proxy, &client, "GET / HTTP/1.0\r\n\r\n").await, "200");
    upstream.accept().await;
    assert!(upstream.accepted().is_none(), "a refused request came to the upstream");
}

#[tokio::test]
async fn a_later_request_of_a_connection_is_judged_as_well() {
    let pki = Pki::new();
    let (proxy, _upstream) = site(&pki, |config| {
        config.tls.strict_sni = true;
        config.timeouts.keepalive_timeout = Duration::from_secs(75);
    })
    .await;
    let connector = pki.client("chat.example").connector();
    let mut client = Client::connect_with(proxy.addr, connector).await.unwrap();
    for host in ["chat.example", "a.wild.example"] {
        client.send(request(host).as_bytes()).await;
        let (head, mut body) = client.read_head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{host}: {head}");
        let rest = client.read_exact(2 - body.len()).await;
        body.extend(rest);
        assert_eq!(body, b"ok");
    }
    let (head, body) = client.ask(request("other.example")).await;
    assert!(head.starts_with("HTTP/1.1 421 Misdirected Request\r\n"), "{head}");
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    assert!(body.contains("no certificate for this host"), "{body}");
}

#[tokio::test]
async fn a_resumed_session_covers_no_more_than_the_first_one() {
    let pki = Pki::new();
    let (proxy, _upstream) = site(&pki, |config| config.tls.strict_sni = true).await;
    for version in rustls::ALL_VERSIONS {
        let client = TlsOptions { versions: vec![version], ..pki.client("chat.example") };
        let connector = client.connector();
        for (host, status, resumed) in [
            ("chat.example", " 200 ", false),
            ("a.wild.example", " 200 ", true),
            ("other.example", " 421 ", true),
            ("chat.example", " 200 ", true),
        ] {
            let mut client = Client::connect_with(proxy.addr, connector.clone()).await.unwrap();
            let (head, _) = client.ask(request(host)).await;
            assert_eq!(client.resumed(), resumed, "{host} {version:?}");
            assert!(head.contains(status), "{host} {version:?}: {head}");
        }
    }
}
