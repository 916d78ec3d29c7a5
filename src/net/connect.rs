//! Connecting to one address of an upstream.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};

use super::{Keepalive, Stream};

/// One place to connect to, names resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An address and port.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Connects; the caller sets the time limit.
pub async fn connect(target: &Target, keepalive: Keepalive) -> io::Result<Stream> {
    match target {
        Target::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            keepalive.apply(&SockRef::from(&stream))?;
            Ok(Stream::Tcp(stream))
        }
        Target::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
    }
}
