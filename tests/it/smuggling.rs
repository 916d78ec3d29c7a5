//! Requests within requests: what a client can do to make an upstream see more than was judged.
//!
//! What has reached the upstream is compared byte for byte. "Nothing more" is known, not waited for:
//! the upstream reads until the proxy has closed.

use crate::support::{
    Client, Conversation, Proxy, Upstream, own_headers, plain_head, upgrade_head, upgrade_request,
};

/// What must never arrive.
const SECOND: &str = "GET /admin HTTP/1.1\r\nHost: example.com\r\n\r\n";

const EMPTY: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// Sends this in one write and reads the answer; returns it and all that the upstream got.
async fn exchange(response: &str, request: impl AsRef<[u8]>) -> (String, String, u16) {
    let mut upstream = Upstream::answering(response).await;
    let proxy = Proxy::start(&upstream).await;
    let mut client = Client::connect(proxy.addr).await;
    let (head, body) = client.ask(request).await;
    let received = upstream.accept().await.text();
    assert!(upstream.accepted().is_none(), "a second connection to the upstream");
    (head + &body, received, proxy.addr.port())
}

/// Sends this, whole and then a byte a write, and fails unless it is answered so and goes nowhere.
async fn assert_refused(what: &str, status: u16, request: &str) {
    let mut upstream = Upstream::answering(EMPTY).await;
    let proxy = Proxy::start(&upstream).await;
    for pieces in [vec![request.as_bytes()], request.as_bytes().chunks(1).collect()] {
        let mut client = Client::connect(proxy.addr).await;
        for piece in pieces {
            // Refused before its end: the answer is there already.
            if client.try_send(piece).await.is_err() {
                break;
            }
        }
        let (head, _) = client.read_answer().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {head}");
    }
    Client::connect(proxy.addr).await.ask("GET /sentinel HTTP/1.0\r\n\r\n").await;
    let first = upstream.accept().await.text();
    assert!(first.starts_with("GET /sentinel "), "{what}: went on as {first}");
}

/// Answers that refuse an upgrade; some invite another request.
const REFUSALS: [&str; 5] = [
    "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad",
    "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=60\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n",
];

#[tokio::test]
async fn a_second_request_behind_a_refused_upgrade_is_not_sent_on() {
    for refusal in REFUSALS {
        for version in ["13", "1337"] {
            let request = upgrade_request().replace("Version: 13", &format!("Version: {version}"));
            let (answer, received, port) = exchange(refusal, request + SECOND).await;
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
            let version = format!("Version: {version}");
            assert_eq!(received, upgrade_head(port).replace("Version: 13", &version), "{refusal}");
        }
    }
}

#[tokio::test]
async fn a_second_request_after_a_refused_upgrade_is_not_sent_on() {
    for refusal in REFUSALS {
        let mut upstream = Upstream::answering(refusal).await;
        let proxy = Proxy::start(&upstream).await;
        let mut client = Client::connect(proxy.addr).await;
        client.send(upgrade_request().as_bytes()).await;
        client.read_head().await;
        // It may be gone already, and is right to.
        let _ = client.try_send(SECOND.as_bytes()).await;
        let rest = String::from_utf8(client.read_to_end().await).unwrap();
        assert!(!rest.contains("HTTP/1.1"), "a second answer: {rest}");
        assert_eq!(upstream.accept().await.text(), upgrade_head(proxy.addr.port()), "{refusal}");
        assert!(upstream.accepted().is_none(), "a second connection to the upstream");
    }
}

#[tokio::test]
async fn what_is_sent_before_the_101_waits_for_it() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let head = upgrade_head(proxy.addr.port());
    for agrees in [true, false] {
        let mut client = Client::connect(proxy.addr).await;
        client.send((upgrade_request() + SECOND).as_bytes()).await;
        let mut conversation = upstream.accept().await;
        conversation.read_head().await;
        client.send(SECOND.as_bytes()).await;
        for _ in 0..3 {
            conversation.send(b"HTTP/1.1 102 Processing\r\n\r\n").await;
            client.read_head().await;
            conversation.assert_quiet();
        }
        assert_eq!(conversation.text(), head);
        if agrees {
            conversation.agree().await;
            client.read_head().await;
            client.shutdown().await;
            conversation.read_to_end().await;
            assert_eq!(conversation.text(), format!("{head}{SECOND}{SECOND}"));
        } else {
            conversation.send(EMPTY.as_bytes()).await;
            client.read_answer().await;
            conversation.read_to_end().await;
            assert_eq!(conversation.text(), head);
        }
    }
}

