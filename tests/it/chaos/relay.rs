//! A relay between the gate and one of its two sides, which does to the bytes what was drawn. On the gate's
//! side it is a socket of the kernel's, so that resets are resets.

use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::plan::{Direction, Fault, Leg};
use crate::support;

/// How much is passed on in pieces: the rest would take minutes.
const PIECES: usize = 1_000;

/// Bytes that the relay's sockets hold: little, so that who does not read is noticed.
pub(super) const SOCKET_BYTES: usize = 16 * 1024;

/// Why it is over for both directions.
enum Over {
    Reset,
    Closed,
}

/// Passes on what the `client` sends and gets.
pub(super) async fn of_client(gate: TcpStream, client: DuplexStream, leg: Leg) {
    run(gate, client, (leg.to_client, leg.to_upstream), leg.stall).await;
}

/// The same for the upstream.
pub(super) async fn of_upstream(gate: TcpStream, upstream: DuplexStream, leg: Leg) {
    run(gate, upstream, (leg.to_upstream, leg.to_client), leg.stall).await;
}

async fn run(
    mut gate: TcpStream,
    peer: DuplexStream,
    (from_gate, to_gate): (Direction, Direction),
    stall: Duration,
) {
    let _ = gate.set_nodelay(true);
    let over = {
        let (gate_read, gate_write) = gate.split();
        let (peer_read, peer_write) = tokio::io::split(peer);
        tokio::try_join!(
            pump(gate_read, peer_write, from_gate, stall),
            pump(peer_read, gate_write, to_gate, stall)
        )
    };
    if matches!(over, Err(Over::Reset)) {
        support::reset(&gate);
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut direction: Direction,
    stall: Duration,
) -> Result<(), Over> {
    let mut buf = vec![0; 16 * 1024];
    let (mut at, mut pieces) = (0, 0);
    let mut corrupts = false;
    loop {
        if let Some((_, delay)) = direction.delay.take_if(|(before, _)| *before <= at) {
            sleep(delay).await;
        }
        if let Some((_, fault)) = direction.fault.take_if(|(before, _)| *before <= at) {
            match fault {
                Fault::Reset => return Err(Over::Reset),
                Fault::Close => return Err(Over::Closed),
                Fault::HalfClose => {
                    let _ = to.shutdown().await;
                    while from.read(&mut buf).await.is_ok_and(|read| read > 0) {}
                    return Ok(());
                }
                Fault::Stall => {
                    sleep(stall).await;
                    return Err(Over::Closed);
                }
                Fault::Corrupt => corrupts = true,
            }
        }
        let next = [direction.delay.map(|one| one.0), direction.fault.map(|one| one.0)];
        let next = next.into_iter().flatten().min().map_or(u64::MAX, |next| next - at);
        let piece = direction.piece.filter(|_| pieces < PIECES).unwrap_or(buf.len());
        let most = piece.min(usize::try_from(next).unwrap_or(usize::MAX));
        let read = from.read(&mut buf[..most]).await.map_err(|_| Over::Reset)?;
        if read == 0 {
            let _ = to.shutdown().await;
            return Ok(());
        }
        if std::mem::take(&mut corrupts) {
            buf[0] ^= 0x10;
        }
        to.write_all(&buf[..read]).await.map_err(|_| Over::Closed)?;
        at += read as u64;
        pieces += 1;
    }
}

/// Lets a socket that is not connected yet hold little.
pub(super) fn narrow(socket: &tokio::net::TcpSocket) {
    SockRef::from(socket).set_recv_buffer_size(SOCKET_BYTES).unwrap();
    SockRef::from(socket).set_send_buffer_size(SOCKET_BYTES).unwrap();
}
