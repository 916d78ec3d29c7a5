//! What upstreams are told in front of a head, to the byte.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustls::CipherSuite;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_rustls::{TlsConnector, rustls};
use wssgate::addr::Listen;
use wssgate::config::{Check, CheckKind, ClientAuth, Listener, ProxyVersion};

use super::{
    LOCAL, PAGE, PROXY, REQUEST, TCP4, TCP6, UNSPEC, V1_OF_IPV4, V1_UNKNOWN, accepting, block,
    enter, head, v2,
};
use crate::support::{
    Authority, Client, Leaf, Proxy, TlsOptions, Upstream, Usage, own_headers, switching_response,
    upgrade_head, upgrade_request, within,
};

const V1: ProxyVersion = ProxyVersion::V1;
const V2: ProxyVersion = ProxyVersion::V2;

const AES_128: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;

fn sending(version: ProxyVersion) -> impl FnOnce(&mut Listener) {
    move |config| config.proxy_protocol.send = Some(version)
}

/// Offers one cipher suite, and the versions of TLS that it is for.
fn options(cipher: CipherSuite) -> TlsOptions {
    let versions = if cipher.as_str().is_some_and(|name| name.starts_with("TLS13_")) {
        vec![&TLS13]
    } else {
        vec![&TLS12]
    };
    TlsOptions { versions, ciphers: vec![cipher], ..TlsOptions::default() }
}

fn local_addr(client: &Client) -> SocketAddr {
    client.0.get_ref().0.local_addr().unwrap()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind][..], &length, value].concat()
}

/// What is told of a session: bits of the client, version, common name, cipher.
fn ssl(client: u8, version: &str, common_name: Option<&str>, cipher: &str) -> Vec<u8> {
    let verify = if common_name.is_some() { [0; 4] } else { [0, 0, 0, 1] };
    let common_name = common_name.map(|name| tlv(0x22, name.as_bytes())).unwrap_or_default();
    let (version, cipher) = (tlv(0x21, version.as_bytes()), tlv(0x23, cipher.as_bytes()));
    tlv(0x20, &[&[client][..], &verify, &version, &common_name, &cipher].concat())
}

/// The TLVs of a client without a certificate, as most of them come.
fn ordinary(version: &str, cipher: &str) -> Vec<u8> {
    let named = [tlv(0x01, b"http/1.1"), tlv(0x02, b"localhost")].concat();
    [named, ssl(1, version, None, cipher)].concat()
}

/// The header of version 2 with these TLVs.
fn told(family: u8, (source, destination): (SocketAddr, SocketAddr), tlvs: &[u8]) -> Vec<u8> {
    let addresses = block(&source.to_string(), &destination.to_string());
    v2(PROXY, family, &[&addresses[..], tlvs].concat())
}

