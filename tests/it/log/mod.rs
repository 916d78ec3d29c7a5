//! The log: which lines there are, with which fields and values, and what is never in one.

mod secrets;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{
    Binary, Client, Conversation, Upstream, certificate_arguments, echo, eventually,
    upgrade_request, within,
};

/// What every line of a connection over TLS tells.
const COMMON: [&str; 12] = [
    "id",
    "listener",
    "client",
    "server_name",
    "tls_version",
    "cipher",
    "resumed",
    "method",
    "host",
    "path",
    "status",
    "upstream",
];

/// What the formatter adds.
const FORM: [&str; 3] = ["timestamp", "level", "message"];

fn fields(line: &Value) -> BTreeSet<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

fn expected(more: &[&'static str]) -> BTreeSet<&'static str> {
    FORM.iter().chain(&COMMON).chain(more).copied().collect()
}

/// A program, a tunnel through it, and the test at the tunnel's both ends.
struct Open {
    binary: Binary,
    addr: SocketAddr,
    upstream: Upstream,
    client: Client,
    conversation: Conversation,
}

async fn open(args: &[&str]) -> Open {
    let mut upstream = Upstream::manual().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), args).await;
    let mut client = Client::connect(addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.agree().await;
    client.read_head().await;
    conversation.received.clear();
    Open { binary, addr, upstream, client, conversation }
}

#[tokio::test]
async fn an_opened_tunnel_has_one_line_with_what_is_known() {
    let open = open(&[]).await;
    let line = open.binary.line("tunnel opened").await;
    assert_eq!(fields(&line), expected(&["setup_ms"]));
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["id"], 1);
    assert_eq!(line["listener"], open.addr.to_string());
    let client = open.client.0.get_ref().0.local_addr().unwrap();
    assert_eq!(line["client"], client.to_string());
    assert_eq!(line["server_name"], "localhost");
    assert_eq!(line["tls_version"], "1.3");
    assert!(line["cipher"].as_str().unwrap().starts_with("TLS_"));
    assert_eq!(line["resumed"], false);
    assert_eq!(line["method"], "GET");
    assert_eq!(line["host"], "example.com");
    assert_eq!(line["path"], "/chat");
    assert_eq!(line["status"], 101);
    assert_eq!(line["upstream"], open.upstream.addr());
    assert!(line["setup_ms"].is_u64());
    assert!(open.binary.lines("tunnel closed").is_empty());
}

/// Sends five bytes up and seven down, ends the tunnel by `end`, and checks the line of its close.
async fn closed(args: &[&str], end: &str, closed_by: &str, reason: &str) {
    let Open { binary, mut client, mut conversation, .. } = open(args).await;
    client.send(b"hello").await;
    conversation.read_until(5).await;
    conversation.send(b"goodbye").await;
    client.read_exact(7).await;
    match end {
        "client closes" => {
            client.shutdown().await;
            conversation.read_to_end().await;
            drop(conversation);
        }
        "upstream closes" => {
            drop(conversation);
            client.read_to_end().await;
            client.shutdown().await;
        }
        "client resets" => {
            client.reset();
            conversation.read_to_end().await;
        }
        "upstream resets" => {
            conversation.reset();
            client.read_to_end().await;
        }
        "drain" => binary.signal("TERM").await,
        _ => {
            client.read_to_end().await;
        }
    }
    let line = binary.line("tunnel closed").await;
    let more =
        ["to_upstream_bytes", "to_client_bytes", "setup_ms", "duration_ms", "closed_by", "reason"];
    assert_eq!(fields(&line), expected(&more));
    assert_eq!(line["level"], "INFO");
    assert_eq!(
        (&line["closed_by"], &line["reason"]),
        (&closed_by.into(), &reason.into()),
        "{end}: {line}"
    );
    assert_eq!((&line["to_upstream_bytes"], &line["to_client_bytes"]), (&5.into(), &7.into()));
    assert!(line["duration_ms"].as_u64() >= line["setup_ms"].as_u64());
    assert_eq!(line["id"], binary.line("tunnel opened").await["id"]);
    assert_eq!(binary.lines("tunnel opened").len() + binary.lines("tunnel closed").len(), 2);
}

