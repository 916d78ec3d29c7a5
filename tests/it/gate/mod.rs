//! The gate: which answers of an upstream open it, and what becomes of the others.

mod failing;

use tokio::io::AsyncWriteExt as _;

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
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
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
