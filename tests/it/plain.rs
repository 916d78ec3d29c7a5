//! Plain requests: the page that shares its origin with the WebSocket.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use wssgate::config::Listener;

use crate::support::{Client, Conversation, Proxy, Upstream, plain_head, within};

const GET: &str = "GET / HTTP/1.1\r\nHost: example.com\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: example.com\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn proxy_with(upstream: &Upstream, tweak: impl FnOnce(&mut Listener)) -> Proxy {
    Proxy::start_with(&[upstream.addr()], tweak).await
}

/// A client that has sent this much, and the upstream's end of it with the head read.
async fn begin(proxy: &Proxy, upstream: &mut Upstream, request: &str) -> (Client, Conversation) {
    let mut client = Client::connect(proxy.addr).await;
    client.send(request.as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    (client, conversation)
}

async fn end(conversation: &mut Conversation) {
    within("shutdown", conversation.stream.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_body_goes_on_however_it_is_framed_and_sent() {
    let large = "x".repeat(300_000);
    let chunk = format!("493e0\r\n{large}\r\n0\r\n\r\n");
    let cases = [
        (POST.to_owned(), ""),
        (format!("{POST}Content-Length: 0\r\n"), ""),
        (format!("{POST}Content-Length: 5\r\n"), "hello"),
        (format!("{POST}Content-Length: 300000\r\n"), large.as_str()),
        (format!("{POST}Transfer-Encoding: chunked\r\n"), "0\r\n\r\n"),
        (
            format!("{POST}Transfer-Encoding: chunked\r\n"),
            "5\r\nhello\r\nA;x=y\r\n0123456789\r\n00\r\n\r\n",
        ),
        (format!("{POST}Transfer-Encoding: chunked\r\n"), chunk.as_str()),
        (format!("{GET}Content-Length: 5\r\n"), "hello"),
    ];
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    for (lines, body) in cases {
        let expected = plain_head(&lines, proxy.addr.port()) + body;
        let together = vec![format!("{lines}\r\n{body}")];
        let apart = vec![format!("{lines}\r\n"), body.to_owned()];
        let (first, last) = body.split_at(body.len() / 2);
        let cut = vec![format!("{lines}\r\n{first}"), last.to_owned()];
        for pieces in [together, apart, cut] {
            let mut client = Client::connect(proxy.addr).await;
            for piece in pieces {
                client.send(piece.as_bytes()).await;
            }
            let mut conversation = upstream.accept().await;
            conversation.read_until(expected.len()).await;
            conversation.send(OK.as_bytes()).await;
            let (head, answer) = client.read_answer().await;
            assert_eq!(head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
            assert_eq!(answer, "ok");
            conversation.read_to_end().await;
            assert!(conversation.text() == expected, "{lines}: another body arrived");
        }
    }
}

#[tokio::test]
async fn a_page_is_relayed_with_connection_close() {
    let large = "y".repeat(300_000);
    let length = format!("Content-Length: {}\r\n", large.len());
    let chunked = format!("493e0;a\r\n{large}\r\n3\r\nend\r\n0\r\nX-Checksum: 1\r\n\r\n");
    let cases = [
        (
            "HTTP/1.1 200 OK\r\n",
            "Content-Type: text/html\r\nSet-Cookie: a=b\r\nset-cookie: c\r\nContent-Length: 2\r\n",
            "ok",
        ),
        ("HTTP/1.1 200 OK\r\n", length.as_str(), large.as_str()),
        (
            "HTTP/1.1 200 OK\r\n",
            "Transfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n",
            chunked.as_str(),
        ),
        ("HTTP/1.1 200 OK\r\n", "X-Frame-Options:DENY\r\n", large.as_str()),
        ("HTTP/1.0 200 Fine\r\n", "", "old"),
        ("HTTP/1.1 500 Internal Server Error\r\n", "Content-Length: 0\r\n", ""),
        ("HTTP/1.1 200\r\n", "X: a \t b  \r\nContent-Length: 0\r\n", ""),
    ];
    for (status_line, lines, body) in cases {
        let mut upstream = Upstream::manual().await;
        let proxy = Proxy::start(&upstream).await;
        let (mut client, mut conversation) =
            begin(&proxy, &mut upstream, &format!("{GET}\r\n")).await;
        let hop = "Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: a\r\n\
             Proxy-Connection: b\r\n";
        let answer = format!("{status_line}{hop}{lines}\r\n{body}");
        let send = async {
            conversation.send(answer.as_bytes()).await;
            end(&mut conversation).await;
        };
        let ((), (head, found)) = tokio::join!(send, client.read_answer());
        // Our version stands in it (RFC 9112, 2.3), whatever the upstream's is.
        let status_line = status_line.replace("HTTP/1.0", "HTTP/1.1");
        assert_eq!(head, format!("{status_line}{lines}Connection: close\r\n\r\n"));
        assert!(found == body, "another body arrived behind {head}");
    }
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    let cases = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"),
        ("HEAD", "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 300000\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n"),
    ];
    for (method, lines) in cases {
        let mut upstream = Upstream::manual().await;
        let proxy = Proxy::start(&upstream).await;
        let request = format!("{GET}\r\n").replacen("GET", method, 1);
        let (mut client, mut conversation) = begin(&proxy, &mut upstream, &request).await;
        // It stays open: the answer's end is known without it.
        conversation.send(format!("{lines}\r\nGIFT").as_bytes()).await;
        let (head, body) = client.read_answer().await;
        assert_eq!(head, format!("{lines}Connection: close\r\n\r\n"), "{method}");
        assert_eq!(body, "", "{method}: {head}");
        conversation.read_to_end().await;
    }
}

#[tokio::test]
async fn bytes_behind_an_answer_are_not_relayed() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let upstream = Upstream::answering(answer).await;
        let proxy = Proxy::start(&upstream).await;
        let (_, body) = Client::connect(proxy.addr).await.ask(format!("{GET}\r\n")).await;
        assert!(!body.contains("HTTP/1.1"), "{body}");
    }
}

#[tokio::test]
async fn expect_100_continue_passes_both_ways() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let lines = format!("{POST}Expect: 100-continue\r\nContent-Length: 5\r\n");
    let (mut client, mut conversation) =
        begin(&proxy, &mut upstream, &format!("{lines}\r\n")).await;
    conversation.send(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.read_head().await.0, "HTTP/1.1 100 Continue\r\n\r\n");
    let head = plain_head(&lines, proxy.addr.port());
    assert_eq!(conversation.text(), head);
    client.send(b"hello").await;
    conversation.read_until(head.len() + 5).await;
    assert_eq!(conversation.text(), head + "hello");
    conversation.send(OK.as_bytes()).await;
    assert_eq!(client.read_answer().await.1, "ok");
}

