//! Request smuggling over a connection that goes on: no byte becomes part of another request.

use proptest::prelude::*;
use proptest::sample::Index;

use super::{AGAIN, keeping};
use crate::support::{Client, Conversation, Proxy, Upstream, within};

const GET: &str = "GET /first HTTP/1.1\r\nHost: a\r\n\r\n";
const EVIL: &str = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";

/// An upstream that answers each request when it is whole, and reports what each connection brought.
async fn answering() -> Upstream {
    Upstream::serving(|mut conversation: Conversation| async move {
        let head = conversation.read_head().await;
        if head.contains("Content-Length: 5\r\n") {
            conversation.read_until(head.len() + 5).await;
        }
        conversation.send(AGAIN.as_bytes()).await;
        conversation.finish().await;
        conversation
    })
    .await
}

/// The request lines and bodies that reached the upstream, one for each of its connections, in the order
/// in which these came.
async fn arrived(upstream: &mut Upstream, count: usize) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    for _ in 0..count {
        let conversation = upstream.accept().await;
        let received = String::from_utf8(conversation.received).unwrap();
        let (head, body) = received.split_once("\r\n\r\n").unwrap();
        let line = head.lines().next().unwrap().to_owned();
        seen.push((conversation.number, (line, body.to_owned())));
    }
    assert!(upstream.accepted().is_none(), "more arrived than was expected: {seen:?}");
    // That the proxy has closed one is seen after the next was answered, now and then.
    seen.sort_unstable_by_key(|(number, _)| *number);
    seen.into_iter().map(|(_, request)| request).collect()
}

#[tokio::test]
async fn an_ambiguous_length_ends_the_connection_and_nothing_behind_it_is_read() {
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 0",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length : 5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding:\u{b}chunked",
        "Transfer-Encoding : chunked",
        "X: a\nContent-Length: 5",
        "X: a\rContent-Length: 5",
        "X: a\r\n Content-Length: 5",
    ] {
        let mut upstream = answering().await;
        let proxy = keeping(&upstream, |_| {}).await;
        let mut client = Client::connect(proxy.addr).await;
        let second = format!("POST /second HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n0\r\n\r\n");
        client.send(format!("{GET}{second}{EVIL}").as_bytes()).await;
        let answers = String::from_utf8(client.read_to_end().await).unwrap();
        let (_, refusal) = answers.split_once("again").unwrap();
        let status = refusal.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "400" | "501"), "{framing:?}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 2, "{framing:?}: {answers}");
        let seen = arrived(&mut upstream, 1).await;
        assert_eq!(seen, [("GET /first HTTP/1.1".into(), String::new())], "{framing:?}");
    }
}

#[tokio::test]
async fn bytes_behind_a_body_are_the_next_request_and_not_its_own() {
    let mut upstream = answering().await;
    let proxy = keeping(&upstream, |_| {}).await;
    let mut client = Client::connect(proxy.addr).await;
    let post = "POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    client.send(format!("{post}{GET}smuggled").as_bytes()).await;
    client.shutdown().await;
    client.read_to_end().await;
    let expected =
        [("POST /post HTTP/1.1".into(), "hello".into()), (GET_LINE.into(), String::new())];
    assert_eq!(arrived(&mut upstream, 2).await, expected);
}

const GET_LINE: &str = "GET /first HTTP/1.1";

#[tokio::test]
async fn an_answer_too_many_is_never_the_answer_to_the_next_request() {
    let split = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine\
                 HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!";
    let upstream = Upstream::serving(move |mut conversation: Conversation| async move {
        let head = conversation.read_head().await;
        let answer = if head.starts_with("GET /first ") { split } else { AGAIN };
        conversation.send(answer.as_bytes()).await;
        conversation.finish().await;
        conversation
    })
    .await;
    let proxy = keeping(&upstream, |_| {}).await;
    for _ in 0..20 {
        let mut client = Client::connect(proxy.addr).await;
        client.send(format!("{GET}GET /next HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await;
        client.shutdown().await;
        let answers = String::from_utf8_lossy(&client.read_to_end().await).into_owned();
        assert!(answers.contains("\r\n\r\nmine") && !answers.contains("EVIL"), "{answers}");
    }
}

/// Requests of every kind, and what reaches the upstream of each.
const REQUESTS: [(&str, &str, &str); 4] = [
    (GET, GET_LINE, ""),
    ("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /", "POST /p HTTP/1.1", "GET /"),
    ("PUT /q HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "PUT /q HTTP/1.1", ""),
    ("DELETE /r HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n", "DELETE /r HTTP/1.1", ""),
];

/// The sequence, cut anywhere, over TLS; each piece is a record of its own.
async fn sent_in_pieces(
    (proxy, upstream): (&Proxy, &mut Upstream),
    picked: &[usize],
    cuts: &[Index],
) -> Vec<(String, String)> {
    let whole: String = picked.iter().map(|index| REQUESTS[*index].0).collect();
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len())).collect();
    at.extend([0, whole.len()]);
    at.sort_unstable();
    let mut client = Client::connect(proxy.addr).await;
    for piece in at.windows(2) {
        client.send(&whole.as_bytes()[piece[0]..piece[1]]).await;
    }
    client.shutdown().await;
    client.read_to_end().await;
    arrived(upstream, picked.len()).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_any_sequence_arrives_as_one_at_a_time(
        picked in prop::collection::vec(0..REQUESTS.len(), 1..6),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = runtime.block_on(within("a sequence", async {
            let mut upstream = answering().await;
            let proxy = keeping(&upstream, |_| {}).await;
            sent_in_pieces((&proxy, &mut upstream), &picked, &cuts).await
        }));
        let expected: Vec<(String, String)> =
            picked.iter().map(|i| (REQUESTS[*i].1.to_owned(), REQUESTS[*i].2.to_owned())).collect();
        prop_assert_eq!(seen, expected);
    }
}
