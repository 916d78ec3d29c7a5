//! Headers that are taken: whose address counts from then on, and who is trusted with more.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use wssgate::addr::Listen;

use super::{
    LOCAL, PAGE, PROXY, REQUEST, TCP4, TCP6, UNSPEC, V1_OF_IPV4, V1_OF_IPV6, V1_UNKNOWN, accepting,
    begin, block, enter, head, v2, v2_of_ipv4,
};
use crate::support::{
    Binary, Client, Conversation, Proxy, TlsOptions, Upstream, echo, eventually, own_headers,
    plain_head, until, within,
};

const LOOPBACK: &str = "127.0.0.0/8";

/// Headers of clients, with their addresses and the port that they connected to.
fn headers() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let ipv4 = block("203.0.113.7:4711", "198.51.100.1:443");
    let ipv6 = block("[2001:db8::7]:4711", "[2001:db8::1]:443");
    let mapped = block("[::ffff:203.0.113.7]:4711", "[::ffff:198.51.100.1]:443");
    let tlvs = b"\x02\x00\x0bexample.com\x04\x00\x03\0\0\0".as_slice();
    vec![
        (V1_OF_IPV4.to_vec(), "203.0.113.7", "203.0.113.7:4711"),
        (V1_OF_IPV6.to_vec(), "2001:db8::7", "[2001:db8::7]:4711"),
        (v2(PROXY, TCP4, &ipv4), "203.0.113.7", "203.0.113.7:4711"),
        (v2(PROXY, TCP6, &ipv6), "2001:db8::7", "[2001:db8::7]:4711"),
        (v2(PROXY, TCP6, &mapped), "203.0.113.7", "203.0.113.7:4711"),
        (v2(PROXY, TCP4, &[&ipv4[..], tlvs].concat()), "203.0.113.7", "203.0.113.7:4711"),
    ]
}

#[tokio::test]
async fn the_client_is_who_the_header_says_for_the_upstream_and_in_the_log() {
    let mut upstream = Upstream::answering(PAGE).await;
    let args = ["--accept-proxy", "--trusted-proxy", LOOPBACK];
    let (binary, addr) = Binary::serving(&upstream.addr(), &args).await;
    for (index, (header, ip, client)) in headers().into_iter().enumerate() {
        let shown = header.escape_ascii().to_string();
        enter(addr, &header).await.ask(REQUEST).await;
        assert_eq!(upstream.accept().await.text(), head(ip, 443), "{shown}");
        eventually("its line", || binary.lines("request").len() > index).await;
        assert_eq!(binary.lines("request")[index]["client"], client, "{shown}");
    }
}

#[tokio::test]
async fn headers_may_come_a_byte_at_a_time() {
    let mut upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], |c| accepting(c, &[LOOPBACK])).await;
    for (header, ip, _) in headers() {
        let mut stream = begin(proxy.addr, b"").await;
        for byte in header {
            tokio::io::AsyncWriteExt::write_u8(&mut stream, byte).await.unwrap();
            tokio::task::yield_now().await;
        }
        let client = Client::handshake(stream, TlsOptions::default().config()).await;
        client.unwrap().ask(REQUEST).await;
        assert_eq!(upstream.accept().await.text(), head(ip, 443));
    }
}

#[tokio::test]
async fn who_is_no_trusted_proxy_is_served_as_himself() {
    let mut upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], |c| accepting(c, &["127.0.0.2/32"])).await;
    Client::connect(proxy.addr).await.ask(REQUEST).await;
    assert_eq!(upstream.accept().await.text(), head("127.0.0.1", proxy.addr.port()));
}

#[tokio::test]
async fn clients_without_an_address_are_served_and_believed_nothing() {
    let mut upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], |c| accepting(c, &[LOOPBACK])).await;
    let lines = "GET / HTTP/1.1\r\nHost: example.com\r\n";
    let forged = format!("{lines}{}\r\n", own_headers("192.0.2.9", Some("forged"), 1));
    for header in [
        V1_UNKNOWN.to_vec(),
        b"PROXY UNKNOWN ffff:f... whatever\r\n".to_vec(),
        v2(LOCAL, UNSPEC, b""),
        v2(LOCAL, TCP4, &block("192.0.2.9:1", "192.0.2.9:2")),
        v2(PROXY, UNSPEC, b""),
        v2(PROXY, 0x31, &[b'/'; 216]),
    ] {
        enter(proxy.addr, &header).await.ask(&forged).await;
        let expected = plain_head(lines, proxy.addr.port());
        assert_eq!(upstream.accept().await.text(), expected, "{}", header.escape_ascii());
    }
}

