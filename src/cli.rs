//! The command line: clap's `Args`, whose doc comments are the help, and their way to a `Config`.
//!
//! Every flag has a variable; what is given as a flag wins, then the variable, then the default.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use wssgate::addr::{Listen, Upstream};
use wssgate::config::{
    Certificate, Config, Forwarding, Limits, Timeouts, format_duration, parse_duration,
    parse_keepalive, parse_network, parse_size,
};

/// Names of a self-signed certificate that was not given any.
const LOCAL_NAMES: &str = "localhost,127.0.0.1,::1";

/// wss in, ws out: takes TLS off WebSocket connections and passes them to a plain server.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve an embedded WebSocket echo and a page that speaks to it, to see it work
    Demo {
        /// Address to listen on
        #[arg(
            long,
            env = "WSSGATE_LISTEN",
            hide_env_values = true,
            value_name = "ADDR",
            value_delimiter = ',',
            default_value = "127.0.0.1:8443"
        )]
        listen: Vec<Listen>,
    },
}

/// How to log.
#[derive(Debug, Args)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArgs {
    /// Form of the log on standard error
    #[arg(long, env = "WSSGATE_LOG_FORMAT", hide_env_values = true, value_name = "FORMAT",
          value_enum, default_value_t = LogFormat::Text, global = true)]
    pub(crate) log_format: LogFormat,
    /// What to log: error, warn, info, debug, trace or off
    #[arg(
        long,
        env = "WSSGATE_LOG_LEVEL",
        hide_env_values = true,
        value_name = "LEVEL",
        default_value = "info",
        global = true
    )]
    pub(crate) log_level: tracing::level_filters::LevelFilter,
}

