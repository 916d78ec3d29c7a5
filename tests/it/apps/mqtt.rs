//! Mosquitto with a WebSocket listener, and MQTT clients that speak its subprotocol.

use std::fs;

use serde_json::json;
use tokio::process::Command;

use super::terminator::Terminator;
use crate::support::{Process, free_port, program, repository};

#[tokio::test]
#[ignore = "needs nginx, Mosquitto and Python"]
async fn mosquitto_delivers_what_is_published_over_websockets() {
    let dir = tempfile::tempdir().unwrap();
    let addr = free_port();
    let config = dir.path().join("mosquitto.conf");
    // This version of Mosquitto does not start if all of its listeners are for WebSockets.
    let [plain, websockets] = [free_port(), addr].map(|addr| addr.port());
    let listeners = format!(
        "listener {plain} 127.0.0.1\nlistener {websockets} 127.0.0.1\nprotocol websockets\n"
    );
    fs::write(&config, listeners + "allow_anonymous true\nlog_dest stderr\n").unwrap();
    let mut command = Command::new(program("mosquitto"));
    command.arg("-c").arg(config);
    let mut broker = Process::start("mosquitto", command);
    broker.listens(addr).await;
    let ca = repository("certs/ca.pem").display().to_string();
    for terminator in Terminator::both(&addr.to_string()).await {
        let port = terminator.addr.port().to_string();
        let seen = Process::python("apps/mqtt_client.py", &[&port, &ca]).result().await;
        let expected = json!({
            "connected": ["Success", "Success"],
            "granted": ["Granted QoS 1"],
            "topics": ["wssgate/test"],
            "received": true,
        });
        assert_eq!(seen, expected, "{}", terminator.name);
    }
}
