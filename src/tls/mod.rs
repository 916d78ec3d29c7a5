//! TLS towards clients: rustls with aws-lc-rs, from a certificate to a handshaken stream.

mod identity;
mod pem;
mod self_signed;
pub mod x509;

pub use identity::{Allow, Identity};
pub use pem::load;
pub use self_signed::self_signed;

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::Context as _;
use aws_lc_rs::digest;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::{self as provider, Ticketer};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error, HandshakeKind, InconsistentKeys, ProtocolVersion, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::tunnel::ReadReady;

/// SHA-256 of the public key of `certs/localhost.pem`, whose private key everybody has.
const DEVELOPMENT_KEY: &str = include_str!("../../certs/localhost.spki.sha256");

/// A certificate chain, leaf first, and its private key.
#[derive(Debug)]
pub struct Pair {
    /// What it is called in messages: the file, or "self-signed".
    pub name: String,
    /// The chain.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the chain's first certificate.
    pub key: PrivateKeyDer<'static>,
}

impl Pair {
    /// SHA-256 of the leaf certificate, as browsers and openssl print it.
    pub fn fingerprint(&self) -> String {
        let leaf = self.chain.first().map(|leaf| leaf.as_ref()).unwrap_or_default();
        let bytes: Vec<String> = sha256(leaf).iter().map(|byte| format!("{byte:02X}")).collect();
        bytes.join(":")
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// A server's settings: TLS 1.2 and 1.3, `http/1.1` alone by ALPN (a browser then opens its WebSocket
/// over HTTP/1.1), one ticket a handshake under a key that changes every six hours, no early data.
pub fn server_config(pair: Pair) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = Arc::new(provider::default_provider());
    let certified = CertifiedKey::from_der(pair.chain, pair.key, &provider);
    let certified = certified.map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => anyhow::anyhow!(
            "the key does not fit certificate {}; give the key that it was issued for",
            pair.name
        ),
        error => anyhow::anyhow!("use certificate {}: {error}", pair.name),
    })?;
    warn_of_development_key(&certified);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose TLS versions")?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = Ticketer::new().context("make session ticket keys")?;
    config.send_tls13_tickets = 1;
    // Tickets carry the whole session: nothing is remembered for those who do not come back.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

fn warn_of_development_key(certified: &CertifiedKey) {
    let Some(public_key) = certified.key.public_key() else { return };
    let hash: String =
        sha256(public_key.as_ref()).iter().map(|byte| format!("{byte:02x}")).collect();
    if hash == DEVELOPMENT_KEY.trim() {
        tracing::warn!(
            "serving with the development key of wssgate's repository, which everybody has: \
             anybody can read and change this traffic; never use it in production"
        );
    }
}

/// What the handshake agreed on.
#[derive(Clone, Debug)]
pub struct Session {
    /// The name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The suite's name in IANA's registry.
    pub cipher: String,
    /// Whether a ticket was used.
    pub resumed: bool,
}

/// The server's side of one handshake. The caller sets the time limit. On an error the peer has been
/// sent its alert.
pub async fn accept<S>(config: Arc<ServerConfig>, stream: S) -> io::Result<(TlsStream<S>, Session)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stream = TlsAcceptor::from(config).accept(stream).await?;
    let connection = stream.get_ref().1;
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let session = Session {
        server_name: connection.server_name().map(str::to_owned),
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "unknown",
        },
        cipher: suite.unwrap_or("unknown").replacen("TLS13_", "TLS_", 1),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
    };
    Ok((stream, session))
}

impl<S: ReadReady> ReadReady for TlsStream<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // No plaintext waits in rustls: a read is pending only when there is none left.
        self.get_ref().0.poll_read_ready(cx)
    }
}
