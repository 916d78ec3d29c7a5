//! What to serve: where to listen, where requests go, and everything about them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::ensure;
use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use wssgate::addr::Listen;
use wssgate::config::route::{Goal, Route, parse_route};
use wssgate::config::{
    Config, Forwarding, Listener, Member, OriginPattern, Origins, Pool, ProxyProtocol,
    ProxyVersion, parse_network, parse_resolver,
};

use super::admin::AdminArgs;
use super::limits::{LimitArgs, TimeoutArgs};
use super::tls::{CertificateArgs, ClientAuthArgs, TlsArgs};
use super::upstream::{UpstreamArgs, UpstreamTlsArgs};
use super::value::{Span, parse_positive};

/// What to serve.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Configuration file, TOML: the flags as keys without their dashes, [[listener]] tables with settings of
    /// their own, and [upstreams.NAME] tables; SIGHUP reads it again
    #[arg(long, short, env = "WSSGATE_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Address to listen on: PORT, HOST:PORT, [IPV6]:PORT, unix:/PATH[?mode=0660] or fd:NAME;
    /// may be repeated
    #[arg(
        long,
        env = "WSSGATE_LISTEN",
        hide_env_values = true,
        value_name = "ADDR",
        value_delimiter = ',',
        default_value = "[::]:8443"
    )]
    listen: Vec<Listen>,
    /// Address of the application: PORT, HOST:PORT, ws://HOST:PORT, wss://HOST:PORT (TLS) or
    /// unix:/PATH; may be repeated, then each takes its turn and the next one stands in for one that
    /// refuses
    #[arg(
        long,
        env = "WSSGATE_UPSTREAM",
        hide_env_values = true,
        value_name = "ADDR",
        value_delimiter = ','
    )]
    upstream: Vec<Goal>,
    /// Name server for the names of upstreams, as in 127.0.0.53:53; may be repeated [default: those
    /// of /etc/resolv.conf]
    #[arg(long, env = "WSSGATE_RESOLVER", hide_env_values = true, value_name = "ADDR",
          value_delimiter = ',', value_parser = parse_resolver)]
    resolver: Vec<SocketAddr>,
    /// Where requests for a host, below a path, go instead, as in chat.example.com/ws=10.0.0.7:9000,
    /// *.example.com=9001 or /api=unix:/run/api.sock; may be repeated, the closest one counts
    #[arg(
        long,
        env = "WSSGATE_ROUTE",
        hide_env_values = true,
        value_name = "HOST/PREFIX=ADDR",
        value_delimiter = ',',
        value_parser = parse_route
    )]
    route: Vec<Route>,
    #[command(flatten)]
    certificates: CertificateArgs,
    /// Address to listen on for plain HTTP, which is sent on to https; may be repeated
    #[arg(
        long,
        env = "WSSGATE_REDIRECT_HTTP",
        hide_env_values = true,
        value_name = "ADDR",
        value_delimiter = ','
    )]
    redirect_http: Vec<Listen>,
    /// Folder in which an ACME client leaves its answers (.well-known/acme-challenge/), served to
    /// plain HTTP
    #[arg(long, env = "WSSGATE_ACME_WEBROOT", hide_env_values = true, value_name = "DIR")]
    acme_webroot: Option<PathBuf>,
    /// Tell browsers to come by https only, for this time (Strict-Transport-Security), as in 365d
    #[arg(long, env = "WSSGATE_HSTS", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive)]
    hsts: Option<Span>,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    client_auth: ClientAuthArgs,
    #[command(flatten)]
    upstreams: UpstreamArgs,
    #[command(flatten)]
    upstream_tls: UpstreamTlsArgs,
    #[command(flatten)]
    origins: OriginArgs,
    #[command(flatten)]
    proxy_protocol: ProxyArgs,
    #[command(flatten)]
    forwarding: ForwardingArgs,
    #[command(flatten)]
    timeouts: TimeoutArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    admin: AdminArgs,
    /// Log the query of requests too; it may hold secrets
    #[arg(long, env = "WSSGATE_LOG_QUERY", hide_env_values = true, value_parser = FalseyValueParser::new(), help_heading = "Log")]
    log_query: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Origins: which pages may open WebSockets")]
struct OriginArgs {
    /// Let only these pages open WebSockets, as in https://app.example.com or *.example.com; others
    /// get 403; may be repeated
    #[arg(
        long,
        env = "WSSGATE_ALLOW_ORIGIN",
        hide_env_values = true,
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    allow_origin: Vec<OriginPattern>,
    /// Refuse WebSocket requests that are not from a page, too
    #[arg(long, env = "WSSGATE_REQUIRE_ORIGIN", hide_env_values = true,
          value_parser = FalseyValueParser::new())]
    require_origin: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "PROXY protocol")]
