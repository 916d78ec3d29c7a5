//! Sockets that were passed at the start, sd_listen_fds(3): taken over once, kept for as long as the process lives, and
//! handed out as copies, so that listeners on them may go and come back.

use std::env;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::OnceLock;

use listenfd::ListenFd;
use socket2::SockRef;

static PASSED: OnceLock<Vec<(String, Passed)>> = OnceLock::new();

/// A socket that somebody else has bound.
#[derive(Debug)]
pub(super) enum Passed {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Takes over what was passed. To be called at the start: before other descriptors get their numbers, and before there
/// are threads, since it clears the variables that tell of them. Called again, it does nothing.
pub fn take_over_passed() {
    PASSED.get_or_init(from_environment);
}

/// Copies of those with this name.
pub(super) fn copies(name: &str) -> io::Result<Vec<Passed>> {
    let passed = PASSED.get().into_iter().flatten();
    passed.filter(|(of, _)| of == name).map(|(_, socket)| socket.try_clone()).collect()
}

/// The names that there are, for those who have asked for another one.
pub(super) fn names() -> Vec<&'static str> {
    let passed = PASSED.get().into_iter().flatten();
    let mut names: Vec<&str> = passed.map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Passed {
    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }

    fn is_listening(&self) -> bool {
        match self {
            Self::Tcp(listener) => SockRef::from(listener).is_listener(),
            Self::Unix(listener) => SockRef::from(listener).is_listener(),
        }
        .unwrap_or(false)
    }
}

fn from_environment() -> Vec<(String, Passed)> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..passed.len() {
        // What systemd calls those without one.
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
        match take(&mut passed, index).filter(Passed::is_listening) {
            Some(socket) => sockets.push((name.to_owned(), socket)),
            None => tracing::warn!(name, "a descriptor was passed that is no socket to listen on"),
        }
    }
    sockets
}

fn take(passed: &mut ListenFd, index: usize) -> Option<Passed> {
    if let Ok(Some(listener)) = passed.take_tcp_listener(index) {
        return Some(Passed::Tcp(listener));
    }
    passed.take_unix_listener(index).ok().flatten().map(Passed::Unix)
}
