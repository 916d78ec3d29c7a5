//! Servers that break the protocol, or mean to break the terminal.

use tokio_rustls::rustls;

use super::server::{Server, agreement, config};
use super::{PONG, assert_failed, output, probe, text};
use crate::support::{ACCEPT, Authority, Leaf};

#[tokio::test]
async fn nothing_that_a_terminal_obeys_is_printed() {
    let escapes = "\u{9b}31m\u{202e}";
    for (answer, behind, step, shown) in [
        (
            format!("HTTP/1.1 403 {escapes}No\r\nLocation: /{escapes}\r\n\r\n"),
            Vec::new(),
            "upgrade",
            "answered 403 \\xc2\\x9b31m\\xe2\\x80\\xaeNo, which is no WebSocket (Location: /\\xc2\\x9b",
        ),
        (
            agreement(&format!("Sec-WebSocket-Protocol: {escapes}\r\n")),
            Vec::new(),
            "upgrade",
            "it chose the subprotocol \\xc2\\x9b31m",
        ),
        (
            agreement(""),
            b"\x88\x0e\x03\xf0\x1b[31mgo away".to_vec(),
            "ping",
            "closed by the server with 1008: \\x1b[31mgo away",
        ),
    ] {
        let authority = Authority::new("\x1b[31mevil\r\nall is well");
        let config = config(&authority.issue(&Leaf::default()), rustls::ALL_VERSIONS);
        let server = Server::start_with(&authority, config, answer, behind).await;
        let output = output(&[&server.url(), &server.ca()]).await;
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
        assert!(output.stdout.iter().all(is_plain), "{}", output.stdout.escape_ascii());
        let report = String::from_utf8(output.stdout).unwrap();
        let report: Vec<String> = report.lines().map(str::to_owned).collect();
        assert!(text(&report, "certificate").contains("by CN=\\1B[31mevil\\0D\\0A"), "{report:#?}");
        assert_failed(&(output.status.code().unwrap(), report), step, shown);
    }
}

#[tokio::test]
async fn an_answer_that_a_client_must_refuse_is_refused() {
    for (answer, why) in [
        (agreement("").replace("{accept}", ACCEPT), "wrong sec-websocket-accept"),
        (agreement("").replace("Upgrade: websocket\r\n", ""), "101 without upgrade: websocket"),
        (
            agreement("Sec-WebSocket-Protocol: chat\r\n"),
            "the subprotocol chat, which was not asked for",
        ),
        (
            agreement("Sec-WebSocket-Extensions: x-y; z\r\n"),
            "the extension x-y, which was not asked for",
        ),
        ("SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned(), "it does not speak HTTP"),
        ("HTTP/1.1 200 OK\n\n".to_owned(), "a bare CR or LF"),
        (format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(70_000)), "head is too large"),
    ] {
        let server = Server::start(answer, PONG).await;
        assert_failed(&probe(&[&server.url(), &server.ca()]).await, "upgrade", why);
    }
}

#[tokio::test]
async fn a_pong_is_found_behind_whatever_comes_before_it() {
    let long = [&b"\x82\x7e\x03\xe8"[..], &[7; 1000]].concat();
    let longer = [&b"\x82\x7f\0\0\0\0\0\x01\0\0"[..], &[7; 65_536]].concat();
    let frames: [&[u8]; 8] = [
        b"\x81\x05hello",
        b"\xc1\x03\x01\x02\x03", // compressed
        b"\x01\x01a",
        b"\x89\x01p",
        b"\x80\x01b",
        b"\x8a\x05other",
        &long,
        &longer,
    ];
    // Some of them in one write with the 101.
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let agreement = agreement("Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let answer = [interim.as_bytes(), agreement.as_bytes(), b"\x81\x05hel"].concat();
    let behind = [&b"lo"[..], &frames.concat(), PONG].concat();
    let server = Server::start(answer, behind).await;
    let (code, report) = probe(&[&server.url(), &server.ca()]).await;
    assert_eq!(code, 0, "{report:#?}");
    assert_eq!(text(&report, "ping"), "pong");
}

#[tokio::test]
async fn what_is_no_pong_is_told() {
    for (behind, why) in [
        (&b"\x88\x00"[..], "closed by the server"),
        (b"\x88\x02\x03\xe9", "closed by the server with 1001"),
        (b"\x8a\x80\0\0\0\0", "a masked frame"),
        (b"\x8a\x7e\x01\x00", "a control frame over 125 bytes"),
        (b"\x83\x00", "a frame of the unknown kind 3"),
        (b"\x8a\x05other", "not done within 1s"),
        (b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", "not done within 1s"),
    ] {
        let server = Server::start(agreement(""), behind).await;
        let result = probe(&[&server.url(), &server.ca(), "--timeout=1s"]).await;
        assert_failed(&result, "ping", why);
    }
}
