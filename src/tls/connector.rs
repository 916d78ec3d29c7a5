//! TLS to upstreams: whom to believe, what to show, and our side of one handshake.
//!
//! An upstream's certificate is verified against the system's authorities, or against those of one file
//! alone, for the name or the address that was configured. Files are read by [`Connector::open`], and again
//! when they are to be.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::SystemTime;

use anyhow::{Context as _, anyhow, bail};
use rustls_native_certs::load_native_certs;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs as provider};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::pair::Pair;
use super::{pem, refusal};
use crate::config::{Files, UpstreamTls};
use crate::tunnel::ReadReady;

/// Sessions remembered, for all upstreams together. rustls makes room for eight of each.
const SESSIONS: usize = 2048;

/// What handshakes with upstreams are made of.
#[derive(Debug)]
pub struct Connector {
    settings: UpstreamTls,
    config: RwLock<Arc<ClientConfig>>,
}

/// What files held when they were read again.
#[derive(Clone, Debug)]
pub struct Reopened(Arc<ClientConfig>);

impl Connector {
    /// Reads every file, and warns of what is dangerous. Errors name the file and what to do. Blocks.
    pub fn open(settings: &UpstreamTls) -> anyhow::Result<Self> {
        if settings.insecure {
            tracing::warn!(
                "certificates of upstreams are not verified (--upstream-insecure): anybody on the way \
                 can read and change this traffic; never use it in production"
            );
        }
        let config = RwLock::new(client_config(settings)?);
        Ok(Self { settings: settings.clone(), config })
    }

    /// Whether it was opened with these.
    pub fn has_settings(&self, settings: &UpstreamTls) -> bool {
        self.settings == *settings
    }

    /// Reads every file again. What comes of that serves when [`Connector::replace`] is given it. Blocks.
    pub fn reopen(&self) -> anyhow::Result<Reopened> {
        client_config(&self.settings).map(Reopened)
    }

    /// Makes handshakes of what was read again; sessions made before are not resumed.
    pub fn replace(&self, reopened: Reopened) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = reopened.0;
    }

    /// Our side of one handshake, with whom `name` says; a DNS name is sent along (SNI). An error says
    /// what is wrong in words. The caller sets the time limit. Cancel safe: the stream is closed.
    pub async fn connect<S>(&self, name: ServerName<'static>, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let connector = TlsConnector::from(config);
        connector.connect(name, stream).await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "closed within the TLS handshake")
            }
            kind => io::Error::new(kind, format!("TLS handshake: {}", refusal::explain(&error))),
        })
    }
}

fn client_config(settings: &UpstreamTls) -> anyhow::Result<Arc<ClientConfig>> {
    let provider = Arc::new(provider::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .context("speak TLS to upstreams")?;
    let builder = if settings.insecure {
        let verifier = Arc::new(Credulous { provider });
        builder.dangerous().with_custom_certificate_verifier(verifier)
    } else {
        builder.with_root_certificates(roots(settings.ca.as_deref(), "--upstream-ca")?)
    };
    let mut config = match &settings.certificate {
        Some(files) => {
            let pair = open_pair(files)?;
            for problem in pair.problems_of_client(SystemTime::now()) {
                let certificate = files.chain.display();
                tracing::warn!(%certificate, %problem, "certificate for upstreams has a problem");
            }
            let certified = (*pair.certified).clone();
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(Arc::new(config))
}

/// The authorities of a file, which `flag` names, or those of the system.
pub(super) fn roots(ca: Option<&Path>, flag: &str) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        let name = path.display();
        let file = pem::read(path).with_context(|| format!("read authorities {name}"))?;
        for certificate in pem::certificates(&file.bytes, &name)? {
            roots.add(certificate).map_err(|error| anyhow!("use authority in {name}: {error}"))?;
        }
        return Ok(roots);
    }
    let found = load_native_certs();
    // What rustls does not understand is of no use to us, and not ours to repair.
    let (known, unknown) = roots.add_parsable_certificates(found.certs);
    let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
    if roots.is_empty() {
        let errors = match errors.is_empty() {
            true => String::new(),
            false => format!(" ({})", errors.join("; ")),
        };
        bail!(
            "this system has no certificate authorities to verify servers with{errors}; name their \
             file with {flag} or the variable SSL_CERT_FILE"
        );
    }
    tracing::debug!(known, unknown, errors = errors.join("; "), "system's authorities read");
    Ok(roots)
}

/// What is shown to a server that asks for a certificate.
pub(super) fn open_pair(files: &Files) -> anyhow::Result<Pair> {
    let (chain_name, key_name) = (files.chain.display(), files.key.display());
    let chain = pem::read(&files.chain)
        .with_context(|| format!("read certificate to show {chain_name}"))?;
    let key = pem::read(&files.key)
        .with_context(|| format!("read key of the certificate to show {key_name}"))?;
    let (chain_name, key_name) = (chain_name.to_string(), key_name.to_string());
    Pair::parse((&chain_name, &chain), (&key_name, &key))
}

/// Believes every certificate, even one that is shown by somebody who does not have its key.
#[derive(Debug)]
struct Credulous {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Credulous {
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl<S: ReadReady> ReadReady for TlsStream<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // As on the clients' side: a read is pending only when no plaintext is left in rustls.
        self.get_ref().0.poll_read_ready(cx)
    }
}
