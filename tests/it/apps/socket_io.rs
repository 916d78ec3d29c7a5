//! socket.io in a page: polling, then the upgrade to a WebSocket; and polling alone.

use serde_json::json;

use super::terminator::Terminator;
use crate::support::Process;

#[tokio::test]
#[ignore = "needs nginx, Chromium and Node"]
async fn socket_io_polls_and_then_upgrades_to_a_websocket() {
    check(&["polling", "websocket"], ["polling", "websocket"]).await;
}

#[tokio::test]
#[ignore = "needs nginx, Chromium and Node"]
async fn socket_io_goes_on_polling_when_it_has_nothing_else() {
    check(&["polling"], ["polling", "polling"]).await;
}

async fn check(offered: &[&str], used: [&str; 2]) {
    let mut server = Process::node("apps/socket_io_server.mjs", &[]);
    let upstream = server.listening().await;
    for terminator in Terminator::both(&upstream).await {
        let url = terminator.url();
        let args = [&[url.as_str()], offered].concat();
        let seen = Process::node("apps/socket_io_page.mjs", &args).result().await;
        let expected = json!({
            "transports": used,
            "text": true,
            "bytes": true,
            "counted": 100,
            "headers": { "proto": "https", "for": "127.0.0.1", "host": true },
            "closed": "io client disconnect",
            "errors": [],
        });
        assert_eq!(seen, expected, "{}", terminator.name);
    }
}
