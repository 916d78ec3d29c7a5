//! A certificate authority in memory, and what it issues: chains and keys as PEM, lists of what was
//! revoked.
//!
//! Nothing here is valid outside of the test that made it: each authority has a fresh key.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::encoding::{AsDer as _, EcPrivateKeyRfc5915Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// One authority: a root, or one that a root stands for.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// What stands between a leaf and the root, the leaf's issuer first.
    chain: String,
}

impl Authority {
    /// A root.
    pub(crate) fn new(common_name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(authority_params(common_name), key).unwrap();
        Self { issuer, chain: String::new() }
    }

    /// An authority signed by this one.
    pub(crate) fn intermediate(&self, common_name: &str) -> Self {
        let mut params = authority_params(common_name);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::signed_by(params, key, &self.issuer).unwrap();
        let chain = issuer.pem() + &self.chain;
        Self { issuer, chain }
    }

    /// Its certificate.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// What a leaf of this authority must send with itself, since clients know the root alone; nothing
    /// when this is the root.
    pub(crate) fn chain_pem(&self) -> &str {
        &self.chain
    }

    /// A certificate and its key.
    pub(crate) fn issue(&self, leaf: &Leaf<'_>) -> Issued {
        let key = leaf.key.generate();
        let (params, serial) = leaf.params();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            chain: certificate.pem() + &self.chain,
            key: key.serialize_pem(),
            certificate: certificate.der().clone(),
            serial,
        }
    }

    /// The list of what this authority has revoked (a CRL), as PEM; in the past `next_update` makes it
    /// out of date.
    pub(crate) fn crl(&self, revoked: &[SerialNumber], next_update: SystemTime) -> String {
        let this_update = SystemTime::now().min(next_update) - DAY;
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: serial.clone(),
            revocation_time: this_update.into(),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: this_update.into(),
            next_update: next_update.into(),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = (SystemTime::now() - 365 * DAY).into();
    params.not_after = (SystemTime::now() + 3650 * DAY).into();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// What a certificate is to say. By default it is a server's, for `localhost`, valid now, with a key
/// for ECDSA P-256.
#[derive(Clone, Copy)]
pub(crate) struct Leaf<'a> {
    /// DNS names and IP addresses.
    pub(crate) names: &'a [&'a str],
    pub(crate) uris: &'a [&'a str],
    pub(crate) common_name: &'a str,
    pub(crate) organizational_unit: Option<&'a str>,
    pub(crate) validity: Validity,
    pub(crate) key: Key,
    pub(crate) usage: Usage,
}

/// When a certificate is valid.
#[derive(Clone, Copy)]
pub(crate) enum Validity {
    /// From yesterday on, for 90 days.
    Now,
    /// It ended a month ago.
    Expired,
    /// It begins in a month.
    NotYet,
    Between(SystemTime, SystemTime),
}

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Key {
    P256,
    P384,
    Ed25519,
    /// Of 2048 bits.
    Rsa,
}

/// Which side of a connection a certificate is for.
#[derive(Clone, Copy)]
pub(crate) enum Usage {
    Server,
    Client,
}

impl Default for Leaf<'_> {
    fn default() -> Self {
        Self {
            names: &["localhost"],
            uris: &[],
            common_name: "wssgate test",
            organizational_unit: None,
            validity: Validity::Now,
            key: Key::P256,
            usage: Usage::Server,
        }
    }
}

impl Leaf<'_> {
    fn params(&self) -> (CertificateParams, SerialNumber) {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let uris = self.uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        params.distinguished_name = DistinguishedName::new();
        if let Some(unit) = self.organizational_unit {
            params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        }
        params.distinguished_name.push(DnType::CommonName, self.common_name);
        let (not_before, not_after) = self.validity.dates();
        (params.not_before, params.not_after) = (not_before.into(), not_after.into());
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match self.usage {
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        let serial = serial();
        params.serial_number = Some(serial.clone());
        (params, serial)
    }
}

/// A fresh one; the first byte keeps its length and its sign.
fn serial() -> SerialNumber {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes[0] = 0x40;
    SerialNumber::from_slice(&bytes)
}

impl Validity {
    fn dates(self) -> (SystemTime, SystemTime) {
        let now = SystemTime::now();
        match self {
            Self::Now => (now - DAY, now + 89 * DAY),
            Self::Expired => (now - 120 * DAY, now - 30 * DAY),
            Self::NotYet => (now + 30 * DAY, now + 120 * DAY),
            Self::Between(not_before, not_after) => (not_before, not_after),
        }
    }
}

impl Key {
    fn generate(self) -> KeyPair {
        KeyPair::generate_for(match self {
            Self::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Self::Ed25519 => &rcgen::PKCS_ED25519,
            Self::Rsa => &rcgen::PKCS_RSA_SHA256,
        })
        .unwrap()
    }
}

/// What an authority has issued.
#[derive(Clone)]
pub(crate) struct Issued {
    /// The certificate and those of the intermediates, as PEM.
    pub(crate) chain: String,
    /// Its key, PKCS#8 as PEM.
    pub(crate) key: String,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) serial: SerialNumber,
}

impl Issued {
    /// Writes `NAME.pem` and `NAME.key`; returns where.
    pub(crate) fn write(&self, dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let files = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        std::fs::write(&files.0, &self.chain).unwrap();
        std::fs::write(&files.1, &self.key).unwrap();
        files
    }

    /// Key and chain in one, as HAProxy takes it.
    pub(crate) fn combined(&self) -> String {
        self.key.clone() + &self.chain
    }

    /// A key for RSA as PKCS#1, one for ECDSA P-256 as SEC1: what OpenSSL wrote before it knew PKCS#8.
    pub(crate) fn traditional_key(&self) -> String {
        let PrivateKeyDer::Pkcs8(pkcs8) = self.private_key() else { panic!("not PKCS#8") };
        let pkcs8 = pkcs8.secret_pkcs8_der();
        if let Ok(key) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8) {
            let der: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der().unwrap();
            return pem("EC PRIVATE KEY", der.as_ref());
        }
        // The version, the algorithm, and the octet string that is the PKCS#1: lengths are of two bytes.
        pem("RSA PRIVATE KEY", &pkcs8[26..])
    }

    /// The chain, leaf first.
    pub(crate) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.chain.as_bytes()).map(Result::unwrap).collect()
    }

    /// The key.
    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(der);
    let mut lines = format!("-----BEGIN {label}-----\n");
    for line in encoded.as_bytes().chunks(64) {
        lines.extend(line.iter().map(|byte| char::from(*byte)));
        lines.push('\n');
    }
    lines + &format!("-----END {label}-----\n")
}
