//! noVNC: a page shows the screen of a VNC server, over websockify's binary WebSocket.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;
use tokio::process::Command;

use super::terminator::Terminator;
use crate::support::{Process, free_port, installed, program, repository};

#[tokio::test]
#[ignore = "needs nginx, Chromium, Node, Python and TigerVNC"]
async fn novnc_shows_the_screen_of_a_vnc_server() {
    let screen = free_port();
    let mut command = Command::new(program("Xtigervnc"));
    // A display of X has a number below 59536 that belongs to nobody else, as the port does.
    command.arg(format!(":{}", 1000 + screen.port() % 50_000));
    command.args(["-rfbport", &screen.port().to_string(), "-localhost", "-SecurityTypes", "None"]);
    command.args(["-nolock", "-nolisten", "unix"]);
    command.args(["-geometry", "640x480", "-retro", "-desktop", "a desktop"]);
    let mut desktop = Process::start("Xtigervnc", command);
    desktop.listens(screen).await;

    let web = tempfile::tempdir().unwrap();
    fs::copy(repository("tests/it/apps/vnc.html"), web.path().join("vnc.html")).unwrap();
    for folder in ["core", "vendor"] {
        let of = installed("apps/node_modules/@novnc/novnc").join(folder);
        symlink(of, web.path().join(folder)).unwrap();
    }
    let addr = free_port();
    let mut command = Command::new(installed("venv/bin/python3"));
    command.args(["-m", "websockify", "--web"]).arg(web.path());
    command.args([addr.to_string(), screen.to_string()]);
    let mut websockify = Process::start("websockify", command);
    websockify.listens(addr).await;

    for terminator in Terminator::both(&addr.to_string()).await {
        let seen = Process::node("apps/vnc_page.mjs", &[&terminator.url()]).result().await;
        let expected = json!({
            "size": [640, 480],
            "colours": 2,
            "name": "a desktop",
            "clean": true,
            "errors": [],
        });
        assert_eq!(seen, expected, "{}", terminator.name);
    }
}
