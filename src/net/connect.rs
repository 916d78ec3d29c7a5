//! Connecting to one address of an upstream.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

use super::{Keepalive, Stream};

/// Between two attempts at a unix socket whose queue is full.
const PAUSE: Duration = Duration::from_millis(10);

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

/// Connects; the caller sets the time limit. Cancel safe.
pub async fn connect(target: &Target, keepalive: Keepalive) -> io::Result<Stream> {
    match target {
        Target::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            keepalive.apply(&SockRef::from(&stream))?;
            Ok(Stream::Tcp(stream))
        }
        Target::Unix(path) => loop {
            match UnixStream::connect(path).await {
                // Its queue is full, as when many clients come back at once. TCP would try again by itself; here
                // the kernel does not even say when there is room.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(PAUSE).await,
                connected => return Ok(Stream::Unix(connected?)),
            }
        },
    }
}
