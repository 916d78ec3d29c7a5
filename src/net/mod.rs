//! Sockets: TCP or unix, listened on, accepted, connected to, and the options that they get.
//!
//! Knows no TLS and no HTTP. Every TCP socket has Nagle's delay off, and keepalive and a user timeout
//! unless they are turned off.

mod connect;
mod listener;
mod passed;
mod prefixed;

pub use connect::{Target, connect};
pub use listener::Listener;
pub use passed::take_over_passed;
pub use prefixed::Prefixed;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::tunnel::ReadReady;

/// Between two keepalive probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Probes without an answer after which a peer is dead.
const PROBES: u32 = 6;

/// A connected socket of either kind.
#[derive(Debug)]
pub enum Stream {
    /// TCP over IPv4 or IPv6.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

/// Options for dead peers, tcp(7): the keepalive idle time, none for off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive(pub Option<Duration>);

impl Keepalive {
    /// Sets them, and TCP_NODELAY. On Linux a listening socket hands all of this down to the sockets
    /// that it accepts.
    fn apply(self, socket: &SockRef<'_>) -> io::Result<()> {
        socket.set_tcp_nodelay(true)?;
        let Some(idle) = self.0 else {
            // It may have been on.
            socket.set_keepalive(false)?;
            return socket.set_tcp_user_timeout(None);
        };
        let keepalive =
            TcpKeepalive::new().with_time(idle).with_interval(PROBE_INTERVAL).with_retries(PROBES);
        socket.set_tcp_keepalive(&keepalive)?;
        // Keepalive rests while data waits for its acknowledgement; this covers that case.
        socket.set_tcp_user_timeout(Some(idle + PROBE_INTERVAL * PROBES))
    }
}

impl Stream {
    /// The address of this side; none of a unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

impl ReadReady for Stream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;
