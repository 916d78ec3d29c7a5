//! The WebSocket server behind every proxy: plain TCP, raw, as cheap as it can be. `/echo` sends every message back,
//! `/source` sends bulk messages as fast as they are taken, `/block` one whenever it is asked for, `/sink` counts and forgets
//! what comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::frame;

/// A running origin; its connections end with it.
pub(crate) struct Origin {
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    /// Bytes that have come in at `/sink`.
    pub(crate) sunk: Arc<AtomicU64>,
    /// Bulk messages that `/block` is still to send.
    #[allow(dead_code, reason = "the bench that counts instructions asks")]
    pub(crate) asked: Arc<Semaphore>,
    accepting: JoinHandle<()>,
}

impl Origin {
    /// Binds a port of its own: a fresh one each time, so that connections of an earlier run that linger in TIME_WAIT
    /// never make local ports scarce.
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("bind the origin")?;
        let port = listener.local_addr()?.port();
        let sunk = Arc::new(AtomicU64::new(0));
        let asked = Arc::new(Semaphore::new(0));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&sunk), Arc::clone(&asked)));
        Ok(Self { port, sunk, asked, accepting })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, sunk: Arc<AtomicU64>, asked: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    // How a connection ends is the client's to judge.
                    connections.spawn(serve(stream, Arc::clone(&sunk), Arc::clone(&asked)));
                }
            }
            Some(_) = connections.join_next() => (),
        }
    }
}

async fn serve(mut stream: TcpStream, sunk: Arc<AtomicU64>, asked: Arc<Semaphore>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(4096);
    let end = loop {
        if let Some(end) = memchr::memmem::find(&received, b"\r\n\r\n") {
            break end + 4;
        }
        if received.len() > 16 * 1024 || stream.read_buf(&mut received).await? == 0 {
            bail!("no whole request head");
        }
    };
    let rest = received.split_off(end);
    let head = String::from_utf8(received)?;
    let path = head.split(' ').nth(1).context("no path")?;
    let key = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .map(|(_, value)| value.trim())
        .context("no key")?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    stream.write_all(answer.as_bytes()).await?;
    match path {
        "/echo" => echo(stream, rest).await,
        "/source" => source(stream).await,
        "/block" => block(stream, &asked).await,
        "/sink" => sink(stream, &sunk).await,
        _ => bail!("no such path"),
    }
}

async fn echo(mut stream: TcpStream, mut received: Vec<u8>) -> Result<()> {
    let mut answers = Vec::new();
    loop {
        let mut used = 0;
        while let Some(length) = frame::echo(&received[used..], &mut answers) {
            used += length;
        }
        received.drain(..used);
        if !answers.is_empty() {
            stream.write_all(&answers).await?;
            answers.clear();
        }
        if received.is_empty() && received.capacity() > frame::BULK_BYTES {
            // Thousands of tunnels at rest after a large message would take a gigabyte here.
            (received, answers) = (Vec::new(), Vec::new());
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

async fn source(mut stream: TcpStream) -> Result<()> {
    let message = frame::from_server(&[0x5a; frame::BULK_BYTES]);
    loop {
        stream.write_all(&message).await?;
    }
}

async fn block(mut stream: TcpStream, asked: &Semaphore) -> Result<()> {
    let message = frame::from_server(&[0x5a; frame::BULK_BYTES]);
    let mut rest = [0; 64];
    loop {
        tokio::select! {
            one = asked.acquire() => {
                one?.forget();
                stream.write_all(&message).await?;
            }
            read = stream.read(&mut rest) => {
                if read? == 0 {
                    return Ok(());
                }
            }
        }
    }
}

async fn sink(mut stream: TcpStream, sunk: &AtomicU64) -> Result<()> {
    let mut buffer = vec![0; frame::BULK_BYTES];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => sunk.fetch_add(count as u64, Ordering::Relaxed),
        };
    }
}
