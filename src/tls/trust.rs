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
        let roots = Arc::new(roots);
        let builder =
            || WebPkiClientVerifier::builder_with_provider(roots.clone(), Arc::clone(provider));
        let mut lists = Vec::new();
        for (path, crl) in config.crls.iter().zip(crls) {
            let name = path.display();
            let of_file = pem::revocation_lists(&crl.bytes, &name)?;
            // By itself, so that an error names the file.
            let built = builder().with_crls(of_file.clone()).build();
            built.map_err(|error| {
                anyhow!(
                    "use revocation list {name}: {error}; it must be of version 2 (openssl ca \
                     writes those where crl_extensions are set)"
                )
            })?;
            lists.extend(of_file);
        }
        let mut builder = builder()
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa,
        KeyPair,
    };
    use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn trust(pem: String, config: &ClientAuth) -> Trust {
        let files = [pem::File { bytes: pem.into_bytes(), is_public: false }];
        Trust::parse(config, &files, &Arc::new(default_provider())).unwrap()
    }

    /// A session outlives the certificate that it was made with.
    #[test]
    fn a_chain_that_was_good_is_refused_once_it_has_expired() {
        let issuer = authority();
        let trust = trust(issuer.pem(), &ClientAuth::default());
        let now = SystemTime::now();
        let issue = |not_after: SystemTime| {
            let mut params = CertificateParams::new([]).unwrap();
            params.not_before = (now - 2 * DAY).into();
            params.not_after = not_after.into();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().clone()
        };
        assert_eq!(trust.refuses(&[issue(now + DAY)]), None);
        let error = trust.refuses(&[issue(now - DAY)]).unwrap();
        assert!(
            matches!(
                error,
                Error::InvalidCertificate(
                    CertificateError::Expired | CertificateError::ExpiredContext { .. }
                )
            ),
            "{error:?}"
        );
        assert_eq!(trust.refuses(&[]), None, "nobody's session");
    }

    #[test]
    fn a_context_is_of_all_that_decides_but_for_what_was_revoked() {
        let (one, other) = (authority().pem(), authority().pem());
        let context = |pem: &String, config: ClientAuth| trust(pem.clone(), &config).context;
        let plain = context(&one, ClientAuth::default());
        assert_eq!(
            plain,
            context(&one, ClientAuth { ca: "elsewhere".into(), ..ClientAuth::default() })
        );
        let cn = |name: &str| Allow { cn: vec![name.to_owned()], ..Allow::default() };
        let ou = |name: &str| Allow { ou: vec![name.to_owned()], ..Allow::default() };
        let mut contexts = vec![
            plain,
            context(&other, ClientAuth::default()),
            context(&(one.clone() + &other), ClientAuth::default()),
            context(&one, ClientAuth { required: true, ..ClientAuth::default() }),
            context(&one, ClientAuth { allow: cn("a"), ..ClientAuth::default() }),
            context(&one, ClientAuth { allow: cn("b"), ..ClientAuth::default() }),
            context(&one, ClientAuth { allow: ou("a"), ..ClientAuth::default() }),
            Vec::new(),
        ];
        let count = contexts.len();
        contexts.sort();
        contexts.dedup();
        assert_eq!(contexts.len(), count);
    }
}
