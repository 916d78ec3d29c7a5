//! A certificate and its key: whether they fit, and what is wrong with them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, anyhow};
use tokio_rustls::rustls::InconsistentKeys;
use tokio_rustls::rustls::crypto::aws_lc_rs as provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SigningKey};

use super::x509::Certificate;
use super::{pem, sha256_hex};

/// SHA-256 of the public key of `certs/localhost.pem`, whose private key everybody has.
const DEVELOPMENT_KEY: &str = include_str!("../../certs/localhost.spki.sha256");

/// What is wrong with a server's certificate alone.
const NAMELESS: &str = "no names (subjectAltName): browsers refuse it";

/// A certificate chain, leaf first, and its private key, which fits.
#[derive(Debug)]
pub struct Pair {
    /// What it is called in messages: the chain's file, or "self-signed".
    pub name: String,
    /// The chain's first certificate.
    pub leaf: Certificate,
    pub(super) certified: Arc<CertifiedKey>,
    /// The certificates behind the leaf.
    issuers: Vec<Certificate>,
    /// The key's file, when everybody on the machine may read it.
    public_key_file: Option<String>,
}

/// What is wrong with a pair that can be served nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether clients refuse the certificate for it.
    pub is_error: bool,
    /// In one line.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Pair {
    /// Reads a pair out of its files.
    pub(super) fn parse(
        (chain_name, chain): (&str, &pem::File),
        (key_name, key): (&str, &pem::File),
    ) -> anyhow::Result<Self> {
        let chain = pem::certificates(&chain.bytes, chain_name)?;
        let private = pem::private_key(&key.bytes, key_name)?;
        let mut pair = Self::new(chain_name, chain, private)
            .with_context(|| format!("use certificate {chain_name} with key {key_name}"))?;
        pair.public_key_file = key.is_public.then(|| key_name.to_owned());
        Ok(pair)
    }

    /// Puts a chain and a key together.
    pub(super) fn new(
        name: &str,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> anyhow::Result<Self> {
        let key = provider::default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| anyhow!("the key cannot be used: {error}"))?;
        let leaf = chain.first().context("the chain is empty")?;
        let leaf = Certificate::parse(leaf)?;
        // What only says where the chain leads may be stranger than we understand.
        let issuers = chain.iter().skip(1).map_while(|issuer| Certificate::parse(issuer).ok());
        let issuers = issuers.collect();
        check_fit(&chain, &key)?;
        Ok(Self {
            name: name.to_owned(),
            leaf,
            certified: Arc::new(CertifiedKey::new(chain, key)),
            issuers,
            public_key_file: None,
        })
    }

    /// Whether its key is the one in wssgate's repository, which everybody has.
    pub(super) fn is_development(&self) -> bool {
        let public = self.certified.key.public_key();
        public.is_some_and(|public| sha256_hex(public.as_ref()) == DEVELOPMENT_KEY.trim())
    }

    /// SHA-256 of the leaf, as browsers and openssl print it.
    pub fn fingerprint(&self) -> String {
        let hex = self.leaf.fingerprint.to_ascii_uppercase().into_bytes();
        let bytes: Vec<&str> =
            hex.chunks(2).filter_map(|two| std::str::from_utf8(two).ok()).collect();
        bytes.join(":")
    }

    /// What is wrong with it at this time, when a client shows it.
    pub(super) fn problems_of_client(&self, now: SystemTime) -> Vec<Problem> {
        let mut problems = self.problems(now);
        problems.retain(|problem| problem.text != NAMELESS);
        problems
    }

    /// What is wrong with it at this time, when a server shows it.
    pub fn problems(&self, now: SystemTime) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut say = |is_error, text| problems.push(Problem { is_error, text });
        let Self { leaf, .. } = self;
        let date = humantime::format_rfc3339_seconds;
        if now > leaf.not_after {
            say(true, format!("expired on {}", date(leaf.not_after)));
        }
        if now < leaf.not_before {
            say(true, format!("not valid before {}", date(leaf.not_before)));
        }
        if leaf.names.is_empty() {
            say(false, NAMELESS.to_owned());
        }
        let chain: Vec<&Certificate> = std::iter::once(leaf).chain(&self.issuers).collect();
        for (index, two) in chain.windows(2).enumerate() {
            if !two[0].is_issued_by(two[1]) {
                let (lower, upper) = (index + 1, index + 2);
                say(
                    false,
                    format!(
                        "certificate {upper} of the chain did not sign certificate {lower}: some \
                         clients will not find the way to the authority"
                    ),
                );
            }
        }
        if let Some(file) = &self.public_key_file {
            say(
                false,
                format!("everybody on this machine can read the private key {file}: chmod o-r it"),
            );
        }
        problems
    }
}

/// The key belongs to the first certificate, or the error says to which it does.
fn check_fit(chain: &[CertificateDer<'static>], key: &Arc<dyn SigningKey>) -> anyhow::Result<()> {
    let fits = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], Arc::clone(key)).keys_match()
    };
    let Some(leaf) = chain.first() else { return Ok(()) };
    match fits(leaf) {
        // A key that cannot tell its public half is believed, as rustls does.
        Ok(()) | Err(tokio_rustls::rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
            Ok(())
        }
        Err(tokio_rustls::rustls::Error::InconsistentKeys(_)) => {
            match chain.iter().position(|certificate| fits(certificate).is_ok()) {
                Some(index) => Err(anyhow!(
                    "the key fits certificate {} of the chain, not the first: put the server's own \
                     certificate first",
                    index + 1
                )),
                None => Err(anyhow!(
                    "the key does not fit the certificate; give the key that it was issued for"
                )),
            }
        }
        Err(error) => Err(anyhow!("{error}")),
    }
}
