//! The authority of `support`: that what it issues is what the other tests take it for, judged by the
//! verifiers of rustls, and that the client makes use of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime,
};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, rustls};
use wssgate::config::{Certificates, Files};
use x509_cert::der::Decode as _;

use crate::support::{
    Authority, Client, Issued, Key, Leaf, Proxy, TlsOptions, Upstream, Usage, Validity, echo,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn chains_are_verified_with_keys_of_every_kind() {
    let root = Authority::new("root");
    let below = root.intermediate("below").intermediate("further below");
    assert_eq!(certificates(root.chain_pem()).len(), 0);
    assert_eq!(certificates(below.chain_pem()).len(), 2);
    for key in [Key::P256, Key::P384, Key::Ed25519, Key::Rsa] {
        let leaf = Leaf { names: &["a.example", "*.b.example", "::1"], key, ..Leaf::default() };
        for (authority, length) in [(&root, 1), (&below, 3)] {
            let issued = authority.issue(&leaf);
            assert_eq!(issued.certificates().len(), length);
            assert_eq!(issued.certificates()[0], issued.certificate);
            for name in ["a.example", "x.b.example", "::1"] {
                assert_eq!(judge_server(&root, &issued, name), Ok(()), "{key:?} {name}");
            }
            let other = judge_server(&root, &issued, "c.example").unwrap_err();
            assert!(other.contains("not valid for name"), "{other}");
            let unknown = judge_server(&Authority::new("root"), &issued, "a.example").unwrap_err();
            assert!(unknown.contains("BadSignature") || unknown.contains("UnknownIssuer"));
        }
    }
}

#[test]
fn keys_fit_in_every_form() {
    let root = Authority::new("root");
    for key in [Key::P256, Key::P384, Key::Ed25519, Key::Rsa] {
        let issued = root.issue(&Leaf { key, ..Leaf::default() });
        fits(&issued, issued.private_key());
        let combined = issued.combined();
        assert_eq!(certificates(&combined), issued.certificates());
        fits(&issued, PrivateKeyDer::from_pem_slice(combined.as_bytes()).unwrap());
        let traditional = || PrivateKeyDer::from_pem_slice(issued.traditional_key().as_bytes());
        match key {
            Key::P256 => {
                let key = traditional().unwrap();
                assert!(matches!(key, PrivateKeyDer::Sec1(_)));
                fits(&issued, key);
            }
            Key::Rsa => {
                let key = traditional().unwrap();
                assert!(matches!(key, PrivateKeyDer::Pkcs1(_)));
                fits(&issued, key);
            }
            Key::P384 | Key::Ed25519 => {}
        }
    }
}

#[test]
fn dates_are_kept_to() {
    let root = Authority::new("root");
    let now = SystemTime::now();
    for (validity, verdict) in [
        (Validity::Now, ""),
        (Validity::Expired, "expired"),
        (Validity::NotYet, "not valid yet"),
        (Validity::Between(now - 2 * DAY, now + DAY), ""),
        (Validity::Between(now - 2 * DAY, now - DAY), "expired"),
    ] {
        let issued = root.issue(&Leaf { validity, ..Leaf::default() });
        match judge_server(&root, &issued, "localhost") {
            Ok(()) => assert_eq!(verdict, ""),
            Err(error) => assert!(!verdict.is_empty() && error.contains(verdict), "{error}"),
        }
    }
}

#[test]
fn subject_is_as_asked_for() {
    let leaf = Leaf {
        names: &[],
        uris: &["spiffe://example.org/chat"],
        common_name: "robot",
        organizational_unit: Some("machines"),
        usage: Usage::Client,
        ..Leaf::default()
    };
    let issued = Authority::new("root").issue(&leaf);
    let parsed = x509_cert::Certificate::from_der(&issued.certificate).unwrap();
    let parsed = parsed.tbs_certificate();
    assert_eq!(parsed.subject().to_string(), "CN=robot,OU=machines");
    assert_eq!(parsed.issuer().to_string(), "CN=root");
    assert_eq!(parsed.serial_number().as_bytes(), issued.serial.to_bytes());
    let uri = [&[0x86, 25], "spiffe://example.org/chat".as_bytes()].concat();
    assert!(memchr::memmem::find(&issued.certificate, &uri).is_some());
}

#[test]
fn revoked_client_is_refused_and_an_old_list_too() {
    let root = Authority::new("root");
    let leaf = Leaf { names: &[], usage: Usage::Client, ..Leaf::default() };
    let (good, bad) = (root.issue(&leaf), root.issue(&leaf));
    let fresh = root.crl(std::slice::from_ref(&bad.serial), SystemTime::now() + DAY);
    let stale = root.crl(&[], SystemTime::now() - DAY);
    assert_eq!(judge_client(&root, &good, None), Ok(()));
    assert_eq!(judge_client(&root, &bad, None), Ok(()));
    assert_eq!(judge_client(&root, &good, Some(&fresh)), Ok(()));
    let verdict = judge_client(&root, &bad, Some(&fresh)).unwrap_err();
    assert!(verdict.contains("Revoked"), "{verdict}");
    let verdict = judge_client(&root, &good, Some(&stale)).unwrap_err();
    assert!(verdict.contains("revocation list") || verdict.contains("CRL"), "{verdict}");
    let verdict = judge_client(&root, &root.issue(&Leaf::default()), None).unwrap_err();
    assert!(verdict.contains("InvalidPurpose") || verdict.contains("extended key usage"));
}

#[tokio::test]
async fn client_asks_by_name_trusts_the_root_alone_and_resumes() {
    let root = Authority::new("root");
    let leaf = Leaf { names: &["chat.example", "127.0.0.1"], ..Leaf::default() };
    let issued = root.intermediate("below").issue(&leaf);
    let proxy = serving(&issued).await;
    let mine = TlsOptions { roots: Some(root.pem()), ..TlsOptions::default() };
    for (name, version) in
        [("chat.example", &rustls::version::TLS12), ("127.0.0.1", &rustls::version::TLS13)]
    {
        let server_name = name.to_owned();
        let connector = TlsOptions { server_name, versions: vec![version], ..mine.clone() };
        let connector = connector.connector();
        for resumed in [false, true] {
            let mut client = Client::connect_with(proxy.addr, connector.clone()).await.unwrap();
            assert_eq!(*client.server_certificate(), issued.certificate);
            client.upgrade().await;
            echo(&mut client, "the ticket has come before this").await;
            assert_eq!(client.resumed(), resumed, "{name}");
        }
    }
    let refusal = |options: TlsOptions| async move {
        let refused = Client::connect_with(proxy.addr, options.connector()).await;
        refused.err().expect("refused").to_string()
    };
    let named = refusal(mine.clone()).await;
    assert!(named.contains("not valid for name \"localhost\""), "{named}");
    let server_name = "chat.example".to_owned();
    let stranger = refusal(TlsOptions { server_name, ..TlsOptions::default() }).await;
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
}

#[tokio::test]
async fn schemes_decide_which_keys_a_client_takes() {
    let root = Authority::new("root");
    let rsa = [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256];
    let ecdsa = [SignatureScheme::ECDSA_NISTP256_SHA256];
    for (key, taken, refused) in [(Key::Rsa, &rsa[..], &ecdsa[..]), (Key::P256, &ecdsa, &rsa)] {
        let proxy = serving(&root.issue(&Leaf { key, ..Leaf::default() })).await;
        for version in rustls::ALL_VERSIONS {
            let connect = |schemes: &[SignatureScheme]| {
                let options = TlsOptions {
                    versions: vec![version],
                    schemes: schemes.to_vec(),
                    roots: Some(root.pem()),
                    ..TlsOptions::default()
                };
                Client::connect_with(proxy.addr, options.connector())
            };
            connect(taken).await.unwrap();
            assert!(connect(refused).await.is_err(), "{key:?} {version:?}");
        }
    }
}

#[tokio::test]
async fn client_shows_its_certificate_to_who_asks() {
    let root = Authority::new("root");
    let addr = asking_server(&root).await;
    let identity = root.issue(&Leaf { usage: Usage::Client, ..Leaf::default() });
    let nobody = TlsOptions { roots: Some(root.pem()), ..TlsOptions::default() };
    let somebody = TlsOptions { identity: Some(identity.clone()), ..nobody.clone() };
    for (options, seen) in [(nobody, Vec::new()), (somebody, identity.certificate.to_vec())] {
        let mut client = Client::connect_with(addr, options.connector()).await.unwrap();
        client.send(b"?").await;
        assert_eq!(client.read_to_end().await, seen);
    }
}

/// A server that answers one byte with the certificate that its client has shown.
async fn asking_server(root: &Authority) -> SocketAddr {
    let verifier = WebPkiClientVerifier::builder(roots(root)).allow_unauthenticated();
    let server = root.issue(&Leaf::default());
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(server.certificates(), server.private_key())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            stream.read_u8().await.unwrap();
            let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let shown = shown.first().map(|leaf| leaf.to_vec()).unwrap_or_default();
            stream.write_all(&shown).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    addr
}

/// An echo behind this certificate, from files.
async fn serving(issued: &Issued) -> Proxy {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key): (PathBuf, PathBuf) = issued.write(dir.path(), "server");
    let upstream = Upstream::echo().await;
    let certificates = Certificates::Files(vec![Files { chain, key }]);
    // Both are read at the start.
    Proxy::start_with(&[upstream.addr()], |config| config.tls.certificates = certificates).await
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

fn roots(root: &Authority) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(certificates(&root.pem()).remove(0)).unwrap();
    Arc::new(roots)
}

