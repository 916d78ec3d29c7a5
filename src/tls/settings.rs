//! rustls' settings, from ours.

use std::env;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::crypto::aws_lc_rs as provider;
use tokio_rustls::rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert};
use tokio_rustls::rustls::{CipherSuite, KeyLog, KeyLogFile, NoKeyLog, ServerConfig, version};

use super::session::InContext;
use super::trust::Trust;
use crate::config::{Tls, Version};

/// The variable that browsers and curl take too.
const KEY_LOG_VARIABLE: &str = "SSLKEYLOGFILE";

/// The suites spoken unless told otherwise, in order of preference: all are AEADs with forward secrecy, and
/// the cheapest come first where the hardware knows AES.
const CIPHERS: [CipherSuite; 9] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// A server's configuration, once with each order of suites.
#[derive(Debug)]
pub(super) struct Configs {
    ours: Arc<ServerConfig>,
    clients: Arc<ServerConfig>,
}

impl Configs {
    /// The one for a client: our order counts, but the client's own where it prefers ChaCha20, as those
    /// do whose hardware does not know AES.
    pub(super) fn choose(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        // What browsers send to keep servers flexible (RFC 8701) is not known.
        let known = |suite: &&CipherSuite| CIPHERS.contains(suite);
        let prefers_chacha = match hello.cipher_suites().iter().find(known) {
            Some(suite) => suite.as_str().is_some_and(|name| name.contains("CHACHA20")),
            None => false,
        };
        Arc::clone(if prefers_chacha { &self.clients } else { &self.ours })
    }
}

/// What stays the same when certificates change.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) provider: Arc<CryptoProvider>,
    min_version: Version,
    key_log: Arc<dyn KeyLog>,
    /// Where the keys of every session go, if they go anywhere.
    pub(super) key_log_file: Option<PathBuf>,
}

impl Settings {
    pub(super) fn new(tls: &Tls) -> anyhow::Result<Self> {
        let mut provider = provider::default_provider();
        let ciphers = if tls.ciphers.is_empty() { &CIPHERS[..] } else { &tls.ciphers };
        let known = |cipher: &_| {
            provider::ALL_CIPHER_SUITES.iter().find(|suite| suite.suite() == *cipher).copied()
        };
        provider.cipher_suites = ciphers.iter().filter_map(known).collect();
        if !tls.groups.is_empty() {
            provider.kx_groups = provider::ALL_KX_GROUPS.to_vec();
            provider.kx_groups.retain(|group| tls.groups.contains(&group.name()));
        }
        let key_log_file = tls.key_log.then(key_log_file).transpose()?;
        let key_log: Arc<dyn KeyLog> = match key_log_file {
            Some(_) => Arc::new(KeyLogFile::new()),
            None => Arc::new(NoKeyLog {}),
        };
        let (provider, min_version) = (Arc::new(provider), tls.min_version);
        Ok(Self { provider, min_version, key_log, key_log_file })
    }

    /// `http/1.1` alone by ALPN (a browser then opens its WebSocket over HTTP/1.1), one ticket a
    /// handshake, no early data.
    pub(super) fn configs(
        &self,
        certificates: Arc<dyn ResolvesServerCert>,
        trust: Option<&Trust>,
        sessions: Arc<InContext>,
    ) -> anyhow::Result<Configs> {
        let versions: &[_] = match self.min_version {
            Version::Tls12 => &[&version::TLS13, &version::TLS12],
            Version::Tls13 => &[&version::TLS13],
        };
        let verifier = match trust {
            Some(trust) => Arc::clone(&trust.verifier),
            None => Arc::new(NoClientAuth),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .map_err(|_| anyhow!("no cipher suite or group is left for the TLS versions spoken"))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(certificates);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = sessions.clone();
        config.send_tls13_tickets = 1;
        config.session_storage = sessions;
        config.key_log = Arc::clone(&self.key_log);
        let clients = Arc::new(config.clone());
        config.ignore_client_order = true;
        Ok(Configs { ours: Arc::new(config), clients })
    }
}

/// The file that the variable names, made for its owner alone where there is none. rustls would say nothing
/// of one that cannot be written.
pub fn key_log_file() -> anyhow::Result<PathBuf> {
    let Some(path) = env::var_os(KEY_LOG_VARIABLE).filter(|path| !path.is_empty()) else {
        bail!("--key-log writes to the file that the variable {KEY_LOG_VARIABLE} names; set it");
    };
    let path = PathBuf::from(path);
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("open the key log {}", path.display()))?;
    Ok(path)
}
