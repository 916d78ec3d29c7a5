//! What no log line may show, whatever is asked for and however it is refused.

use std::net::SocketAddr;

use super::{closed_port, in_text, try_raw};
use crate::support::{Binary, Client, KEY, Upstream};

/// Values that no log may show; each is sent in many ways.
const SECRETS: [&str; 6] =
    ["query-secret", "cookie-secret", "bearer-secret", "proxy-secret", "dXNlcjpwYXNz", KEY];

/// Headers that hold them.
fn secrets() -> String {
    format!(
        "Cookie: id=cookie-secret\r\nAuthorization: Bearer bearer-secret\r\n\
         Proxy-Authorization: Basic proxy-secret\r\nX: y\r\nSec-WebSocket-Key: {KEY}\r\n"
    )
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";

/// Requests of many kinds with secrets in them, good ones and refused ones.
fn secretive_requests() -> Vec<String> {
    let secrets = secrets();
    let query = "/chat?token=query-secret";
    let host = "Host: example.com\r\n";
    let basic = "Authorization: Basic dXNlcjpwYXNz\r\n";
    vec![
        format!("GET {query} HTTP/1.1\r\n{host}{UPGRADE}{secrets}\r\n"),
        format!("GET {query} HTTP/1.1\r\n{host}{secrets}{basic}\r\n"),
        format!("GET http://example.com{query} HTTP/1.1\r\n{host}{secrets}\r\n"),
        // Refused: the head, its parts, its limits.
        format!("GET {query} HTTP/1.1\r\n{UPGRADE}{secrets}\r\n"),
        format!("GET {query} HTTP/1.1\r\n{host}{host}{secrets}\r\n"),
        format!("GET {query} HTTP/1.1\r\nHost: bearer-secret@example.com\r\n{secrets}\r\n"),
        format!("GET http://cookie-secret@example.com/ HTTP/1.1\r\n{host}{secrets}\r\n"),
        format!("GET {query} HTTP/1.1\r\n{host}{UPGRADE}{secrets}Sec-WebSocket-Key: {KEY}\r\n\r\n"),
        format!("GET {query} HTTP/1.1\r\n{host}{UPGRADE}Sec-WebSocket-Key: bearer-secret\r\n\r\n"),
        format!("POST {query} HTTP/1.1\r\n{host}{UPGRADE}{secrets}\r\n"),
        format!("GET {query} HTTP/1.1\r\n{host}Cookie : cookie-secret\r\n\r\n"),
        format!("GET {query} HTTP/1.1\r\n{host}{secrets}\n\r\n"),
        format!("CONNECT bearer-secret:443 HTTP/1.1\r\n{host}{secrets}\r\n"),
        format!("GET {query} HTTP/2.0\r\n{host}{secrets}\r\n"),
        format!("GET {query} HTTP/1.1\r\n{host}{secrets}Transfer-Encoding: cookie-secret\r\n\r\n"),
        format!("GET {query} HTTP/1.1\r\n{host}{secrets}Content-Length: cookie-secret\r\n\r\n"),
        format!("GET {query}{} HTTP/1.1\r\n{host}\r\n", "query-secret".repeat(6_000)),
        format!("GET {query} HTTP/1.1\r\n{host}Cookie: {}\r\n\r\n", "cookie-secret".repeat(6_000)),
    ]
}

async fn send_secrets(addr: SocketAddr) {
    for request in secretive_requests() {
        let mut client = Client::connect(addr).await;
        client.send(request.as_bytes()).await;
        client.read_head().await;
        client.shutdown().await;
        let _ = client.read_to_end_and_how().await;
        // Without TLS: redirected, or refused.
        try_raw(addr, request.as_bytes()).await;
        // Cut in the middle.
        let mut client = Client::connect(addr).await;
        client.send(&request.as_bytes()[..request.len() / 2]).await;
        client.shutdown().await;
        let _ = client.read_to_end_and_how().await;
    }
}

fn leaked<'l>(log: &'l [String], secrets: &[&str]) -> Vec<&'l String> {
    log.iter().filter(|line| secrets.iter().any(|secret| line.contains(secret))).collect()
}

#[tokio::test]
async fn secrets_are_never_logged_even_at_trace() {
    let answers: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nSet-Cookie: id=cookie-secret\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: cookie-secret\r\n\r\n",
        b"HTTP/1.1 bearer-secret\r\nSet-Cookie: id=cookie-secret\r\n\r\n",
    ];
    let mut upstreams = Vec::new();
    for answer in answers {
        upstreams.push(Upstream::answering(answer).await);
    }
    let echo = Upstream::echo().await;
    let mut addresses: Vec<String> = upstreams.iter().map(Upstream::addr).collect();
    addresses.extend([echo.addr(), closed_port()]);
    for upstream in &addresses {
        let (binary, addr) = Binary::serving(upstream, &["--log-level", "trace"]).await;
        send_secrets(addr).await;
        binary.signal("TERM").await;
        let (_, log) = binary.ended().await;
        assert!(log.len() > 20, "there is a line for each: {log:#?}");
        let leaks = leaked(&log, &SECRETS);
        assert!(leaks.is_empty(), "{upstream}: {leaks:#?}");
    }
}

#[tokio::test]
async fn log_query_shows_the_query_and_nothing_else_that_is_secret() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let args = ["--log-level", "trace", "--log-query"];
    let (binary, addr) = Binary::serving(&upstream.addr(), &args).await;
    send_secrets(addr).await;
    let line = binary.line("request").await;
    assert_eq!(line["path"], "/chat?token=query-secret");
    binary.signal("TERM").await;
    let (_, log) = binary.ended().await;
    let leaks = leaked(&log, &SECRETS[1..]);
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[tokio::test]
async fn secrets_are_not_in_the_text_either() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = in_text(&upstream.addr(), &["--log-level", "trace"]).await;
    send_secrets(addr).await;
    binary.signal("TERM").await;
    let (_, log) = binary.ended().await;
    assert!(log.len() > 20, "there is a line for each: {log:#?}");
    let leaks = leaked(&log, &SECRETS);
    assert!(leaks.is_empty(), "{leaks:#?}");
}
