//! From a name to a connected socket.

use std::io;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::addr::Place;
use crate::net::{Keepalive, Stream, Target, connect};

/// The addresses of a place, and a text that lists them.
///
/// Names are looked up as most programs of this machine do (getaddrinfo(3)), the order of addresses included,
/// and not by our own resolver: the question is what a client here would find.
pub(super) async fn resolve(place: &Place) -> anyhow::Result<(Vec<Target>, String)> {
    let (name, port) = match place {
        Place::Ip(address) => {
            return Ok((vec![Target::Tcp(*address)], format!("{} is an address", address.ip())));
        }
        Place::Unix(path) => {
            return Ok((vec![Target::Unix(path.clone())], format!("{place} is a socket")));
        }
        Place::Name(name, port) => (name, *port),
    };
    let found = lookup_host((name.as_str(), port)).await;
    let mut addresses = Vec::new();
    for address in found.with_context(|| format!("{name} not resolved"))? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    ensure!(!addresses.is_empty(), "{name} has no address");
    let ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let text = format!("{name} is {}", ips.join(", "));
    Ok((addresses.into_iter().map(Target::Tcp).collect(), text))
}

/// Connects to the first of the targets that accepts, each within its share of `limit`, which is kept so.
pub(super) async fn connect_first(
    targets: &[Target],
    limit: Duration,
) -> anyhow::Result<((Stream, Target), String)> {
    let share = limit / u32::try_from(targets.len().max(1)).unwrap_or(u32::MAX);
    let mut failed = Vec::new();
    for target in targets {
        let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer"));
        let connecting = timeout(share, connect(target, Keepalive::default()));
        match connecting.await.unwrap_or_else(late) {
            Ok(stream) => {
                let mut text = format!("to {target}");
                if !failed.is_empty() {
                    text += &format!(" (not to {})", failed.join("; "));
                }
                return Ok(((stream, target.clone()), text));
            }
            Err(error) => failed.push(format!("{target}: {error}")),
        }
    }
    bail!("{}", failed.join("; "))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn listener() -> (TcpListener, Target) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::Tcp(listener.local_addr().unwrap());
        (listener, target)
    }

    #[tokio::test]
    async fn the_first_that_accepts_is_taken_and_those_before_it_are_told() {
        let (_listening, target) = listener().await;
        let (closed, refusing) = listener().await;
        drop(closed);
        let limit = Duration::from_secs(30);
        let targets = [refusing.clone(), target.clone(), refusing.clone()];
        let ((_, reached), text) = connect_first(&targets, limit).await.unwrap();
        assert_eq!(reached, target);
        let start = format!("to {target} (not to {refusing}: ");
        assert!(text.starts_with(&start) && text.ends_with(')'), "{text}");

        let error = connect_first(&targets[..1], limit).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("{refusing}: ")), "{error}");
    }

    #[tokio::test]
    async fn addresses_are_listed_once_each() {
        let (targets, text) = resolve(&Place::Name("localhost".into(), 8443)).await.unwrap();
        assert!(text.starts_with("localhost is "), "{text}");
        for (at, target) in targets.iter().enumerate() {
            assert!(!targets[..at].contains(target), "{targets:?}");
        }
    }
}
