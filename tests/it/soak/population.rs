//! Who takes part in the soak: an upstream that is restarted, clients that come and go, clients that stay.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::support::{Client, Connector, free_port, switching_response, upgrade_request};

/// Longer than anything may take: who is not through by then has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// For how long a restarted upstream is away.
const AWAY: Duration = Duration::from_secs(2);

/// Of those that stay: how many connect at once.
const CONNECTING: usize = 64;

/// An upstream that echoes.
pub(super) struct Member {
    pub(super) addr: SocketAddr,
    serving: JoinSet<()>,
}

impl Member {
    pub(super) async fn start() -> Self {
        // Nobody takes it while it is away.
        let addr = free_port();
        let listener = TcpListener::bind(addr).await.unwrap();
        let mut member = Self { addr, serving: JoinSet::new() };
        member.serving.spawn(serve(listener));
        member
    }

    /// Ends it with all of its connections, and starts it again after a while.
    pub(super) async fn restart(&mut self) {
        self.serving.shutdown().await;
        sleep(AWAY).await;
        let listener = TcpListener::bind(self.addr).await.unwrap();
        self.serving.spawn(serve(listener));
    }
}

async fn serve(listener: TcpListener) {
    // They go when it goes.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                connections.spawn(echo(stream));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn echo(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let (mut read, mut write) = stream.split();
    if write.write_all(switching_response().as_bytes()).await.is_ok() {
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    }
}

/// What was measured since the last time that somebody asked.
#[derive(Default)]
pub(super) struct Measured {
    /// From the connect to the 101.
    pub(super) setups: Vec<Duration>,
    /// From a message to its echo.
    pub(super) echoes: Vec<Duration>,
    /// When something failed that was no upstream's restart, and what.
    pub(super) failed: Vec<(Instant, String)>,
}

/// All clients.
pub(super) struct Population {
    pub(super) gate: SocketAddr,
    pub(super) connector: Connector,
    pub(super) measured: Mutex<Measured>,
    pub(super) visits: AtomicU64,
    pub(super) resting: AtomicU64,
    pub(super) returned: AtomicU64,
}

impl Population {
    pub(super) fn new(gate: SocketAddr, connector: Connector) -> Arc<Self> {
        Arc::new(Self {
            gate,
            connector,
            measured: Mutex::default(),
            visits: AtomicU64::new(0),
            resting: AtomicU64::new(0),
            returned: AtomicU64::new(0),
        })
    }

    /// So many visits a second, for ever; who drops the future ends those that are there.
    pub(super) async fn churn(self: Arc<Self>, per_second: u32) {
        let mut visits = JoinSet::new();
        let mut ticks = interval(Duration::from_secs(1) / per_second);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            ticks.tick().await;
            while visits.try_join_next().is_some() {}
            let population = Arc::clone(&self);
            visits.spawn(async move {
                let began = Instant::now();
                let visited = timeout(PATIENCE, population.visit()).await;
                let mut measured = population.measured.lock().unwrap();
                match visited {
                    Ok(Ok((setup, echo))) => {
                        population.visits.fetch_add(1, Relaxed);
                        measured.setups.push(setup);
                        measured.echoes.push(echo);
                    }
                    Ok(Err(error)) => measured.failed.push((began, error.to_string())),
                    Err(_) => measured.failed.push((began, "it hangs".to_owned())),
                }
            });
        }
    }

    /// A tunnel of a second or two.
    async fn visit(&self) -> std::io::Result<(Duration, Duration)> {
        let began = Instant::now();
        let mut client = self.open().await?;
        let setup = began.elapsed();
        sleep(Duration::from_millis(fastrand::u64(..2_000))).await;
        let text = [b'm'; 125];
        let asked = Instant::now();
        client.try_send(&text).await?;
        let mut heard = [0; 125];
        client.0.read_exact(&mut heard).await?;
        let echo = asked.elapsed();
        client.0.shutdown().await?;
        match client.0.read(&mut heard).await? {
            0 => Ok((setup, echo)),
            _ => Err(std::io::Error::other("more than was asked for")),
        }
    }

    async fn open(&self) -> std::io::Result<Client> {
        let stream = TcpStream::connect(self.gate).await?;
        let mut client = Client::handshake(stream, self.connector.clone()).await?;
        client.try_send(upgrade_request().as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if client.0.read_buf(&mut head).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        match head.starts_with(b"HTTP/1.1 101 ") {
            true => Ok(client),
            false => Err(std::io::Error::other(String::from_utf8_lossy(&head[..12]).into_owned())),
        }
    }

    /// So many that stay, and come back when they are thrown out; for ever, too.
    pub(super) async fn rest(self: Arc<Self>, count: usize) {
        let connecting = Arc::new(Semaphore::new(CONNECTING));
        let mut clients = JoinSet::new();
        for _ in 0..count {
            let (population, connecting) = (Arc::clone(&self), Arc::clone(&connecting));
            clients.spawn(async move {
                loop {
                    let place = connecting.acquire().await.unwrap();
                    let opened = timeout(PATIENCE, population.open()).await;
                    drop(place);
                    if let Ok(Ok(mut client)) = opened {
                        population.resting.fetch_add(1, Relaxed);
                        let _ = client.0.read(&mut [0; 1]).await;
                        population.resting.fetch_sub(1, Relaxed);
                        population.returned.fetch_add(1, Relaxed);
                    }
                    sleep(Duration::from_millis(fastrand::u64(..2_000))).await;
                }
            });
        }
        clients.join_all().await;
    }
}