#[tokio::test]
async fn an_expectation_may_be_refused_at_once() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let lines = format!("{POST}Expect: 100-continue\r\nContent-Length: 5\r\n");
    let (mut client, mut conversation) =
        begin(&proxy, &mut upstream, &format!("{lines}\r\n")).await;
    conversation.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.read_answer().await.0.starts_with("HTTP/1.1 417 "));
    conversation.read_to_end().await;
    assert_eq!(conversation.text(), plain_head(&lines, proxy.addr.port()));
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    for (closes, bytes) in [(false, 64 * 1024), (true, 4 * 1024 * 1024)] {
        let mut upstream = Upstream::manual().await;
        let proxy = Proxy::start(&upstream).await;
        let request = format!("{POST}Content-Length: 100000000\r\n\r\nfirst");
        let (mut client, mut conversation) = begin(&proxy, &mut upstream, &request).await;
        conversation
            .send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")
            .await;
        if closes {
            // With unread bytes: what the proxy still sends is answered by resets.
            drop(conversation);
        }
        client.send(&vec![b'a'; bytes]).await;
        let (head, body) = client.read_answer().await;
        assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
        assert_eq!(body, "large");
    }
}

#[tokio::test]
async fn an_early_answer_does_not_cut_the_body() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let lines = format!("{POST}Content-Length: 10\r\n");
    let (mut client, mut conversation) =
        begin(&proxy, &mut upstream, &format!("{lines}\r\nfirst")).await;
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhalf").await;
    client.read_head().await;
    client.send(b"last.").await;
    let expected = plain_head(&lines, proxy.addr.port()) + "firstlast.";
    conversation.read_until(expected.len()).await;
    assert_eq!(conversation.text(), expected);
    conversation.send(b"end").await;
    let rest = client.read_to_end().await;
    assert!(rest.ends_with(b"end"), "{}", rest.escape_ascii());
}

#[tokio::test]
async fn a_client_that_gives_up_its_body_still_gets_the_rest_of_an_early_answer() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let request = format!("{POST}Content-Length: 10\r\n\r\nfirst");
    let (mut client, mut conversation) = begin(&proxy, &mut upstream, &request).await;
    conversation.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\nhalf").await;
    let (head, mut body) = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    // As it should (RFC 9112, 9.5).
    client.shutdown().await;
    let left = timeout(Duration::from_millis(300), conversation.read_to_end()).await;
    assert!(left.is_err(), "the upstream was let go in the middle of its answer");
    conversation.send(b"end").await;
    let (rest, how) = client.read_to_end_and_how().await;
    body.extend_from_slice(&rest);
    assert_eq!((body.as_slice(), how.is_ok()), (&b"halfend"[..], true));
}

#[tokio::test]
async fn an_answer_cut_short_looks_cut_short() {
    let cases = [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
    ];
    for answer in cases {
        let mut upstream = Upstream::manual().await;
        let proxy = Proxy::start(&upstream).await;
        let (mut client, mut conversation) =
            begin(&proxy, &mut upstream, &format!("{GET}\r\n")).await;
        let (first, last) = answer.split_at(answer.find("half").unwrap() + 4);
        conversation.send(first.as_bytes()).await;
        let (head, mut behind) = client.read_head().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        conversation.send(last.as_bytes()).await;
        end(&mut conversation).await;
        let (rest, how) = client.read_to_end_and_how().await;
        behind.extend_from_slice(&rest);
        assert!(memchr::memmem::find(&behind, b"half").is_some(), "{}", behind.escape_ascii());
        assert!(how.is_err(), "a clean end after {:?}", behind.escape_ascii().to_string());
    }
}

