//! The admin listener: what it answers, to whom, and for how long; `wssgate healthcheck`.

mod access;
mod dashboard;
mod drain;
mod healthcheck;
mod metrics;
mod page;
mod top;
mod tunnels;

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wssgate::addr::Listen;
use wssgate::config::Config;

use crate::support::{Client, Proxy, Upstream, echo, within};

/// What was answered.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Lets a server have an admin listener on a free port.
fn with_admin(config: &mut Config) {
    config.admin.listen = Some(Listen::Ip(([127, 0, 0, 1], 0).into()));
}

/// A server with one, and its address.
async fn start(upstream: &Upstream, tweak: impl FnOnce(&mut Config)) -> (Proxy, SocketAddr) {
    let proxy = Proxy::start_all(&[upstream.addr()], |config| {
        with_admin(config);
        tweak(config);
    })
    .await;
    let admin = proxy.admin.unwrap();
    (proxy, admin)
}

/// Asks, as `GET /healthz`, with more header lines, each with its CRLF.
async fn ask_with(admin: SocketAddr, asked: &str, lines: &str) -> Answer {
    let stream = within("connect", TcpStream::connect(admin)).await.unwrap();
    let host = if lines.contains("Host:") { String::new() } else { format!("Host: {admin}\r\n") };
    ask_over(stream, &format!("{asked} HTTP/1.1\r\n{host}{lines}\r\n")).await
}

/// Sends a request over any stream and reads to the end.
async fn ask_over<S>(mut stream: S, request: &str) -> Answer
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("an answer", stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

async fn ask(admin: SocketAddr, asked: &str) -> Answer {
    ask_with(admin, asked, "").await
}

/// A client with an open tunnel.
async fn tunnel(proxy: &Proxy) -> Client {
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    echo(&mut client, "hello").await;
    client
}

#[tokio::test]
async fn each_path_has_its_answer() {
    let upstream = Upstream::echo().await;
    let (proxy, admin) = start(&upstream, |_| {}).await;
    let _client = tunnel(&proxy).await;
    for (path, kind, part) in [
        ("/healthz", "text/plain; charset=utf-8", "ok"),
        ("/readyz", "text/plain; charset=utf-8", "ready"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "wssgate_connections_open 1"),
        ("/status", "application/json", "\"state\":\"serving\""),
        ("/tunnels", "application/json", "\"open\":1"),
        ("/", "text/html; charset=utf-8", "<!DOCTYPE html>"),
    ] {
        let answer = ask(admin, &format!("GET {path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.body.contains(part), "{path}: {}", answer.body);
        let kind = format!("content-type: {kind}");
        assert!(answer.head.lines().any(|line| line == kind), "{path}: {}", answer.head);
        assert!(answer.head.contains("cache-control: no-store"), "{path}");
        assert!(!answer.head.contains("access-control"), "{path}: {}", answer.head);
        let is_page = answer.head.contains("content-security-policy: default-src 'none'");
        assert_eq!(is_page, path == "/", "{path}");
        let of_head = ask(admin, &format!("HEAD {path}")).await;
        assert_eq!((of_head.status, of_head.body.as_str()), (200, ""), "{path}");
        let posted = ask(admin, &format!("POST {path}")).await;
        assert_eq!(posted.status, 405, "{path}");
        assert!(posted.head.contains("allow: get, head"), "{path}: {}", posted.head);
    }
    let answer = ask(admin, "GET /tunnels/1").await;
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: delete"), "{}", answer.head);
    for path in ["/nothing", "/healthz/", "/tunnelsx", "//"] {
        assert_eq!(ask(admin, &format!("GET {path}")).await.status, 404, "{path}");
    }
    let body = "Content-Length: 3\r\n\r\nabc";
    assert_eq!(ask_with(admin, "GET /healthz", body).await.status, 413);
}

#[tokio::test]
async fn the_status_says_how_it_is() {
    let upstream = Upstream::echo().await;
    let (proxy, admin) = start(&upstream, |_| {}).await;
    let _client = tunnel(&proxy).await;
    let status = ask(admin, "GET /status").await.json();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["listeners"][0]["name"], proxy.addr.to_string());
    assert_eq!(status["listeners"][0]["tunnels"], 1);
    assert_eq!(status["upstreams"][0]["name"], "/");
    let member = &status["upstreams"][0]["members"][0];
    assert_eq!((&member["address"], &member["up"]), (&upstream.addr().into(), &true.into()));
    assert_eq!((&member["live"], &member["weight"]), (&1.into(), &1.into()));
    let certificate = &status["certificates"][0];
    assert!(certificate["names"].as_array().unwrap().contains(&"localhost".into()));
    assert_eq!(certificate["not_after"], 2_398_377_600_u64);
    assert!(certificate["days_left"].as_i64().unwrap() > 1000);
    let totals = &status["totals"];
    assert_eq!((&totals["tunnels_opened"], &totals["tunnels_open"]), (&1.into(), &1.into()));
    assert_eq!(totals["to_upstream_bytes"], 5);
    assert_eq!(status["reloads"]["last"], Value::Null);
}

#[tokio::test]
async fn silent_connections_do_not_keep_out_others() {
    let upstream = Upstream::echo().await;
    let (_proxy, admin) = start(&upstream, |_| {}).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        let stream = within("connect", TcpStream::connect(admin)).await.unwrap();
        silent.push(stream);
    }
    let began = std::time::Instant::now();
    for _ in 0..10 {
        assert_eq!(ask(admin, "GET /healthz").await.status, 200);
    }
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
    // The oldest had to go, without an answer.
    let mut rest = Vec::new();
    let _ = within("the end", silent[0].read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "{:?}", rest.escape_ascii());
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let upstream = Upstream::echo().await;
    let (_proxy, admin) = start(&upstream, |_| {}).await;
    let mut stream = TcpStream::connect(admin).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ").await.unwrap();
    let mut rest = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut rest)).await;
}
