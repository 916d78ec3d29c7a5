//! TLS to upstreams.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use clap::builder::FalseyValueParser;
use wssgate::config::{Files, UpstreamTls};

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
    #[arg(
        long,
        env = "WSSGATE_UPSTREAM_KEY",
        hide_env_values = true,
        value_name = "FILE",
        requires = "upstream_cert"
    )]
    upstream_key: Option<PathBuf>,
    /// Do not verify upstreams' certificates: anybody on the way can read and change the traffic
    #[arg(long, env = "WSSGATE_UPSTREAM_INSECURE", hide_env_values = true,
          value_parser = FalseyValueParser::new())]
    upstream_insecure: bool,
}

impl UpstreamTlsArgs {
    /// The settings. Whoever asks for them without an upstream that speaks TLS believes in a protection
    /// that is not there.
    pub(super) fn into_settings(self, has_tls_upstream: bool) -> anyhow::Result<UpstreamTls> {
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
        let certificate = self.upstream_cert.map(|chain| {
            let key = self.upstream_key.unwrap_or_else(|| chain.clone());
            Files { chain, key }
        });
        Ok(UpstreamTls { ca: self.upstream_ca, certificate, insecure: self.upstream_insecure })
    }
}
