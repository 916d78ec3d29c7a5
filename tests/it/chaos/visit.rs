//! Both ends of a connection: a client's visit, and what the upstream makes of it. Each sends bytes that the
//! other one knows, so that one that is lost, doubled, changed or another connection's shows.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};

use super::plan::{Kind, Plan};
use super::relay;
use crate::support::{KEY, TlsOptions, switching_response};

/// What the pipe in memory holds that is between a relay and the end that it stands for.
pub(super) const PIPE_BYTES: usize = 16 * 1024;

/// Longer than anything may take: who is not through by then hangs.
const HANGS: Duration = Duration::from_secs(120);

/// A number of bytes that is no multiple of any buffer.
const BLOCK_BYTES: usize = 65_521;

/// How one end fared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// The status, where this is the client; 0 when there was no answer.
    pub(super) status: u16,
    /// Bytes that came from the other end.
    pub(super) bytes: u64,
    /// Whether one of them was not the one that was sent.
    pub(super) is_wrong: bool,
    /// Whether the other end has said goodbye.
    pub(super) is_ended: bool,
    pub(super) hangs: bool,
}

/// Whose bytes, in which direction.
#[derive(Clone, Copy)]
enum Bytes {
    ToUpstream(u64),
    ToClient(u64),
}

/// What is sent, and how TLS is spoken.
pub(super) struct World {
    block: Vec<u8>,
    configs: [Arc<ClientConfig>; 4],
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let block = (0..BLOCK_BYTES).map(|_| rng.u8(..)).collect();
        let config = |version, resumes: bool| {
            let options = TlsOptions { versions: vec![version], ..TlsOptions::default() };
            let mut config = ClientConfig::clone(&options.config());
            if !resumes {
                config.resumption = Resumption::disabled();
            }
            Arc::new(config)
        };
        let (old, new) = (&rustls::version::TLS12, &rustls::version::TLS13);
        let configs =
            [config(new, false), config(new, true), config(old, false), config(old, true)];
        Self { block, configs }
    }

    fn connector(&self, plan: &Plan) -> TlsConnector {
        let index = usize::from(plan.is_tls_1_2) * 2 + usize::from(plan.resumes);
        TlsConnector::from(Arc::clone(&self.configs[index]))
    }

    /// What is sent from this place on, as far as it stands in one piece.
    fn piece(&self, whose: Bytes, at: u64) -> &[u8] {
        let start = match whose {
            Bytes::ToUpstream(number) => number.wrapping_mul(7919),
            Bytes::ToClient(number) => number.wrapping_mul(7919).wrapping_add(31_337),
        };
        &self.block[(start.wrapping_add(at) % self.block.len() as u64) as usize..]
    }

    async fn send(
        &self,
        to: &mut (impl AsyncWrite + Unpin),
        whose: Bytes,
        bytes: u64,
    ) -> io::Result<()> {
        let mut sent = 0;
        while sent < bytes {
            let piece = self.piece(whose, sent);
            let most = usize::try_from(bytes - sent).unwrap_or(usize::MAX).min(8 * 1024);
            let piece = &piece[..piece.len().min(most)];
            to.write_all(piece).await?;
            sent += piece.len() as u64;
        }
        to.flush().await
    }

    /// Compares what came behind a head, and then what comes, to the end or to so many bytes.
    async fn compare(
        &self,
        from: &mut (impl AsyncRead + Unpin),
        (whose, most): (Bytes, u64),
        behind: &[u8],
        seen: &mut Seen,
    ) {
        self.judge(whose, behind, seen);
        let mut buf = vec![0; 16 * 1024];
        while seen.bytes < most {
            match from.read(&mut buf).await {
                Ok(0) => {
                    seen.is_ended = true;
                    return;
                }
                Ok(read) => self.judge(whose, &buf[..read], seen),
                Err(_) => return,
            }
        }
    }

    fn judge(&self, whose: Bytes, mut bytes: &[u8], seen: &mut Seen) {
        while !bytes.is_empty() {
            let piece = self.piece(whose, seen.bytes);
            let length = piece.len().min(bytes.len());
            seen.is_wrong |= piece[..length] != bytes[..length];
            seen.bytes += length as u64;
            bytes = &bytes[length..];
        }
    }
}

