//! A certificate made in memory for a try or a test; gone with the process.

use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use rcgen::{CertificateParams, DnType, KeyPair};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::pair::Pair;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long it is valid: no longer than browsers take (398 days).
const VALIDITY: Duration = Duration::from_secs(397 * 24 * 3600);

/// An ECDSA P-256 certificate for these DNS names and IP addresses, and its key.
pub(super) fn self_signed(names: &[String]) -> anyhow::Result<Pair> {
    let mut params = CertificateParams::new(names)
        .with_context(|| format!("make a self-signed certificate for {}", names.join(", ")))?;
    params.distinguished_name.push(DnType::CommonName, "wssgate self-signed");
    // A day back, for clients whose clock is behind.
    let not_before = SystemTime::now() - DAY;
    params.not_before = not_before.into();
    params.not_after = (not_before + VALIDITY).into();
    let key = KeyPair::generate().context("make a key")?;
    let certificate = params.self_signed(&key).context("sign the certificate")?;
    let private = PrivatePkcs8KeyDer::from(key.serialize_der());
    Pair::new("self-signed", vec![certificate.der().clone()], private.into())
}
