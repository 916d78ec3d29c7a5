//! A handshake for its own sake: what was agreed on, what the server has shown, whether that is trusted.
//!
//! The certificate is judged when the handshake is over, or there would be nothing to tell of one that is
//! refused. So the caller sends nothing to a server whose [`Shown`] has a refusal, unless it was told to;
//! our own certificate such a server has seen, if it asked for one.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{ClientConnection, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::aws_lc_rs::{self as provider, kx_group};
use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, HandshakeKind, ProtocolVersion, SignatureScheme,
};

use super::connector::{open_pair, roots};
use super::refusal;
use super::x509::Certificate;
use crate::config::{Files, cipher_name};

/// In the order of browsers.
const GROUPS: [&dyn SupportedKxGroup; 4] =
    [kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];

/// What handshakes are made of. Those of one inspector resume each other's sessions.
#[derive(Debug)]
pub struct Inspector {
    config: Arc<ClientConfig>,
    judge: Arc<WebPkiServerVerifier>,
}

/// What one handshake has shown.
#[derive(Debug)]
pub struct Shown {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The suite's name in IANA's registry.
    pub cipher: String,
    /// The key exchange group's name; none in a session of TLS 1.2 that was resumed.
    pub group: Option<&'static str>,
    /// What ALPN agreed on, as it came.
    pub alpn: Option<Vec<u8>>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The server's certificate; none that is not understood.
    pub certificate: Option<Certificate>,
    /// Why it is not trusted for the name, in words that may hold what the server sent.
    pub refusal: Option<String>,
}

impl Inspector {
    /// Trusts the authorities of `ca` alone, or else the system's, and shows `certificate` to servers that
    /// ask for one. Errors name the file. Blocks.
    pub fn open(ca: Option<&Path>, certificate: Option<&Files>) -> anyhow::Result<Self> {
        let provider =
            CryptoProvider { kx_groups: GROUPS.to_vec(), ..provider::default_provider() };
        // The generator of random numbers takes tens of milliseconds to start, which no handshake is to
        // be blamed for.
        let drawn = provider.secure_random.fill(&mut [0]);
        drawn.map_err(|_| anyhow!("draw a random number"))?;
        let provider = Arc::new(provider);
        let roots = Arc::new(roots(ca, "--ca")?);
        let judge = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| anyhow!("verify certificates: {error}"))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("speak TLS")?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Later(Arc::clone(&judge))));
        let mut config = match certificate {
            Some(files) => {
                let certified = (*open_pair(files)?.certified).clone();
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), judge })
    }

    /// Shakes hands with whom `name` says. An error says what is wrong in words. The caller sets the time
    /// limit.
    pub async fn connect<S>(
        &self,
        name: ServerName<'static>,
        stream: S,
    ) -> io::Result<(TlsStream<S>, Shown)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(name.clone(), stream).await.map_err(|error| {
            let words = match error.kind() {
                io::ErrorKind::UnexpectedEof => "closed within the TLS handshake".into(),
                _ => refusal::explain(&error),
            };
            io::Error::new(error.kind(), words)
        })?;
        let shown = self.look(&name, stream.get_ref().1);
        Ok((stream, shown))
    }

    fn look(&self, name: &ServerName<'_>, connection: &ClientConnection) -> Shown {
        let suite = connection.negotiated_cipher_suite();
        let group = connection.negotiated_key_exchange_group();
        let chain = connection.peer_certificates().unwrap_or_default();
        Shown {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "1.3",
                Some(ProtocolVersion::TLSv1_2) => "1.2",
                _ => "unknown",
            },
            cipher: suite.map_or_else(|| "unknown".to_owned(), |suite| cipher_name(suite.suite())),
            group: group.and_then(|group| group.name().as_str()),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            certificate: chain.first().and_then(|leaf| Certificate::parse(leaf).ok()),
            refusal: self.refuses(name, chain),
        }
    }

    fn refuses(&self, name: &ServerName<'_>, chain: &[CertificateDer<'_>]) -> Option<String> {
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Some("it has shown no certificate".to_owned());
        };
        let judged = self.judge.verify_server_cert(leaf, intermediates, name, &[], UnixTime::now());
        judged.err().map(|error| refusal::name(&error).into_owned())
    }
}

/// Leaves the certificate for later, and verifies that the server has its key.
#[derive(Debug)]
struct Later(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Later {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
