//! Names to addresses, when they are connected to: what the hosts file says, then what name servers say,
//! for as long as they say (TTL).
//!
//! `system.rs` asks; `known.rs` keeps what was answered last, for the time in which name servers do not
//! answer. Never fails at start: what is wrong with the machine's settings is said when a name is asked for,
//! and when they are put right a restart is not needed.

mod known;
mod system;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use known::Known;
use system::{Paths, System};

/// How long name servers may take when there is something to fall back to (RFC 8767, 5: 1.8 s at most).
const PATIENCE: Duration = Duration::from_secs(1);

/// After which a caller who gave up has seen name servers be silent, rather than changed his mind.
const GIVEN_UP: Duration = Duration::from_millis(200);

/// Resolves the names of upstreams.
#[derive(Debug)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    paths: Paths,
    system: RwLock<Arc<System>>,
    known: Known,
    turn: AtomicUsize,
}

/// The addresses of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Addresses {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

/// Why there are none.
#[derive(Debug)]
enum Error {
    /// Name servers say so.
    NoSuchName,
    /// Name servers say nothing, or nothing of use.
    NoAnswer(io::Error),
}

/// A question under way. Dropped before it is settled, by a caller whose time limit is shorter, it leaves
/// word for the next caller, who would wait in vain as well.
struct Asking<'a> {
    known: &'a Known,
    name: &'a str,
    since: Instant,
    settled: bool,
}

/// One that asks the name servers of /etc/resolv.conf.
impl Default for Resolver {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Resolver {
    /// A resolver that asks these name servers, or else those of /etc/resolv.conf, whose search domains
    /// count either way.
    pub fn new(servers: &[SocketAddr]) -> Self {
        Self::with_paths(servers, Paths::default())
    }

    fn with_paths(servers: &[SocketAddr], paths: Paths) -> Self {
        let system = RwLock::new(Arc::new(System::read(&paths, servers)));
        Self {
            servers: servers.to_vec(),
            paths,
            system,
            known: Known::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Every address of a name, in the order to try them: IPv4 and IPv6 in turn, and from call to call
    /// another one of each family first.
    ///
    /// Name servers are asked when what they last said is over, at most some seconds long; the caller may
    /// set a shorter limit. When they do not answer, what they said last is good for another hour.
    /// An error names the name; [`io::ErrorKind::TimedOut`] when nobody answered. Cancel safe.
    pub async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.addresses(name).await.map_err(|error| match error {
            Error::NoSuchName => {
                io::Error::new(io::ErrorKind::NotFound, format!("{name} has no address"))
            }
            Error::NoAnswer(error) => {
                io::Error::new(error.kind(), format!("{name} not resolved: {error}"))
            }
        })?;
        let turn = self.turn.fetch_add(1, Relaxed);
        let addresses = addresses.in_order(turn).into_iter();
        Ok(addresses.map(|ip| SocketAddr::new(ip, port)).collect())
    }

    async fn addresses(&self, name: &str) -> Result<Addresses, Error> {
        if let Some(addresses) = self.known.standing_in(name, Instant::now()) {
            return Ok(addresses);
        }
        let system = self.system();
        let looking = system.lookup(name);
        let since = Instant::now();
        let mut asking = Asking { known: &self.known, name, since, settled: false };
        let result = if self.known.has(name) {
            let silent = |_| Err(Error::NoAnswer(io::ErrorKind::TimedOut.into()));
            timeout(PATIENCE, looking).await.unwrap_or_else(silent)
        } else {
            looking.await
        };
        asking.settled = true;
        match &result {
            Ok(addresses) => self.known.keep(name, addresses, Instant::now()),
            Err(Error::NoSuchName) => self.known.forget(name),
            Err(Error::NoAnswer(error)) => {
                if let Some(addresses) = self.known.fall_back(name, error, Instant::now()) {
                    return Ok(addresses);
                }
            }
        }
        result
    }

    /// The machine's settings as they are now: container engines write hosts files anew, DHCP clients
    /// lists of name servers.
    fn system(&self) -> Arc<System> {
        let system = Arc::clone(&self.system.read().unwrap_or_else(PoisonError::into_inner));
        if system.is_current(&self.paths) {
            return system;
        }
        let system = Arc::new(System::read(&self.paths, &self.servers));
        *self.system.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&system);
        system
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.settled && self.since.elapsed() >= GIVEN_UP {
            self.known.fall_back(self.name, &io::ErrorKind::TimedOut.into(), Instant::now());
        }
    }
}

impl Addresses {
    fn loopback() -> Self {
        Self { v4: vec![Ipv4Addr::LOCALHOST.into()], v6: vec![Ipv6Addr::LOCALHOST.into()] }
    }

    fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Families in turn, IPv4 first: a network without IPv4 refuses it at once, while one that has
    /// IPv6 on paper swallows it, and the client waits for a time limit.
    fn in_order(mut self, turn: usize) -> Vec<IpAddr> {
        for family in [&mut self.v4, &mut self.v6] {
            let first = turn % family.len().max(1);
            family.rotate_left(first);
        }
        let longest = self.v4.len().max(self.v6.len());
        let of = |family: &[IpAddr], index: usize| family.get(index).copied();
        (0..longest).flat_map(|at| [of(&self.v4, at), of(&self.v6, at)]).flatten().collect()
    }
}

#[cfg(test)]
mod tests;
