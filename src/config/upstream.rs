//! How requests are spread over an upstream's members, how these are watched, and TLS to
//! them.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use super::Files;
use crate::addr::Upstream;
use crate::proxy_protocol::Version;

/// Servers that share the load of a route, and all that is to be known to use them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What it is called, if it is.
    pub name: Option<String>,
    /// The servers.
    pub members: Vec<Member>,
    /// How they are used.
    pub balancing: Upstreams,
    /// TLS to those that speak it.
    pub tls: UpstreamTls,
    /// Name servers for their names; none: those of /etc/resolv.conf.
    pub resolvers: Vec<SocketAddr>,
    /// To connect to one address.
    pub connect_timeout: Duration,
    /// TCP keepalive's idle time; none: off.
    pub keepalive: Option<Duration>,
    /// The PROXY header with which connections to them begin.
    pub send_proxy: Option<Version>,
}

/// One of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it listens.
    pub address: Upstream,
    /// How much it takes, in proportion to the others.
    pub weight: NonZeroU16,
    /// Whether it is used only when the others cannot be.
    pub backup: bool,
    /// Tunnels and requests at once; none: what the pool says.
    pub max_connections: Option<usize>,
}

impl Member {
    /// One with the default of everything else.
    pub fn new(address: Upstream) -> Self {
        Self { address, weight: NonZeroU16::MIN, backup: false, max_connections: None }
    }
}

/// How an upstream with several members is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstreams {
    /// Which member is tried first.
    pub balance: Balance,
    /// Failures within `fail_timeout` that take a member out; zero: none does.
    pub max_fails: u32,
    /// How long it is out then.
    pub fail_timeout: Duration,
    /// The time in which a member that came back gets up to its whole share.
    pub slow_start: Duration,
    /// Tunnels and requests of one member at once; none: any number.
    pub max_connections: Option<usize>,
    /// Requests that wait for a place when all members have as many as they may.
    pub max_queued: usize,
    /// How members are looked at without a request; none: they are not.
    pub check: Option<Check>,
    /// What becomes of the tunnels of a member that fell.
    pub on_down: OnDown,
}

impl Default for Upstreams {
    fn default() -> Self {
        Self {
            balance: Balance::RoundRobin,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            slow_start: Duration::ZERO,
            max_connections: None,
            max_queued: 128,
            check: None,
            on_down: OnDown::Keep,
        }
    }
}

/// TLS to those upstreams that speak it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The PEM file of the authorities that alone are believed; none: the system's.
    pub ca: Option<PathBuf>,
    /// What is shown to upstreams that ask for a certificate.
    pub certificate: Option<Files>,
    /// Whether any certificate is believed.
    pub insecure: bool,
}

/// What becomes of the tunnels of a member that fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDown {
    /// They go on for as long as they can.
    Keep,
    /// They are closed, spread over some seconds, so that clients come back to another member.
    Close,
}

/// A look at a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is tried.
    pub kind: CheckKind,
    /// From the end of one to the begin of the next.
    pub interval: Duration,
    /// For all of it.
    pub timeout: Duration,
    /// Good ones in a row that bring a member back.
    pub rise: u32,
    /// Bad ones in a row that take it out.
    pub fall: u32,
}

impl Check {
    /// This, and the default of everything else.
    pub fn new(kind: CheckKind) -> Self {
        let [interval, timeout] = [5, 3].map(Duration::from_secs);
        Self { kind, interval, timeout, rise: 2, fall: 3 }
    }
}

/// What a look tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A connection.
    Tcp,
    /// A GET of this path that is answered with a 2xx or 3xx.
    Http(String),
    /// A WebSocket at this path: an upgrade that is answered with a valid 101.
    Ws(String),
}

/// Reads a check: `tcp`, `http:/path` or `ws:/path`.
pub fn parse_check(text: &str) -> anyhow::Result<CheckKind> {
    let is_path = |path: &str| path.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
    match text.split_once(':') {
        None if text == "tcp" => Ok(CheckKind::Tcp),
        Some((kind, path)) if path.starts_with('/') && is_path(path) => match kind {
            "http" => Ok(CheckKind::Http(path.to_owned())),
            "ws" => Ok(CheckKind::Ws(path.to_owned())),
            _ => Err(no_check(text)),
        },
        _ => Err(no_check(text)),
    }
}

fn no_check(text: &str) -> anyhow::Error {
    anyhow::anyhow!("{text:?} is not a check; those are tcp, http:/path and ws:/path")
}

/// Which member is tried first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn, as often as its weight says.
    #[default]
    RoundRobin,
    /// The one with the fewest tunnels and requests for its weight.
    LeastConnections,
    /// The less busy of two that are drawn by lot.
    RandomTwo,
    /// The one that the client's address stands for, as long as it is up.
    SourceHash,
}

impl Balance {
    /// All there are.
    pub const ALL: [Self; 4] =
        [Self::RoundRobin, Self::LeastConnections, Self::RandomTwo, Self::SourceHash];

    /// As [`parse_balance`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
            Self::RandomTwo => "random-two",
            Self::SourceHash => "source-hash",
        }
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads a way of balancing by its name: `round-robin`.
pub fn parse_balance(text: &str) -> anyhow::Result<Balance> {
    let known = Balance::ALL.into_iter().find(|balance| balance.name() == text);
    known.ok_or_else(|| {
        let names = Balance::ALL.map(Balance::name).join(", ");
        anyhow::anyhow!("{text:?} is not a way of balancing; those are {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_balancing_read_as_they_print() {
        for balance in Balance::ALL {
            assert_eq!(parse_balance(&balance.to_string()).unwrap(), balance);
        }
        let error = parse_balance("fastest").unwrap_err().to_string();
        assert!(error.contains("\"fastest\"") && error.contains("random-two"), "{error}");
    }

    #[test]
    fn checks_are_read() {
        assert_eq!(parse_check("tcp").unwrap(), CheckKind::Tcp);
        assert_eq!(parse_check("http:/up?x=1").unwrap(), CheckKind::Http("/up?x=1".into()));
        assert_eq!(parse_check("ws:/").unwrap(), CheckKind::Ws("/".into()));
        for text in ["", "udp", "http", "http:", "http:up", "http:/a b", "tcp:/", "ws:/a\r\n"] {
            let error = parse_check(text).unwrap_err().to_string();
            assert!(error.contains("is not a check"), "{text}: {error}");
        }
    }
}
