//! TLS to upstreams: whom the proxy believes, what it shows, and that all that passes over plain TCP
//! passes over TLS as well.

mod origin;
mod trust;

use std::path::PathBuf;

use rustls::ProtocolVersion;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::rustls;
use wssgate::config::{Listener, UpstreamTls};

use crate::support::{Authority, Client, Proxy, echo, upgrade_head, upgrade_request};
use origin::{LEAF, Origin};

const GET: &str = "GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n";

/// An authority, and its certificate as a file.
struct Trusted {
    authority: Authority,
    folder: tempfile::TempDir,
}

impl Trusted {
    fn new() -> Self {
        let authority = Authority::new("upstreams");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        Self { authority, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What believes it alone.
    fn settings(&self) -> UpstreamTls {
        UpstreamTls { ca: Some(self.file()), ..UpstreamTls::default() }
    }

    /// A proxy that believes it, before these upstreams.
    async fn proxy(&self, upstreams: &[String], tweak: impl FnOnce(&mut Listener)) -> Proxy {
        Proxy::start_with(upstreams, |config| {
            config.upstream_tls = self.settings();
            tweak(config);
        })
        .await
    }
}

/// A proxy before an upstream that it believes, both alive.
async fn pair() -> (Proxy, Origin) {
    let trusted = Trusted::new();
    let origin = Origin::start(&trusted.authority, &LEAF).await;
    let proxy = trusted.proxy(&[origin.by_address()], |_| {}).await;
    (proxy, origin)
}

/// An open tunnel: both ends of it.
async fn tunnel(proxy: &Proxy, origin: &mut Origin) -> (Client, origin::Conversation) {
    let mut client = Client::connect(proxy.addr).await;
    let ((), conversation) = tokio::join!(
        async {
            client.upgrade().await;
        },
        async {
            let mut conversation = origin.accept().await;
            conversation.agree().await;
            conversation
        }
    );
    (client, conversation)
}

#[tokio::test]
async fn the_upstream_is_asked_for_by_its_name_and_for_http_1_1() {
    let trusted = Trusted::new();
    let mut config = origin::config(&trusted.authority.issue(&LEAF), None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut origin = Origin::start_with(config).await;
    let upstreams = [origin.by_name(), origin.by_address()];
    let proxy = trusted.proxy(&upstreams, |_| {}).await;

    let mut client = Client::connect(proxy.addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let mut by_name = origin.accept().await;
    assert_eq!(by_name.server_name(), Some("localhost"));
    assert_eq!(by_name.alpn(), Some(b"http/1.1".as_slice()));
    assert_eq!(by_name.version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(by_name.read_head().await, upgrade_head(proxy.addr.port()));

    let mut client = Client::connect(proxy.addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let by_address = origin.accept().await;
    assert_eq!(by_address.server_name(), None, "an address is no name");
}

#[tokio::test]
async fn a_tunnel_passes_a_mebibyte_both_ways() {
    let (proxy, origin) = pair().await;
    origin.echo();
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    let bytes: Vec<u8> = (0..1 << 20).map(|n: u32| n.to_le_bytes()[n as usize % 3]).collect();
    let (mut read, mut write) = tokio::io::split(client.0);
    let (sent, got) = tokio::join!(
        async {
            write.write_all(&bytes).await?;
            write.shutdown().await
        },
        crate::support::within("all of it", async {
            let mut got = Vec::new();
            tokio::io::AsyncReadExt::read_to_end(&mut read, &mut got).await.map(|_| got)
        })
    );
    sent.unwrap();
    assert!(got.unwrap() == bytes);
}

#[tokio::test]
async fn a_tunnel_that_has_rested_goes_on() {
    let (proxy, origin) = pair().await;
    origin.echo();
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    // It rests whenever nothing is under way.
    for text in ["one", "two", "three"] {
        echo(&mut client, text).await;
    }
}

#[tokio::test]
async fn either_side_may_end_first_and_still_hear_the_other() {
    let (proxy, mut origin) = pair().await;
    let (mut client, mut upstream) = tunnel(&proxy, &mut origin).await;
    client.send(b"last words").await;
    client.shutdown().await;
    assert_eq!(upstream.read_to_end().await, b"last words");
    upstream.send(b"and an answer").await;
    assert_eq!(client.read_exact(13).await, b"and an answer");
    upstream.shutdown().await;
    let (rest, how) = client.read_to_end_and_how().await;
    assert!(rest.is_empty() && how.is_ok(), "{rest:?} {how:?}");

    let (mut client, mut upstream) = tunnel(&proxy, &mut origin).await;
    upstream.send(b"last words").await;
    upstream.shutdown().await;
    let (got, how) = client.read_to_end_and_how().await;
    assert!(got == b"last words" && how.is_ok(), "{got:?} {how:?}");
    client.send(b"and an answer").await;
    client.shutdown().await;
    assert_eq!(upstream.read_to_end().await, b"and an answer");
}

#[tokio::test]
async fn a_tunnel_may_end_without_close_notify() {
    let (proxy, mut origin) = pair().await;
    let (mut client, mut upstream) = tunnel(&proxy, &mut origin).await;
    upstream.send(b"last words").await;
    upstream.shutdown_without_close_notify().await;
    let (got, how) = client.read_to_end_and_how().await;
    assert!(got == b"last words" && how.is_ok(), "{got:?} {how:?}");
    client.shutdown().await;
    assert_eq!(upstream.read_to_end().await, b"");
}

#[tokio::test]
async fn plain_requests_are_relayed_one_after_the_other() {
    let trusted = Trusted::new();
    let mut origin = Origin::start(&trusted.authority, &LEAF).await;
    let keepalive = wssgate::config::Timeouts::default().keepalive_timeout;
    let proxy = trusted
        .proxy(&[origin.by_name()], |config| config.timeouts.keepalive_timeout = keepalive)
        .await;
    let mut client = Client::connect(proxy.addr).await;
    for count in 1..=3 {
        client.send(GET.as_bytes()).await;
        let mut conversation = origin.accept().await;
        assert_eq!(conversation.resumed(), count > 1, "request {count}");
        assert!(conversation.read_head().await.starts_with("GET /page HTTP/1.1\r\n"));
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage").await;
        let (head, behind) = client.read_head().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let body = [behind.clone(), client.read_exact(4 - behind.len()).await].concat();
        assert_eq!(body, b"page");
    }
}

#[tokio::test]
async fn a_body_passes_both_ways() {
    let (proxy, mut origin) = pair().await;
    let mut client = Client::connect(proxy.addr).await;
    let body = vec![b'x'; 300_000];
    let head =
        format!("POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: {}\r\n\r\n", body.len());
    let (answer, ()) = tokio::join!(client.ask([head.as_bytes(), &body].concat()), async {
        let mut conversation = origin.accept().await;
        conversation.read_head().await;
        let mut got = std::mem::take(&mut conversation.received);
        while got.len() < body.len() {
            let read = tokio::io::AsyncReadExt::read_buf(&mut conversation.stream, &mut got).await;
            assert!(read.unwrap() > 0);
        }
        // Ended by the connection, and its TLS says so.
        conversation.send(b"HTTP/1.1 200 OK\r\n\r\n").await;
        conversation.send(&got).await;
        conversation.shutdown().await;
    });
    assert!(answer.1.as_bytes() == body);
}

/// RFC 9112, 9.8: without a length, only close_notify says that an answer is whole.
#[tokio::test]
async fn an_answer_that_was_cut_off_is_not_passed_off_as_whole() {
    let (proxy, mut origin) = pair().await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(GET.as_bytes()).await;
    let mut conversation = origin.accept().await;
    conversation.read_head().await;
    conversation.send(b"HTTP/1.1 200 OK\r\n\r\nhalf a page").await;
    conversation.shutdown_without_close_notify().await;
    let (got, how) = client.read_to_end_and_how().await;
    assert!(got.ends_with(b"half a page"), "{:?}", got.escape_ascii().to_string());
    assert!(how.is_err(), "no close_notify");
}

#[tokio::test]
async fn a_member_with_a_bad_certificate_is_passed_over() {
    let trusted = Trusted::new();
    let mut bad = Origin::start(&Authority::new("somebody else"), &LEAF).await;
    let good = Origin::start(&trusted.authority, &LEAF).await;
    let proxy = trusted.proxy(&[bad.by_address(), good.by_address()], |_| {}).await;
    good.echo();
    for _ in 0..2 {
        let mut client = Client::connect(proxy.addr).await;
        client.upgrade().await;
        echo(&mut client, "hello").await;
    }
    bad.refused().await;
}

#[tokio::test]
async fn members_with_and_without_tls_stand_side_by_side() {
    let trusted = Trusted::new();
    let tls = Origin::start(&trusted.authority, &LEAF).await;
    let plain = crate::support::Upstream::echo().await;
    let proxy = trusted.proxy(&[tls.by_address(), plain.addr()], |_| {}).await;
    tls.echo();
    for _ in 0..4 {
        let mut client = Client::connect(proxy.addr).await;
        client.upgrade().await;
        echo(&mut client, "hello").await;
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut_at_the_connect_timeout() {
    let trusted = Trusted::new();
    let mut silent = crate::support::Upstream::manual().await;
    let proxy = trusted
        .proxy(&[format!("wss://{}", silent.addr())], |config| {
            config.timeouts.connect = std::time::Duration::from_millis(200);
        })
        .await;
    let mut client = Client::connect(proxy.addr).await;
    let (head, _) = client.ask(upgrade_request()).await;
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    let mut conversation = silent.accept().await;
    conversation.read_to_end().await;
    assert_eq!(conversation.received.first(), Some(&22), "a ClientHello");
}
