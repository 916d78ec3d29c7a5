//! The answers that wssgate gives itself: short, last on their connection, and they arrive.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::{Client, Proxy, Upstream, within};

/// Far more than sockets and TLS keep for a while.
const BODY_BYTES: usize = 4 * 1024 * 1024;

/// Sends all of this before it reads a byte; returns what there is to read.
async fn send_then_read(proxy: &Proxy, request: &[u8]) -> String {
    let mut client = Client::connect(proxy.addr).await;
    client.send(request).await;
    let mut answer = Vec::new();
    let _ = within("the end", client.0.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

fn with_large_body(head: &str) -> Vec<u8> {
    [head.as_bytes(), &vec![b'a'; BODY_BYTES]].concat()
}

/// An address at which nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let cases = [
        ("POST / HTTP/1.1\nHost: a\n\n", "400 Bad Request: bare CR or LF in the request head\n"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 4194304\r\n\r\n",
            "400 Bad Request: more than one host\n",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            "501 Not Implemented: transfer-encoding other than chunked\n",
        ),
        ("POST /", "414 URI Too Long: request line too long\n"),
    ];
    for (head, text) in cases {
        let answer = send_then_read(&proxy, &with_large_body(head)).await;
        assert!(answer.ends_with(&format!("\r\nConnection: close\r\n\r\n{text}")), "{answer}");
    }
    assert!(upstream.accepted().is_none());
}

#[tokio::test]
async fn a_bad_gateway_reaches_a_client_that_is_still_sending() {
    let proxy = Proxy::start_with(&[nobody().await], |_| {}).await;
    let request = with_large_body("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n");
    let answer = send_then_read(&proxy, &request).await;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    assert!(answer.ends_with("502 Bad Gateway: upstream refused the connection\n"), "{answer}");
}

#[tokio::test]
async fn a_broken_body_is_answered_while_the_client_is_still_sending() {
    let upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n";
    let answer = send_then_read(&proxy, &with_large_body(head)).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with("400 Bad Request: chunk size missing\n"), "{answer}");
}

#[tokio::test]
async fn an_answer_is_text_and_says_that_it_is_the_last() {
    let proxy = Proxy::start_with(&[nobody().await], |_| {}).await;
    let mut client = Client::connect(proxy.addr).await;
    let (head, body) = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(body, "502 Bad Gateway: upstream refused the connection\n");
    assert_eq!(
        head,
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: 49\r\n\
         Connection: close\r\n\r\n"
    );
}

#[tokio::test]
async fn an_error_to_head_has_no_body() {
    let proxy = Proxy::start_with(&[nobody().await], |_| {}).await;
    let cases = [
        ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 502),
        ("HEAD / HTTP/1.1\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\nHost: a\r\n\r\n", 400),
        ("HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("HEAD / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ];
    for (request, status) in cases {
        let (head, body) = Client::connect(proxy.addr).await.ask(request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {head}");
        assert!(!head.contains("Content-Length: 0\r\n"), "{head}");
        assert_eq!(body, "", "{request:?}");
    }
    let mut stream = within("connect", tokio::net::TcpStream::connect(proxy.addr)).await.unwrap();
    stream.write_all(b"HEAD / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    within("the answer", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}
