//! What is no header where one is due, and headers that are not due: nothing of it reaches the upstream.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wssgate::server::{Order, Outcome};

use super::{
    LOCAL, PAGE, PROXY, REQUEST, TCP4, V1_OF_IPV4, accepting, begin, block, enter, v2, v2_of_ipv4,
};
use crate::support::{Binary, Proxy, Upstream, eventually, reset, within};

/// What comes before the end, however that comes: who is refused may have sent more than was read.
async fn read_off(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut bytes)).await;
    bytes
}

/// A program that takes headers from everybody here.
async fn serving(upstream: &Upstream, args: &[&str]) -> (Binary, std::net::SocketAddr) {
    let fixed = ["--accept-proxy", "--trusted-proxy=127.0.0.0/8", "--log-level=debug"];
    Binary::serving(&upstream.addr(), &[&fixed[..], args].concat()).await
}

/// A ClientHello's beginning.
const HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

#[tokio::test]
async fn headers_that_are_missing_or_broken_are_refused_with_one_line_each() {
    let mut upstream = Upstream::answering(PAGE).await;
    let (binary, addr) = serving(&upstream, &[]).await;
    let short = block("203.0.113.7:1", "198.51.100.1:2");
    let wrong_sum = [&short[..], b"\x03\x00\x04\x00\x00\x00\x00"].concat();
    for (index, (bytes, reason)) in [
        (HELLO.to_vec(), "no proxy header"),
        (REQUEST.as_bytes().to_vec(), "no proxy header"),
        (b"POST / HTTP/1.1\r\n\r\n".to_vec(), "no proxy header"),
        (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n".to_vec(), "unknown family in a proxy line"),
        (b"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n".to_vec(), "malformed address in a proxy line"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 +2\r\n".to_vec(), "malformed port in a proxy line"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n".to_vec(), "malformed proxy line"),
        (b"PROXY UNKNOWN\n\x16\x03".to_vec(), "bare line end in a proxy line"),
        ([b"PROXY UNKNOWN ", &[b'a'; 200][..]].concat(), "proxy line too long"),
        (v2(0x31, TCP4, &short), "unknown version of a proxy header"),
        (v2(0x2f, TCP4, &short), "unknown command in a proxy header"),
        (v2(PROXY, 0x12, &short), "unknown family or transport in a proxy header"),
        (v2(PROXY, TCP4, &short[..11]), "proxy header too short for its addresses"),
        (v2(LOCAL, 0, &[0; 5000]), "proxy header too long"),
        (v2(PROXY, TCP4, &wrong_sum), "wrong checksum of a proxy header"),
    ]
    .into_iter()
    .enumerate()
    {
        let shown = bytes.escape_ascii().to_string();
        let mut stream = begin(addr, &bytes).await;
        let own = stream.local_addr().unwrap().to_string();
        assert_eq!(read_off(&mut stream).await, b"", "{shown}");
        eventually(&shown, || binary.lines("connection failed").len() > index).await;
        let line = &binary.lines("connection failed")[index];
        assert_eq!([&line["level"], &line["stage"]], ["WARN", "proxy"], "{shown}");
        assert_eq!([&line["reason"], &line["closed_by"]], [reason, "client"], "{shown}");
        // Nobody was named: it is the proxy's own address.
        assert_eq!(line["client"], own, "{shown}");
    }
    assert!(upstream.accepted().is_none());
    enter(addr, V1_OF_IPV4).await.ask(REQUEST).await;
    assert_eq!(binary.lines("connection failed").len(), 15, "one line each");
}

#[tokio::test]
async fn a_header_that_ends_too_early_is_refused_wherever_it_ends() {
    let upstream = Upstream::answering(PAGE).await;
    let (binary, addr) = serving(&upstream, &[]).await;
    let mut count = 0;
    for header in [V1_OF_IPV4.to_vec(), v2_of_ipv4()] {
        for end in 1..header.len() {
            let mut stream = begin(addr, &header[..end]).await;
            stream.shutdown().await.unwrap();
            assert_eq!(read_off(&mut stream).await, b"");
            count += 1;
        }
    }
    let lines = || binary.lines("connection failed");
    eventually("a line each", || lines().len() == count).await;
    for line in lines() {
        assert_eq!([&line["level"], &line["stage"]], ["WARN", "proxy"], "{line}");
        assert_eq!(line["reason"], "closed within the PROXY header");
    }
}

#[tokio::test]
async fn a_proxy_that_looks_whether_the_port_is_open_is_not_logged() {
    let upstream = Upstream::answering(PAGE).await;
    let (binary, addr) = serving(&upstream, &[]).await;
    drop(begin(addr, b"").await);
    reset(&begin(addr, b"").await);
    for header in [v2(LOCAL, 0, b""), b"PROXY UNKNOWN\r\n".to_vec(), V1_OF_IPV4.to_vec()] {
        let mut stream = begin(addr, &header).await;
        stream.shutdown().await.unwrap();
        assert_eq!(read_off(&mut stream).await, b"");
    }
    // It comes after them, and its line does too.
    enter(addr, V1_OF_IPV4).await.ask(REQUEST).await;
    assert_eq!(binary.line("request").await["id"], 6);
    assert_eq!(binary.lines("connection failed"), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn a_slow_header_is_cut_at_the_setup_timeout() {
    let mut upstream = Upstream::answering(PAGE).await;
    let (binary, addr) = serving(&upstream, &["--setup-timeout", "300ms"]).await;
    let v2 = v2_of_ipv4();
    for (index, bytes) in [b"".as_slice(), &V1_OF_IPV4[..20], &v2[..20]].into_iter().enumerate() {
        let started = Instant::now();
        let mut stream = begin(addr, bytes).await;
        assert_eq!(read_off(&mut stream).await, b"");
        assert!(started.elapsed() >= Duration::from_millis(290));
        eventually("its line", || binary.lines("connection failed").len() > index).await;
        let line = &binary.lines("connection failed")[index];
        assert_eq!([&line["level"], &line["stage"]], ["WARN", "proxy"]);
        assert_eq!(line["reason"], "PROXY header not complete within the setup timeout");
    }
    // The time that the header took is part of the budget.
    let mut stream = begin(addr, V1_OF_IPV4).await;
    assert_eq!(read_off(&mut stream).await, b"");
    assert!(upstream.accepted().is_none());
}

#[tokio::test]
async fn the_header_of_one_who_is_not_trusted_is_refused() {
    let mut upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], |c| accepting(c, &["127.0.0.2/32"])).await;
    // A line of text is taken for plain HTTP, and it is bad HTTP.
    let mut stream = begin(proxy.addr, &[V1_OF_IPV4, HELLO, b"\r\n\r\n"].concat()).await;
    let answer = String::from_utf8(read_off(&mut stream).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("this port speaks TLS: use https or wss\n"), "{answer}");
    // The other one is taken for TLS: an alert, and the end.
    let mut stream = begin(proxy.addr, &[&v2_of_ipv4(), HELLO].concat()).await;
    let answer = read_off(&mut stream).await;
    assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    assert!(upstream.accepted().is_none());
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_header() {
    let upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_all(&[upstream.addr()], |config| {
        accepting(&mut config.listeners[0], &["127.0.0.0/8"]);
        config.drain.timeout = Duration::from_secs(600);
    })
    .await;
    let mut silent = begin(proxy.addr, b"").await;
    let mut slow = begin(proxy.addr, &V1_OF_IPV4[..20]).await;
    // Accepted after the two: they are waited for by now.
    enter(proxy.addr, V1_OF_IPV4).await.ask(REQUEST).await;
    proxy.order(Order::Drain).await;
    for stream in [&mut silent, &mut slow] {
        assert_eq!(read_off(stream).await, b"");
    }
    assert_eq!(proxy.outcome().await, Outcome::Drained);
}
