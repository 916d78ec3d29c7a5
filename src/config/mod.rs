//! What the program is told to do, checked and with every default applied.
//!
//! [`Config`] is plain values. How it is written (flags, variables) is the business of `cli`.

pub mod route;
mod tls;
mod upstream;
mod value;

pub use crate::http::origin::Pattern as OriginPattern;
pub use crate::proxy_protocol::Version as ProxyVersion;
pub use tls::{
    Allow, Certificates, ClientAuth, Files, Tls, Version, cipher_name, openssl_name, parse_cipher,
    parse_group, parse_version,
};
pub use upstream::{
    Balance, Check, CheckKind, OnDown, UpstreamTls, Upstreams, parse_balance, parse_check,
};
pub use value::{
    format_duration, parse_duration, parse_keepalive, parse_network, parse_resolver, parse_size,
};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Where the application listens, for requests that no route is for; there may be none.
    pub upstreams: Vec<Upstream>,
    /// Name servers for the names of upstreams; none: those of /etc/resolv.conf.
    pub resolvers: Vec<SocketAddr>,
    /// Which requests go elsewhere.
    pub routes: Vec<route::Route>,
    /// The PROXY protocol, on both sides.
    pub proxy_protocol: ProxyProtocol,
    /// How upstreams with several members are used.
    pub balancing: Upstreams,
    /// How to speak TLS to upstreams.
    pub upstream_tls: UpstreamTls,
    /// Which pages may open WebSockets.
    pub origins: Origins,
    /// How to speak TLS to clients.
    pub tls: Tls,
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
    pub fn new(listen: Vec<Listen>, upstreams: Vec<Upstream>, certificates: Certificates) -> Self {
        Self {
            listen,
            redirect_http: Vec::new(),
            acme_webroot: None,
            upstreams,
            resolvers: Vec::new(),
            routes: Vec::new(),
            proxy_protocol: ProxyProtocol::default(),
            balancing: Upstreams::default(),
            upstream_tls: UpstreamTls::default(),
            origins: Origins::default(),
            tls: Tls::new(certificates),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            forwarding: Forwarding::default(),
            hsts: None,
            log_query: false,
        }
    }

    /// Whether any upstream speaks TLS.
    pub fn has_tls_upstream(&self) -> bool {
        let of_routes = self.routes.iter().flat_map(|route| &route.upstreams);
        self.upstreams.iter().chain(of_routes).any(|upstream| upstream.is_tls)
    }
}

/// The PROXY protocol (HAProxy's `proxy-protocol.txt`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// Whether trusted proxies begin with a header that says who their client is.
    pub accept: bool,
    /// Whether upstreams get one, and of which version.
    pub send: Option<ProxyVersion>,
}

/// Which pages may open WebSockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    /// These; all when there are none.
    pub allowed: Vec<OriginPattern>,
    /// Whether requests without an origin, which are not from a page, are refused.
    pub required: bool,
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
    /// Whether `X-Forwarded-Client-Cert` is sent for a client with a certificate.
    pub client_cert: bool,
}
