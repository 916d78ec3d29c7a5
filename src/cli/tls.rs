//! Certificates, TLS, and the certificates of clients.

use std::path::PathBuf;

use anyhow::{bail, ensure};
use clap::builder::{FalseyValueParser, NonEmptyStringValueParser};
use clap::{Args, ValueEnum};
use tokio_rustls::rustls::{CipherSuite, NamedGroup};
use wssgate::config::{
    Allow, Certificates, ClientAuth, Files, Tls, Version, parse_cipher, parse_group, parse_version,
};

/// Names of a self-signed certificate that was not given any.
const LOCAL_NAMES: &str = "localhost,127.0.0.1,::1";

/// What to show to clients.
#[derive(Debug, Args)]
pub(super) struct CertificateArgs {
    /// Certificate chain, PEM, the server's own certificate first; may be repeated: the name that a
    /// client asks for picks one, and the first stands in
    #[arg(
        long,
        env = "WSSGATE_CERT",
        hide_env_values = true,
        value_name = "FILE",
        value_delimiter = ','
    )]
    cert: Vec<PathBuf>,
    /// Private key of the certificate, PEM, not encrypted; one for each chain, in the same order, or
    /// none where the chain's file holds the key too
    #[arg(
        long,
        env = "WSSGATE_KEY",
        hide_env_values = true,
        value_name = "FILE",
        value_delimiter = ','
    )]
    key: Vec<PathBuf>,
    /// Make a certificate in memory, for these names and addresses [without any:
    /// localhost,127.0.0.1,::1]
    #[arg(long, env = "WSSGATE_SELF_SIGNED", hide_env_values = true, value_name = "NAMES",
          value_delimiter = ',', num_args = 0..=1, default_missing_value = LOCAL_NAMES)]
    self_signed: Option<Vec<String>>,
}

impl CertificateArgs {
    pub(super) fn is_empty(&self) -> bool {
        self.cert.is_empty() && self.self_signed.is_none()
    }

    pub(super) fn into_certificates(self) -> anyhow::Result<Certificates> {
        // An empty variable is one that was not set.
        let self_signed =
            self.self_signed.filter(|names| names.iter().any(|name| !name.is_empty()));
        if let Some(names) = self_signed {
            ensure!(
                self.cert.is_empty() && self.key.is_empty(),
                "--self-signed beside --cert or --key: a certificate is made, or read"
            );
            return Ok(Certificates::SelfSigned(own_names(names)));
        }
        let (chains, keys) = (self.cert, self.key);
        ensure!(
            !chains.is_empty() || keys.is_empty(),
            "--key without --cert: give the chain that it is the key of"
        );
        if chains.is_empty() {
            bail!("no certificate: give --cert chain.pem --key key.pem, or try --self-signed");
        }
        let keys = if keys.is_empty() { chains.clone() } else { keys };
        ensure!(
            keys.len() == chains.len(),
            "{} --cert and {} --key: give one --key for each --cert, in the same order (the same \
             file again where it holds both)",
            chains.len(),
            keys.len()
        );
        let pairs = chains.into_iter().zip(keys);
        Ok(Certificates::Files(pairs.map(|(chain, key)| Files { chain, key }).collect()))
    }
}

/// How to speak TLS.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// Refuse names that no certificate covers: in the handshake, and with 421 in a request
    #[arg(long, env = "WSSGATE_STRICT_SNI", hide_env_values = true, value_parser = FalseyValueParser::new())]
    strict_sni: bool,
    /// Oldest version spoken: 1.2 or 1.3
    #[arg(long, env = "WSSGATE_TLS_MIN", hide_env_values = true, value_name = "VERSION",
          value_parser = parse_version, default_value = "1.2")]
    tls_min: Version,
    /// Cipher suites spoken, the preferred ones first, by IANA's names or OpenSSL's [default: AES-GCM
    /// and ChaCha20-Poly1305, with forward secrecy]
    #[arg(long, env = "WSSGATE_TLS_CIPHERS", hide_env_values = true, value_name = "NAMES",
          value_delimiter = ',', value_parser = parse_cipher)]
    tls_ciphers: Vec<CipherSuite>,
    /// Key exchange groups spoken, of which the client's first is taken [default:
    /// X25519,P-256,P-384,X25519MLKEM768]
    #[arg(long, env = "WSSGATE_TLS_GROUPS", hide_env_values = true, value_name = "NAMES",
          value_delimiter = ',', value_parser = parse_group)]
    tls_groups: Vec<NamedGroup>,
    /// Secret of 32 bytes or more from which the keys of session tickets are derived; servers with
    /// the same file resume each other's sessions [default: drawn at the start]
    #[arg(long, env = "WSSGATE_TICKET_KEY_FILE", hide_env_values = true, value_name = "FILE")]
    ticket_key_file: Option<PathBuf>,
    /// Write the keys of every session to the file that the variable SSLKEYLOGFILE names: who
    /// reads it can read the traffic
    #[arg(long, env = "WSSGATE_KEY_LOG", hide_env_values = true, value_parser = FalseyValueParser::new())]
    key_log: bool,
}

