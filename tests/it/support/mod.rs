//! What the tests share: a server in this process, the built binary, a TLS client that sends raw bytes,
//! an upstream that writes down what it gets, and a certificate authority.
//!
//! Ports are chosen by the kernel, or from those that it gives to nobody. Nothing here sleeps to wait for something:
//! [`eventually`] and [`until`] poll, and [`within`] turns a hang into a failure with a name.

mod authority;
mod binary;
mod black_hole;
mod client;
mod name_server;
mod process;
mod proxy;
mod replica;
mod upstream;
mod watched;

pub(crate) use authority::{Authority, Issued, Key, Leaf, Usage, Validity};
pub(crate) use binary::{Binary, certificate_arguments};
pub(crate) use black_hole::BlackHole;
pub(crate) use client::{Client, Connector, TlsOptions};
pub(crate) use name_server::{Mood, NameServer};
pub(crate) use process::{Process, clock_of, free_port, installed, program};
pub(crate) use proxy::Proxy;
pub(crate) use replica::Replica;
pub(crate) use upstream::{Conversation, Upstream};
pub(crate) use watched::{Samples, Watched, build_name, program_under_load, release_build};

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

/// The cap of everything that should take no time at all; generous, since machines are busy.
pub(crate) const CAP: Duration = Duration::from_secs(30);

/// The key of the RFC's example (RFC 6455, 1.3), and the accept value that answers it.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A WebSocket request that is in order.
pub(crate) fn upgrade_request() -> String {
    format!(
        "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// The header lines that say to the upstream who its client is.
pub(crate) fn own_headers(ip: &str, host: Option<&str>, port: u16) -> String {
    let host = host.map(|host| format!("X-Forwarded-Host: {host}\r\n")).unwrap_or_default();
    format!(
        "X-Forwarded-For: {ip}\r\nX-Real-IP: {ip}\r\nX-Forwarded-Proto: https\r\n{host}\
         X-Forwarded-Port: {port}\r\n"
    )
}

/// What the upstream gets of [`upgrade_request`] through a listener at this port of 127.0.0.1.
pub(crate) fn upgrade_head(port: u16) -> String {
    let own = own_headers("127.0.0.1", Some("example.com"), port);
    format!(
        "GET /chat HTTP/1.1\r\nHost: example.com\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n{own}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
}

/// What it gets of a plain head: `lines` (request line, Host `example.com`, more), each with its CRLF.
pub(crate) fn plain_head(lines: &str, port: u16) -> String {
    let own = own_headers("127.0.0.1", Some("example.com"), port);
    format!("{lines}{own}Connection: close\r\n\r\n")
}

/// The response that opens the gate for [`upgrade_request`].
pub(crate) fn switching_response() -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    )
}

/// The result of `future`, or a panic that says what did not happen within [`CAP`].
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(CAP, future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {CAP:?}: {what}"),
    }
}

/// Polls until `condition` holds, or panics with `what` after [`CAP`].
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || std::future::ready(condition())).await;
}

/// The same for a condition that somebody has to be asked for.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    within(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Waits until a connect to this address is accepted.
pub(crate) async fn listens(addr: std::net::SocketAddr) {
    until("it listens", || async move { tokio::net::TcpStream::connect(addr).await.is_ok() }).await;
}

/// Makes a socket's close a reset (SO_LINGER of 0, socket(7)).
pub(crate) fn reset(stream: &tokio::net::TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Waits until a connect to this address is refused.
pub(crate) async fn refused(addr: std::net::SocketAddr) {
    until("a refused connect", || async move {
        let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        tokio::net::TcpStream::connect(addr).await.is_err_and(refused)
    })
    .await;
}

/// Checks that a tunnel passes bytes both ways, through an upstream that echoes.
pub(crate) async fn echo(client: &mut Client, text: &str) {
    client.send(text.as_bytes()).await;
    assert_eq!(client.read_exact(text.len()).await, text.as_bytes());
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
