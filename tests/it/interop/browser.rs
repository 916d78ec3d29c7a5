//! The demo in a real browser: headless Chromium opens the page, and the page its WebSocket.

use crate::support::{Binary, Process, eventually, program, repository};

#[tokio::test]
#[ignore = "needs Chromium and Node"]
async fn demo_page_opens_its_websocket_and_shows_the_echo() {
    let chromium = program("chromium").display().to_string();
    let demo = Binary::start(&["demo", "--listen", "127.0.0.1:0"]);
    let find = || demo.log().iter().find_map(|line| url(line));
    eventually("the demo says where it is", || find().is_some()).await;
    let screenshot = repository("target/interop/demo.png").display().to_string();
    let url = find().unwrap();
    let seen =
        Process::node("interop/demo_page.mjs", &[&url, &screenshot, &chromium]).result().await;
    eprintln!("screenshot: {screenshot}");

    assert_eq!(seen["state"], "open");
    assert_eq!(seen["errors"], serde_json::json!([]));
    assert_eq!(seen["echo"], "hello from Chromium");
    assert_eq!(seen["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["headers"]["x-forwarded-proto"], "https");
    assert_eq!(seen["headers"]["connection"], "Upgrade");
    let host = url.trim_start_matches("https://").trim_end_matches('/');
    assert_eq!(seen["headers"]["host"], host);
    assert_eq!(seen["headers"]["origin"], url.trim_end_matches('/'));
    let offered = seen["headers"]["sec-websocket-extensions"].as_str().unwrap();
    assert!(offered.starts_with("permessage-deflate"), "{offered}");
}

/// The address in the line that tells people to open it.
fn url(line: &str) -> Option<String> {
    line.split_whitespace().find(|word| word.starts_with("https://")).map(str::to_owned)
}
