//! The gate: which answers of an upstream open it, and what becomes of the others.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use wssgate::config::Config;

use crate::support::{
    ACCEPT, Client, Conversation, Proxy, Upstream, switching_response, upgrade_head,
    upgrade_request, within,
};

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";

/// A client whose upgrade has reached the upstream, and what it got.
async fn upgrading(proxy: &Proxy, upstream: &mut Upstream) -> (Client, Conversation) {
    let mut client = Client::connect(proxy.addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    (client, conversation)
}

async fn proxy_with(upstream: &Upstream, tweak: impl FnOnce(&mut Config)) -> Proxy {
    Proxy::start_with(&[upstream.addr()], tweak).await
}

/// An upstream that gives each connection this answer and ends its side.
async fn answering_and_closing(response: impl Into<Vec<u8>>) -> Upstream {
    let response: Vec<u8> = response.into();
    Upstream::serving(move |mut conversation: Conversation| {
        let response = response.clone();
        async move {
            conversation.read_head().await;
            let _ = conversation.stream.write_all(&response).await;
            let _ = conversation.stream.shutdown().await;
            conversation.read_to_end().await;
            conversation
        }
    })
    .await
}

/// What a client of such an upstream gets.
async fn ask(request: &str, response: impl Into<Vec<u8>>) -> (String, String) {
    let upstream = answering_and_closing(response).await;
    let proxy = Proxy::start(&upstream).await;
    Client::connect(proxy.addr).await.ask(request).await
}

fn assert_status((head, body): &(String, String), status: u16, what: &str) {
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {head}{body}");
    assert!(head.contains("\r\nConnection: close\r\n"), "{what}: {head}{body}");
}

#[tokio::test]
async fn interim_answers_are_relayed_and_the_real_one_awaited() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let (mut client, mut conversation) = upgrading(&proxy, &mut upstream).await;
    let interim = [
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("HTTP/1.1 102 \r\nX: y\r\n\r\n", "HTTP/1.1 102 \r\nX: y\r\n\r\n"),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-A\r\nX-A: b\r\n\
             Content-Length: 9\r\nKeep-Alive: 5\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        ),
    ];
    for (sent, relayed) in interim {
        conversation.send(sent.as_bytes()).await;
        assert_eq!(client.read_head().await, (relayed.to_owned(), vec![]));
    }
    conversation.send(switching_response().as_bytes()).await;
    assert!(client.read_head().await.0.starts_with("HTTP/1.1 101 "));
    client.send(b"ping").await;
    conversation.read_until(upgrade_head(proxy.addr.port()).len() + 4).await;
    assert_eq!(conversation.text(), upgrade_head(proxy.addr.port()) + "ping");
}

