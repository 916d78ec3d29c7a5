//! The listener for those who look after the server: health, readiness, metrics, status, open tunnels, a page.
//!
//! It knows no server: what it tells comes from a [`Source`]. It has a limit of connections of its own,
//! takes one request on each, and none may last: whatever peers do, the next one is answered. Who may
//! ask for what is decided in `judge.rs`, what is answered in `respond.rs`; `client.rs` asks.

pub mod client;

mod judge;
mod respond;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::config;
use crate::connection::Tunnels;
use crate::metrics::Metrics;
use crate::net::{Keepalive, Listener, Stream};
use crate::status::Status;
use judge::{Judge, Peer};

/// Connections at once. One more, and the oldest of them ends.
pub const MAX_CONNECTIONS: usize = 64;

/// For a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// For a connection: a request and its answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The pause after an accept error.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// What there is to tell.
pub struct Source {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The tunnels that are open.
    pub tunnels: Arc<Tunnels>,
    /// Says how the server is. May block for a moment.
    pub status: Box<dyn Fn() -> Status + Send + Sync>,
    /// Says whether it should be sent clients, or why not. Does not block.
    pub ready: Box<dyn Fn() -> Result<(), &'static str> + Send + Sync>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

/// The listener: bound, and not yet serving.
#[derive(Debug)]
pub struct Admin {
    listeners: Vec<Listener>,
    judge: Judge,
}

impl Admin {
    /// Binds it, if there is to be one. Needs a tokio runtime. Errors name the address and what to do.
    pub fn bind(config: &config::Admin) -> anyhow::Result<Option<Self>> {
        let Some(address) = &config.listen else { return Ok(None) };
        // No connection lasts long enough to be kept alive.
        let listeners = Listener::bind(address, Keepalive(None))?;
        Ok(Some(Self { listeners, judge: Judge { allow_remote: config.allow_remote } }))
    }

    /// The addresses that it listens on, ports chosen by the kernel included.
    pub fn addresses(&self) -> Vec<String> {
        self.listeners.iter().map(|listener| listener.name().to_string()).collect()
    }

    /// Serves until the future is dropped, which also ends every connection.
    pub async fn run(self, source: Source) {
        for listener in self.addresses() {
            tracing::info!(listener, "admin listening");
        }
        let source = Arc::new(source);
        let mut connections = JoinSet::new();
        let mut handles: VecDeque<AbortHandle> = VecDeque::new();
        loop {
            tokio::select! {
                accepted = accept_any(&self.listeners) => match accepted {
                    Ok((stream, address)) => {
                        handles.retain(|handle| !handle.is_finished());
                        if handles.len() >= MAX_CONNECTIONS
                            && let Some(oldest) = handles.pop_front()
                        {
                            oldest.abort();
                        }
                        let peer = Peer::of(&stream, address);
                        let serving = serve(stream, peer, self.judge, Arc::clone(&source));
                        handles.push_back(connections.spawn(serving));
                    }
                    Err(_) => {
                        source.metrics.accept_error();
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn accept_any(listeners: &[Listener]) -> io::Result<(Stream, Option<SocketAddr>)> {
    poll_fn(|cx| {
        let mut accepted = listeners.iter().map(|listener| listener.poll_accept(cx));
        accepted.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

/// One connection, one request. How it ends is of no interest here.
async fn serve(stream: Stream, peer: Peer, judge: Judge, source: Arc<Source>) {
    let service = service_fn(|request| {
        let source = Arc::clone(&source);
        async move { Ok::<_, Infallible>(respond::respond(request, peer, judge, source).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        // A peer that comes back takes its place anew; none is kept for it.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let _ = timeout(CONNECTION_TIMEOUT, serving).await;
}