impl TlsArgs {
    pub(super) fn into_tls(
        self,
        certificates: Certificates,
        client_auth: Option<ClientAuth>,
    ) -> Tls {
        Tls {
            certificates,
            strict_sni: self.strict_sni,
            min_version: self.tls_min,
            ciphers: self.tls_ciphers,
            groups: self.tls_groups,
            ticket_key_file: self.ticket_key_file,
            client_auth,
            key_log: self.key_log,
        }
    }
}

/// Whose certificates clients come with.
#[derive(Debug, Args)]
#[command(next_help_heading = "Client certificates")]
pub(super) struct ClientAuthArgs {
    /// Authorities that sign clients' certificates, PEM; clients are asked for one
    #[arg(long, env = "WSSGATE_CLIENT_CA", hide_env_values = true, value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// Whether a client may come without one; a bad one is refused in any case [default: require]
    #[arg(
        long,
        env = "WSSGATE_CLIENT_AUTH",
        hide_env_values = true,
        value_name = "MODE",
        value_enum
    )]
    client_auth: Option<Mode>,
    /// What the authorities have revoked, PEM; may be repeated: each authority of a chain needs one
    #[arg(
        long,
        env = "WSSGATE_CLIENT_CRL",
        hide_env_values = true,
        value_name = "FILE",
        value_delimiter = ','
    )]
    client_crl: Vec<PathBuf>,
    /// Let in clients with this common name; may be repeated, as the next ones: any match lets in
    #[arg(
        long,
        env = "WSSGATE_ALLOW_CN",
        hide_env_values = true,
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new()
    )]
    allow_cn: Vec<String>,
    /// Let in clients with this DNS name
    #[arg(
        long,
        env = "WSSGATE_ALLOW_DNS",
        hide_env_values = true,
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new()
    )]
    allow_dns: Vec<String>,
    /// Let in clients with this URI, as in spiffe://example.org/web
    #[arg(
        long,
        env = "WSSGATE_ALLOW_URI",
        hide_env_values = true,
        value_name = "URI",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new()
    )]
    allow_uri: Vec<String>,
    /// Let in clients of this organizational unit
    #[arg(
        long,
        env = "WSSGATE_ALLOW_OU",
        hide_env_values = true,
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new()
    )]
    allow_ou: Vec<String>,
}

/// Variants with words of their own would make `--help` twice as long as `-h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Require,
    Request,
}

impl ClientAuthArgs {
    /// Whose certificates are asked for; nobody's without authorities, which all else is about.
    pub(super) fn into_client_auth(self) -> anyhow::Result<Option<ClientAuth>> {
        let Some(ca) = self.client_ca else {
            let others = [
                ("--client-auth", self.client_auth.is_some()),
                ("--client-crl", !self.client_crl.is_empty()),
                ("--allow-cn", !self.allow_cn.is_empty()),
                ("--allow-dns", !self.allow_dns.is_empty()),
                ("--allow-uri", !self.allow_uri.is_empty()),
                ("--allow-ou", !self.allow_ou.is_empty()),
            ];
            if let Some((flag, _)) = others.iter().find(|(_, is_given)| *is_given) {
                bail!("{flag} without --client-ca <FILE>: nobody is asked for a certificate");
            }
            return Ok(None);
        };
        Ok(Some(ClientAuth {
            ca,
            crls: self.client_crl,
            required: self.client_auth != Some(Mode::Request),
            allow: Allow {
                cn: self.allow_cn,
                ou: self.allow_ou,
                dns: self.allow_dns,
                uri: self.allow_uri,
            },
        }))
    }
}

/// A certificate for this machine, made in memory.
pub(super) fn local_certificate() -> Certificates {
    Certificates::SelfSigned(local_names())
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
