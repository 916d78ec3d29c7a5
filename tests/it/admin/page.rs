//! The status page in a real browser: headless Chromium looks at a server whose tunnels come and go.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Binary, Client, Process, Upstream, echo, repository, upgrade_request};

/// What would be a picture, and run a script, if it were not text. A path has no spaces.
const HOSTILE: &str = "/<img/src=x/onerror=document.title='taken'>";

#[tokio::test]
#[ignore = "needs Chromium and Node"]
async fn status_page_shows_what_happens_and_ends_a_tunnel() {
    let upstream = Upstream::echo().await;
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = format!("/second={}", second.local_addr().unwrap());
    let checks = ["--health-check", "tcp", "--health-check-interval", "100ms"];
    let args = [&["--admin", "127.0.0.1:0", "--route", &route][..], &checks].concat();
    let (binary, addr) = Binary::serving(&upstream.addr(), &args).await;
    let admin = binary.line("admin listening").await["listener"].as_str().unwrap().to_owned();

    let _quiet = tunnel(addr, "/chat").await;
    let mut hostile = tunnel(addr, HOSTILE).await;
    let mut page = Process::node(
        "admin/page.mjs",
        &[&format!("http://{admin}/"), &repository("target/interop").display().to_string()],
    );
    let seen = page.line().await;
    assert_eq!(seen["state"], "serving");
    assert_eq!(seen["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&seen["open"], &seen["opened"]), (&json!("2"), &json!("2 opened")));
    assert_eq!(places(&seen), [format!("example.com{HOSTILE}"), "example.com/chat".to_owned()]);
    assert_eq!(seen["members"], json!(["up", "up"]));

    let mut third = tunnel(addr, "/third").await;
    assert_eq!(places(&page.line().await)[0], "example.com/third");

    // The pointer is on the list now: a row that would push others down waits.
    let _fourth = tunnel(addr, "/fourth").await;
    let held = page.line().await;
    assert_eq!(places(&held).len(), 3);
    assert_eq!(held["note"], "1 new: shown when you leave the list");
    assert_eq!(places(&page.line().await)[0], "example.com/fourth");

    drop(second);
    assert_eq!(page.line().await["members"], json!(["down", "up"]));

    // Asked about one, it keeps it; told so, it ends another.
    assert_eq!(places(&page.line().await).len(), 4);
    assert_eq!(third.read_to_end().await, b"");
    echo(&mut hostile, "it lives").await;
    let ended = page.line().await;
    assert_eq!(places(&ended).len(), 3, "{ended}");
    assert!(!places(&ended).contains(&"example.com/third".to_owned()), "{ended}");
    let filtered = page.line().await;
    assert_eq!(places(&filtered), ["example.com/chat"]);

    let looks = page.line().await;
    assert_eq!(looks["errors"], json!([]));
    assert_eq!(looks["too_wide"], json!([]));
    assert_eq!(looks["pictures"], 0);
    drop(binary);
    let lost = page.result().await;
    let state = lost["state"].as_str().unwrap();
    assert!(state.starts_with("not reachable since "), "{state}");
    assert_eq!(places(&lost).len(), 3, "what was last seen stays: {lost}");
}

/// A client with a tunnel that was asked for with this path.
async fn tunnel(addr: SocketAddr, path: &str) -> Client {
    let mut client = Client::connect(addr).await;
    client.send(upgrade_request().replacen("/chat", path, 1).as_bytes()).await;
    let (head, _) = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    echo(&mut client, "hello").await;
    client
}

/// Host and path of the tunnels that the page shows.
fn places(seen: &Value) -> Vec<String> {
    let rows = seen["places"].as_array().unwrap();
    rows.iter().map(|place| place.as_str().unwrap().to_owned()).collect()
}