fn assert_bytes(got: &[u8], expected: &[u8]) {
    assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

/// The proxy in between has an address, which is not the client's.
#[tokio::test]
async fn a_client_of_whom_a_proxy_does_not_tell_is_nobody() {
    for (version, header) in [(V1, V1_UNKNOWN.to_vec()), (V2, v2(LOCAL, UNSPEC, b""))] {
        let mut upstream = Upstream::answering(PAGE).await;
        let proxy = Proxy::start_with(&[upstream.addr()], |config| {
            accepting(config, &["127.0.0.0/8"]);
            sending(version)(config);
        })
        .await;
        enter(proxy.addr, &header).await.ask(REQUEST).await;
        let received = upstream.accept().await.received;
        assert!(received.starts_with(&header[..13]), "{:?}", received.escape_ascii().to_string());
    }
}

#[tokio::test]
async fn a_plain_request_begins_with_the_header() {
    for (listen, family, v1_family) in [("127.0.0.1:0", TCP4, "TCP4"), ("[::1]:0", TCP6, "TCP6")] {
        for version in [V1, V2] {
            let mut upstream = Upstream::answering(PAGE).await;
            let proxy = Proxy::start_with(&[upstream.addr()], |config| {
                config.listen = vec![listen.parse().unwrap()];
                sending(version)(config);
            })
            .await;
            let config = options(AES_128).config();
            let mut client = Client::connect_with(proxy.addr, config).await.unwrap();
            let (own, port) = (local_addr(&client), proxy.addr.port());
            client.ask(REQUEST).await;
            let ip = own.ip().to_string();
            let header = match version {
                V1 => format!("PROXY {v1_family} {ip} {ip} {} {port}\r\n", own.port()).into_bytes(),
                V2 => {
                    let tlvs = ordinary("TLSv1.3", "TLS_AES_128_GCM_SHA256");
                    told(family, (own, proxy.addr), &tlvs)
                }
            };
            let expected = [&header, head(&ip, port).as_bytes()].concat();
            assert_bytes(&upstream.accept().await.received, &expected);
        }
    }
}

#[tokio::test]
async fn a_tunnel_begins_with_the_header_in_one_write_with_the_head() {
    for version in [V1, V2] {
        let mut upstream = Upstream::manual().await;
        let proxy = Proxy::start_with(&[upstream.addr()], sending(version)).await;
        let config = options(AES_128).config();
        let mut client = Client::connect_with(proxy.addr, config).await.unwrap();
        let (own, port) = (local_addr(&client), proxy.addr.port());
        client.send(upgrade_request().as_bytes()).await;
        let header = match version {
            V1 => format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {port}\r\n", own.port()).into_bytes(),
            V2 => {
                let tlvs = ordinary("TLSv1.3", "TLS_AES_128_GCM_SHA256");
                told(TCP4, (own, proxy.addr), &tlvs)
            }
        };
        let mut conversation = upstream.accept().await;
        // Of one write the first read gets all: loopback's segments are larger.
        let mut first = vec![0; 4096];
        let read = within("the first bytes", conversation.stream.read(&mut first)).await.unwrap();
        assert_bytes(&first[..read], &[&header, upgrade_head(port).as_bytes()].concat());
        conversation.send(switching_response().as_bytes()).await;
        assert!(client.read_head().await.0.starts_with("HTTP/1.1 101 "));
        client.send(b"to the upstream").await;
        conversation.read_until(15).await;
        assert_eq!(conversation.received, b"to the upstream");
        conversation.send(b"and back").await;
        assert_eq!(client.read_exact(8).await, b"and back");
    }
}

/// Asks for a page over a unix socket.
pub(super) async fn ask_over_unix(path: &Path) {
    let stream = within("connect", UnixStream::connect(path)).await.unwrap();
    let connector = TlsConnector::from(TlsOptions::default().config());
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = within("the handshake", connector.connect(name, stream)).await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn of_a_client_on_a_unix_socket_nothing_is_told() {
    for (version, header) in [(V1, V1_UNKNOWN.to_vec()), (V2, v2(LOCAL, UNSPEC, b""))] {
        let mut upstream = Upstream::answering(PAGE).await;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("front.sock");
        let listen: Listen = format!("unix:{}", path.display()).parse().unwrap();
        let _proxy = Proxy::start_with(&[upstream.addr()], |config| {
            config.listen = vec![listen];
            sending(version)(config);
        })
        .await;
        ask_over_unix(&path).await;
        let got = upstream.accept().await.received;
        assert_bytes(&got[..header.len()], &header);
        assert!(got[header.len()..].starts_with(b"GET / HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn ciphers_and_versions_are_spelled_as_openssl_does() {
    let mut upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], sending(V2)).await;
    for (cipher, version, name) in [
        (AES_128, "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        (CipherSuite::TLS13_AES_256_GCM_SHA384, "TLSv1.3", "TLS_AES_256_GCM_SHA384"),
        (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"),
        (
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            "TLSv1.2",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        (
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            "TLSv1.2",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
        ),
        (
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            "TLSv1.2",
            "ECDHE-ECDSA-CHACHA20-POLY1305",
        ),
    ] {
        let config = options(cipher).config();
        let mut client = Client::connect_with(proxy.addr, config).await.unwrap();
        let own = local_addr(&client);
        client.ask(REQUEST).await;
        let header = told(TCP4, (own, proxy.addr), &ordinary(version, name));
        assert_bytes(&upstream.accept().await.received[..header.len()], &header);
    }
}

#[tokio::test]
async fn what_a_client_did_not_say_is_not_told() {
    let mut upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], sending(V2)).await;
    // An address is no name to ask for.
    let server_name = "127.0.0.1".to_owned();
    let options = TlsOptions { alpn: Vec::new(), server_name, ..options(AES_128) };
    let mut client = Client::connect_with(proxy.addr, options.connector()).await.unwrap();
    let own = local_addr(&client);
    client.ask(REQUEST).await;
    let tlvs = ssl(1, "TLSv1.3", None, "TLS_AES_128_GCM_SHA256");
    let header = told(TCP4, (own, proxy.addr), &tlvs);
    assert_bytes(&upstream.accept().await.received[..header.len()], &header);
}

#[tokio::test]
async fn a_client_certificate_is_told_by_its_common_name() {
    let (dir, root) = (tempfile::tempdir().unwrap(), Authority::new("root"));
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, root.pem()).unwrap();
    let mut upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], |config| {
        config.tls.client_auth = Some(ClientAuth { ca, ..ClientAuth::default() });
        sending(V2)(config);
    })
    .await;
    let leaf = Leaf { usage: Usage::Client, common_name: "robot", ..Leaf::default() };
    let identity = Some(root.issue(&leaf));
    let with = TlsOptions { identity, ..options(AES_128) }.connector();
    let without = options(AES_128).connector();
    let cipher = "TLS_AES_128_GCM_SHA256";
    for (connector, resumed, expected) in [
        (&without, false, ssl(1, "TLSv1.3", None, cipher)),
        (&with, false, ssl(7, "TLSv1.3", Some("robot"), cipher)),
        // The certificate was shown on the connection before.
        (&with, true, ssl(5, "TLSv1.3", Some("robot"), cipher)),
    ] {
        let mut client = Client::connect_with(proxy.addr, connector.clone()).await.unwrap();
        assert_eq!(client.resumed(), resumed);
        let own = local_addr(&client);
        client.ask(REQUEST).await;
        let named = [tlv(0x01, b"http/1.1"), tlv(0x02, b"localhost")].concat();
        let header = told(TCP4, (own, proxy.addr), &[named, expected].concat());
        assert_bytes(&upstream.accept().await.received[..header.len()], &header);
    }
}

#[tokio::test]
async fn the_client_of_a_trusted_proxy_is_told_on() {
    for version in [V1, V2] {
        let mut upstream = Upstream::answering(PAGE).await;
        let proxy = Proxy::start_with(&[upstream.addr()], |config| {
            accepting(config, &["127.0.0.0/8"]);
            sending(version)(config);
        })
        .await;
        enter(proxy.addr, V1_OF_IPV4).await.ask(REQUEST).await;
        let got = upstream.accept().await.received;
        let ends = block("203.0.113.7:4711", "198.51.100.1:443");
        match version {
            V1 => assert_bytes(&got, &[V1_OF_IPV4, head("203.0.113.7", 443).as_bytes()].concat()),
            V2 => assert_bytes(&got[16..16 + ends.len()], &ends),
        }
    }
}

#[tokio::test]
async fn each_request_of_a_connection_begins_with_a_header() {
    let mut upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], |config| {
        config.timeouts.keepalive_timeout = Duration::from_secs(60);
        sending(V1)(config);
    })
    .await;
    let mut client = Client::connect(proxy.addr).await;
    let port = local_addr(&client).port();
    for _ in 0..2 {
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (_, body) = client.read_head().await;
        client.read_exact(5 - body.len()).await;
        let own = own_headers("127.0.0.1", Some("a"), proxy.addr.port());
        let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {port} {}\r\n", proxy.addr.port());
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{own}Connection: close\r\n\r\n");
        assert_eq!(upstream.accept().await.text(), line + &head);
    }
}