#[tokio::test]
async fn a_tunnel_that_the_client_closes_says_so() {
    closed(&[], "client closes", "client", "closed").await;
}

#[tokio::test]
async fn a_tunnel_that_the_upstream_closes_says_so() {
    closed(&[], "upstream closes", "upstream", "closed").await;
}

#[tokio::test]
async fn a_tunnel_that_the_client_resets_says_so() {
    closed(&[], "client resets", "client", "reset").await;
}

#[tokio::test]
async fn a_tunnel_that_the_upstream_resets_says_so() {
    closed(&[], "upstream resets", "upstream", "reset").await;
}

#[tokio::test]
async fn a_tunnel_that_was_idle_says_so() {
    closed(&["--idle-timeout", "500ms"], "idle", "wssgate", "idle_timeout").await;
}

#[tokio::test]
async fn a_tunnel_that_was_too_old_says_so() {
    closed(&["--max-lifetime", "1500ms"], "old", "wssgate", "max_lifetime").await;
}

#[tokio::test]
async fn a_tunnel_that_was_drained_says_so() {
    closed(&["--drain-timeout", "500ms"], "drain", "wssgate", "drain").await;
}

#[tokio::test]
async fn a_plain_request_has_one_line() {
    let upstream =
        Upstream::answering("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone").await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &[]).await;
    let mut client = Client::connect(addr).await;
    let request = "POST /api?q=1 HTTP/1.1\r\nHost: a.example:8443\r\nContent-Length: 3\r\n\r\nabc";
    client.send(request.as_bytes()).await;
    client.read_head().await;
    let line = binary.line("request").await;
    let more =
        ["to_upstream_bytes", "to_client_bytes", "setup_ms", "duration_ms", "closed_by", "reason"];
    assert_eq!(fields(&line), expected(&more));
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["method"], "POST");
    assert_eq!(line["host"], "a.example:8443");
    assert_eq!(line["path"], "/api");
    assert_eq!(line["status"], 404);
    assert_eq!(line["to_upstream_bytes"], 3);
    assert_eq!(line["to_client_bytes"], 4);
}

/// Sends bytes over TLS and reads whatever comes.
async fn try_over_tls(addr: SocketAddr, bytes: &[u8]) {
    let mut client = Client::connect(addr).await;
    client.send(bytes).await;
    client.read_head().await;
    client.shutdown().await;
    client.read_to_end().await;
}

/// Sends bytes without TLS and reads to the end.
async fn try_raw(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test]
async fn what_a_client_does_wrong_is_a_debug_line() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &["--log-level", "debug"]).await;
    try_raw(addr, b"\x16\x03\x01\x00\x05junk!").await;
    let line = binary.line("connection failed").await;
    assert_eq!((&line["level"], &line["stage"]), (&"DEBUG".into(), &"tls".into()), "{line}");
    assert_eq!(line["closed_by"], "client");
    assert!(line["reason"].as_str().is_some_and(|reason| !reason.is_empty()));

    let (binary, addr) = Binary::serving(&upstream.addr(), &["--log-level", "debug"]).await;
    try_over_tls(addr, b"GET / HTTP/1.1\r\n\r\n").await;
    let line = binary.line("connection failed").await;
    assert_eq!((&line["level"], &line["stage"]), (&"DEBUG".into(), &"head".into()), "{line}");
    assert_eq!((&line["status"], &line["reason"]), (&400.into(), &"no host".into()), "{line}");
}

