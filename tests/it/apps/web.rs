//! What pages do beside WebSockets: many assets, server-sent events, long polling, large bodies.

use serde_json::{Value, json};

use super::terminator::Terminator;
use crate::support::Process;

/// Each way, through each.
const BODY_BYTES: u64 = 512 << 20;

/// What is resident at most: far less than a body, and not much more than without one.
const MAX_RSS_KIB: u64 = 40 << 10;

#[tokio::test]
#[ignore = "needs nginx, Chromium and Node"]
async fn sixty_assets_are_all_loaded() {
    check("assets", &json!({ "scripts": 20, "sheets": 20, "images": 20, "errors": [] })).await;
}

#[tokio::test]
#[ignore = "needs nginx, Chromium and Node"]
async fn events_come_one_by_one_and_their_source_reconnects() {
    let ids = [1, 2, 3, 4, 5, 6, 7];
    // Twice it finds its response ended and connects again.
    let expected = json!({ "ids": ids, "opened": 3, "states": [0, 0], "errors": [] });
    check("events", &expected).await;
}

#[tokio::test]
#[ignore = "needs nginx, Chromium and Node"]
async fn long_poll_is_answered_when_there_is_something_to_say() {
    let heard = ["one", "two", "three"].map(|word| json!(["nothing yet", 204, word]));
    check("polling", &json!({ "heard": heard, "errors": [] })).await;
}

#[tokio::test]
#[ignore = "needs nginx and Node"]
async fn large_bodies_pass_whole_and_are_not_kept() {
    let mut server = Process::node("apps/web_server.mjs", &[]);
    let upstream = server.listening().await;
    for terminator in Terminator::both(&upstream).await {
        let (url, bytes) = (terminator.url(), BODY_BYTES.to_string());
        let mut client = Process::node("apps/bodies_client.mjs", &[&url, &bytes]);
        let uploaded = client.line().await;
        let received = server.line().await;
        assert_eq!(uploaded["status"], 201, "{}", terminator.name);
        assert_eq!(received["bytes"], BODY_BYTES, "{}", terminator.name);
        assert_eq!(received["received"], uploaded["digest"], "{}", terminator.name);
        let downloaded = client.line().await;
        assert_eq!(downloaded["status"], 200, "{}", terminator.name);
        assert_eq!(downloaded["bytes"], BODY_BYTES, "{}", terminator.name);
        assert_eq!(server.line().await["sent"], downloaded["digest"], "{}", terminator.name);
        let peak = terminator.peak_rss_kib();
        eprintln!("{}: at most {peak} KiB resident", terminator.name);
        assert!(terminator.name == "nginx" || peak < MAX_RSS_KIB, "{peak} KiB");
    }
}

async fn check(page_use: &str, expected: &Value) {
    let mut server = Process::node("apps/web_server.mjs", &[]);
    let upstream = server.listening().await;
    for terminator in Terminator::both(&upstream).await {
        let seen =
            Process::node("apps/web_page.mjs", &[&terminator.url(), page_use]).result().await;
        assert_eq!(seen, *expected, "{}", terminator.name);
    }
}
