//! A connection to an upstream, over TLS where the upstream speaks it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::resolve::Resolver;
use crate::addr::{Place, Upstream};
use crate::net::{self, Keepalive, Target};
use crate::tls;
use crate::tunnel::ReadReady;

/// A connected upstream.
#[derive(Debug)]
pub enum Stream {
    /// As it is.
    Plain(net::Stream),
    /// Under TLS; an error of its reads says in words what is wrong.
    Tls(Box<TlsStream<net::Stream>>),
}

/// How members are connected to.
#[derive(Clone, Debug, Default)]
pub struct Connector {
    /// For one address, a TLS handshake included.
    pub timeout: Duration,
    /// The socket's options.
    pub keepalive: Keepalive,
    /// For members that are written as names.
    pub resolver: Arc<Resolver>,
    /// For members that speak TLS; there must be one for those.
    pub tls: Option<Arc<tls::Connector>>,
}

impl Connector {
    /// Connects to one address of `member`, and shakes hands where that speaks TLS; such a one is sent
    /// `first` before that. To any other it goes with the request, in one write. Cancel safe.
    pub async fn connect(
        &self,
        member: &Upstream,
        target: &Target,
        first: &[u8],
    ) -> io::Result<Stream> {
        let connecting = async {
            let mut stream = net::connect(target, self.keepalive).await?;
            if !member.is_tls {
                return Ok(Stream::Plain(stream));
            }
            let tls = self.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
            stream.write_all(first).await?;
            // Boxed, as plain upstreams do not need the room.
            let shaking = Box::pin(tls.connect(server_name(&member.place)?, stream));
            Ok(Stream::Tls(Box::new(shaking.await?)))
        };
        timeout(self.timeout, connecting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Whom the certificate must be for.
fn server_name(place: &Place) -> io::Result<ServerName<'static>> {
    let invalid = |words| io::Error::new(io::ErrorKind::InvalidInput, words);
    match place {
        Place::Ip(address) => Ok(ServerName::IpAddress(address.ip().into())),
        Place::Name(name, _) => {
            let name = ServerName::try_from(name.clone());
            name.map_err(|_| invalid("no certificate can be for this name"))
        }
        Place::Unix(_) => Err(invalid("no certificate can be for a unix socket")),
    }
}

impl ReadReady for Stream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => stream.poll_read_ready(cx),
            Self::Tls(stream) => stream.poll_read_ready(cx),
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
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream)
                .poll_read(cx, buf)
                .map_err(|error| io::Error::new(error.kind(), tls::explain(&error))),
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
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