/// A client that does what its plan says.
pub(super) async fn client(world: &World, plan: &Plan, gate: SocketAddr) -> Seen {
    let mut seen = Seen::default();
    let visit = async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        relay::narrow(&socket);
        let Ok(gate) = socket.connect(gate).await else { return };
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(relay::of_client(gate, far, plan.client_leg.clone()));
        // Whatever goes wrong is in what was seen.
        let _ = ask(world, plan, near, &mut seen).await;
    };
    if timeout(HANGS, visit).await.is_err() {
        seen.hangs = true;
    }
    seen
}

async fn ask(world: &World, plan: &Plan, pipe: DuplexStream, seen: &mut Seen) -> io::Result<()> {
    let name = ServerName::try_from("localhost").unwrap();
    let stream = world.connector(plan).connect(name, pipe).await?;
    let (mut read, mut write) = tokio::io::split(stream);
    let whose = Bytes::ToUpstream(plan.number);
    let bytes = plan.client_leaves_after.unwrap_or(plan.to_upstream_bytes);
    write.write_all(head(plan).as_bytes()).await?;
    write.flush().await?;
    let speaking = async {
        world.send(&mut write, whose, bytes).await?;
        match plan.client_leaves_after {
            // It takes the reading with it.
            Some(_) => Err(io::ErrorKind::Interrupted.into()),
            None if plan.kind == Kind::Tunnel => write.shutdown().await,
            None => Ok(()),
        }
    };
    let listening = (Bytes::ToClient(plan.number), u64::MAX);
    if plan.kind == Kind::Post {
        let hearing = async {
            let behind = answer(&mut read, seen).await?;
            // Any other answer is the gate's own.
            if seen.status == 200 {
                world.compare(&mut read, listening, &behind, seen).await;
            }
            Ok(())
        };
        // An answer before the whole body is an answer, too.
        let (said, heard) = tokio::join!(speaking, hearing);
        return said.and(heard);
    }
    let behind = answer(&mut read, seen).await?;
    if seen.status != 101 {
        return Ok(());
    }
    let hearing = async {
        world.compare(&mut read, listening, &behind, seen).await;
        Ok(())
    };
    tokio::try_join!(speaking, hearing).map(|_| ())
}

fn head(plan: &Plan) -> String {
    let Plan { number, to_upstream_bytes, .. } = plan;
    match plan.kind {
        Kind::Tunnel => format!(
            "GET /{number} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ),
        Kind::Post => format!(
            "POST /{number} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\
             Content-Length: {to_upstream_bytes}\r\n\r\n"
        ),
    }
}

/// Reads the answer's head; returns what came behind it.
async fn answer(from: &mut (impl AsyncRead + Unpin), seen: &mut Seen) -> io::Result<Vec<u8>> {
    let (head, behind) = read_head(from).await?;
    let head = String::from_utf8_lossy(&head).into_owned();
    seen.status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(1);
    Ok(behind)
}

async fn read_head(from: &mut (impl AsyncRead + Unpin)) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut buf = Vec::new();
    loop {
        if let Some(end) = buf.windows(4).position(|four| four == b"\r\n\r\n") {
            let behind = buf.split_off(end + 4);
            return Ok((buf, behind));
        }
        if from.read_buf(&mut buf).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The upstream, for a connection with a plan.
pub(super) async fn upstream(world: &World, plan: &Plan, pipe: DuplexStream) -> Seen {
    let mut seen = Seen::default();
    if timeout(HANGS, serve(world, plan, pipe, &mut seen)).await.is_err() {
        seen.hangs = true;
    }
    seen
}

async fn serve(world: &World, plan: &Plan, pipe: DuplexStream, seen: &mut Seen) -> io::Result<()> {
    let (mut read, mut write) = tokio::io::split(pipe);
    let (_, behind) = read_head(&mut read).await?;
    let (up, down) = (Bytes::ToUpstream(plan.number), Bytes::ToClient(plan.number));
    match plan.kind {
        Kind::Tunnel => {
            write.write_all(switching_response().as_bytes()).await?;
            let speaking = async {
                world.send(&mut write, down, plan.to_client_bytes).await?;
                write.shutdown().await
            };
            let hearing = world.compare(&mut read, (up, u64::MAX), &behind, seen);
            let (spoken, ()) = tokio::join!(speaking, hearing);
            spoken
        }
        Kind::Post => {
            let most = plan.to_upstream_bytes;
            world.compare(&mut read, (up, most), &behind, seen).await;
            if seen.bytes < most {
                return Ok(());
            }
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", plan.to_client_bytes);
            write.write_all(head.as_bytes()).await?;
            world.send(&mut write, down, plan.to_client_bytes).await?;
            write.shutdown().await
        }
    }
}
