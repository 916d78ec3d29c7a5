//! Several upstreams: how they are chosen and watched; and TLS to them.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use wssgate::config::{
    Balance, Check, CheckKind, Files, OnDown, UpstreamTls, Upstreams, parse_balance, parse_check,
};

use super::value::{Span, parse_positive, parse_span};

/// How upstreams with several members are used.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several upstreams")]
pub(super) struct UpstreamArgs {
    /// Which is tried first: round-robin, least-connections (the fewest tunnels), random-two (the
    /// less busy of two) or source-hash (by the client's address)
    #[arg(long, env = "WSSGATE_BALANCE", hide_env_values = true, value_name = "WAY",
          value_parser = parse_balance, default_value_t = Balance::default())]
    balance: Balance,
    /// Failures within --fail-timeout that take one out: connects, timeouts, broken answers; 0 is off
    #[arg(long, env = "WSSGATE_MAX_FAILS", hide_env_values = true, value_name = "COUNT",
          default_value_t = Upstreams::default().max_fails)]
    max_fails: u32,
    /// How long it is out then, before one request tries it again
    #[arg(long, env = "WSSGATE_FAIL_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive, default_value_t = Span(Upstreams::default().fail_timeout))]
    fail_timeout: Span,
    /// Look at each without a request, too: tcp (a connection), http:/PATH (a GET answered with 2xx or
    /// 3xx) or ws:/PATH (an upgrade answered with a valid 101) [default: off]
    #[arg(long, env = "WSSGATE_HEALTH_CHECK", hide_env_values = true, value_name = "CHECK",
          value_parser = parse_check)]
    health_check: Option<CheckKind>,
    /// Between two looks
    #[arg(long, env = "WSSGATE_HEALTH_CHECK_INTERVAL", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive, default_value_t = Span(Duration::from_secs(5)))]
    health_check_interval: Span,
    /// For all of a look
    #[arg(long, env = "WSSGATE_HEALTH_CHECK_TIMEOUT", hide_env_values = true, value_name = "TIME",
          value_parser = parse_positive, default_value_t = Span(Duration::from_secs(3)))]
    health_check_timeout: Span,
    /// Good looks in a row that bring one back
    #[arg(long, env = "WSSGATE_HEALTH_CHECK_RISE", hide_env_values = true, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..), default_value_t = 2)]
    health_check_rise: u32,
    /// Bad looks in a row that take one out
    #[arg(long, env = "WSSGATE_HEALTH_CHECK_FALL", hide_env_values = true, value_name = "COUNT",
          value_parser = clap::value_parser!(u32).range(1..), default_value_t = 3)]
    health_check_fall: u32,
    /// What becomes of the tunnels of one that went down: kept, or closed over some seconds
    #[arg(long, env = "WSSGATE_ON_UPSTREAM_DOWN", hide_env_values = true, value_name = "WHAT",
          value_enum, default_value_t = OnUpstreamDown::Keep)]
    on_upstream_down: OnUpstreamDown,
    /// Time in which one that came back gets up to its whole share
    #[arg(long, env = "WSSGATE_SLOW_START", hide_env_values = true, value_name = "TIME",
          value_parser = parse_span, default_value_t = Span(Upstreams::default().slow_start))]
    slow_start: Span,
    /// Tunnels and requests of one at once [default: any number]
    #[arg(
        long,
        env = "WSSGATE_MAX_CONNECTIONS_PER_UPSTREAM",
        hide_env_values = true,
        value_name = "COUNT"
    )]
    max_connections_per_upstream: Option<NonZeroUsize>,
    /// Requests that wait when all have as many as they may; more get 503
    #[arg(long, env = "WSSGATE_MAX_QUEUED", hide_env_values = true, value_name = "COUNT",
          default_value_t = Upstreams::default().max_queued)]
    max_queued: usize,
}

/// Variants with words of their own would make `--help` twice as long as `-h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnUpstreamDown {
    Keep,
    Close,
}

impl UpstreamArgs {
    pub(super) fn into_upstreams(self) -> Upstreams {
        let check = self.health_check.map(|kind| Check {
            kind,
            interval: self.health_check_interval.0,
            timeout: self.health_check_timeout.0,
            rise: self.health_check_rise,
            fall: self.health_check_fall,
        });
        Upstreams {
            balance: self.balance,
            max_fails: self.max_fails,
            fail_timeout: self.fail_timeout.0,
            slow_start: self.slow_start.0,
            max_connections: self.max_connections_per_upstream.map(NonZeroUsize::get),
            max_queued: self.max_queued,
            check,
            on_down: match self.on_upstream_down {
                OnUpstreamDown::Keep => OnDown::Keep,
                OnUpstreamDown::Close => OnDown::Close,
            },
        }
    }
}

/// How to speak TLS to upstreams.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS to upstreams")]
pub(super) struct UpstreamTlsArgs {
    /// Authorities that sign upstreams' certificates, PEM; no others are trusted then [default: the
    /// system's, or those of the variable SSL_CERT_FILE]
    #[arg(long, env = "WSSGATE_UPSTREAM_CA", hide_env_values = true, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// Certificate chain for upstreams that ask for one, PEM
    #[arg(long, env = "WSSGATE_UPSTREAM_CERT", hide_env_values = true, value_name = "FILE")]
    upstream_cert: Option<PathBuf>,
    /// Its private key, PEM, not encrypted; none where the chain's file holds the key too
    #[arg(long, env = "WSSGATE_UPSTREAM_KEY", hide_env_values = true, value_name = "FILE")]
    upstream_key: Option<PathBuf>,
    /// Do not verify upstreams' certificates: anybody on the way can read and change the traffic
    #[arg(long, env = "WSSGATE_UPSTREAM_INSECURE", hide_env_values = true,
          value_parser = FalseyValueParser::new())]
    upstream_insecure: bool,
}

impl UpstreamTlsArgs {
    /// Whoever asks for TLS to upstreams without one that speaks it believes in a protection that is not
    /// there.
    pub(super) fn verify(&self, has_tls_upstream: bool) -> anyhow::Result<()> {
        let asked = match (&self.upstream_ca, &self.upstream_cert) {
            (Some(_), _) => Some("--upstream-ca"),
            (None, Some(_)) => Some("--upstream-cert"),
            (None, None) => None,
        };
        if let Some(flag) = asked {
            ensure!(
                has_tls_upstream,
                "{flag}, but no upstream speaks TLS: write wss://HOST:PORT where one does"
            );
        }
        Ok(())
    }

    pub(super) fn into_settings(self) -> anyhow::Result<UpstreamTls> {
        ensure!(
            self.upstream_cert.is_some() || self.upstream_key.is_none(),
            "--upstream-key without --upstream-cert <FILE>: give the chain that it is the key of"
        );
        let certificate = self.upstream_cert.map(|chain| {
            let key = self.upstream_key.unwrap_or_else(|| chain.clone());
            Files { chain, key }
        });
        Ok(UpstreamTls { ca: self.upstream_ca, certificate, insecure: self.upstream_insecure })
    }
}
