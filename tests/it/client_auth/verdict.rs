//! One client after the other, each with another certificate: in either version of TLS, and whether a
//! certificate is required or only requested.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls;
use x509_cert::der::Decode as _;

use super::{ROBOT, ROBOT_SUBJECT, Serving, alert, ask, connector, head, robot_header};
use crate::support::{Authority, Client, Issued, Key, Leaf, Usage, Validity, within};

/// A client, and what becomes of it.
struct Case {
    name: &'static str,
    shows: Option<Issued>,
    /// The alert that it gets, and the reason that the log gives; none for one that is let in.
    refused: Option<(AlertDescription, &'static str)>,
}

/// Lets in robots of the root and of the one below it, but for those that were revoked.
const ARGS: [&str; 4] = [
    "--client-crl={dir}/root.crl,{dir}/below.crl",
    "--client-crl={dir}/revoked.crl",
    "--allow-cn=robot",
    "--allow-ou=nobody",
];

#[tokio::test]
async fn each_certificate_has_its_verdict_when_one_is_required() {
    run(true).await;
}

#[tokio::test]
async fn each_certificate_has_its_verdict_when_one_is_requested() {
    run(false).await;
}

async fn run(required: bool) {
    let mut cases = Vec::new();
    let mode = if required { "--client-auth=require" } else { "--client-auth=request" };
    let mut serving = Serving::start(&[&ARGS[..], &[mode]].concat(), |dir, root| {
        cases = prepare(dir, root, required);
    })
    .await;
    let port = serving.addr.port();
    let mut heads = Vec::new();
    for (version, number) in [(&rustls::version::TLS12, "1.2"), (&rustls::version::TLS13, "1.3")] {
        for Case { name, shows, refused } in &cases {
            let context = format!("{name}, {number}, required: {required}");
            let path = format!("/{}", heads.len());
            let got = ask(serving.addr, &connector(version, shows.as_ref()), &path).await;
            let line = serving.line(got.client).await;
            match refused {
                Some((alert, reason)) => {
                    assert_eq!(got.answer, Err(*alert), "{context}");
                    let expected = ["connection failed", "DEBUG", "tls", "client", *reason];
                    let fields = ["message", "level", "stage", "closed_by", "reason"];
                    assert_eq!(fields.map(|field| &line[field]), expected, "{context}: {line}");
                    assert!(line["client_subject"].is_null(), "{context}: {line}");
                }
                None => {
                    let answer = got.answer.expect(&context);
                    assert_eq!(answer.1, "hello", "{context}");
                    let subject = shows.as_ref().map(|_| ROBOT_SUBJECT);
                    let fields = ["message", "tls_version", "client_subject"];
                    let expected = [Some("request"), Some(number), subject];
                    assert_eq!(fields.map(|field| line[field].as_str()), expected, "{context}");
                    let told = shows.as_ref().map(robot_header).unwrap_or_default();
                    heads.push(head(&path, port, &told));
                }
            }
        }
    }
    let robot = cases[0].shows.as_ref();
    let last = connector(&rustls::version::TLS13, robot);
    assert_eq!(serving.heads(&last).await, heads, "and nothing of those who were refused");
}

/// Writes the lists of what was revoked; the first case is one that is let in.
fn prepare(dir: &Path, root: &Authority, required: bool) -> Vec<Case> {
    let (below, revoked) = (root.intermediate("below"), root.intermediate("revoked"));
    let (stranger, impostor) = (Authority::new("stranger"), Authority::new("root"));
    let gone = [root.issue(&ROBOT), below.issue(&ROBOT)];
    let tomorrow = SystemTime::now() + Duration::from_secs(24 * 3600);
    let serials = [gone[0].serial.clone(), serial(&revoked)];
    let write = |name: &str, crl: String| std::fs::write(dir.join(name), crl).unwrap();
    write("root.crl", root.crl(&serials, tomorrow));
    write("below.crl", below.crl(std::slice::from_ref(&gone[1].serial), tomorrow));
    write("revoked.crl", revoked.crl(&[], tomorrow));
    let [gone, gone_below] = gone;
    let issue = |leaf| root.issue(&leaf);
    let mut alone = below.issue(&ROBOT);
    alone.chain = alone.chain.replace(below.chain_pem(), "");

    let good = |name, shows| Case { name, shows: Some(shows), refused: None };
    let bad = |name, shows, refused| Case { name, shows: Some(shows), refused: Some(refused) };
    let none = (AlertDescription::CertificateRequired, "no client certificate");
    let other = (AlertDescription::UnknownCA, "client certificate is of another authority");
    let forged = (AlertDescription::DecryptError, "client certificate: a signature is not right");
    let ended = (AlertDescription::CertificateExpired, "client certificate has expired");
    let early = (AlertDescription::CertificateExpired, "client certificate is not valid yet");
    let taken = (AlertDescription::CertificateRevoked, "client certificate is revoked");
    let unlisted = (AlertDescription::AccessDenied, "client certificate is not on the list");
    let servers =
        (AlertDescription::UnsupportedCertificate, "client certificate is not one for clients");
    vec![
        good("of the root", issue(ROBOT)),
        good("through an intermediate", below.issue(&ROBOT)),
        good("P-384", issue(Leaf { key: Key::P384, ..ROBOT })),
        good("Ed25519", issue(Leaf { key: Key::Ed25519, ..ROBOT })),
        good("RSA", issue(Leaf { key: Key::Rsa, ..ROBOT })),
        Case { name: "none", shows: None, refused: required.then_some(none) },
        bad("of another authority", stranger.issue(&ROBOT), other),
        bad("of one with the same name", impostor.issue(&ROBOT), forged),
        bad("without its intermediate", alone, other),
        bad("self-signed", self_signed(), other),
        bad("expired", issue(Leaf { validity: Validity::Expired, ..ROBOT }), ended),
        bad("not valid yet", issue(Leaf { validity: Validity::NotYet, ..ROBOT }), early),
        bad("revoked", gone, taken),
        bad("revoked by the intermediate", gone_below, taken),
        bad("of an intermediate that is revoked", revoked.issue(&ROBOT), taken),
        bad("a server's", issue(Leaf { usage: Usage::Server, ..ROBOT }), servers),
        bad("not on the list", issue(Leaf { common_name: "mallory", ..ROBOT }), unlisted),
    ]
}

fn serial(authority: &Authority) -> rcgen::SerialNumber {
    let der = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
    let parsed = x509_cert::Certificate::from_der(&der).unwrap();
    rcgen::SerialNumber::from_slice(parsed.tbs_certificate().serial_number().as_bytes())
}

/// A robot that nobody vouches for.
fn self_signed() -> Issued {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, ROBOT.common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&key).unwrap();
    Issued {
        chain: certificate.pem(),
        key: key.serialize_pem(),
        certificate: certificate.der().clone(),
        serial: rcgen::SerialNumber::from_slice(&[1]),
    }
}

/// Closing a socket while bytes come in resets it: who sends on would learn of that alone.
#[tokio::test]
async fn an_alert_arrives_however_much_the_client_sends() {
    let serving = Serving::start(&[], |_, _| {}).await;
    let stranger = Authority::new("stranger").issue(&ROBOT);
    for (shows, expected) in [
        (None, AlertDescription::CertificateRequired),
        (Some(&stranger), AlertDescription::UnknownCA),
    ] {
        let connector = connector(&rustls::version::TLS13, shows);
        let mut client = Client::connect_with(serving.addr, connector).await.unwrap();
        client.send(&[b'a'; 65_536]).await;
        within("the alert", client.0.get_ref().0.peek(&mut [0])).await.unwrap();
        for _ in 0..3 {
            client.send(&[b'a'; 65_536]).await;
        }
        let (got, end) = client.read_to_end_and_how().await;
        assert_eq!((got.len(), alert(&end.unwrap_err())), (0, expected));
    }
}
