//! The package ws as client, before a server in Python.

use super::python;
use crate::support::{Process, Proxy};

#[tokio::test]
#[ignore = "needs Node and Python"]
async fn client_agrees_on_everything_with_a_python_server() {
    let mut server = Process::python("interop/echo_server.py", &[]);
    let upstream = server.line().await["listening"].as_str().unwrap().to_owned();
    let proxy = Proxy::start_with(&[upstream], |_| {}).await;
    let url = format!("wss://localhost:{}/chat?room=1", proxy.addr.port());
    let client = Process::node("interop/echo_client.mjs", &[&url]).result().await;
    python::check(&client, &mut server, proxy.addr.port()).await;
}