#[tokio::test]
async fn an_answer_until_close_that_is_reset_looks_cut_short() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let (mut client, mut conversation) = begin(&proxy, &mut upstream, &format!("{GET}\r\n")).await;
    conversation.send(b"HTTP/1.1 200 OK\r\n\r\nhalf").await;
    client.read_head().await;
    conversation.stream.set_zero_linger().unwrap();
    drop(conversation);
    assert!(client.read_to_end_and_how().await.1.is_err());
}

#[tokio::test]
async fn the_response_timeout_counts_from_the_bodys_last_byte() {
    let mut upstream = Upstream::manual().await;
    let timeout = Duration::from_millis(1500);
    let proxy = proxy_with(&upstream, |config| config.timeouts.response = timeout).await;
    let request = format!("{POST}Content-Length: 4\r\n\r\n");
    let (mut client, mut conversation) = begin(&proxy, &mut upstream, &request).await;
    let started = tokio::time::Instant::now();
    // Longer than the timeout in all, in steps that are shorter.
    let mut step = tokio::time::interval(timeout / 3);
    for byte in [b"a", b"b", b"c"] {
        step.tick().await;
        client.send(byte).await;
        conversation.read_until(conversation.received.len() + 1).await;
    }
    step.tick().await;
    let last_byte = tokio::time::Instant::now();
    client.send(b"d").await;
    let (head, _) = client.read_answer().await;
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    assert!(last_byte.elapsed() >= timeout, "after {:?}", last_byte.elapsed());
    assert!(started.elapsed() >= 2 * timeout - timeout / 10);
    conversation.read_to_end().await;
}

#[tokio::test]
async fn a_client_that_stalls_its_body_gets_408() {
    let mut upstream = Upstream::manual().await;
    let proxy =
        proxy_with(&upstream, |config| config.timeouts.response = Duration::from_millis(300)).await;
    let stalls = [
        "Content-Length: 10\r\n\r\n",
        "Content-Length: 10\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ];
    for stall in stalls {
        let (mut client, mut conversation) =
            begin(&proxy, &mut upstream, &format!("{POST}{stall}")).await;
        let (head, body) = client.read_answer().await;
        assert!(head.starts_with("HTTP/1.1 408 "), "{stall:?}: {head}");
        assert_eq!(body, "408 Request Timeout: request body not complete in time\n");
        conversation.read_to_end().await;
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_take_the_body_gets_the_blame() {
    let mut upstream = Upstream::manual().await;
    let proxy =
        proxy_with(&upstream, |config| config.timeouts.response = Duration::from_millis(500)).await;
    let request = format!("{POST}Content-Length: 100000000\r\n\r\n");
    let (client, _conversation) = begin(&proxy, &mut upstream, &request).await;
    let (mut read, mut write) = tokio::io::split(client.0);
    let send = async {
        let piece = vec![b'a'; 64 * 1024];
        while write.write_all(&piece).await.is_ok() {}
    };
    let mut answer = vec![0; 12];
    let read_status = tokio::io::AsyncReadExt::read_exact(&mut read, &mut answer);
    tokio::select! {
        read = within("an answer", read_status) => { read.unwrap(); }
        () = send => panic!("closed without an answer"),
    }
    assert_eq!(String::from_utf8(answer).unwrap(), "HTTP/1.1 504");
}

#[tokio::test]
async fn a_client_that_leaves_in_its_body_takes_the_upstream_along() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let lines = format!("{POST}Content-Length: 10\r\n");
    let (client, mut conversation) =
        begin(&proxy, &mut upstream, &format!("{lines}\r\nhello")).await;
    drop(client);
    conversation.read_to_end().await;
    assert_eq!(conversation.text(), plain_head(&lines, proxy.addr.port()) + "hello");
}

#[tokio::test]
async fn a_client_that_has_ended_its_side_still_gets_its_answer() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let (mut client, mut conversation) = begin(&proxy, &mut upstream, &format!("{GET}\r\n")).await;
    client.shutdown().await;
    conversation.send(OK.as_bytes()).await;
    assert_eq!(client.read_answer().await.1, "ok");
}

#[tokio::test]
async fn the_upstream_is_let_go_when_the_answer_is_whole() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let (mut client, mut conversation) = begin(&proxy, &mut upstream, &format!("{GET}\r\n")).await;
    conversation.send(OK.as_bytes()).await;
    client.read_head().await;
    // The client keeps its side open; the proxy lingers for it, the upstream need not.
    let asked = tokio::time::Instant::now();
    conversation.read_to_end().await;
    assert!(asked.elapsed() < Duration::from_millis(1800), "after {:?}", asked.elapsed());
}
