//! A Jupyter server: a cell is run over the kernel's WebSocket, from a page of its origin. Jupyter refuses
//! what a cookie stands for when Origin is not the Host that it sees.

use serde_json::json;
use tokio::process::Command;

use super::terminator::Terminator;
use crate::support::{Process, free_port, installed};

const TOKEN: &str = "5ca1ab1e";

#[tokio::test]
#[ignore = "needs nginx, Chromium, Node and Python"]
async fn jupyter_runs_a_cell_over_its_kernels_websocket() {
    let dir = tempfile::tempdir().unwrap();
    let addr = free_port();
    let mut command = Command::new(installed("venv/bin/python3"));
    command
        .args(["-m", "jupyter_server", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"])
        .arg(format!("--ServerApp.port={}", addr.port()))
        .arg(format!("--IdentityProvider.token={TOKEN}"))
        .arg(format!("--ServerApp.root_dir={}", dir.path().display()))
        .current_dir(&dir);
    for name in
        ["HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"]
    {
        command.env(name, dir.path());
    }
    let mut server = Process::start("jupyter", command);
    server.listens(addr).await;
    for terminator in Terminator::both(&addr.to_string()).await {
        let seen =
            Process::node("apps/jupyter_page.mjs", &[&terminator.url(), TOKEN]).result().await;
        let expected = json!({
            "stdout": "0 from the kernel\n1 from the kernel\n2 from the kernel\n",
            "stderr": 500_001,
            "result": "42",
            "status": "ok",
            "idle": true,
            "closed": [1000, true],
            "errors": [],
        });
        assert_eq!(seen, expected, "{}", terminator.name);
    }
}
