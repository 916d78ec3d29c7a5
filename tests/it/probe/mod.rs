//! `wssgate probe`: what it tells of servers that are well, and of all that can be wrong with one.

mod failing;
mod hostile;
mod server;

use std::process::Output;

use tokio_rustls::rustls::{self, version::TLS12};

use crate::support::{
    Authority, Binary, Conversation, Leaf, Upstream, Usage, eventually, repository, within,
};
use server::{Server, agreement, config};

/// A pong that answers the probe's ping.
const PONG: &[u8] = b"\x8a\x07wssgate";

/// Everything that a probe with these arguments has printed.
async fn output(args: &[&str]) -> Output {
    let mut command = Binary::command(env!("CARGO_BIN_EXE_wssgate"));
    command.arg("probe").args(args).kill_on_drop(true);
    within("the probe ends", command.output()).await.unwrap()
}

/// Its exit code and its lines, none of which is on standard error.
async fn probe(args: &[&str]) -> (i32, Vec<String>) {
    let output = output(args).await;
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let report = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), report.lines().map(str::to_owned).collect())
}

/// The step of a line, its time and its text.
fn columns(line: &str) -> (&str, &str, &str) {
    (line[..12].trim(), line[12..22].trim(), &line[24..])
}

/// The text of a step.
fn text<'r>(report: &'r [String], step: &str) -> &'r str {
    let line = report.iter().find(|line| line.starts_with(&format!("{step:<12}")));
    columns(line.unwrap_or_else(|| panic!("no {step}: {report:#?}"))).2
}

/// The last line is of this step, which failed, and says why.
fn assert_failed((code, report): &(i32, Vec<String>), step: &str, why: &str) {
    let (name, _, text) = columns(report.last().unwrap());
    let reason = text.strip_prefix("failed: ").unwrap_or_else(|| panic!("{report:#?}"));
    assert_eq!((*code, name), (1, step), "{report:#?}");
    assert!(reason.contains(why), "{report:#?}");
}

/// `--ca` with the development CA.
fn development_ca() -> String {
    format!("--ca={}", repository("certs/ca.pem").display())
}

fn url(addr: std::net::SocketAddr) -> String {
    format!("wss://localhost:{}/chat?room=1", addr.port())
}

/// An upstream that agrees to upgrades, in these header lines too, and answers one ping.
async fn websockets(lines: &'static str) -> Upstream {
    Upstream::serving(move |mut conversation: Conversation| async move {
        let head = conversation.read_head().await;
        let (_, key) = head.split_once("Sec-WebSocket-Key: ").unwrap();
        let accept = wssgate::http::websocket::accept(&key.as_bytes()[..24]);
        let answer = agreement(lines).replace("{accept}", &accept);
        conversation.send(answer.as_bytes()).await;
        conversation.read_until(head.len() + 13).await;
        assert_eq!(conversation.received[head.len()..], *b"\x89\x87\0\0\0\0wssgate");
        conversation.send(PONG).await;
        conversation.read_to_end().await;
        conversation
    })
    .await
}

#[tokio::test]
async fn each_step_of_a_server_that_is_well_is_told() {
    let mut upstream = websockets("Sec-WebSocket-Protocol: chat\r\n").await;
    let (_binary, addr) = Binary::serving(&upstream.addr(), &[]).await;
    let asked = ["--origin=https://app.example", "--protocol", "superchat", "--protocol", "chat"];
    let (code, report) = probe(&[&[&*url(addr), &development_ca()], &asked[..]].concat()).await;
    assert_eq!(code, 0, "{report:#?}");
    assert_eq!(report[0], url(addr));
    let steps: Vec<_> = report[1..report.len() - 1].iter().map(|line| columns(line)).collect();
    let expected = [
        ("name", "localhost is "),
        ("connect", "to "),
        ("handshake", "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519MLKEM768"),
        ("certificate", "for localhost, "),
        ("trust", "for localhost, by /"),
        ("alpn", "http/1.1"),
        ("upgrade", "101 Switching Protocols, subprotocol chat, no extension"),
        ("ping", "pong"),
        ("reconnect", "to 127.0.0.1:"),
        ("resumption", "the session was resumed"),
    ];
    assert_eq!(steps.len(), expected.len(), "{report:#?}");
    for ((name, took, text), (step, start)) in steps.into_iter().zip(expected) {
        assert!(name == step && text.starts_with(start), "{report:#?}");
        match name {
            "certificate" | "trust" | "alpn" => assert_eq!(took, ""),
            _ => assert!(took.strip_suffix(" ms").unwrap().parse::<f64>().is_ok(), "{took}"),
        }
    }
    assert!(text(&report, "connect").contains(&addr.to_string()), "{report:#?}");
    let certificate = text(&report, "certificate");
    assert!(certificate.contains("; by CN=") && certificate.ends_with(" days left"));
    assert_eq!(report.last().unwrap(), "all is well");

    let conversation = upstream.accept().await;
    assert!(conversation.received.ends_with(b"\x88\x80\0\0\0\0"), "no good-bye");
    let said = conversation.text();
    let head = said.split_inclusive("\r\n\r\n").next().unwrap();
    assert!(head.starts_with("GET /chat?room=1 HTTP/1.1\r\n"), "{head}");
    for line in [
        &format!("Host: localhost:{}", addr.port()),
        "Origin: https://app.example",
        "Sec-WebSocket-Protocol: superchat, chat",
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Version: 13",
    ] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line}: {head}");
    }
}