/// The forms of a log line. Variants with words of their own would make `--help` twice as long as `-h`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// What to serve.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
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
    /// Address of the application: PORT, HOST:PORT, ws://HOST:PORT or unix:/PATH; may be repeated,
    /// then each takes its turn and the next one stands in for one that refuses
    #[arg(
        long,
        env = "WSSGATE_UPSTREAM",
        hide_env_values = true,
        value_name = "ADDR",
        value_delimiter = ','
    )]
    upstream: Vec<Upstream>,
    /// Certificate chain, PEM, the server's own certificate first
    #[arg(
        long,
        env = "WSSGATE_CERT",
        hide_env_values = true,
        value_name = "FILE",
        requires = "key",
        conflicts_with = "self_signed"
    )]
    cert: Option<PathBuf>,
    /// Private key of the certificate, PEM, not encrypted
    #[arg(
        long,
        env = "WSSGATE_KEY",
        hide_env_values = true,
        value_name = "FILE",
        requires = "cert"
    )]
    key: Option<PathBuf>,
    /// Make a certificate in memory, for these names and addresses [without any:
    /// localhost,127.0.0.1,::1]
    #[arg(long, env = "WSSGATE_SELF_SIGNED", hide_env_values = true, value_name = "NAMES",
          value_delimiter = ',', num_args = 0..=1, default_missing_value = LOCAL_NAMES)]
    self_signed: Option<Vec<String>>,
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
    #[arg(
        long,
        env = "WSSGATE_ACME_WEBROOT",
        hide_env_values = true,
        value_name = "DIR",
        requires = "redirect_http"
    )]
    acme_webroot: Option<PathBuf>,
    /// Tell browsers to come by https only, for this time (Strict-Transport-Security), as in 365d
    #[arg(long, env = "WSSGATE_HSTS", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive)]
    hsts: Option<Span>,
    #[command(flatten)]
    forwarding: ForwardingArgs,
    #[command(flatten)]
    timeouts: TimeoutArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// Log the query of requests too; it may hold secrets
    #[arg(long, env = "WSSGATE_LOG_QUERY", hide_env_values = true, value_parser = FalseyValueParser::new(), help_heading = "Log")]
    log_query: bool,
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
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Times, as in 15s, 500ms or 1h30m; 0 is never, or off")]
struct TimeoutArgs {
    /// From accept to the request head's last byte, TLS handshake included
    #[arg(long, env = "WSSGATE_SETUP_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive, default_value_t = Span(Timeouts::default().setup))]
    setup_timeout: Span,
    /// To connect to one address of an upstream
    #[arg(long, env = "WSSGATE_CONNECT_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive, default_value_t = Span(Timeouts::default().connect))]
    connect_timeout: Span,
    /// From the forwarded head of a WebSocket request to the upstream's 101
    #[arg(long, env = "WSSGATE_UPGRADE_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive, default_value_t = Span(Timeouts::default().upgrade))]
    upgrade_timeout: Span,
    /// From the last byte of any other request to the upstream's response head
    #[arg(long, env = "WSSGATE_RESPONSE_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive, default_value_t = Span(Timeouts::default().response))]
    response_timeout: Span,
    /// Tunnel without a byte either way
    #[arg(long, env = "WSSGATE_IDLE_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span::of(Timeouts::default().idle))]
    idle_timeout: Span,
    /// Without a byte after one side of a tunnel has ended
    #[arg(long, env = "WSSGATE_HALF_CLOSE_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span::of(Timeouts::default().half_close))]
    half_close_timeout: Span,
    /// Age of a tunnel, less up to 10 % drawn by lot
    #[arg(long, env = "WSSGATE_MAX_LIFETIME", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span::of(Timeouts::default().max_lifetime))]
    max_lifetime: Span,
    /// From SIGTERM to closing the listeners
    #[arg(long, env = "WSSGATE_DRAIN_DELAY", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span(Timeouts::default().drain_delay))]
    drain_delay: Span,
    /// From then on until what is left is closed, spread over the last part of it
    #[arg(long, env = "WSSGATE_DRAIN_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span(Timeouts::default().drain))]
    drain_timeout: Span,
    /// TCP keepalive: idle time before the first of 6 probes, 10s apart
    #[arg(long, env = "WSSGATE_KEEPALIVE", hide_env_values = true, value_name = "TIME",
          value_parser = parse_idle, default_value_t = Span::of(Timeouts::default().keepalive))]
    keepalive: Span,
    /// Between two requests on a client's connection; 0 is one request a connection
    #[arg(long, env = "WSSGATE_KEEPALIVE_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span(Timeouts::default().keepalive_timeout))]
    keepalive_timeout: Span,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Connections at once; more wait in the kernel's queue [default: what open files allow for]
    #[arg(long, env = "WSSGATE_MAX_CONNECTIONS", hide_env_values = true, value_name = "COUNT")]
    max_connections: Option<NonZeroUsize>,
    /// Connections at once from one address; 0 is off
    #[arg(
        long,
        env = "WSSGATE_MAX_CONNECTIONS_PER_IP",
        hide_env_values = true,
        value_name = "COUNT",
        default_value_t = 0
    )]
    max_connections_per_ip: usize,
    /// TLS handshakes under way at once, the rest wait; 0 is 256 for each CPU core
    #[arg(
        long,
        env = "WSSGATE_MAX_HANDSHAKES",
        hide_env_values = true,
        value_name = "COUNT",
        default_value_t = 0
    )]
    max_handshakes: usize,
    /// Request or response head
    #[arg(long, env = "WSSGATE_MAX_HEAD_SIZE", hide_env_values = true, value_name = "SIZE",
          value_parser = parse_head_size, default_value = "64KiB")]
    max_head_size: usize,
    /// Requests on one connection; 0 is any number
    #[arg(long, env = "WSSGATE_MAX_REQUESTS", hide_env_values = true, value_name = "COUNT",
          default_value_t = Limits::default().max_requests.unwrap_or_default())]
    max_requests: usize,
}

impl ServeArgs {
    /// Whether nothing was asked for, not even by the environment.
    pub(crate) fn is_empty(&self) -> bool {
        self.upstream.is_empty() && self.cert.is_none() && self.self_signed.is_none()
    }

