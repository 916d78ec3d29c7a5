//! What to probe. These flags have no variables: they belong to a person at a terminal.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use wssgate::addr::{Place, Upstream};
use wssgate::config::Files;
use wssgate::probe::{Settings, Url, parse_url};

use super::value::{Span, parse_positive};

/// A server, and how to come to it.
#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// What to connect to, as in wss://chat.example.com/chat
    #[arg(value_name = "URL", value_parser = parse_url)]
    url: Url,
    /// Trust these authorities alone, PEM [default: the system's, or those of the variable
    /// SSL_CERT_FILE]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Go on with a certificate that is not trusted; the exit code is 1 nevertheless
    #[arg(long)]
    insecure: bool,
    /// Connect there instead of to the URL's host: HOST:PORT or unix:/PATH
    #[arg(long, value_name = "ADDR", value_parser = parse_place)]
    connect: Option<Place>,
    /// Come from this page, as a browser says it: https://app.example.com
    #[arg(long, value_name = "ORIGIN", value_parser = parse_origin)]
    origin: Option<String>,
    /// Ask for this subprotocol; may be repeated
    #[arg(long, value_name = "NAME", value_parser = parse_protocol)]
    protocol: Vec<String>,
    /// Certificate chain for a server that asks for one, even one that is not trusted, PEM
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its private key, PEM, not encrypted; none where the chain's file holds the key too
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// For each step
    #[arg(long, value_name = "TIME", value_parser = parse_positive,
          default_value_t = Span(Duration::from_secs(10)))]
    timeout: Span,
}

impl ProbeArgs {
    pub(crate) fn into_settings(self) -> Settings {
        let certificate = self.cert.map(|chain| {
            let key = self.key.unwrap_or_else(|| chain.clone());
            Files { chain, key }
        });
        Settings {
            url: self.url,
            ca: self.ca,
            insecure: self.insecure,
            connect: self.connect,
            origin: self.origin,
            protocols: self.protocol,
            certificate,
            timeout: self.timeout.0,
        }
    }
}

fn parse_place(text: &str) -> anyhow::Result<Place> {
    ensure!(!text.contains("://"), "connect to an address, not a URL, as in 127.0.0.1:8443");
    Ok(text.parse::<Upstream>()?.place)
}

fn parse_origin(text: &str) -> anyhow::Result<String> {
    let is_origin = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
    ensure!(is_origin, "{text:?} is not an origin, as in https://app.example.com");
    Ok(text.to_owned())
}

/// A token (RFC 9110, 5.6.2).
fn parse_protocol(text: &str) -> anyhow::Result<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_name = !text.is_empty() && text.bytes().all(is_token);
    ensure!(is_name, "{text:?} is not the name of a subprotocol");
    Ok(text.to_owned())
}
