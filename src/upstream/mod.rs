//! Where requests go: a pool of members, in which order they are tried, and connecting to the first
//! that accepts.
//!
//! `member.rs` is one of them with its counts, `health.rs` says whether it is up, `balance.rs` which of
//! them is tried first, `resolve.rs` what their names stand for.

pub mod balance;
pub mod health;
pub mod member;
pub mod resolve;

mod route;

pub use route::{NoRoute, Routes};

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::timeout;

use crate::addr::Upstream;
use crate::net::{self, Keepalive, Stream, Target};
use resolve::Resolver;

/// The members that share the load, in turn.
#[derive(Debug)]
pub struct Pool {
    members: Vec<Upstream>,
    next: AtomicUsize,
    connect_timeout: Duration,
    keepalive: Keepalive,
    resolver: Arc<Resolver>,
}

/// Why no member could be connected to: the last one's trouble.
#[derive(Debug)]
pub struct Error {
    /// The member, or the address of it, that was tried last.
    pub tried: String,
    /// What it answered. [`io::ErrorKind::TimedOut`] when it did not.
    pub source: io::Error,
}

impl Pool {
    /// A pool of these members, each address and each name of which gets `connect_timeout`.
    pub fn new(
        members: Vec<Upstream>,
        connect_timeout: Duration,
        keepalive: Keepalive,
        resolver: Arc<Resolver>,
    ) -> Self {
        Self { members, next: AtomicUsize::new(0), connect_timeout, keepalive, resolver }
    }

    /// Connects to the member whose turn it is, or else to the next one that accepts. Returns the
    /// stream and the address. Cancel safe.
    pub async fn connect(&self) -> Result<(Stream, Target), Error> {
        let mut last =
            Error { tried: "no upstream".into(), source: io::ErrorKind::NotFound.into() };
        for member in self.candidates() {
            match self.connect_member(member).await {
                Ok(connected) => return Ok(connected),
                Err(error) => {
                    tracing::debug!(upstream = error.tried, error = %error.source, "upstream not reached");
                    last = error;
                }
            }
        }
        Err(last)
    }

    /// Every member once, beginning with the one whose turn it is.
    fn candidates(&self) -> impl Iterator<Item = &Upstream> {
        let count = self.members.len();
        let first = self.next.fetch_add(1, Relaxed);
        (0..count).map(move |offset| &self.members[first.wrapping_add(offset) % count])
    }

    async fn connect_member(&self, member: &Upstream) -> Result<(Stream, Target), Error> {
        let targets = timeout(self.connect_timeout, resolve(&self.resolver, member))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| Error { tried: member.to_string(), source })?;
        let mut source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let mut tried = member.to_string();
        for target in targets {
            let connecting = net::connect(&target, self.keepalive);
            source = match timeout(self.connect_timeout, connecting).await {
                Ok(Ok(stream)) => return Ok((stream, target)),
                Ok(Err(error)) => error,
                Err(_) => io::ErrorKind::TimedOut.into(),
            };
            tried = target.to_string();
        }
        Err(Error { tried, source })
    }
}

async fn resolve(resolver: &Resolver, member: &Upstream) -> io::Result<Vec<Target>> {
    Ok(match member {
        Upstream::Ip(address) => vec![Target::Tcp(*address)],
        Upstream::Unix(path) => vec![Target::Unix(path.clone())],
        Upstream::Name(name, port) => {
            resolver.resolve(name, *port).await?.into_iter().map(Target::Tcp).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_take_turns_and_each_is_a_candidate_once() {
        let members: Vec<Upstream> =
            (1..=3).map(|n| format!("10.0.0.{n}:1").parse().unwrap()).collect();
        let resolver = Arc::new(Resolver::new(&[]));
        let pool = Pool::new(members, Duration::from_secs(1), Keepalive::default(), resolver);
        let turns: Vec<String> = (0..4)
            .map(|_| pool.candidates().map(|m| m.to_string()[7..8].to_owned()).collect())
            .collect();
        assert_eq!(turns, ["123", "231", "312", "123"]);
    }
}