struct ProxyArgs {
    /// Take the client's address from the header, v1 or v2, with which every trusted proxy begins
    #[arg(long, env = "WSSGATE_ACCEPT_PROXY", hide_env_values = true, value_parser = FalseyValueParser::new())]
    accept_proxy: bool,
    /// Begin every connection to an upstream with such a header; v2 tells of TLS, too
    #[arg(
        long,
        env = "WSSGATE_SEND_PROXY",
        hide_env_values = true,
        value_name = "VERSION",
        value_enum
    )]
    send_proxy: Option<SendProxy>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SendProxy {
    V1,
    V2,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What upstreams are told about clients")]
struct ForwardingArgs {
    /// Send Forwarded (RFC 7239) beside X-Forwarded-For and its like
    #[arg(long, env = "WSSGATE_FORWARDED", hide_env_values = true, value_parser = FalseyValueParser::new())]
    forwarded: bool,
    /// Network of proxies whose own forwarding headers are kept and appended to; may be repeated
    #[arg(long, env = "WSSGATE_TRUSTED_PROXY", hide_env_values = true, value_name = "CIDR",
          value_delimiter = ',', value_parser = parse_network)]
    trusted_proxy: Vec<IpNet>,
    /// Send X-Forwarded-Client-Cert (as Envoy does: Hash, Subject, URI, DNS) for a client with a
    /// certificate
    #[arg(long, env = "WSSGATE_CLIENT_CERT_HEADERS", hide_env_values = true,
          value_parser = FalseyValueParser::new())]
    client_cert_headers: bool,
}

impl ServeArgs {
    /// Whether nothing was asked for, not even by the environment.
    pub(crate) fn is_empty(&self) -> bool {
        self.config.is_none()
            && self.upstream.is_empty()
            && self.route.is_empty()
            && self.certificates.is_empty()
    }

    /// The configuration of one listener, or in one line what is missing.
    pub(super) fn into_config(self) -> anyhow::Result<Config> {
        let process = self.process();
        let goals = self.upstream.iter().chain(self.route.iter().flat_map(|route| &route.goals));
        // What a name stands for is verified by itself.
        let speaks_tls = |goal: &Goal| match goal {
            Goal::Address(address) => address.is_tls,
            Goal::Named(_) => true,
        };
        self.upstream_tls.verify(goals.clone().any(speaks_tls))?;
        Ok(Config { listeners: vec![self.into_listener()?], ..process })
    }

    /// What is of no listener, and as yet no listener.
    pub(super) fn process(&self) -> Config {
        Config {
            listeners: Vec::new(),
            pools: BTreeMap::new(),
            drain: self.timeouts.drain(),
            max_handshakes: self.limits.max_handshakes(),
            admin: self.admin.admin(),
        }
    }

    /// An upstream with a name.
    pub(super) fn into_pool(self, name: String, members: Vec<Member>) -> anyhow::Result<Pool> {
        let timeouts = self.timeouts.into_timeouts();
        Ok(Pool {
            name: Some(name),
            members,
            balancing: self.upstreams.into_upstreams(),
            tls: self.upstream_tls.into_settings()?,
            resolvers: self.resolver,
            connect_timeout: timeouts.connect,
            keepalive: timeouts.keepalive,
            send_proxy: self.proxy_protocol.version(),
        })
    }

    /// A listener, or in one line what is missing.
    pub(super) fn into_listener(self) -> anyhow::Result<Listener> {
        self.verify()?;
        let certificates = self.certificates.into_certificates()?;
        let client_auth = self.client_auth.into_client_auth()?;
        // Not by clap: a variable that says no would have to be refused too.
        ensure!(
            client_auth.is_some() || !self.forwarding.client_cert_headers,
            "--client-cert-headers without --client-ca: nobody is asked for a certificate"
        );
        let send = self.proxy_protocol.version();
        Ok(Listener {
            listen: self.listen,
            upstreams: self.upstream,
            resolvers: self.resolver,
            routes: self.route,
            proxy_protocol: ProxyProtocol { accept: self.proxy_protocol.accept_proxy, send },
            balancing: self.upstreams.into_upstreams(),
            upstream_tls: self.upstream_tls.into_settings()?,
            origins: Origins {
                allowed: self.origins.allow_origin,
                required: self.origins.require_origin,
            },
            tls: self.tls.into_tls(certificates, client_auth),
            timeouts: self.timeouts.into_timeouts(),
            limits: self.limits.into_limits(),
            forwarding: Forwarding {
                forwarded: self.forwarding.forwarded,
                trusted_proxies: self.forwarding.trusted_proxy,
                client_cert: self.forwarding.client_cert_headers,
            },
            log_query: self.log_query,
            hsts: self.hsts.map(|span| span.0),
            redirect_http: self.redirect_http,
            acme_webroot: self.acme_webroot,
        })
    }

    fn verify(&self) -> anyhow::Result<()> {
        ensure!(
            !self.upstream.is_empty() || !self.route.is_empty(),
            "no upstream: say where the application listens, as in --upstream 127.0.0.1:9000"
        );
        ensure!(
            self.acme_webroot.is_none() || !self.redirect_http.is_empty(),
            "--acme-webroot without --redirect-http: challenges come to plain HTTP, as in \
             --redirect-http 80"
        );
        ensure!(
            !self.proxy_protocol.accept_proxy || !self.forwarding.trusted_proxy.is_empty(),
            "--accept-proxy without --trusted-proxy: say which proxies are believed, as in \
             --trusted-proxy 10.0.0.0/8"
        );
        ensure!(
            !self.origins.allow_origin.is_empty() || !self.origins.require_origin,
            "--require-origin without --allow-origin: say which pages may open WebSockets"
        );
        Ok(())
    }
}

impl ProxyArgs {
    fn version(&self) -> Option<ProxyVersion> {
        self.send_proxy.map(|version| match version {
            SendProxy::V1 => ProxyVersion::V1,
            SendProxy::V2 => ProxyVersion::V2,
        })
    }
}