    /// The configuration, or in one line what is missing.
    pub(crate) fn into_config(self) -> Result<Config, &'static str> {
        if self.upstream.is_empty() {
            return Err(
                "no upstream: say where the application listens, as in --upstream 127.0.0.1:9000",
            );
        }
        // An empty variable is one that was not set.
        let self_signed =
            self.self_signed.filter(|names| names.iter().any(|name| !name.is_empty()));
        let certificate = match (self.cert, self.key, self_signed) {
            (Some(chain), Some(key), _) => Certificate::Files { chain, key },
            (_, _, Some(names)) => Certificate::SelfSigned(own_names(names)),
            _ => {
                return Err(
                    "no certificate: give --cert chain.pem --key key.pem, or try --self-signed",
                );
            }
        };
        let optional = |count: usize| (count > 0).then_some(count);
        Ok(Config {
            listen: self.listen,
            upstreams: self.upstream,
            certificate,
            timeouts: self.timeouts.into_timeouts(),
            limits: Limits {
                max_connections: self.limits.max_connections.map(NonZeroUsize::get),
                max_connections_per_ip: optional(self.limits.max_connections_per_ip),
                max_handshakes: optional(self.limits.max_handshakes),
                max_head_bytes: self.limits.max_head_size,
                max_requests: optional(self.limits.max_requests),
            },
            forwarding: Forwarding {
                forwarded: self.forwarding.forwarded,
                trusted_proxies: self.forwarding.trusted_proxy,
            },
            log_query: self.log_query,
            hsts: self.hsts.map(|span| span.0),
            redirect_http: self.redirect_http,
            acme_webroot: self.acme_webroot,
        })
    }
}

impl TimeoutArgs {
    fn into_timeouts(self) -> Timeouts {
        Timeouts {
            setup: self.setup_timeout.0,
            connect: self.connect_timeout.0,
            upgrade: self.upgrade_timeout.0,
            response: self.response_timeout.0,
            idle: self.idle_timeout.into_option(),
            half_close: self.half_close_timeout.into_option(),
            max_lifetime: self.max_lifetime.into_option(),
            drain_delay: self.drain_delay.0,
            drain: self.drain_timeout.0,
            keepalive: self.keepalive.into_option(),
            keepalive_timeout: self.keepalive_timeout.0,
        }
    }
}

/// The configuration of the demo: the given upstream behind a self-signed certificate.
pub(crate) fn demo_config(listen: Vec<Listen>, upstream: std::net::SocketAddr) -> Config {
    Config::new(listen, vec![Upstream::Ip(upstream)], Certificate::SelfSigned(local_names()))
}

/// The names that were given, or those of this machine when a variable only says yes.
fn own_names(names: Vec<String>) -> Vec<String> {
    match names.as_slice() {
        [yes] if yes == "true" || yes == "1" => local_names(),
        _ => names,
    }
}

fn local_names() -> Vec<String> {
    LOCAL_NAMES.split(',').map(str::to_owned).collect()
}

/// The short help, for a command without arguments.
pub(crate) fn short_help() -> String {
    Cli::command().render_help().to_string()
}

/// A duration as flags write it.
#[derive(Clone, Copy, Debug)]
struct Span(Duration);

impl Span {
    fn of(duration: Option<Duration>) -> Self {
        Self(duration.unwrap_or_default())
    }

    fn into_option(self) -> Option<Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&format_duration(self.0))
    }
}

fn parse_span(text: &str) -> anyhow::Result<Span> {
    parse_duration(text).map(Span)
}

fn parse_positive(text: &str) -> anyhow::Result<Span> {
    let span = parse_span(text)?;
    anyhow::ensure!(!span.0.is_zero(), "without this limit a silent peer would be held for ever");
    Ok(span)
}

fn parse_idle(text: &str) -> anyhow::Result<Span> {
    parse_keepalive(text).map(Span)
}

fn parse_head_size(text: &str) -> anyhow::Result<usize> {
    const RANGE: std::ops::RangeInclusive<usize> = 512..=1024 * 1024;
    let size = parse_size(text)?;
    anyhow::ensure!(RANGE.contains(&size), "a head's limit is between 512 bytes and 1 MiB");
    Ok(size)
}
