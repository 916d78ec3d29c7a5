//! What a certificate says of itself: names, subject, dates and key, read out of its DER.
//!
//! Nothing here is verified; that is rustls' part. Whatever text comes out may stand in a log line or a
//! header: [`Certificate`] says for each field what it can hold.

mod key;
mod name;
mod subject;
#[cfg(test)]
mod tests;

pub use name::Name;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::oid::db::{rfc4519, rfc5280};
use x509_cert::der::{self, Decode as _, Encode as _, Reader as _, SliceReader, Tag, TagNumber};
use x509_cert::time::Time;
use x509_cert::{Certificate as Decoded, TbsCertificate};

/// One certificate (RFC 5280, 4.1).
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The well-formed dNSNames and iPAddresses of subjectAltName, in their order.
    pub names: Vec<Name>,
    /// The uniformResourceIdentifiers of subjectAltName, in their order: ASCII, control characters
    /// included.
    pub uris: Vec<String>,
    /// The subject as RFC 4514 writes it and `openssl -nameopt RFC2253` prints it, save that a quote, a
    /// backslash and a space at either end are hex pairs too: printable ASCII without a quote, which does
    /// not end in a backslash. Empty when the subject is.
    pub subject: String,
    /// The most specific CN of the subject. One with a control character in it is none.
    pub common_name: Option<String>,
    /// The OUs of the subject, from the least specific on; those with a control character are left out.
    pub organizational_units: Vec<String>,
    /// From when on it is valid.
    pub not_before: SystemTime,
    /// Until when it is valid.
    pub not_after: SystemTime,
    /// The kind of its public key: `ECDSA P-256`, `RSA 2048`, `Ed25519`; the algorithm's OID when that is
    /// all that is known.
    pub key: String,
    /// SHA-256 of the DER in lower-case hex.
    pub fingerprint: String,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
}

impl Certificate {
    /// Reads one certificate, which must fill `der`. A name in subjectAltName that is not understood is
    /// passed over.
    pub fn parse(der: &[u8]) -> anyhow::Result<Self> {
        let decoded = Decoded::from_der(der).context("parse certificate")?;
        let decoded = decoded.tbs_certificate();
        let (names, uris) = alternative_names(decoded).context("parse subjectAltName")?;
        let subject = decoded.subject();
        let mut common_names = subject::values(subject, rfc4519::COMMON_NAME);
        let fingerprint = super::sha256(der).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            names,
            uris,
            subject: subject::text(subject).context("write the subject of a certificate")?,
            common_name: common_names.pop(),
            organizational_units: subject::values(subject, rfc4519::ORGANIZATIONAL_UNIT_NAME),
            not_before: system_time(decoded.validity().not_before),
            not_after: system_time(decoded.validity().not_after),
            key: key::kind(decoded.subject_public_key_info()),
            fingerprint,
            subject_der: subject.to_der().context("encode the subject of a certificate")?,
            issuer_der: decoded.issuer().to_der().context("encode the issuer of a certificate")?,
        })
    }

    /// Whom it names as its issuer, written as `subject` is.
    pub fn issuer(&self) -> String {
        let issuer = x509_cert::name::Name::from_der(&self.issuer_der);
        issuer.and_then(|issuer| subject::text(&issuer)).unwrap_or_default()
    }

    /// Whether one of its names covers `host`: see [`Name::covers`]. The subject's CN does not count
    /// (RFC 9525, 2).
    pub fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.covers(host))
    }

    /// Whether it names `other` as its issuer. Signatures are not checked.
    pub fn is_issued_by(&self, other: &Self) -> bool {
        self.issuer_der == other.subject_der
    }

    /// Whether it names itself as its issuer.
    pub fn is_self_signed(&self) -> bool {
        self.is_issued_by(self)
    }
}

/// The names and URIs of subjectAltName (RFC 5280, 4.2.1.6). x509-cert's own type refuses all of them for
/// one that it does not know.
fn alternative_names(decoded: &TbsCertificate) -> der::Result<(Vec<Name>, Vec<String>)> {
    let (mut names, mut uris) = (Vec::new(), Vec::new());
    let mut extensions = decoded.extensions().into_iter().flatten();
    let Some(extension) = extensions.find(|one| one.extn_id == rfc5280::ID_CE_SUBJECT_ALT_NAME)
    else {
        return Ok((names, uris));
    };
    let mut reader = SliceReader::new(extension.extn_value.as_bytes())?;
    reader.sequence(|sequence: &mut SliceReader<'_>| -> der::Result<()> {
        while !sequence.is_finished() {
            let general = AnyRef::decode(sequence)?;
            let header = general.header();
            let text = std::str::from_utf8(general.value()).ok().filter(|text| text.is_ascii());
            match header.tag() {
                tag if tag == primitive(2) => names.extend(text.and_then(Name::dns)),
                tag if tag == primitive(6) => uris.extend(text.map(str::to_owned)),
                tag if tag == primitive(7) => names.extend(Name::ip(general.value())),
                _ => {}
            }
        }
        Ok(())
    })?;
    reader.finish()?;
    Ok((names, uris))
}

/// The tag of a GeneralName that is a string.
fn primitive(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: false, number: TagNumber(number) }
}

/// A date that the system's clock cannot hold becomes its latest, as far as clocks agree on one.
fn system_time(time: Time) -> SystemTime {
    const LATEST: Duration = Duration::from_secs(i32::MAX as u64);
    UNIX_EPOCH.checked_add(time.to_unix_duration()).unwrap_or(UNIX_EPOCH + LATEST)
}
