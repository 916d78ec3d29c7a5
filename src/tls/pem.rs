//! PEM files: a certificate chain and its private key, with words for what people get wrong.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Pair;

/// Loads a chain, leaf first, and a key: PKCS#8, PKCS#1 or SEC1.
pub fn load(chain: &Path, key: &Path) -> anyhow::Result<Pair> {
    Ok(Pair { name: chain.display().to_string(), chain: load_chain(chain)?, key: load_key(key)? })
}

fn load_chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let name = path.display();
    let pem = fs::read(path).with_context(|| format!("read certificate chain {name} (--cert)"))?;
    let chain: Vec<_> = rustls_pemfile::certs(&mut pem.as_slice())
        .collect::<Result<_, _>>()
        .with_context(|| format!("parse certificate chain {name}"))?;
    if chain.is_empty() {
        bail!("no certificate in {name}; it must be PEM, with a line -----BEGIN CERTIFICATE-----");
    }
    Ok(chain)
}

fn load_key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let name = path.display();
    let pem = fs::read(path).with_context(|| format!("read private key {name} (--key)"))?;
    // PKCS#8 says so in its label, the older forms in a header (RFC 1421, 4.6.1.1) that the parser
    // does not understand.
    let encrypted = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| memchr::memmem::find(&pem, mark.as_bytes()).is_some());
    if encrypted {
        bail!(
            "private key {name} is encrypted; decrypt it with: openssl pkey -in {name} -out plain.key"
        );
    }
    let key = rustls_pemfile::private_key(&mut pem.as_slice())
        .with_context(|| format!("parse private key {name}"))?;
    key.with_context(|| {
        format!("no private key in {name}; it must be PEM, with a line -----BEGIN PRIVATE KEY-----")
    })
}
