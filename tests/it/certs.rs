//! The development certificates in `certs/`: that the committed files fit together, and the ignored
//! test that makes them. Making needs no tool but this: with `WSSGATE_REGENERATE_CERTS` set the
//! ignored test replaces the files, without it a fresh set is made in a temporary directory and
//! judged by the same checks. The CA's key is never written anywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PublicKeyData as _, date_time_ymd,
};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::sign::CertifiedKey;

const FILES: [&str; 4] = ["ca.pem", "localhost.pem", "localhost.key", "localhost.spki.sha256"];
const WILDCARD: &str = "*.localhost";
const NAMES: [&str; 4] = ["localhost", WILDCARD, "127.0.0.1", "::1"];
const YEARS: (i32, i32) = (2026, 2046);

#[test]
fn committed_certificates_fit_together() {
    check(&certs());
}

#[test]
#[ignore = "needs WSSGATE_REGENERATE_CERTS=1 to write; without it, only checks a fresh set"]
fn regenerated_certificates_fit_together() {
    let fresh = tempfile::tempdir().unwrap();
    generate(fresh.path());
    check(fresh.path());
    if std::env::var_os("WSSGATE_REGENERATE_CERTS").is_some() {
        for file in FILES {
            fs::copy(fresh.path().join(file), certs().join(file)).unwrap();
        }
    }
}

fn certs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("certs")
}

fn generate(dir: &Path) {
    let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let ca = CertifiedIssuer::self_signed(ca_params(), ca_key).unwrap();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let leaf = leaf_params().signed_by(&key, &ca).unwrap();
    let spki = key.subject_public_key_info();

    let write = |file: &str, text: String| fs::write(dir.join(file), text).unwrap();
    write("ca.pem", ca.pem());
    write("localhost.pem", leaf.pem() + &ca.pem());
    write("localhost.key", key.serialize_pem());
    write("localhost.spki.sha256", sha256_hex(&spki) + "\n");
}

fn ca_params() -> CertificateParams {
    let mut params = params("wssgate development CA (never in production)", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// With the key identifiers that strict verifiers ask for (Python's since 3.13, `-x509_strict`).
fn leaf_params() -> CertificateParams {
    let mut params = params("wssgate development localhost (never in production)", &NAMES);
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn params(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(YEARS.0, 1, 1);
    params.not_after = date_time_ymd(YEARS.1, 1, 1);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// Everything that is said of the files in `certs/README.md`, for the files in `dir`.
fn check(dir: &Path) {
    let read = |file: &str| fs::read_to_string(dir.join(file)).unwrap();
    let chain = certificates(&read("localhost.pem"));
    let ca = certificates(&read("ca.pem"));
    assert_eq!(ca.len(), 1);
    assert_eq!(chain.len(), 2, "leaf, then CA");
    assert_eq!(chain[1], ca[0]);

    let key = rustls_pemfile::private_key(&mut read("localhost.key").as_bytes()).unwrap().unwrap();
    assert!(matches!(key, PrivateKeyDer::Pkcs8(_)));
    let certified = CertifiedKey::from_der(chain.clone(), key, &default_provider()).unwrap();
    certified.keys_match().unwrap();
    let spki = certified.key.public_key().unwrap();
    assert_eq!(read("localhost.spki.sha256"), sha256_hex(&spki) + "\n");

    check_names(&chain, &ca[0]);
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    rustls_pemfile::certs(&mut pem.as_bytes()).collect::<Result<_, _>>().unwrap()
}

/// By the verifier of rustls clients: each name on the first and the last day, and no other name.
/// It ignores the wildcard, which it finds too broad, as OpenSSL does: that one is looked for as
/// the dNSName of the certificate's bytes.
fn check_names(chain: &[CertificateDer<'static>], ca: &CertificateDer<'static>) {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).unwrap();
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let judge = |name: &str, seconds: i64| {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds.try_into().unwrap()));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let verdict = verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now);
        verdict.map(drop).map_err(|error| error.to_string())
    };

    let first = date_time_ymd(YEARS.0, 1, 1).unix_timestamp();
    let last = date_time_ymd(YEARS.1, 1, 1).unix_timestamp();
    for name in NAMES.into_iter().filter(|name| *name != WILDCARD) {
        assert_eq!(judge(name, first), Ok(()), "{name}");
        assert_eq!(judge(name, last), Ok(()), "{name}");
        assert!(judge(name, first - 1).unwrap_err().contains("not valid yet"), "{name}");
        assert!(judge(name, last + 1).unwrap_err().contains("expired"), "{name}");
    }
    let wildcard = [&[0x82, WILDCARD.len() as u8], WILDCARD.as_bytes()].concat();
    assert!(memchr::memmem::find(&chain[0], &wildcard).is_some());
    for name in ["example.com", "localhost.example.com", "127.0.0.2", "::2"] {
        assert!(judge(name, first).unwrap_err().contains("not valid for name"), "{name}");
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
