//! Upstreams that are not there, say nothing, or say what is no answer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use wssgate::config::Listener;

use super::{PLAIN, answering_and_closing, assert_status, upgrading};
use crate::support::{Client, Proxy, TlsOptions, Upstream, eventually, upgrade_request};

async fn proxy_with(upstream: &Upstream, tweak: impl FnOnce(&mut Listener)) -> Proxy {
    Proxy::start_with(&[upstream.addr()], tweak).await
}

#[tokio::test]
async fn an_upstream_that_says_nothing_in_time_is_504() {
    let mut upstream = Upstream::manual().await;
    let proxy = proxy_with(&upstream, |config| {
        config.timeouts.upgrade = Duration::from_millis(200);
        config.timeouts.response = Duration::from_millis(200);
    })
    .await;
    for request in [upgrade_request().as_str(), PLAIN] {
        for begin in ["", "HTTP/1.1 101 Swi"] {
            let mut client = Client::connect(proxy.addr).await;
            client.send(request.as_bytes()).await;
            let mut conversation = upstream.accept().await;
            let _ = conversation.stream.write_all(begin.as_bytes()).await;
            assert_status(&client.read_answer().await, 504, request);
            conversation.read_to_end().await;
        }
    }
}

#[tokio::test]
async fn interim_answers_do_not_prolong_the_upgrade_timeout() {
    let mut upstream = Upstream::manual().await;
    let proxy =
        proxy_with(&upstream, |config| config.timeouts.upgrade = Duration::from_secs(1)).await;
    let (mut client, mut conversation) = upgrading(&proxy, &mut upstream).await;
    let mut pause = tokio::time::interval(Duration::from_millis(250));
    let stall = async {
        loop {
            pause.tick().await;
            // Fails in the end: the proxy hangs up.
            let _ = conversation.stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").await;
        }
    };
    let answer = tokio::select! {
        answer = client.read_to_end() => String::from_utf8(answer).unwrap(),
        () = stall => unreachable!(),
    };
    let answer = answer.trim_start_matches("HTTP/1.1 102 Processing\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_take_interim_answers_gets_the_blame() {
    let mut upstream = Upstream::manual().await;
    let proxy = proxy_with(&upstream, |config| {
        config.timeouts.response = Duration::from_secs(1);
        config.limits.max_head_bytes = 1024 * 1024;
    })
    .await;
    // Far less room than for what is sent: some of it waits at the proxy.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(proxy.addr).await.unwrap();
    let connector = TlsOptions::default().config();
    let mut client = Client::handshake(stream, connector).await.unwrap();
    client.send(PLAIN.as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    let link = "a".repeat(1_000_000);
    for _ in 0..15 {
        let interim = format!("HTTP/1.1 103 Early Hints\r\nLink: <{link}>\r\n\r\n");
        // Fails in the end: the proxy hangs up.
        let _ = conversation.stream.write_all(interim.as_bytes()).await;
    }
    let _ = conversation.stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let status = || proxy.reporter.status();
    eventually("the failure is counted", || status().totals.failed == 1).await;
    assert_eq!(status().failures[0].side, "client", "{:?}", status().failures);
    assert!(status().upstreams[0].members[0].up, "taken out for what a client did");
}

/// A port of 127.0.0.1 at which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn an_upstream_that_refuses_is_502() {
    let addr = nobody().await.to_string();
    let proxy = Proxy::start_with(&[addr, "unix:/nonexistent/socket".to_owned()], |_| {}).await;
    for request in [upgrade_request().as_str(), PLAIN, PLAIN] {
        let answer = Client::connect(proxy.addr).await.ask(request).await;
        assert_status(&answer, 502, request);
        assert_eq!(answer.1, "502 Bad Gateway: upstream refused the connection\n");
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_accept_in_time_is_504() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    // Nobody accepts: a full queue lets further connections hang. See listen(2).
    let mut queued = Vec::new();
    while let Ok(stream) = timeout(Duration::from_secs(1), TcpStream::connect(addr)).await {
        queued.push(stream.unwrap());
        assert!(queued.len() < 100, "the queue has no end");
    }
    let proxy = Proxy::start_with(&[addr.to_string()], |config| {
        config.timeouts.connect = Duration::from_millis(200);
    })
    .await;
    let answer = Client::connect(proxy.addr).await.ask(upgrade_request()).await;
    assert_status(&answer, 504, "a full queue");
    assert_eq!(answer.1, "504 Gateway Timeout: upstream did not accept in time\n");
}

#[tokio::test]
async fn garbage_from_the_upstream_is_502() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(101));
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(70_000));
    let endless = format!("HTTP/1.1 {}", "a".repeat(70_000));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(20);
    let cases: [(&str, &[u8]); 36] = [
        ("closed without an answer", b""),
        ("closed in the head", b"HTTP/1.1 200 OK\r\nContent-Le"),
        ("another protocol", b"220 mail.example ESMTP\r\n\r\n"),
        ("HTTP/0.9", b"<html>hello</html>"),
        ("TLS", b"\x15\x03\x01\x00\x02\x02\x0a"),
        ("HTTP/2", b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64"),
        ("HTTP/2 in words", b"HTTP/2 200\r\n\r\n"),
        ("version 2.0", b"HTTP/2.0 200 OK\r\n\r\n"),
        ("version in lower case", b"http/1.1 200 OK\r\n\r\n"),
        ("an empty line first", b"\r\nHTTP/1.1 200 OK\r\n\r\n"),
        ("empty lines", b"\r\n\r\n\r\n\r\n"),
        ("NUL", b"\0\0\0\0\r\n\r\n"),
        ("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
        ("bare CR", b"HTTP/1.1 200 OK\rX: y\r\n\r\n"),
        ("obs-fold", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"),
        ("space before the colon", b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"),
        ("nameless header", b"HTTP/1.1 200 OK\r\n: a\r\n\r\n"),
        ("NUL in a header", b"HTTP/1.1 200 OK\r\nX: a\0\r\n\r\n"),
        ("status of two digits", b"HTTP/1.1 20 OK\r\n\r\n"),
        ("status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
        ("status below 100", b"HTTP/1.1 099 OK\r\n\r\n"),
        ("status of letters", b"HTTP/1.1 OK\r\n\r\n"),
        (
            "both framings",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("list of lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab"),
        ("signed length", b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na"),
        ("length of letters", b"HTTP/1.1 200 OK\r\nContent-Length: a\r\n\r\na"),
        ("long length", b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\na"),
        ("another coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\na"),
        ("two codings", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        ("chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("too many headers", many.as_bytes()),
        ("too long a head", long.as_bytes()),
        ("too long a line", endless.as_bytes()),
        ("too many interim answers", interim.as_bytes()),
        ("garbage after an interim answer", b"HTTP/1.1 100 Continue\r\n\r\nHTTP 200\r\n\r\n"),
    ];
    for (what, answer) in cases {
        let upstream = answering_and_closing(answer).await;
        let proxy = Proxy::start(&upstream).await;
        for request in [upgrade_request().as_str(), "GET / HTTP/1.0\r\n\r\n"] {
            let mut client = Client::connect(proxy.addr).await;
            client.send(request.as_bytes()).await;
            let found = String::from_utf8(client.read_to_end().await).unwrap();
            let found = found.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
            assert!(found.starts_with("HTTP/1.1 502 "), "{what}: {found}");
            assert!(found.contains("\r\n\r\n502 Bad Gateway: "), "{what}: {found}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_resets_is_502() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    for request in [upgrade_request().as_str(), PLAIN] {
        let mut client = Client::connect(proxy.addr).await;
        client.send(request.as_bytes()).await;
        let mut conversation = upstream.accept().await;
        conversation.read_head().await;
        conversation.stream.set_zero_linger().unwrap();
        drop(conversation);
        assert_status(&client.read_answer().await, 502, request);
    }
}
