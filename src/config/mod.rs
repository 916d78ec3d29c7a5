//! What the program is told to do, checked and with every default applied.
//!
//! [`Config`] is plain values. How it is written (flags, variables) is the business of `cli`.

mod admin;
pub mod route;
mod tls;
mod upstream;
mod value;

pub use crate::http::origin::Pattern as OriginPattern;
pub use crate::proxy_protocol::Version as ProxyVersion;
pub use admin::Admin;
pub use route::{Goal, Route};
pub use tls::{
    Allow, Certificates, ClientAuth, Files, Tls, Version, cipher_name, openssl_name, parse_cipher,
    parse_group, parse_version,
};
pub use upstream::{
    Balance, Check, CheckKind, Member, OnDown, Pool, UpstreamTls, Upstreams, parse_balance,
    parse_check,
};
pub use value::{
    format_duration, parse_duration, parse_keepalive, parse_network, parse_resolver, parse_size,
};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::addr::Listen;

/// Everything that a server needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where to listen, and what is served there; at least one.
    pub listeners: Vec<Listener>,
    /// Upstreams that have a name, for routes to lead to.
    pub pools: BTreeMap<String, Pool>,
    /// How it stops.
    pub drain: Drain,
    /// TLS handshakes under way at once; none: [`HANDSHAKES_PER_CORE`] for each core.
    pub max_handshakes: Option<usize>,
    /// Who may look at it, and where; as it was at the start.
    pub admin: Admin,
}

/// Addresses to listen on that are served alike, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// Where to listen for plain HTTP, which is sent on to https.
    pub redirect_http: Vec<Listen>,
    /// The folder in which an ACME client leaves its answers, served to plain HTTP.
    pub acme_webroot: Option<PathBuf>,
    /// Where requests go that no route is for; there may be none.
    pub upstreams: Vec<Goal>,
    /// Name servers for the names of upstreams; none: those of /etc/resolv.conf.
    pub resolvers: Vec<SocketAddr>,
    /// Which requests go elsewhere.
    pub routes: Vec<Route>,
    /// The PROXY protocol, on both sides.
    pub proxy_protocol: ProxyProtocol,
    /// How upstreams without a name are used when they have several members.
    pub balancing: Upstreams,
    /// How to speak TLS to upstreams without a name.
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
    /// One listener, and the default of everything else.
    pub fn new(listener: Listener) -> Self {
        Self {
            listeners: vec![listener],
            pools: BTreeMap::new(),
            drain: Drain::default(),
            max_handshakes: None,
            admin: Admin::default(),
        }
    }

    /// What the goals of a listener's route stand for; none when one has a name that nothing has.
    pub fn pool(&self, listener: &Listener, goals: &[Goal]) -> Option<Pool> {
        if let [Goal::Named(name)] = goals {
            return self.pools.get(name).cloned();
        }
        let member = |goal: &Goal| match goal {
            Goal::Address(address) => Some(Member::new(address.clone())),
            Goal::Named(_) => None,
        };
        Some(Pool {
            name: None,
            members: goals.iter().map(member).collect::<Option<_>>()?,
            balancing: listener.balancing.clone(),
            tls: listener.upstream_tls.clone(),
            resolvers: listener.resolvers.clone(),
            connect_timeout: listener.timeouts.connect,
            keepalive: listener.timeouts.keepalive,
            send_proxy: listener.proxy_protocol.send,
        })
    }
}

impl Listener {
    /// These, and the default of everything else.
    pub fn new(listen: Vec<Listen>, upstreams: Vec<Goal>, certificates: Certificates) -> Self {
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

    /// Every route, also the one for requests that no other is for; those with the same pattern are one.
    pub fn all_routes(&self) -> Vec<Route> {
        let mut routes = self.routes.clone();
        if !self.upstreams.is_empty() {
            let goals = self.upstreams.clone();
            routes.push(Route { pattern: route::Pattern::all(), goals });
        }
        route::join(routes)
    }

    /// Where requests go, in a word for the log.
    pub fn describe(&self) -> String {
        let joined = |goals: &[Goal]| {
            let goals: Vec<String> = goals.iter().map(ToString::to_string).collect();
            goals.join(",")
        };
        let default = Some(joined(&self.upstreams)).filter(|goals| !goals.is_empty());
        let routes = self.routes.iter();
        let routes = routes.map(|route| format!("{}={}", route.pattern, joined(&route.goals)));
        default.into_iter().chain(routes).collect::<Vec<String>>().join(",")
    }
}

/// How a server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// From the first signal to closing the listeners.
    pub delay: Duration,
    /// From closing the listeners to closing what is left.
    pub timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::ZERO, timeout: Duration::from_secs(25) }
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
            keepalive: Some(Duration::from_secs(60)),
            keepalive_timeout: Duration::from_secs(75),
        }
    }
}

/// How much there may be of things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; none: as many as RLIMIT_NOFILE allows for, which is the limit of all
    /// listeners together in any case.
    pub max_connections: Option<usize>,
    /// Connections at once from one address; none is off.
    pub max_connections_per_ip: Option<usize>,
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
