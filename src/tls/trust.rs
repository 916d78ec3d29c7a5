//! Whose client certificates are accepted: the authorities, what they revoked, who is on the list.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::digest;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

use super::pem;
use super::x509::Certificate;
use crate::config::{Allow, ClientAuth};

/// The judge of client certificates.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// A digest of whom it trusts, without what was revoked: a session made under one is not resumed
    /// under another.
    pub(super) context: Vec<u8>,
    /// The authorities, as far as they can be printed.
    pub(super) authorities: Vec<Certificate>,
}

impl Trust {
    /// Reads the authorities' file and, behind it, those of revocation lists.
    pub(super) fn parse(
        config: &ClientAuth,
        files: &[pem::File],
        provider: &Arc<CryptoProvider>,
    ) -> anyhow::Result<Self> {
        let name = config.ca.display();
        let (ca, crls) = files.split_first().context("no file of authorities")?;
        let certificates = pem::certificates(&ca.bytes, &name)?;
        let mut roots = RootCertStore::empty();
        let mut authorities = Vec::new();
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(format!("{} {:?}", config.required, config.allow).as_bytes());
        for certificate in certificates {
            context.update(&certificate);
            authorities.extend(Certificate::parse(&certificate));
            roots.add(certificate).map_err(|error| anyhow!("use authority in {name}: {error}"))?;
        }
        let mut lists = Vec::new();
        for (path, crl) in config.crls.iter().zip(crls) {
            lists.extend(pem::revocation_lists(&crl.bytes, path.display())?);
        }
        let roots = Arc::new(roots);
        let mut builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
            .with_crls(lists)
            // As OpenSSL does: a list that is too old says nothing any more.
            .enforce_revocation_expiration();
        if !config.required {
            builder = builder.allow_unauthenticated();
        }
        let inner = builder.build().map_err(|error| anyhow!("use {name}: {error}"))?;
        Ok(Self {
            verifier: Arc::new(Listed { inner, allow: config.allow.clone() }),
            context: context.finish().as_ref().to_vec(),
            authorities,
        })
    }

    /// What `chain` is not accepted for any more: a resumed session brings the certificates of its full
    /// handshake, which nobody has looked at since.
    pub(super) fn refuses(&self, chain: &[CertificateDer<'_>]) -> Option<Error> {
        let (leaf, intermediates) = chain.split_first()?;
        self.verifier.verify_client_cert(leaf, intermediates, UnixTime::now()).err()
    }
}

/// A verifier of chains, and the list of those whom they may name.
#[derive(Debug)]
struct Listed {
    inner: Arc<dyn ClientCertVerifier>,
    allow: Allow,
}

impl ClientCertVerifier for Listed {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        let certificate =
            Certificate::parse(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        if !super::identity::lets_in(&self.allow, &certificate) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
