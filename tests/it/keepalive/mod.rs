//! Client keep-alive: when a connection goes on after an answer, and what never crosses from one request
//! to the next.

mod connection;
mod responses;
mod smuggling;

use std::collections::HashSet;

use responses::{Case, Then};
use tokio::io::AsyncWriteExt as _;
use wssgate::config::{Listener, Timeouts};

use crate::support::{Client, Conversation, Proxy, Upstream, within};

const AGAIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain";
const AGAIN_KEPT: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nagain";

#[tokio::test]
async fn responses_with_a_length_are_counted() {
    run(responses::LENGTHS).await;
}

#[tokio::test]
async fn chunked_responses_are_followed_to_their_end() {
    run(responses::CHUNKS).await;
}

#[tokio::test]
async fn responses_without_a_body_end_with_their_head() {
    run(responses::BODILESS).await;
}

#[tokio::test]
async fn responses_that_end_by_the_close_end_the_connection() {
    run(responses::CLOSES).await;
}

#[tokio::test]
async fn interim_responses_go_on_and_the_answer_is_awaited() {
    run(responses::INTERIM).await;
}

#[tokio::test]
async fn garbage_is_a_bad_gateway() {
    run(responses::GARBAGE).await;
}

#[test]
fn the_table_is_large_and_its_names_are_unique() {
    let tables = [
        responses::LENGTHS,
        responses::CHUNKS,
        responses::BODILESS,
        responses::CLOSES,
        responses::INTERIM,
        responses::GARBAGE,
    ];
    let names: Vec<&str> = tables.iter().flat_map(|table| table.iter().map(|c| c.name)).collect();
    assert!(names.len() >= 60, "{}", names.len());
    assert_eq!(names.len(), names.iter().collect::<HashSet<_>>().len());
}

/// Sends each case's response whole and a byte at a time: what the client gets is the same.
async fn run(cases: &'static [Case]) {
    for case in cases {
        for piece in [usize::MAX, 1] {
            within(case.name, check(case, piece)).await;
        }
    }
}

async fn check(case: &'static Case, piece: usize) {
    let upstream = sending(case.response.as_bytes(), piece).await;
    let proxy = keeping(&upstream, |_| {}).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(format!("{} /case HTTP/1.1\r\nHost: a\r\n\r\n", case.method).as_bytes()).await;
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let name = case.name;
    match case.then {
        Then::Lives(expected) => {
            let got = client.read_exact(expected.len()).await;
            assert_eq!(shown(&got), shown(expected.as_bytes()), "{name}");
            client.send(b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let got = client.read_exact(AGAIN_KEPT.len()).await;
            assert_eq!(shown(&got), shown(AGAIN_KEPT.as_bytes()), "{name}: the next request");
        }
        Then::Ends(expected) => {
            let (got, how) = client.read_to_end_and_how().await;
            assert_eq!(shown(&got), shown(expected.as_bytes()), "{name}");
            assert!(how.is_ok(), "{name}: {how:?}");
        }
        Then::Surplus(expected) => {
            let got = client.read_exact(expected.len()).await;
            assert_eq!(shown(&got), shown(expected.as_bytes()), "{name}");
            let _ = client
                .try_send(b"GET /again HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                .await;
            let rest = client.read_to_end().await;
            let again = AGAIN_KEPT.replace("keep-alive", "close");
            // In one piece the surplus is seen; in many it comes after the end.
            let lives = piece == 1 && rest == again.as_bytes();
            assert!(rest.is_empty() || lives, "{name}: {}", shown(&rest));
        }
        Then::Cut(expected) => {
            let (got, how) = client.read_to_end_and_how().await;
            assert_eq!(shown(&got), shown(expected.as_bytes()), "{name}");
            assert!(how.is_err(), "{name}: a clean end hides that something is missing");
        }
        // What was seen to be broken before a byte of it went on is refused; later it is cut.
        Then::Refused(status) => {
            let (got, how) = client.read_to_end_and_how().await;
            let start = format!("HTTP/1.1 {status} ");
            let interim = got.starts_with(b"HTTP/1.1 1");
            let text = String::from_utf8_lossy(&got).into_owned();
            let cut = how.is_err() && piece == 1 && !text.contains("EVIL");
            let refused =
                how.is_ok() && (text.starts_with(&start) || interim && text.contains(&start));
            assert!(refused || cut, "{name}: {} {how:?}", shown(&got));
        }
    }
}

/// An upstream that sends these bytes in pieces, and `AGAIN` to the request for it, and closes.
async fn sending(response: &'static [u8], piece: usize) -> Upstream {
    Upstream::serving(move |mut conversation: Conversation| async move {
        let head = conversation.read_head().await;
        let answer = if head.contains(" /again ") { AGAIN.as_bytes() } else { response };
        for bytes in answer.chunks(piece.min(answer.len().max(1))) {
            // Whoever sends too much may find the proxy gone.
            if conversation.stream.write_all(bytes).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        conversation.finish().await;
        conversation
    })
    .await
}

/// A server that keeps its clients' connections, as it does by default, with changes to the settings.
async fn keeping(upstream: &Upstream, tweak: impl FnOnce(&mut Listener)) -> Proxy {
    Proxy::start_with(&[upstream.addr()], |config| {
        config.timeouts.keepalive_timeout = Timeouts::default().keepalive_timeout;
        tweak(config);
    })
    .await
}
