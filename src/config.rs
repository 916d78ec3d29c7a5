//! What the program is told to do, checked and with every default applied.
//!
//! [`Config`] is plain values. How it is written (flags, variables) is the business of `cli`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use ipnet::IpNet;

use crate::addr::{Listen, Upstream};

/// Everything that a server needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// Where to listen for plain HTTP, which is sent on to https.
    pub redirect_http: Vec<Listen>,
    /// The folder in which an ACME client leaves its answers, served to plain HTTP.
    pub acme_webroot: Option<PathBuf>,
    /// Where the application listens; at least one.
    pub upstreams: Vec<Upstream>,
    /// What to show to clients.
    pub certificate: Certificate,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How much there may be of things.
    pub limits: Limits,
    /// What upstreams are told about clients.
    pub forwarding: Forwarding,
    /// For how long browsers are told to come by https only; none: they are not told.
    pub hsts: Option<Duration>,
    /// Whether logs show the query of a request; it may hold secrets.
    pub log_query: bool,
}

impl Config {
    /// These, and the default of everything else.
    pub fn new(listen: Vec<Listen>, upstreams: Vec<Upstream>, certificate: Certificate) -> Self {
        Self {
            listen,
            redirect_http: Vec::new(),
            acme_webroot: None,
            upstreams,
            certificate,
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            forwarding: Forwarding::default(),
            hsts: None,
            log_query: false,
        }
    }
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// PEM files: the chain, leaf first, and the key.
    Files {
        /// The chain.
        chain: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Made in memory for these DNS names and IP addresses.
    SelfSigned(Vec<String>),
}

/// How long things may take; none is for ever, or off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept to the last byte of the request head.
    pub setup: Duration,
    /// To connect to one address of an upstream.
    pub connect: Duration,
    /// From the forwarded head to the upstream's 101.
    pub upgrade: Duration,
    /// From the last byte of a forwarded plain request to the response head.
    pub response: Duration,
    /// Without a byte either way.
    pub idle: Option<Duration>,
    /// Without a byte after one side has ended.
    pub half_close: Option<Duration>,
    /// Age of a tunnel.
    pub max_lifetime: Option<Duration>,
    /// From the first signal to closing the listeners.
    pub drain_delay: Duration,
    /// From closing the listeners to closing what is left.
    pub drain: Duration,
    /// TCP keepalive's idle time.
    pub keepalive: Option<Duration>,
    /// Between two requests on a client's connection; zero: one request a connection.
    pub keepalive_timeout: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            setup: Duration::from_secs(15),
            connect: Duration::from_secs(5),
            upgrade: Duration::from_secs(10),
            response: Duration::from_secs(60),
            idle: None,
            half_close: Some(Duration::from_secs(60)),
            max_lifetime: None,
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(25),
            keepalive: Some(Duration::from_secs(60)),
            keepalive_timeout: Duration::from_secs(75),
        }
    }
}

/// How much there may be of things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; none: as many as RLIMIT_NOFILE allows for.
    pub max_connections: Option<usize>,
    /// Connections at once from one address; none is off.
    pub max_connections_per_ip: Option<usize>,
    /// TLS handshakes under way at once; none: [`HANDSHAKES_PER_CORE`] for each core.
    pub max_handshakes: Option<usize>,
    /// Bytes of a request's or response's head.
    pub max_head_bytes: usize,
    /// Requests on one connection; none: any number.
    pub max_requests: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: None,
            max_connections_per_ip: None,
            max_handshakes: None,
            max_head_bytes: 64 * 1024,
            max_requests: Some(1000),
        }
    }
}

/// Handshakes under way at once for each CPU core, unless told otherwise.
pub const HANDSHAKES_PER_CORE: usize = 256;

/// What upstreams are told about clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Whether `Forwarded` (RFC 7239) is sent beside the `X-` headers.
    pub forwarded: bool,
    /// Networks of proxies whose own forwarding headers are kept.
    pub trusted_proxies: Vec<IpNet>,
}

/// The longest duration: a clock could not hold every time that far away.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Reads a duration: `15s`, `1m 30s`, `250ms`, or `0`.
pub fn parse_duration(text: &str) -> anyhow::Result<Duration> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let duration = humantime::parse_duration(text).with_context(|| {
        format!("{text:?} is not a duration; write it as in 15s, 500ms or 1h30m")
    })?;
    anyhow::ensure!(duration <= LONGEST, "{text:?} is longer than 100 years");
    Ok(duration)
}

/// Reads the idle time of keepalive: a duration that tcp(7) takes, or `0`.
pub fn parse_keepalive(text: &str) -> anyhow::Result<Duration> {
    const RANGE: std::ops::RangeInclusive<u64> = 1..=32_767;
    let idle = parse_duration(text)?;
    anyhow::ensure!(
        idle.is_zero() || RANGE.contains(&idle.as_secs()),
        "keepalive's idle time is between 1s and 32767s (about 9h), or 0 for off"
    );
    Ok(idle)
}

/// Prints a duration as [`parse_duration`] reads it.
pub fn format_duration(duration: Duration) -> String {
    match duration {
        Duration::ZERO => "0".to_owned(),
        duration => humantime::format_duration(duration).to_string(),
    }
}

/// Reads a size in bytes: `64KiB`, `65536`.
pub fn parse_size(text: &str) -> anyhow::Result<usize> {
    text.parse::<bytesize::ByteSize>()
        .ok()
        .and_then(|size| usize::try_from(size.as_u64()).ok())
        .with_context(|| format!("{text:?} is not a size; write it as in 64KiB or 65536"))
}

/// Reads a network: `10.0.0.0/8`, or one address.
pub fn parse_network(text: &str) -> anyhow::Result<IpNet> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .with_context(|| format!("{text:?} is not a network; write it as in 10.0.0.0/8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_they_print() {
        for text in ["0", "15s", "1m 30s", "250ms"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(parse_duration("1h30m").unwrap(), Duration::from_secs(5400));
        assert!(parse_duration("15").unwrap_err().to_string().contains("as in 15s"));
        assert!(parse_duration("101years").unwrap_err().to_string().contains("100 years"));
        assert_eq!(parse_keepalive("0").unwrap(), Duration::ZERO);
        assert_eq!(parse_keepalive("32767s").unwrap(), Duration::from_secs(32_767));
        assert!(parse_keepalive("999ms").is_err() && parse_keepalive("32768s").is_err());
    }

    #[test]
    fn sizes_and_networks_are_read() {
        assert_eq!(parse_size("64KiB").unwrap(), 65536);
        assert_eq!(parse_size("4096").unwrap(), 4096);
        assert!(parse_size("lots").is_err());
        assert_eq!(parse_network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(parse_network("::1").unwrap().to_string(), "::1/128");
        assert!(parse_network("10.0.0.0/33").is_err());
    }
}
