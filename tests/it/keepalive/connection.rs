//! How long a client's connection goes on: requests one after the other, and what ends it.

use std::time::Duration;

use wssgate::server::{Order, Outcome};

use super::{AGAIN, keeping};
use crate::support::{
    Client, Conversation, Proxy, Upstream, switching_response, upgrade_request, within,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// An upstream that answers `AGAIN` to whatever it is asked, and agrees to every upgrade.
async fn willing() -> Upstream {
    Upstream::serving(|mut conversation: Conversation| async move {
        let head = conversation.read_head().await;
        if head.contains("\r\nUpgrade: websocket\r\n") {
            conversation.send(switching_response().as_bytes()).await;
            conversation.read_to_end().await;
        } else {
            conversation.send(AGAIN.as_bytes()).await;
        }
        conversation.finish().await;
        conversation
    })
    .await
}

async fn request(client: &mut Client) -> String {
    client.send(GET).await;
    let (head, behind) = client.read_head().await;
    let rest = client.read_exact("again".len() - behind.len()).await;
    assert_eq!([behind, rest].concat(), b"again");
    head
}

async fn assert_ends(client: &mut Client) {
    let (bytes, how) = client.read_to_end_and_how().await;
    assert_eq!(bytes, b"");
    assert!(how.is_ok(), "without close_notify: {how:?}");
}

#[tokio::test]
async fn each_request_has_an_upstream_connection_of_its_own() {
    let mut upstream = willing().await;
    let proxy = keeping(&upstream, |_| {}).await;
    let mut client = Client::connect(proxy.addr).await;
    for _ in 0..3 {
        assert!(request(&mut client).await.contains("\r\nConnection: keep-alive\r\n"));
        let conversation = upstream.accept().await;
        let received = String::from_utf8(conversation.received).unwrap();
        assert_eq!(received.matches("GET / HTTP/1.1\r\n").count(), 1);
        assert!(received.ends_with("\r\nConnection: close\r\n\r\n"), "{received}");
    }
}

#[tokio::test]
async fn an_upgrade_may_follow_plain_requests() {
    let mut upstream = willing().await;
    let proxy = keeping(&upstream, |_| {}).await;
    let mut client = Client::connect(proxy.addr).await;
    request(&mut client).await;
    upstream.accept().await;
    client.send(&[upgrade_request().as_bytes(), b"first frame"].concat()).await;
    let (head, _) = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client.shutdown().await;
    let conversation = upstream.accept().await;
    assert!(conversation.received.ends_with(b"\r\n\r\nfirst frame"));
}

#[tokio::test]
async fn pipelined_requests_wait_their_turn_and_are_each_judged() {
    let mut upstream = willing().await;
    let proxy = keeping(&upstream, |_| {}).await;
    let mut client = Client::connect(proxy.addr).await;
    let post = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    let bad = b"GET /bad HTTP/1.1\r\n\r\n";
    client.send(&[GET, post, GET, bad, GET].concat()).await;
    let answers = String::from_utf8(client.read_to_end().await).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{answers}");
    assert!(answers.ends_with("400 Bad Request: no host\n"), "{answers}");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let received = String::from_utf8(upstream.accept().await.received).unwrap();
        seen.push(received.lines().next().unwrap().to_owned());
        assert_eq!(received.ends_with("\r\n\r\nbody"), seen.len() == 2, "{received}");
    }
    assert_eq!(seen, ["GET / HTTP/1.1", "POST /p HTTP/1.1", "GET / HTTP/1.1"]);
    assert!(upstream.accepted().is_none(), "what follows a refused request was sent on");
}

#[tokio::test]
async fn a_client_that_says_close_or_speaks_http_1_0_is_closed() {
    let upstream = willing().await;
    let proxy = keeping(&upstream, |_| {}).await;
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Foo, CLOSE\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    ] {
        let mut client = Client::connect(proxy.addr).await;
        client.send([request.as_bytes(), GET].concat().as_slice()).await;
        let answer = String::from_utf8(client.read_to_end().await).unwrap();
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nagain"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_before_the_bodys_end_closes() {
    let upstream = willing().await;
    let proxy = keeping(&upstream, |_| {}).await;
    let mut client = Client::connect(proxy.addr).await;
    client
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nGET / HTTP/1.1\r\n")
        .await;
    let (head, _) = client.read_head().await;
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    client.read_to_end().await;
}