#[tokio::test]
async fn a_client_from_before_the_header_was_asked_for_is_told_too() {
    let mut upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], |config| {
        config.timeouts.keepalive_timeout = Duration::from_secs(60);
    })
    .await;
    let mut client = Client::connect(proxy.addr).await;
    let port = local_addr(&client).port();
    for line in
        [String::new(), format!("PROXY TCP4 127.0.0.1 127.0.0.1 {port} {}\r\n", proxy.addr.port())]
    {
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (_, body) = client.read_head().await;
        client.read_exact(5 - body.len()).await;
        let received = upstream.accept().await.text();
        assert!(received.starts_with(&format!("{line}GET ")), "{received}");
        proxy.reload(|config| sending(V1)(&mut config.listeners[0])).await;
    }
}

#[tokio::test]
async fn checks_begin_with_a_header_that_speaks_of_nobody() {
    let kinds = [CheckKind::Http("/health".to_owned()), CheckKind::Ws("/ws".to_owned())];
    for (version, header) in [(V1, V1_UNKNOWN.to_vec()), (V2, v2(LOCAL, UNSPEC, b""))] {
        for kind in kinds.clone() {
            let mut upstream = Upstream::answering(PAGE).await;
            let _proxy = Proxy::start_with(&[upstream.addr()], |config| {
                config.balancing.check = Some(Check::new(kind.clone()));
                sending(version)(config);
            })
            .await;
            let got = upstream.accept().await.received;
            assert_bytes(&got[..header.len()], &header);
            assert!(got[header.len()..].starts_with(b"GET /"), "{}", got.escape_ascii());
        }
        let mut upstream = Upstream::manual().await;
        let _proxy = Proxy::start_with(&[upstream.addr()], |config| {
            config.balancing.check = Some(Check::new(CheckKind::Tcp));
            sending(version)(config);
        })
        .await;
        let mut conversation = upstream.accept().await;
        conversation.read_to_end().await;
        assert_bytes(&conversation.received, &header);
    }
}
