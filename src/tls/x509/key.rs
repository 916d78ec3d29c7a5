//! What kind of public key a certificate holds, in the words that people use.

use x509_cert::SubjectPublicKeyInfo;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use x509_cert::der::oid::db::{fips204, rfc5912, rfc8410};
use x509_cert::der::{Decode as _, Reader as _, SliceReader};

/// The kind, with the curve or the size; the OID of an algorithm without a name here.
pub(super) fn kind(info: &SubjectPublicKeyInfo) -> String {
    match info.algorithm.oid {
        rfc5912::ID_EC_PUBLIC_KEY => format!("ECDSA {}", curve(info)),
        rfc5912::RSA_ENCRYPTION => match rsa_bits(info) {
            Some(bits) => format!("RSA {bits}"),
            None => "RSA".to_owned(),
        },
        rfc8410::ID_ED_25519 => "Ed25519".to_owned(),
        fips204::ID_ML_DSA_44 => "ML-DSA-44".to_owned(),
        fips204::ID_ML_DSA_65 => "ML-DSA-65".to_owned(),
        fips204::ID_ML_DSA_87 => "ML-DSA-87".to_owned(),
        other => other.to_string(),
    }
}

/// RFC 5480, 2.1.1: the curve is the algorithm's parameter.
fn curve(info: &SubjectPublicKeyInfo) -> String {
    let parameters = info.algorithm.parameters.as_ref();
    match parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok()) {
        Some(rfc5912::SECP_256_R_1) => "P-256".to_owned(),
        Some(rfc5912::SECP_384_R_1) => "P-384".to_owned(),
        Some(rfc5912::SECP_521_R_1) => "P-521".to_owned(),
        Some(other) => other.to_string(),
        None => "on a curve without a name".to_owned(),
    }
}

/// RFC 8017, A.1.1: the modulus comes first.
fn rsa_bits(info: &SubjectPublicKeyInfo) -> Option<usize> {
    let key = AnyRef::from_der(info.subject_public_key.as_bytes()?).ok()?;
    let modulus = SliceReader::new(key.value()).ok()?.decode::<UintRef<'_>>().ok()?;
    let modulus = modulus.as_bytes();
    let unused = modulus.first()?.leading_zeros() as usize;
    Some(modulus.len() * 8 - unused)
}