#[tokio::test]
async fn keepalive_timeout_ends_an_idle_connection() {
    let upstream = willing().await;
    let proxy = keeping(&upstream, |config| {
        config.timeouts.keepalive_timeout = Duration::from_millis(200);
    })
    .await;
    let mut client = Client::connect(proxy.addr).await;
    request(&mut client).await;
    assert_ends(&mut client).await;
}

#[tokio::test]
async fn keepalive_timeout_zero_is_one_request_a_connection() {
    let upstream = willing().await;
    let proxy = keeping(&upstream, |config| {
        config.timeouts.keepalive_timeout = Duration::ZERO;
    })
    .await;
    let mut client = Client::connect(proxy.addr).await;
    assert!(request(&mut client).await.contains("\r\nConnection: close\r\n"));
    assert_ends(&mut client).await;
}

#[tokio::test]
async fn a_begun_head_has_the_setup_timeout_and_is_answered_408() {
    let upstream = willing().await;
    let proxy = keeping(&upstream, |config| {
        config.timeouts.setup = Duration::from_millis(500);
    })
    .await;
    let mut client = Client::connect(proxy.addr).await;
    request(&mut client).await;
    client.send(b"GET /slow HTTP/1.1\r\nHos").await;
    let answer = String::from_utf8(client.read_to_end().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn max_requests_is_the_last_on_its_connection() {
    let upstream = willing().await;
    let proxy = keeping(&upstream, |config| config.limits.max_requests = Some(2)).await;
    let mut client = Client::connect(proxy.addr).await;
    assert!(request(&mut client).await.contains("\r\nConnection: keep-alive\r\n"));
    assert!(request(&mut client).await.contains("\r\nConnection: close\r\n"));
    assert_ends(&mut client).await;
}

#[tokio::test]
async fn a_drain_ends_idle_connections_at_once() {
    let upstream = willing().await;
    let proxy = Proxy::start_all(&[upstream.addr()], |config| {
        config.listeners[0].timeouts.keepalive_timeout = Duration::from_secs(600);
        config.drain.timeout = Duration::from_secs(600);
    })
    .await;
    let mut client = Client::connect(proxy.addr).await;
    request(&mut client).await;
    proxy.order(Order::Drain).await;
    assert_ends(&mut client).await;
    drop(client);
    assert_eq!(proxy.outcome().await, Outcome::Drained);
}

#[tokio::test]
async fn the_connection_limit_takes_the_place_of_an_idle_connection() {
    let upstream = willing().await;
    let proxy = keeping(&upstream, |config| config.limits.max_connections = Some(2)).await;
    let mut first = Client::connect(proxy.addr).await;
    request(&mut first).await;
    let mut second = Client::connect(proxy.addr).await;
    request(&mut second).await;
    let mut third = within("a place", Client::connect(proxy.addr)).await;
    request(&mut third).await;
    assert_ends(&mut first).await;
}

#[tokio::test]
async fn a_client_that_is_gone_frees_a_waiting_upstream() {
    let mut upstream = Upstream::manual().await;
    let proxy = keeping(&upstream, |config| {
        config.timeouts.half_close = Some(Duration::from_millis(200));
    })
    .await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(GET).await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    conversation
        .send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        .await;
    client.read_head().await;
    drop(client);
    conversation.read_to_end().await;
}

#[tokio::test]
async fn a_connection_that_falls_idle_at_the_limit_gives_its_place_away() {
    let mut upstream = Upstream::manual().await;
    let proxy = keeping(&upstream, |config| config.limits.max_connections = Some(1)).await;
    let mut busy = Client::connect(proxy.addr).await;
    busy.send(GET).await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    // It waits in the kernel's queue while the only place is taken by a request under way.
    let waiting = tokio::net::TcpStream::connect(proxy.addr).await.unwrap();
    conversation.send(AGAIN.as_bytes()).await;
    let (head, _) = busy.read_head().await;
    assert!(head.contains("\r\nConnection: keep-alive\r\n"), "{head}");
    drop(conversation);
    let config = crate::support::TlsOptions::default().config();
    Client::handshake(waiting, config).await.unwrap();
}