#[tokio::test]
async fn forwarding_headers_are_kept_only_of_a_source_that_is_trusted_itself() {
    let mut upstream = Upstream::answering(PAGE).await;
    let trusted = [LOOPBACK, "10.0.0.0/8", "2001:db8:1::/48"];
    let proxy = Proxy::start_with(&[upstream.addr()], |c| accepting(c, &trusted)).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n";
    for (line, forwarded_for) in [
        ("TCP4 10.1.2.3 198.51.100.1 1 443", "192.0.2.9, 10.1.2.3"),
        ("TCP6 2001:db8:1::3 2001:db8::1 1 443", "192.0.2.9, 2001:db8:1::3"),
        ("TCP4 203.0.113.7 198.51.100.1 1 443", "203.0.113.7"),
        ("TCP6 2001:db8:2::3 2001:db8::1 1 443", "2001:db8:2::3"),
    ] {
        enter(proxy.addr, format!("PROXY {line}\r\n").as_bytes()).await.ask(request).await;
        let head = upstream.accept().await.text();
        let expected = format!("\r\nX-Forwarded-For: {forwarded_for}\r\n");
        assert!(head.contains(&expected), "{line}: {head}");
    }
}

#[tokio::test]
async fn max_connections_per_ip_counts_clients_and_not_their_proxy() {
    let upstream = Upstream::echo().await;
    let args = ["--accept-proxy", "--trusted-proxy", LOOPBACK, "--max-connections-per-ip=1"];
    let debug = ["--log-level", "debug"];
    let (binary, addr) = Binary::serving(&upstream.addr(), &[&args[..], &debug].concat()).await;
    let mut first = enter(addr, V1_OF_IPV4).await;
    first.upgrade().await;
    let mut other = enter(addr, V1_OF_IPV6).await;
    other.upgrade().await;
    let again = async || {
        let stream = begin(addr, &v2_of_ipv4()).await;
        Client::handshake(stream, TlsOptions::default().config()).await
    };
    assert!(again().await.is_err(), "one too many");
    let line = binary.line("connection failed").await;
    assert_eq!(line["reason"], "too many from this address");
    // It is the client's doing, and the proxy does as it should.
    assert_eq!([&line["level"], &line["stage"]], ["DEBUG", "limit"]);
    assert_eq!(line["client"], "203.0.113.7:4711");
    echo(&mut first, "undisturbed").await;
    echo(&mut other, "another address").await;
    drop(first);
    until("the place is free again", || async { again().await.is_ok() }).await;
}

#[tokio::test]
async fn plain_http_to_be_redirected_begins_with_a_header_too() {
    let mut upstream = Upstream::answering(PAGE).await;
    let args = ["--accept-proxy", "--trusted-proxy", LOOPBACK, "--redirect-http", "127.0.0.1:0"];
    let (binary, tls) = Binary::serving(&upstream.addr(), &args).await;
    let plain = binary.line("redirecting to https").await;
    let plain = plain["listener"].as_str().unwrap().parse().unwrap();
    // By mistake it also comes to the port that speaks TLS.
    for addr in [plain, tls] {
        let bytes = [V1_OF_IPV4, REQUEST.as_bytes()].concat();
        let mut answer = String::new();
        let mut stream = begin(addr, &bytes).await;
        within("an answer", stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    }
    assert_eq!(binary.line("request").await["client"], "203.0.113.7:4711");

    let mut stream = begin(plain, REQUEST.as_bytes()).await;
    let mut answer = Vec::new();
    let end = within("the end", stream.read_to_end(&mut answer)).await;
    assert!(end.is_ok() || end.unwrap_err().kind() == io::ErrorKind::ConnectionReset);
    assert_eq!(answer, b"");
    let line = binary.line("connection failed").await;
    assert_eq!([&line["level"], &line["stage"]], ["WARN", "proxy"]);
    assert!(upstream.accepted().is_none());
}

#[tokio::test]
async fn a_further_request_is_of_the_same_client() {
    let mut upstream = Upstream::serving(|mut conversation: Conversation| async move {
        conversation.read_head().await;
        conversation.send(PAGE.as_bytes()).await;
        conversation
    })
    .await;
    let proxy = Proxy::start_with(&[upstream.addr()], |config| {
        accepting(config, &[LOOPBACK]);
        config.timeouts.keepalive_timeout = Duration::from_secs(60);
    })
    .await;
    let mut client = enter(proxy.addr, V1_OF_IPV4).await;
    let lines = "GET / HTTP/1.1\r\nHost: example.com\r\n";
    for _ in 0..3 {
        client.send(format!("{lines}\r\n").as_bytes()).await;
        let (_, mut body) = client.read_head().await;
        body.extend(client.read_exact(5 - body.len()).await);
        assert_eq!(body, b"hello");
        assert_eq!(upstream.accept().await.text(), head("203.0.113.7", 443));
    }
}

#[tokio::test]
async fn peers_on_a_unix_socket_begin_without_a_header() {
    let mut upstream = Upstream::answering(PAGE).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("front.sock");
    let listen: Listen = format!("unix:{}", path.display()).parse().unwrap();
    let _proxy = Proxy::start_with(&[upstream.addr()], |config| {
        accepting(config, &["0.0.0.0/0", "::/0"]);
        config.listen = vec![listen];
    })
    .await;
    super::send::ask_over_unix(&path).await;
    let head = upstream.accept().await.text();
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
}