#[tokio::test]
async fn interim_answers_in_one_packet_with_the_real_one_are_told_apart() {
    let real = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for request in [PLAIN, &upgrade_request()] {
        let upstream = Upstream::answering(format!("{interim}{real}\r\nok")).await;
        let proxy = Proxy::start(&upstream).await;
        let mut client = Client::connect(proxy.addr).await;
        client.send(request.as_bytes()).await;
        let answer = client.read_to_end().await;
        let expected = format!("{interim}{real}Connection: close\r\n\r\nok");
        assert_eq!(String::from_utf8(answer).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_interim_answers() {
    let answer =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned();
    let (head, body) = ask("GET / HTTP/1.0\r\n\r\n", answer).await;
    assert_eq!(head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n");
    assert_eq!(body, "ok");
}

#[tokio::test]
async fn the_right_101_opens_and_bytes_kept_back_come_first() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(format!("{}early", upgrade_request()).as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    // The interim answer's way through the proxy is time enough for early bytes to come.
    client.send(b" bird").await;
    conversation.send(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    client.read_head().await;
    let head = upgrade_head(proxy.addr.port());
    assert_eq!(conversation.text(), head);
    conversation.assert_quiet();

    let greeting = format!("{}hello", switching_response());
    conversation.send(greeting.as_bytes()).await;
    let (answer, mut behind) = client.read_head().await;
    assert_eq!(
        answer,
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {ACCEPT}\r\nConnection: Upgrade\r\n\r\n"
        )
    );
    behind.extend(client.read_exact(5 - behind.len()).await);
    assert_eq!(behind, b"hello");
    conversation.read_until(head.len() + 10).await;
    assert_eq!(conversation.text(), format!("{head}early bird"));

    client.send(b"!").await;
    conversation.read_until(head.len() + 11).await;
    conversation.send(b"bye").await;
    assert_eq!(client.read_exact(3).await, b"bye");
    client.shutdown().await;
    conversation.read_to_end().await;
    assert_eq!(conversation.text(), format!("{head}early bird!"));
}

#[tokio::test]
async fn the_right_101_is_known_in_any_dress() {
    let accept = format!("Sec-WebSocket-Accept: {ACCEPT}");
    let answers = [
        format!("HTTP/1.1 101\r\n{accept}\r\nupgrade:WebSocket\r\nconnection:UPGRADE\r\n\r\n"),
        format!(
            "HTTP/1.1 101 Sure\r\nConnection: keep-alive, Upgrade\r\nKeep-Alive: 5\r\n\
             Upgrade: websocket\r\nsec-websocket-accept:   {ACCEPT} \r\nContent-Length: 0\r\n\
             Sec-WebSocket-Protocol: chat\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
    ];
    for answer in answers {
        let mut upstream = Upstream::manual().await;
        let proxy = Proxy::start(&upstream).await;
        let (mut client, mut conversation) = upgrading(&proxy, &mut upstream).await;
        for byte in answer.as_bytes() {
            conversation.send(&[*byte]).await;
        }
        let (head, _) = client.read_head().await;
        assert!(head.starts_with("HTTP/1.1 101"), "{answer}\n{head}");
        assert!(head.ends_with("\r\nConnection: Upgrade\r\n\r\n"), "{head}");
        for gone in ["Keep-Alive", "Content-Length", "Transfer-Encoding"] {
            assert!(!head.contains(gone), "{gone} in {head}");
        }
        client.send(b"ping").await;
        conversation.read_until(upgrade_head(proxy.addr.port()).len() + 4).await;
    }
}

#[tokio::test]
async fn any_other_101_is_502_and_the_upstream_is_closed() {
    let accept = format!("Sec-WebSocket-Accept: {ACCEPT}\r\n");
    let upgrade = "Upgrade: websocket\r\n";
    let connection = "Connection: Upgrade\r\n";
    let cases = [
        ("no accept", format!("{upgrade}{connection}")),
        ("empty accept", format!("{upgrade}{connection}Sec-WebSocket-Accept:\r\n")),
        ("accept twice", format!("{upgrade}{connection}{accept}{accept}")),
        ("accept and another", format!("{upgrade}{connection}{accept}Sec-WebSocket-Accept: x\r\n")),
        ("another and accept", format!("{upgrade}{connection}Sec-WebSocket-Accept: x\r\n{accept}")),
        ("accept list", format!("{upgrade}{connection}Sec-WebSocket-Accept: {ACCEPT}, x\r\n")),
        ("accept in lower case", format!("{upgrade}{connection}{}", accept.to_lowercase())),
        ("accept cut", format!("{upgrade}{connection}{}\r\n", &accept[..accept.len() - 3])),
        (
            "accept of another key",
            format!("{upgrade}{connection}Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n"),
        ),
        (
            "the key itself",
            format!("{upgrade}{connection}Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        ),
        ("accept underscored", format!("{upgrade}{connection}{}", accept.replace('-', "_"))),
        ("no upgrade", format!("{connection}{accept}")),
        ("empty upgrade", format!("Upgrade:\r\n{connection}{accept}")),
        ("upgrade h2c", format!("Upgrade: h2c\r\n{connection}{accept}")),
        ("upgrade list", format!("Upgrade: websocket, h2c\r\n{connection}{accept}")),
        ("upgrade lines", format!("Upgrade: h2c\r\n{upgrade}{connection}{accept}")),
        ("upgrade websocket/13", format!("Upgrade: websocket/13\r\n{connection}{accept}")),
        ("no connection", format!("{upgrade}{accept}")),
        ("connection close", format!("{upgrade}Connection: close\r\n{accept}")),
        ("connection websocket", format!("{upgrade}Connection: websocket\r\n{accept}")),
    ];
    for (what, lines) in cases {
        let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\nGIFT");
        assert_shut(what, &answer).await;
    }
    let in_1_0 = switching_response().replace("HTTP/1.1", "HTTP/1.0");
    assert_shut("101 in HTTP/1.0", &in_1_0).await;
}

/// That this answer to a WebSocket request becomes a 502 and lets nothing through.
async fn assert_shut(what: &str, answer: &str) {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(format!("{}early", upgrade_request()).as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    conversation.send(answer.as_bytes()).await;
    let answer = client.read_answer().await;
    assert_status(&answer, 502, what);
    assert!(!answer.1.contains("GIFT"), "{what}: {}", answer.1);
    conversation.read_to_end().await;
    assert_eq!(conversation.text(), upgrade_head(proxy.addr.port()), "{what}");
}

#[tokio::test]
async fn a_101_to_a_plain_request_is_502() {
    assert_status(&ask(PLAIN, switching_response()).await, 502, "websocket");
    let h2c = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n";
    assert_status(&ask(PLAIN, h2c).await, 502, "h2c");
    let head = "HEAD / HTTP/1.1\r\nHost: example.com\r\n\r\n";
    assert_status(&ask(head, switching_response()).await, 502, "to HEAD");
}

/// Relays an answer to an upgrade and fails when another byte of the client's goes on.
async fn assert_relayed(sent: &str, head: &str, body: &str) {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(format!("{}early", upgrade_request()).as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    let (first, last) = sent.split_at(sent.len() - body.len() / 2);
    conversation.send(first.as_bytes()).await;
    let (found, mut behind) = client.read_head().await;
    assert_eq!(found, head);
    client.send(b"GET /late HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    conversation.send(last.as_bytes()).await;
    within("shutdown", conversation.stream.shutdown()).await.unwrap();
    let (rest, end) = client.read_to_end_and_how().await;
    assert!(end.is_ok(), "{end:?}");
    behind.extend_from_slice(&rest);
    assert_eq!(String::from_utf8(behind).unwrap(), body);
    conversation.read_to_end().await;
    assert_eq!(conversation.text(), upgrade_head(proxy.addr.port()));
}

#[tokio::test]
async fn another_status_to_an_upgrade_is_relayed_whole_and_nothing_more_is_sent_on() {
    assert_relayed(
        "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\
         Connection: Upgrade, keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\
         Content-Length: 5\r\nConnection: close\r\n\r\n",
        "hello",
    )
    .await;
    assert_relayed(
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n\
         5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\
         Connection: close\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
    )
    .await;
    assert_relayed(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nuntil the close",
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n",
        "until the close",
    )
    .await;
    assert_relayed(
        "HTTP/1.0 200 OK\r\n\r\nuntil the close",
        "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n",
        "until the close",
    )
    .await;
    for head in [
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n",
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n",
        "HTTP/1.1 302 Found\r\nLocation: /a\r\nSet-Cookie: a\r\nContent-Length: 0\r\n",
        "HTTP/1.1 999 \r\nContent-Length: 0\r\n",
    ] {
        assert_relayed(&format!("{head}\r\n"), &format!("{head}Connection: close\r\n\r\n"), "")
            .await;
    }
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