#[tokio::test]
async fn an_extension_is_told_and_a_subprotocol_that_was_not_chosen_too() {
    let lines = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=12\r\n";
    let upstream = websockets(lines).await;
    let (_binary, addr) = Binary::serving(&upstream.addr(), &[]).await;
    let (code, report) = probe(&[&url(addr), &development_ca(), "--protocol=chat"]).await;
    assert_eq!(code, 0, "{report:#?}");
    assert_eq!(
        text(&report, "upgrade"),
        "101 Switching Protocols, no subprotocol (browsers refuse that), extension \
         permessage-deflate; server_max_window_bits=12"
    );
}

#[tokio::test]
async fn it_connects_where_it_is_told_to() {
    let upstream = websockets("").await;
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("wss.sock").display());
    let (binary, addr) = Binary::serving(&upstream.addr(), &["--listen", &socket]).await;
    eventually("it listens twice", || binary.lines("listening").len() == 2).await;
    for place in [&addr.to_string(), &format!("localhost:{}", addr.port()), &socket] {
        let args = ["wss://localhost/chat", &development_ca(), "--connect", place];
        let (code, report) = probe(&args).await;
        assert_eq!(code, 0, "{report:#?}");
        let to = text(&report, "reconnect").strip_prefix("to ").unwrap();
        assert!(to == place || to == addr.to_string(), "{report:#?}");
    }
}

#[tokio::test]
async fn tls_1_2_is_told_and_its_sessions_are_resumed() {
    let authority = Authority::new("probed");
    let config = config(&authority.issue(&Leaf::default()), &[&TLS12]);
    let server = Server::start_with(&authority, config, agreement(""), PONG).await;
    let (code, report) = probe(&[&server.url(), &server.ca()]).await;
    assert_eq!(code, 0, "{report:#?}");
    let handshake = text(&report, "handshake");
    assert!(handshake.starts_with("TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_"), "{handshake}");
    assert!(handshake.ends_with(", X25519"), "{handshake}");
    assert_eq!(text(&report, "alpn"), "none");
    assert_eq!(text(&report, "resumption"), "the session was resumed");
}

#[tokio::test]
async fn a_session_that_is_not_resumed_is_told_and_well() {
    let authority = Authority::new("probed");
    let mut config = config(&authority.issue(&Leaf::default()), rustls::ALL_VERSIONS);
    config.send_tls13_tickets = 0;
    let server = Server::start_with(&authority, config, agreement(""), PONG).await;
    let (code, report) = probe(&[&server.url(), &server.ca()]).await;
    assert_eq!(code, 0, "{report:#?}");
    assert_eq!(text(&report, "resumption"), "not resumed");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("clients");
    let ca = folder.path().join("clients.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let issued = authority.issue(&Leaf { usage: Usage::Client, names: &[], ..Leaf::default() });
    let (chain, key) = issued.write(folder.path(), "client");
    let both = folder.path().join("both.pem");
    std::fs::write(&both, issued.combined()).unwrap();
    let upstream = websockets("").await;
    let wanted = format!("--client-ca={}", ca.display());
    let (_binary, addr) = Binary::serving(&upstream.addr(), &[&wanted]).await;

    let (url, ca) = (url(addr), development_ca());
    let result = probe(&[&url, &ca]).await;
    assert_failed(&result, "upgrade", "it wants a client certificate");

    let apart = [format!("--cert={}", chain.display()), format!("--key={}", key.display())];
    let together = [format!("--cert={}", both.display())];
    for given in [&apart[..], &together] {
        let args: Vec<&str> = [&url, &ca].into_iter().chain(given).map(String::as_str).collect();
        let (code, report) = probe(&args).await;
        assert_eq!(code, 0, "{report:#?}");
    }
}
