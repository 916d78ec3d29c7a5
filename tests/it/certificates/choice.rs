//! Which of several certificates a name gets, and which of two for one name a client that takes but one
//! kind of key.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{AlertDescription, ClientConfig, Error, RootCertStore, SignatureScheme, version};
use tokio_rustls::rustls;

use super::{Pki, Site, failure, shown};
use crate::support::{Client, Issued, Key, Leaf, TlsOptions};

/// What a client offers that knows RSA alone.
const RSA: [SignatureScheme; 3] = [
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PKCS1_SHA256,
];

/// Pairs for these lists of names.
fn issue(pki: &Pki, names: &[&[&str]]) -> Vec<Issued> {
    names.iter().map(|names| pki.issue(names)).collect()
}

/// Which of these is shown.
async fn index(site: &Site, pairs: &[Issued], client: &TlsOptions) -> usize {
    let shown = shown(site.addr(), client).await;
    pairs.iter().position(|pair| pair.certificate == shown).expect("one of them")
}

#[tokio::test]
async fn a_name_gets_the_certificate_that_has_it() {
    let pki = Pki::new();
    let pairs = issue(
        &pki,
        &[
            &["first.example", "127.0.0.1"],
            &["*.wild.example"],
            &["exact.wild.example", "more.example"],
            &["UPPER.example", "*.Wide.EXAMPLE"],
            &["more.example"],
        ],
    );
    let site = Site::start(&pairs, |_| {}).await;
    for (name, expected) in [
        ("first.example", 0),
        ("a.wild.example", 1),
        ("exact.wild.example", 2),
        ("exact2.wild.example", 1),
        ("more.example", 2),
        ("upper.example", 3),
        ("UPPER.Example", 3),
        ("First.EXAMPLE", 0),
        ("A.wide.example", 3),
        ("EXACT.WILD.example", 2),
    ] {
        for version in rustls::ALL_VERSIONS {
            let client = TlsOptions { versions: vec![version], ..pki.client(name) };
            assert_eq!(index(&site, &pairs, &client).await, expected, "{name} {version:?}");
        }
    }
}

#[tokio::test]
async fn without_a_name_or_with_an_unknown_one_the_first_is_shown() {
    let pki = Pki::new();
    let pairs = issue(&pki, &[&["first.example", "127.0.0.1"], &["*.wild.example"]]);
    let site = Site::start(&pairs, |_| {}).await;
    // An address is not asked for, and verified nevertheless.
    assert_eq!(index(&site, &pairs, &pki.client("127.0.0.1")).await, 0);
    for name in ["unknown.example", "wild.example", "a.b.wild.example", "irst.example"] {
        let error = failure(site.addr(), &pki.client(name)).await.to_string();
        // The client says what it was shown.
        assert!(error.contains("first.example"), "{name}: {error}");
    }
}

#[tokio::test]
async fn strict_names_get_their_certificate_and_all_others_an_alert() {
    let pki = Pki::new();
    let pairs = issue(&pki, &[&["first.example", "127.0.0.1"], &["*.wild.example"]]);
    let site = Site::start(&pairs, |config| config.tls.strict_sni = true).await;
    for version in rustls::ALL_VERSIONS {
        let client = |name: &str| TlsOptions { versions: vec![version], ..pki.client(name) };
        for (name, expected) in [("first.example", 0), ("A.wild.example", 1)] {
            assert_eq!(index(&site, &pairs, &client(name)).await, expected);
        }
        for name in ["unknown.example", "wild.example", "a.b.wild.example", "127.0.0.1"] {
            let error = failure(site.addr(), &client(name)).await;
            let alert = Error::AlertReceived(AlertDescription::UnrecognisedName);
            assert_eq!(error, alert, "{name} {version:?}");
        }
    }
}

/// The same names with both kinds of key, in this order.
fn dual(pki: &Pki, order: [Key; 2]) -> Vec<Issued> {
    let names = &["dual.example", "127.0.0.1"];
    let leaf = |key| Leaf { names, key, ..Leaf::default() };
    order.into_iter().map(|key| pki.issuer.issue(&leaf(key))).collect()
}

#[tokio::test]
async fn ecdsa_comes_before_rsa_for_those_who_take_both() {
    let pki = Pki::new();
    for order in [[Key::P256, Key::Rsa], [Key::Rsa, Key::P256]] {
        let pairs = dual(&pki, order);
        let site = Site::start(&pairs, |_| {}).await;
        // As the first pair they stand in for no name as well.
        for name in ["dual.example", "127.0.0.1"] {
            for version in rustls::ALL_VERSIONS {
                let both = TlsOptions { versions: vec![version], ..pki.client(name) };
                let old = TlsOptions { schemes: RSA.to_vec(), ..both.clone() };
                for (client, key) in [(both, Key::P256), (old, Key::Rsa)] {
                    let shown = order[index(&site, &pairs, &client).await];
                    assert_eq!(shown, key, "{order:?} {name} {version:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn ecdsa_comes_before_rsa_behind_a_first_pair_of_another_name() {
    let pki = Pki::new();
    let pairs = [vec![pki.issue(&["first.example"])], dual(&pki, [Key::Rsa, Key::P256])].concat();
    let site = Site::start(&pairs, |_| {}).await;
    let both = pki.client("dual.example");
    let old = TlsOptions { schemes: RSA.to_vec(), ..both.clone() };
    assert_eq!(index(&site, &pairs, &both).await, 2);
    assert_eq!(index(&site, &pairs, &old).await, 1);
}

/// A client of TLS 1.2 says by its cipher suites too which keys it takes.
#[tokio::test]
async fn cipher_suites_for_rsa_get_rsa() {
    let pki = Pki::new();
    let leaf = |key| Leaf { key, ..Leaf::default() };
    let pairs = [Key::P256, Key::Rsa].map(|key| pki.issuer.issue(&leaf(key)));
    let site = Site::start(&pairs, |_| {}).await;
    for (part, expected) in [("ECDHE_RSA", 1), ("ECDHE_ECDSA", 0)] {
        let mut provider = default_provider();
        let suites = &mut provider.cipher_suites;
        suites.retain(|suite| suite.suite().as_str().is_some_and(|name| name.contains(part)));
        assert!(!suites.is_empty());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pki.root.pem().as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&version::TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::connect_with(site.addr(), Arc::new(config)).await.unwrap();
        assert_eq!(*client.server_certificate(), pairs[expected].certificate, "{part}");
    }
}

/// An exact name that a client cannot verify is less than a wildcard that it can.
#[tokio::test]
async fn a_wildcard_helps_out_when_the_exact_one_has_the_wrong_key() {
    let pki = Pki::new();
    let pairs = [("a.example.com", Key::P256), ("*.example.com", Key::Rsa)]
        .map(|(name, key)| pki.issuer.issue(&Leaf { names: &[name], key, ..Leaf::default() }));
    let site = Site::start(&pairs, |_| {}).await;
    let both = pki.client("a.example.com");
    let old = TlsOptions { schemes: RSA.to_vec(), ..both.clone() };
    assert_eq!(index(&site, &pairs, &both).await, 0);
    assert_eq!(index(&site, &pairs, &old).await, 1);
}