#[tokio::test]
async fn plain_http_on_the_tls_port_has_the_status_that_was_sent() {
    let upstream = Upstream::echo().await;
    let long = "a".repeat(600);
    for (bytes, reason) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), "request line too long"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), "request head too large"),
    ] {
        let args = ["--log-level", "debug", "--max-head-size", "512"];
        let (binary, addr) = Binary::serving(&upstream.addr(), &args).await;
        let answer = try_raw(addr, bytes.as_bytes()).await;
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", answer.escape_ascii());
        let line = binary.line("connection failed").await;
        assert_eq!((&line["status"], &line["reason"]), (&400.into(), &reason.into()), "{line}");
    }
}

#[tokio::test]
async fn what_an_upstream_does_wrong_is_a_warning() {
    let upstream = Upstream::answering("nonsense\r\n\r\n").await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &[]).await;
    try_over_tls(addr, upgrade_request().as_bytes()).await;
    let line = binary.line("connection failed").await;
    assert_eq!((&line["level"], &line["stage"]), (&"WARN".into(), &"gate".into()), "{line}");
    assert_eq!((&line["status"], &line["closed_by"]), (&502.into(), &"upstream".into()));
    assert_eq!(line["path"], "/chat");

    let (binary, addr) = Binary::serving(&closed_port(), &[]).await;
    try_over_tls(addr, upgrade_request().as_bytes()).await;
    let line = binary.line("connection failed").await;
    assert_eq!((&line["level"], &line["stage"]), (&"WARN".into(), &"connect".into()), "{line}");
    assert_eq!(line["status"], 502);
}

/// An address where nobody listens.
fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn what_clients_do_wrong_leaves_no_line_by_default() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &[]).await;
    let before = binary.log().len();
    for _ in 0..20 {
        try_raw(addr, b"\x16\x03\x01\x00\x05junk!").await;
        try_over_tls(addr, b"GET / HTTP/1.1\r\n\r\n").await;
    }
    binary.signal("TERM").await;
    let stopped = binary.line("stopped").await;
    assert_eq!(stopped["failed"], 40);
    let log = binary.ended().await.1;
    assert_eq!(log.len(), before + 2, "draining and stopped: {log:#?}");
}

#[tokio::test]
async fn probes_are_counted_and_not_logged() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &["--log-level", "trace"]).await;
    for _ in 0..5 {
        try_raw(addr, b"").await;
        crate::support::reset(&TcpStream::connect(addr).await.unwrap());
    }
    // Accepted after all of them.
    let mut client = Client::connect(addr).await;
    client.upgrade().await;
    drop(client);
    binary.line("tunnel closed").await;
    binary.signal("TERM").await;
    let stopped = binary.line("stopped").await;
    assert_eq!((&stopped["probes"], &stopped["failed"]), (&10.into(), &0.into()));
    assert!(binary.lines("connection failed").is_empty());
}

/// Waits for a line of text.
async fn text_line(binary: &Binary, part: &str) -> String {
    let find = || binary.log().into_iter().find(|line| line.contains(part));
    eventually(&format!("a log line with {part:?}"), || find().is_some()).await;
    find().unwrap()
}

/// A program that logs text.
async fn in_text(upstream: &str, args: &[&str]) -> (Binary, SocketAddr) {
    let [cert, key] = certificate_arguments();
    let fixed = ["--listen", "127.0.0.1:0", "--upstream", upstream, &cert, &key];
    let binary = Binary::start(&[&fixed, args].concat());
    let line = text_line(&binary, "listening").await;
    let addr = line.split("listener=\"").nth(1).unwrap().split('"').next().unwrap();
    (binary, addr.parse().unwrap())
}

#[tokio::test]
async fn text_is_for_people() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = in_text(&upstream.addr(), &[]).await;
    let mut client = Client::connect(addr).await;
    client.upgrade().await;
    echo(&mut client, "hello").await;
    client.shutdown().await;
    client.read_to_end().await;
    let line = text_line(&binary, "tunnel closed").await;
    for part in [
        "INFO",
        "closed_by=\"client\"",
        "reason=\"closed\"",
        "to_upstream_bytes=5",
        "path=\"/chat\"",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains('\u{1b}'), "no colours where nobody sees them: {line:?}");
}
