//! The one certificate of a run: root, intermediate and leaf as a public authority would issue them, all ECDSA P-256,
//! made afresh and never stored outside the run's temporary directory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::CertificateDer;

/// The name that the certificate is for, and that clients send as SNI.
pub(crate) const NAME: &str = "localhost";

/// A temporary directory with the run's certificate, and room for the configuration files of the programs.
pub(crate) struct Files {
    /// Holds `chain.pem` (leaf, intermediate), `key.pem`, and both as `bundle.pem`, for HAProxy and hitch.
    pub(crate) dir: TempDir,
    /// What clients trust.
    pub(crate) root: CertificateDer<'static>,
    /// Where the configuration files of the peers come from.
    pub(crate) peers: PathBuf,
}

impl Files {
    /// Makes and writes them.
    pub(crate) fn create(peers: PathBuf) -> Result<Self> {
        let dir = TempDir::new().context("make a temporary directory")?;
        let root = write(dir.path())?;
        Ok(Self { dir, root, peers })
    }
}

fn write(dir: &Path) -> Result<CertificateDer<'static>> {
    let root = CertifiedIssuer::self_signed(authority("bench root"), KeyPair::generate()?)?;
    let intermediate =
        CertifiedIssuer::signed_by(authority("bench intermediate"), KeyPair::generate()?, &root)?;
    // rcgen's own default is ECDSA P-256 with SHA-256.
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new([NAME.to_owned()])?.signed_by(&key, &intermediate)?;

    let chain = leaf.pem() + &intermediate.pem();
    let key = key.serialize_pem();
    for (name, text) in
        [("chain.pem", &chain), ("key.pem", &key), ("bundle.pem", &format!("{key}{chain}"))]
    {
        fs::write(dir.join(name), text).with_context(|| format!("write {name}"))?;
    }
    Ok(root.der().clone())
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