#[tokio::test]
async fn an_upgrade_with_a_body_goes_nowhere() {
    let upgrade = upgrade_request();
    let with = |lines: &str| upgrade.replacen("\r\n\r\n", &format!("\r\n{lines}\r\n"), 1);
    let length = format!("Content-Length: {}\r\n", SECOND.len());
    assert_refused("length", 400, &(with(&length) + SECOND)).await;
    let chunked = with("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n" + SECOND;
    assert_refused("chunked", 400, &chunked).await;
    let both = with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + SECOND;
    assert_refused("both", 400, &both).await;
    let post = chunked.replacen("GET", "POST", 1);
    assert_refused("chunked POST", 400, &post).await;
    let length_zero = with("Content-Length: 0\r\nContent-Length: 42\r\n") + SECOND;
    assert_refused("two lengths", 400, &length_zero).await;
}

#[tokio::test]
async fn connection_cannot_take_away_what_is_said_of_the_client() {
    let lines = "GET / HTTP/1.1\r\nHost: example.com\r\n";
    let names = "Connection: close, X-Forwarded-For, X-Real-IP, X-Forwarded-Proto\r\n\
         Connection: X-Forwarded-Host, X-Forwarded-Port, Forwarded, Host\r\n";
    let (_, received, port) = exchange(EMPTY, format!("{lines}{names}\r\n")).await;
    assert_eq!(received, plain_head(lines, port));

    let upgrade = upgrade_request().replace(
        "Connection: Upgrade\r\n",
        "Connection: Upgrade\r\n\
         Connection: X-Forwarded-For, Sec-WebSocket-Key, Sec-WebSocket-Version, Upgrade, Host\r\n",
    );
    let (_, received, port) = exchange(EMPTY, upgrade).await;
    assert_eq!(received, upgrade_head(port));
}

#[tokio::test]
async fn forged_forwarding_headers_of_every_spelling_are_gone() {
    let names = [
        "X-Forwarded-For",
        "X-Real-IP",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "Forwarded",
    ];
    let lines = "GET / HTTP/1.1\r\nHost: example.com\r\n";
    let mut forged = String::new();
    for name in names {
        let spellings = [
            name.to_owned(),
            name.to_lowercase(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.replacen('-', "_", 1),
            name.to_uppercase().replace('-', "_"),
        ];
        for spelling in spellings {
            forged += &format!("{spelling}: 6.6.6.6\r\n");
        }
    }
    let (_, received, port) = exchange(EMPTY, format!("{lines}{forged}X: y\r\n\r\n")).await;
    assert_eq!(received, plain_head(&format!("{lines}X: y\r\n"), port));
    assert!(received.contains(&own_headers("127.0.0.1", Some("example.com"), port)));
}

#[tokio::test]
async fn an_h2c_upgrade_is_a_plain_request_whatever_is_answered() {
    let lines = "GET / HTTP/1.1\r\nHost: example.com\r\n";
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let switched =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    for (response, status) in [(EMPTY, "404"), (switched, "502")] {
        let (answer, received, port) = exchange(response, format!("{lines}{h2c}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(received, plain_head(lines, port));
    }
}

#[tokio::test]
async fn a_101_that_was_not_asked_for_opens_nothing() {
    let lines = "GET / HTTP/1.1\r\nHost: example.com\r\n";
    let switched = crate::support::switching_response();
    for headers in
        ["", "Connection: Upgrade\r\n", "Upgrade: websocket/13\r\nConnection: Upgrade\r\n"]
    {
        let request = format!("{lines}{headers}\r\n{SECOND}");
        let (answer, received, port) = exchange(&switched, request).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert_eq!(received, plain_head(lines, port));
    }
}

#[tokio::test]
async fn a_wrong_accept_value_opens_nothing() {
    let wrong = crate::support::switching_response().replace("s3pPL", "S3pPL");
    let (answer, received, port) = exchange(&wrong, upgrade_request() + SECOND).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!(received, upgrade_head(port));
}

#[tokio::test]
async fn bytes_behind_a_body_are_not_sent_on() {
    let lines = "POST / HTTP/1.1\r\nHost: example.com\r\n";
    let cases = [
        ("GET / HTTP/1.1\r\nHost: example.com\r\n".to_owned(), ""),
        (lines.to_owned(), ""),
        (format!("{lines}Content-Length: 0\r\n"), ""),
        (format!("{lines}Content-Length: 5\r\n"), "hello"),
        (format!("{lines}Transfer-Encoding: chunked\r\n"), "5\r\nhello\r\n0\r\n\r\n"),
        ("POST / HTTP/1.0\r\nHost: example.com\r\nContent-Length: 5\r\n".to_owned(), "hello"),
    ];
    for (lines, body) in cases {
        let request = format!("{lines}\r\n{body}{SECOND}");
        let (_, received, port) = exchange(EMPTY, &request).await;
        assert_eq!(received, plain_head(&lines, port) + body, "in one write");

        let mut upstream = Upstream::manual().await;
        let proxy = Proxy::start(&upstream).await;
        let mut client = Client::connect(proxy.addr).await;
        for byte in request.as_bytes() {
            client.send(&[*byte]).await;
        }
        let mut conversation = upstream.accept().await;
        let expected = plain_head(&lines, proxy.addr.port()) + body;
        conversation.read_until(expected.len()).await;
        conversation.send(EMPTY.as_bytes()).await;
        client.read_answer().await;
        conversation.read_to_end().await;
        assert_eq!(conversation.text(), expected, "a byte a write");
    }
}

#[tokio::test]
async fn trailers_of_a_request_are_left_out() {
    let lines = "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n";
    let body = "5;a=\"b\"\r\nhello\r\n000\r\n";
    let trailers = "X-Forwarded-For: 6.6.6.6\r\nContent-Length: 42\r\nHost: evil.example\r\n\
         Transfer-Encoding: chunked\r\n";
    let request = format!("{lines}Trailer: Host\r\n\r\n{body}{trailers}\r\n{SECOND}");
    let (_, received, port) = exchange(EMPTY, request).await;
    assert_eq!(received, plain_head(lines, port) + body + "\r\n");
}

/// A chunked body up to where it is right, and from its fault on.
const BROKEN_BODIES: [(&str, &str, &str); 24] = [
    ("bare LF behind the size", "5", "\nhello\r\n0\r\n\r\n"),
    ("bare CR behind the size", "5\r", "hello\r\n0\r\n\r\n"),
    ("LF in the extension", "5;a", "\nhello\r\n0\r\n\r\n"),
    ("CR in the extension", "5;a\r", "b\r\nhello\r\n0\r\n\r\n"),
    ("NUL in the extension", "5;a", "\0\r\nhello\r\n0\r\n\r\n"),
    ("space behind the size", "5", " \r\nhello\r\n0\r\n\r\n"),
    ("space before the size", "", " 5\r\nhello\r\n0\r\n\r\n"),
    ("sign", "", "+5\r\nhello\r\n0\r\n\r\n"),
    ("minus", "", "-5\r\nhello\r\n0\r\n\r\n"),
    ("hex prefix", "0", "x5\r\nhello\r\n0\r\n\r\n"),
    ("underscore", "1", "_0\r\nhello\r\n0\r\n\r\n"),
    ("no size", "", "\r\nhello\r\n0\r\n\r\n"),
    ("extension alone", "", ";a=b\r\nhello\r\n0\r\n\r\n"),
    ("size over 64 bits", "0000000000000005", "0\r\nhello\r\n0\r\n\r\n"),
    ("size that wraps", "1000000000000000", "5\r\nhello\r\n0\r\n\r\n"),
    ("chunk longer than its size", "4\r\nhell", "o\r\n0\r\n\r\n"),
    ("chunk shorter than its size", "7\r\nhello\r\n", "0\r\n\r\n"),
    ("bare LF behind the data", "5\r\nhello", "\n0\r\n\r\n"),
    ("CR and more behind the data", "5\r\nhello\r", "x0\r\n\r\n"),
    ("bare LF behind the last chunk", "5\r\nhello\r\n0", "\n\r\n"),
    ("bare LF as the end", "5\r\nhello\r\n0\r\n", "\n"),
    ("bare LF behind a trailer", "5\r\nhello\r\n0\r\nX: y", "\nZ: a\r\n\r\n"),
    ("bare CR in a trailer", "5\r\nhello\r\n0\r\nX: y\r", "Z: a\r\n\r\n"),
    ("NUL in a trailer", "5\r\nhello\r\n0\r\nX: ", "\0\r\n\r\n"),
];

#[tokio::test]
async fn a_broken_body_is_400_and_goes_on_up_to_its_fault_at_most() {
    let lines = "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n";
    for (what, right, wrong) in BROKEN_BODIES {
        let mut upstream = Upstream::manual().await;
        let proxy = Proxy::start(&upstream).await;
        let head = plain_head(lines, proxy.addr.port());
        let request = format!("{lines}\r\n{right}{wrong}{SECOND}");
        let behind_head = lines.len() + 2;
        let pieces: [Vec<&[u8]>; 3] = [
            vec![request.as_bytes()],
            vec![&request.as_bytes()[..behind_head], &request.as_bytes()[behind_head..]],
            request.as_bytes().chunks(1).collect(),
        ];
        for pieces in pieces {
            let mut client = Client::connect(proxy.addr).await;
            for piece in pieces {
                if client.try_send(piece).await.is_err() {
                    break;
                }
            }
            let (answer, _) = client.read_answer().await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
            let received = all_of(upstream.accept().await).await;
            let most = format!("{head}{right}");
            assert!(most.starts_with(&received), "{what}: {received:?} is more than {most:?}");
        }
    }
}

async fn all_of(mut conversation: Conversation) -> String {
    conversation.read_to_end().await;
    conversation.text()
}

#[tokio::test]
async fn endless_chunk_lines_and_trailers_are_400() {
    let lines = "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n";
    for begin in ["5;a=", "0\r\nX: "] {
        let mut upstream = Upstream::manual().await;
        let proxy = Proxy::start(&upstream).await;
        let mut client = Client::connect(proxy.addr).await;
        client.send(format!("{lines}{begin}{}", "a".repeat(100_000)).as_bytes()).await;
        let (answer, _) = client.read_answer().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{begin}: {answer}");
        let received = all_of(upstream.accept().await).await;
        assert!(received.len() < 2_000, "{begin}: {} bytes", received.len());
    }
}

#[tokio::test]
async fn heads_that_servers_read_in_two_ways_go_nowhere() {
    let post = "POST / HTTP/1.1\r\nHost: example.com\r\n";
    let cases = [
        ("space before the colon", 400, "Transfer-Encoding : chunked\r\n"),
        ("tab before the colon", 400, "Transfer-Encoding\t: chunked\r\n"),
        ("vertical tab before the coding", 400, "Transfer-Encoding: \x0bchunked\r\n"),
        ("form feed behind the coding", 400, "Transfer-Encoding: chunked\x0c\r\n"),
        ("NUL behind the coding", 400, "Transfer-Encoding: chunked\0\r\n"),
        ("folded coding", 400, "Transfer-Encoding:\r\n chunked\r\n"),
        ("bare LF before the coding", 400, "X: y\nTransfer-Encoding: chunked\r\n"),
        ("bare CR before the coding", 400, "X: y\rTransfer-Encoding: chunked\r\n"),
        ("xchunked", 501, "Transfer-Encoding: xchunked\r\n"),
        ("identity", 501, "Transfer-Encoding: identity\r\n"),
        ("chunked twice", 501, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        (
            "chunked and identity",
            501,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        ),
        ("list of codings", 501, "Transfer-Encoding: identity, chunked\r\n"),
        ("quoted", 501, "Transfer-Encoding: \"chunked\"\r\n"),
        ("both framings", 400, "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n"),
        ("both the other way", 400, "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n"),
        ("signed length", 400, "Content-Length: +6\r\n"),
        ("negative length", 400, "Content-Length: -6\r\n"),
        ("two lengths", 400, "Content-Length: 6\r\nContent-Length: 0\r\n"),
        ("list of lengths", 400, "Content-Length: 6, 0\r\n"),
        ("space before the colon of length", 400, "Content-Length : 6\r\n"),
        ("vertical tab before the length", 400, "Content-Length: \x0b6\r\n"),
    ];
    for (what, status, lines) in cases {
        assert_refused(what, status, &format!("{post}{lines}\r\n0\r\n\r\n{SECOND}")).await;
    }
    let in_1_0 = format!("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SECOND}");
    assert_refused("chunked in HTTP/1.0", 400, &in_1_0).await;
}

#[tokio::test]
async fn underscored_framing_headers_frame_nothing() {
    let lines = "POST / HTTP/1.1\r\nHost: example.com\r\nContent_Length: 42\r\n";
    let (_, received, port) = exchange(EMPTY, format!("{lines}\r\n{SECOND}")).await;
    assert_eq!(received, plain_head(lines, port));
}
