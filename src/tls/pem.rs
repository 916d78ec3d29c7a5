//! PEM files: certificates, revocation lists and private keys, with words for what people get wrong.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
};

/// Permission of everybody on the machine to read a file. See inode(7).
const READABLE_BY_OTHERS: u32 = 0o004;

/// A file as it was read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    /// Whether everybody on the machine may read it.
    pub(super) is_public: bool,
}

/// Reads a file at once. Blocks.
pub(super) fn read(path: &Path) -> io::Result<File> {
    let bytes = fs::read(path)?;
    let mode = fs::metadata(path)?.permissions().mode();
    Ok(File { bytes, is_public: mode & READABLE_BY_OTHERS != 0 })
}

/// The certificates in a file called `name`; at least one.
pub(super) fn certificates(
    pem: &[u8],
    name: impl std::fmt::Display,
) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = rustls_pemfile::certs(&mut &*pem)
        .collect::<Result<_, _>>()
        .with_context(|| format!("parse certificates in {name}"))?;
    if certificates.is_empty() {
        bail!("no certificate in {name}; it must be PEM, with a line -----BEGIN CERTIFICATE-----");
    }
    Ok(certificates)
}

/// The revocation lists in a file called `name`; at least one.
pub(super) fn revocation_lists(
    pem: &[u8],
    name: impl std::fmt::Display,
) -> anyhow::Result<Vec<CertificateRevocationListDer<'static>>> {
    let lists: Vec<_> = rustls_pemfile::crls(&mut &*pem)
        .collect::<Result<_, _>>()
        .with_context(|| format!("parse revocation lists in {name}"))?;
    if lists.is_empty() {
        bail!(
            "no revocation list in {name}; it must be PEM, with a line -----BEGIN X509 CRL----- \
             (openssl crl -inform der -in {name} -out list.pem)"
        );
    }
    Ok(lists)
}

/// The private key in a file called `name`: PKCS#8, PKCS#1 or SEC1.
pub(super) fn private_key(
    pem: &[u8],
    name: impl std::fmt::Display,
) -> anyhow::Result<PrivateKeyDer<'static>> {
    // PKCS#8 says so in its label, the older forms in a header (RFC 1421, 4.6.1.1) that the parser
    // does not understand.
    let encrypted = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| memchr::memmem::find(pem, mark.as_bytes()).is_some());
    if encrypted {
        bail!(
            "private key {name} is encrypted; decrypt it with: openssl pkey -in {name} -out plain.key"
        );
    }
    let key = rustls_pemfile::private_key(&mut &*pem)
        .with_context(|| format!("parse private key {name}"))?;
    key.with_context(|| {
        format!(
            "no private key in {name}; it must be PEM, with a line -----BEGIN PRIVATE KEY----- \
             (a flag of its own names its file)"
        )
    })
}
