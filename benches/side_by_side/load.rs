//! The loads: what the clients do while the proxy's CPU time is being counted. Every load is a set of tasks that count
//! what they have got done; they run until dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::certificate::Files;
use crate::client::{Client, Handshake, Tunnel};
use crate::frame::{self, Exchange};
use crate::latency::Histogram;
use crate::proxy::Proxy;

const ECHO_TUNNELS: usize = 64;
/// Between two messages of one tunnel at the given rate.
pub(crate) const PACE: Duration = Duration::from_millis(4);
const BULK_TUNNELS: usize = 4;
const CONNECTING_CLIENTS: usize = 16;

/// A kind of load.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// 64 tunnels, each sending one message of 125 bytes after the other, waiting for each echo. Counts echoes.
    Echo,
    /// 64 tunnels, each sending one message of 125 bytes every 4 ms and waiting for its echo: 16,000 a second, which
    /// leaves all parties time to spare. Counts echoes.
    Paced,
    /// The upstream sends as fast as 4 tunnels take it. Counts bytes.
    ToClient,
    /// The clients send as fast as 4 tunnels take it. Counts bytes.
    ToUpstream,
    /// 16 clients connect, upgrade and close, over and over. Counts connections.
    Connect(Handshake),
}

/// A load under way.
pub(crate) struct Running {
    tasks: JoinSet<Result<()>>,
    done: Arc<AtomicU64>,
    /// How long echoes took, in `Load::Echo` and `Load::Paced`.
    pub(crate) times: Arc<Histogram>,
}

impl Load {
    /// Starts the load on `proxy`.
    pub(crate) fn start(self, proxy: &Proxy, files: &Files) -> Result<Running> {
        let mut running = Running {
            tasks: JoinSet::new(),
            done: match self {
                // What a client has written may still be on its way: what has arrived counts.
                Self::ToUpstream => Arc::clone(&proxy.origin.sunk),
                _ => Arc::default(),
            },
            times: Arc::new(Histogram::new()),
        };
        for _ in 0..self.clients() {
            let handshake = match self {
                Self::Connect(handshake) => handshake,
                _ => Handshake::Full,
            };
            let client = proxy.client(files, handshake)?;
            let (done, times) = (Arc::clone(&running.done), Arc::clone(&running.times));
            running.tasks.spawn(async move { self.work(client, &done, &times).await });
        }
        Ok(running)
    }

    fn clients(self) -> usize {
        match self {
            Self::Echo | Self::Paced => ECHO_TUNNELS,
            Self::ToClient | Self::ToUpstream => BULK_TUNNELS,
            Self::Connect(_) => CONNECTING_CLIENTS,
        }
    }

    async fn work(self, client: Client, done: &AtomicU64, times: &Histogram) -> Result<()> {
        match self {
            Self::Echo => echo(client.open("/echo").await?, None, done, times).await,
            Self::Paced => echo(client.open("/echo").await?, Some(PACE), done, times).await,
            Self::ToClient => receive(client.open("/source").await?, done).await,
            Self::ToUpstream => send(client.open("/sink").await?).await,
            Self::Connect(handshake) => connect(&client, handshake, done).await,
        }
    }
}

impl Running {
    /// What has been got done so far; the error of a task that has failed.
    pub(crate) fn done(&mut self) -> Result<u64> {
        if let Some(ended) = self.tasks.try_join_next() {
            ended??;
        }
        Ok(self.done.load(Ordering::Relaxed))
    }
}

/// Opens `count` tunnels, each of which echoes one message of so many bytes, and returns them.
pub(crate) async fn open_idle(
    proxy: &Proxy,
    files: &Files,
    count: usize,
    payload_bytes: usize,
) -> Result<Vec<Tunnel>> {
    let mut tasks = JoinSet::new();
    for worker in 0..CONNECTING_CLIENTS {
        let client = proxy.client(files, Handshake::Full)?;
        let share = (worker..count).step_by(CONNECTING_CLIENTS).len();
        tasks.spawn(async move {
            let mut exchange = Exchange::new(payload_bytes);
            let mut tunnels = Vec::with_capacity(share);
            for _ in 0..share {
                let mut tunnel = client.open("/echo").await?;
                tunnel.echo(&mut exchange).await?;
                tunnels.push(tunnel);
            }
            anyhow::Ok(tunnels)
        });
    }
    let mut tunnels = Vec::with_capacity(count);
    while let Some(opened) = tasks.join_next().await {
        tunnels.append(&mut opened??);
    }
    Ok(tunnels)
}

/// Has each of the tunnels echo a message.
pub(crate) async fn echo_once(tunnels: &mut [Tunnel]) -> Result<()> {
    let mut exchange = Exchange::new(frame::ECHO_BYTES);
    for tunnel in tunnels {
        tunnel.echo(&mut exchange).await?;
    }
    Ok(())
}

/// Ends all of them, some at a time.
pub(crate) async fn close(mut tunnels: Vec<Tunnel>) -> Result<()> {
    let mut tasks = JoinSet::new();
    let share = tunnels.len().div_ceil(CONNECTING_CLIENTS).max(1);
    while !tunnels.is_empty() {
        let some = tunnels.split_off(tunnels.len().saturating_sub(share));
        tasks.spawn(async move {
            for tunnel in some {
                tunnel.close().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(closed) = tasks.join_next().await {
        closed??;
    }
    Ok(())
}

async fn echo(
    mut tunnel: Tunnel,
    pace: Option<Duration>,
    done: &AtomicU64,
    times: &Histogram,
) -> Result<()> {
    let mut exchange = Exchange::new(frame::ECHO_BYTES);
    let mut pace = pace.map(interval);
    loop {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let began = Instant::now();
        tunnel.echo(&mut exchange).await?;
        times.add(began.elapsed());
        done.fetch_add(1, Ordering::Relaxed);
    }
}

async fn receive(mut tunnel: Tunnel, done: &AtomicU64) -> Result<()> {
    let mut buffer = vec![0; frame::BULK_BYTES];
    loop {
        let count = tunnel.read(&mut buffer).await?;
        done.fetch_add(count as u64, Ordering::Relaxed);
    }
}

async fn send(mut tunnel: Tunnel) -> Result<()> {
    let message = frame::from_client(&[0x5a; frame::BULK_BYTES]);
    loop {
        tunnel.write(&message).await?;
    }
}

async fn connect(client: &Client, handshake: Handshake, done: &AtomicU64) -> Result<()> {
    if handshake == Handshake::Resumed {
        // The first ticket has to come from somewhere; this falls into the warm-up.
        client.open("/echo").await?.close().await?;
    }
    loop {
        let tunnel = client.open("/echo").await?;
        tunnel.check(handshake)?;
        tunnel.close().await?;
        done.fetch_add(1, Ordering::Relaxed);
    }
}