fn fits(issued: &Issued, key: PrivateKeyDer<'static>) {
    CertifiedKey::from_der(issued.certificates(), key, &default_provider()).unwrap();
}

/// By the verifier of rustls clients.
fn judge_server(root: &Authority, issued: &Issued, name: &str) -> Result<(), String> {
    let verifier = WebPkiServerVerifier::builder(roots(root)).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let (leaf, chain) = (issued.certificates().remove(0), &issued.certificates()[1..]);
    let verdict = verifier.verify_server_cert(&leaf, chain, &name, &[], UnixTime::now());
    verdict.map(drop).map_err(|error| error.to_string())
}

/// By the verifier of rustls servers, with a list of what was revoked if there is one.
fn judge_client(root: &Authority, issued: &Issued, crl: Option<&str>) -> Result<(), String> {
    let mut builder = WebPkiClientVerifier::builder(roots(root));
    if let Some(crl) = crl {
        let crl = CertificateRevocationListDer::from_pem_slice(crl.as_bytes()).unwrap();
        builder = builder.with_crls([crl]).enforce_revocation_expiration();
    }
    let verdict = builder.build().unwrap().verify_client_cert(
        &issued.certificate,
        &issued.certificates()[1..],
        UnixTime::now(),
    );
    verdict.map(drop).map_err(|error| error.to_string())
}
