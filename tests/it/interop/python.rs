//! The package websockets as client and as server, compression and subprotocol agreed upon between them.

use serde_json::json;

use crate::support::{Process, Proxy, repository};

#[tokio::test]
#[ignore = "needs Python"]
async fn client_and_server_agree_on_everything() {
    let mut server = Process::python("interop/echo_server.py", &[]);
    let upstream = server.line().await["listening"].as_str().unwrap().to_owned();
    let proxy = Proxy::start_with(&[upstream], |_| {}).await;
    let url = format!("wss://localhost:{}/chat?room=1", proxy.addr.port());
    let ca = repository("certs/ca.pem").display().to_string();
    let client = Process::python("interop/echo_client.py", &[&url, &ca]).result().await;
    check(&client, &mut server, proxy.addr.port()).await;
}

/// What `client` and `server` say of their two connections is the same, and all of it was agreed upon.
pub(super) async fn check(client: &serde_json::Value, server: &mut Process, port: u16) {
    let expected = json!({
        "subprotocol": "chat",
        "extensions": ["permessage-deflate"],
        "tls": "TLSv1.3",
        "close": [4001, "enough"],
        "closed_by_server": [4002, "as you wish"],
    });
    assert_eq!(*client, expected);
    for close in ["close", "closed_by_server"] {
        let expected = json!({
            "subprotocol": "chat",
            "extensions": ["permessage-deflate"],
            "close": expected[close],
            "path": "/chat?room=1",
            "headers": {
                "Host": format!("localhost:{port}"),
                "Connection": "Upgrade",
                "X-Forwarded-Proto": "https",
            },
        });
        assert_eq!(server.line().await, expected);
    }
}
