//! Listening: sockets are bound (or taken over) first and accept later.

use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use anyhow::{Context as _, anyhow, bail};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::passed::{self, Passed};
use super::{Keepalive, Stream};
use crate::addr::Listen;

/// Connections that wait in the kernel; it takes no more than net.core.somaxconn.
const BACKLOG: i32 = 4096;

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    name: Arc<str>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener, u16),
    Unix { listener: UnixListener, _file: Option<SocketFile> },
}

impl Listener {
    /// Binds every socket that `address` stands for: one, or one for each address of a name. Needs a
    /// tokio runtime. Errors name the address and what to do.
    pub fn bind(address: &Listen, keepalive: Keepalive) -> anyhow::Result<Vec<Self>> {
        let tcp = |address: SocketAddr| -> anyhow::Result<Self> {
            bind_tcp(address)
                .and_then(|listener| Self::from_tcp(listener, keepalive))
                .map_err(|error| explain(&error, &address.to_string()))
        };
        match address {
            Listen::Port(port) => Ok(vec![bind_port(*port, &tcp)?]),
            Listen::Ip(address) => Ok(vec![tcp(*address)?]),
            Listen::Name(name, port) => {
                let addresses = (name.as_str(), *port).to_socket_addrs();
                addresses
                    .with_context(|| format!("resolve {name} to listen on"))?
                    .map(tcp)
                    .collect()
            }
            Listen::Unix(path, mode) => Ok(vec![bind_unix(path, *mode)?]),
            Listen::Fd(name) => take_over(name, keepalive),
        }
    }

    /// The address as it is logged, the port that the kernel chose included.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The port; none for a unix socket.
    pub fn port(&self) -> Option<u16> {
        match self.kind {
            Kind::Tcp(_, port) => Some(port),
            Kind::Unix { .. } => None,
        }
    }

    /// Gives a socket that stays the options of another configuration: those of keepalive count for the
    /// connections to come, permissions at once where `address` names them.
    pub fn adjust(&self, address: &Listen, keepalive: Keepalive) -> io::Result<()> {
        match (&self.kind, address) {
            (Kind::Tcp(listener, _), _) => keepalive.apply(&SockRef::from(listener)),
            (Kind::Unix { .. }, Listen::Unix(path, Some(mode))) => {
                fs::set_permissions(path, Permissions::from_mode(*mode))
            }
            (Kind::Unix { .. }, _) => Ok(()),
        }
    }

    /// Accepts one connection; with it the client's address, when it has one. Cancel safe.
    pub fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Stream, Option<SocketAddr>)>> {
        match &self.kind {
            Kind::Tcp(listener, _) => {
                let (stream, address) = ready!(listener.poll_accept(cx))?;
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                Poll::Ready(Ok((Stream::Tcp(stream), Some(address))))
            }
            Kind::Unix { listener, .. } => {
                let (stream, _) = ready!(listener.poll_accept(cx))?;
                Poll::Ready(Ok((Stream::Unix(stream), None)))
            }
        }
    }

    fn from_tcp(listener: std::net::TcpListener, keepalive: Keepalive) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        keepalive.apply(&SockRef::from(&listener))?;
        let address = listener.local_addr()?;
        let kind = Kind::Tcp(TcpListener::from_std(listener)?, address.port());
        Ok(Self { kind, name: address.to_string().into() })
    }
}

/// Both families on one socket; IPv4 alone where the kernel has no IPv6, as in some containers.
fn bind_port(
    port: u16,
    tcp: &impl Fn(SocketAddr) -> anyhow::Result<Listener>,
) -> anyhow::Result<Listener> {
    if Socket::new(Domain::IPV6, Type::STREAM, None).is_err() {
        return tcp((Ipv4Addr::UNSPECIFIED, port).into());
    }
    tcp((Ipv6Addr::UNSPECIFIED, port).into())
}

fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restart must not wait for the last one's connections to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // Whatever net.ipv6.bindv6only says.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn explain(error: &io::Error, address: &str) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "; stop what listens there or choose another address",
        io::ErrorKind::PermissionDenied if address.starts_with("unix:") => {
            "; its folder must be writable, and is none to the sandbox unless it was listened in at the \
             start: restart, or give --no-sandbox"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need root, CAP_NET_BIND_SERVICE or net.ipv4.ip_unprivileged_port_start"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    };
    anyhow!("listen on {address}: {error}{advice}")
}

fn bind_unix(path: &Path, mode: Option<u32>) -> anyhow::Result<Listener> {
    let name = format!("unix:{}", path.display());
    remove_stale(path)?;
    let bind = || -> io::Result<Listener> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Before anybody can connect.
        if let Some(mode) = mode {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(socket.into())?;
        let metadata = fs::symlink_metadata(path)?;
        let file = SocketFile { path: path.to_owned(), id: (metadata.dev(), metadata.ino()) };
        Ok(Listener {
            kind: Kind::Unix { listener, _file: Some(file) },
            name: name.as_str().into(),
        })
    };
    bind().map_err(|error| explain(&error, &name))
}

/// Removes a socket that nobody listens on any more; whatever else stands there is left alone.
fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        bail!(
            "listen on unix:{}: a file that is no socket is in the way; remove it",
            path.display()
        );
    }
    match try_connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).with_context(|| format!("remove stale socket {}", path.display()))
        }
        // Somebody listens: binding fails with the error that says so.
        _ => Ok(()),
    }
}

/// Does not wait, as a socket with a full queue would have us do.
fn try_connect(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// Removes the socket's file at the end, unless another one has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path).map(|found| (found.dev(), found.ino()));
        if found.is_ok_and(|id| id == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Sockets that systemd passed under this name.
fn take_over(name: &str, keepalive: Keepalive) -> anyhow::Result<Vec<Listener>> {
    let copies = passed::copies(name).with_context(|| format!("listen on fd:{name}"))?;
    if copies.is_empty() {
        let advice = match passed::names() {
            names if names.is_empty() => "; see systemd.socket(5)".to_owned(),
            names => {
                let names = names.join(", ");
                format!(" (but {names}); see FileDescriptorName= in systemd.socket(5)")
            }
        };
        bail!("listen on fd:{name}: no socket of that name was passed{advice}");
    }
    let listen = |passed| match passed {
        Passed::Tcp(listener) => Listener::from_tcp(listener, keepalive),
        Passed::Unix(listener) => {
            listener.set_nonblocking(true)?;
            let kind = Kind::Unix { listener: UnixListener::from_std(listener)?, _file: None };
            Ok(Listener { kind, name: format!("fd:{name}").into() })
        }
    };
    let listeners: io::Result<_> = copies.into_iter().map(listen).collect();
    listeners.with_context(|| format!("listen on fd:{name}"))
}
