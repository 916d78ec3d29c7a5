//! Certificates made here and one of OpenSSL's, read back.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::Index;
use rcgen::string::{BmpString, Ia5String, TeletexString, UniversalString};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, DnValue, Issuer, KeyPair,
    SanType, SignatureAlgorithm, date_time_ymd,
};

use super::{Certificate, Name};

/// `openssl req -x509 -newkey rsa:2048 -utf8 -multivalue-rdn`, with a subject of several OUs and CNs.
const RSA: &str = "\
-----BEGIN CERTIFICATE-----
MIIEjDCCA3SgAwIBAgIBBzANBgkqhkiG9w0BAQsFADCBwTELMAkGA1UEBhMCVVMx
EzARBgoJkiaJk/IsZAEZFgNjb20xFzAVBgoJkiaJk/IsZAEZFgdleGFtcGxlMRkw
FwYDVQQKDBBFeCwgIkluYyIgXCA7PCM+MQwwCgYDVQQLDANPcHMxDDAKBgNVBAsM
A1ImRDEOMAwGA1UEAwwFZmlyc3QxHzALBgNVBAMMBHpvw6swEAYKCZImiZPyLGQB
AQwCdTExHDAaBgkqhkiG9w0BCQEWDWFAZXhhbXBsZS5jb20wIBcNMjYxMTIzMDUy
MzEwWhgPMjEyNjEwMzAwNTIzMTBaMIHBMQswCQYDVQQGEwJVUzETMBEGCgmSJomT
8ixkARkWA2NvbTEXMBUGCgmSJomT8ixkARkWB2V4YW1wbGUxGTAXBgNVBAoMEEV4
LCAiSW5jIiBcIDs8Iz4xDDAKBgNVBAsMA09wczEMMAoGA1UECwwDUiZEMQ4wDAYD
VQQDDAVmaXJzdDEfMAsGA1UEAwwEem/DqzAQBgoJkiaJk/IsZAEBDAJ1MTEcMBoG
CSqGSIb3DQEJARYNYUBleGFtcGxlLmNvbTCCASIwDQYJKoZIhvcNAQEBBQADggEP
ADCCAQoCggEBAMPpZGNxfhJGkojleKUUqpCI8kyVB3UWAsnmBhx+hphHcsP+eFDv
peYGDTO6O0JahFnI0/pPZ3D2lEpQYoUzAsOwpkEEfH9+WjhvDQFeg39lTUVXZpnw
bcw/+nkCgadkZXPsVwBGmTT7yfzdGBbIpOmbUDLARVOiZRDL0af9YbBtcHJxJZwO
kOQFwUsRwuOwo4SoDPTuGQsZgTAVRiOlGShhB8t6Iqzx6ujh6IarFIt/jdLzkdtc
H9d7hkGS/9pdh+wv4mYyinitIggnPf25SF7BdkTcIr6Qc4hbyG7c1Mq+dLspkFVe
jkhI8FvpIKFFto4xPpT7vLfUtpCLcnOw81kCAwEAAaOBijCBhzAdBgNVHQ4EFgQU
VLYrGADuqCHoQYX91YNStn+BmvQwHwYDVR0jBBgwFoAUVLYrGADuqCHoQYX91YNS
tn+BmvQwDwYDVR0TAQH/BAUwAwEB/zA0BgNVHREELTArggtFeGFtcGxlLmNvbYYW
c3BpZmZlOi8vZXhhbXBsZS5jb20vYYcEwAACATANBgkqhkiG9w0BAQsFAAOCAQEA
KDhqaDGED7xReJMA00KY8dSZv/gqQ9WEzzTxLHJXus5shpASUTN3D4gvyxTBg2td
HcUpbOSpz5PCEbhU2H6DfJ9TRM/iUdDiRj8QhTmBydhbIzvE13GvkoFmeTeJ2R73
lZywgLMpK/CwnQFB57j16IuilN0aOYOgxrb4tSNczk/+uTQW6gaPdh3K8Pn/uKU0
3Ibuwb2SX8JsiL91QedSXkWhjdmSqTSr0XyYhyblU/z3OtGGMInJ9QJ1FpDPjHIx
w0Z29HnqtIAnyMb9cZv1K+e+8zXOhlkB6DU0O0y5WGRA4+PZasarDQvUWALYQFxT
aFn4pvzBPH+nRgM+rliAig==
-----END CERTIFICATE-----
";

/// What OpenSSL 3.0 prints of it with `-nameopt RFC2253`, but for its `\"` and `\\`.
const RSA_SUBJECT: &str = r"emailAddress=a@example.com,UID=u1+CN=zo\C3\AB,CN=first,OU=R&D,OU=Ops,O=Ex\, \22Inc\22 \5C \;\<#\>,DC=example,DC=com,C=US";

fn rsa() -> Vec<u8> {
    rustls_pemfile::certs(&mut RSA.as_bytes()).next().unwrap().unwrap().to_vec()
}

fn params() -> CertificateParams {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params
}

fn der(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn read(params: &CertificateParams) -> Certificate {
    Certificate::parse(&der(params)).unwrap()
}

fn with_subject(value: impl Into<DnValue>) -> Certificate {
    let mut params = params();
    params.distinguished_name.push(DnType::CommonName, value);
    read(&params)
}

fn ia5(text: &str) -> Ia5String {
    text.try_into().unwrap()
}

/// A certificate whose subjectAltName holds these bytes.
fn with_alternative_names(content: &[u8]) -> anyhow::Result<Certificate> {
    let mut params = params();
    let extension = CustomExtension::from_oid_content(&[2, 5, 29, 17], content.to_vec());
    params.custom_extensions.push(extension);
    Certificate::parse(&der(&params))
}

#[test]
fn a_certificate_of_openssl_is_read() {
    let certificate = Certificate::parse(&rsa()).unwrap();
    let ip = IpAddr::from([192, 0, 2, 1]);
    assert_eq!(certificate.names, [Name::Dns("example.com".to_owned()), Name::Ip(ip)]);
    assert_eq!(certificate.uris, ["spiffe://example.com/a"]);
    assert_eq!(certificate.subject, RSA_SUBJECT);
    assert_eq!(certificate.common_name.as_deref(), Some("zo\u{eb}"));
    assert_eq!(certificate.organizational_units, ["Ops", "R&D"]);
    assert_eq!(certificate.key, "RSA 2048");
    assert_eq!(
        certificate.fingerprint,
        "1fd8c5e4ef6bcab201e139ec02fe7ca8abdea5d614c43401ab73b313dc9f0221"
    );
    assert_eq!(certificate.not_before, UNIX_EPOCH + Duration::from_secs(1_795_411_390));
    let validity = certificate.not_after.duration_since(certificate.not_before).unwrap();
    assert_eq!(validity.as_secs(), 36_500 * 24 * 3600);
    assert!(certificate.is_self_signed());
    assert!(certificate.covers("EXAMPLE.com.") && certificate.covers("192.0.2.1"));
    assert!(!certificate.covers("first"), "a CN is no name");
}

#[test]
fn names_and_uris_keep_their_order() {
    let mut params = params();
    params.subject_alt_names = vec![
        SanType::URI(ia5("spiffe://a/b")),
        SanType::DnsName(ia5("*.Example.com")),
        SanType::Rfc822Name(ia5("a@example.com")),
        SanType::IpAddress("2001:db8::1".parse().unwrap()),
        SanType::URI(ia5("https://a?b=\"c\"")),
        SanType::DnsName(ia5("f*.example.com")),
        SanType::DnsName(ia5("*")),
        SanType::DnsName(ia5("example.com\0.evil.example")),
        SanType::DnsName(ia5("EXAMPLE.com")),
    ];
    let certificate = read(&params);
    let names: Vec<String> = certificate.names.iter().map(Name::to_string).collect();
    assert_eq!(names, ["*.example.com", "2001:db8::1", "example.com"]);
    assert_eq!(certificate.uris, ["spiffe://a/b", "https://a?b=\"c\""]);
    for host in ["example.com", "A.example.com", "[2001:db8::1]"] {
        assert!(certificate.covers(host), "{host}");
    }
    for host in ["b.a.example.com", "foo", "evil.example", "192.0.2.1", "*", "f*.example.com"] {
        assert!(!certificate.covers(host), "{host}");
    }
}

#[test]
fn a_name_that_is_not_understood_is_passed_over() {
    let address = [0xa3, 2, 0x30, 0];
    let not_ascii = [0x82, 2, 0xc3, 0xa4];
    let (short_ip, dns) = ([0x87, 1, 1], [0x82, 1, b'a']);
    let content = [&[0x30, 14][..], &address, &not_ascii, &short_ip, &dns].concat();
    let certificate = with_alternative_names(&content).unwrap();
    assert_eq!(certificate.names, [Name::Dns("a".to_owned())]);
    for broken in [&[][..], &[0x30, 2, 0x82, 1], &[0x30, 0, 0], &[4, 0], &[0x30, 1, 0x82]] {
        let error = with_alternative_names(broken).unwrap_err();
        assert_eq!(error.to_string(), "parse subjectAltName", "{broken:?}");
    }
    assert_eq!(with_alternative_names(&[0x30, 0]).unwrap().names, []);
}

#[test]
fn a_subject_holds_nothing_that_ends_a_line_or_a_quotation() {
    for (value, text) in [
        ("plain", r"CN=plain"),
        ("", r"CN="),
        ("a,b+c;d<e>f=g", r"CN=a\,b\+c\;d\<e\>f=g"),
        (r#"say "x\y""#, r"CN=say \22x\5Cy\22"),
        (r"\", r"CN=\5C"),
        ("a\0b", r"CN=a\00b"),
        ("a\r\nSet-Cookie: b", r"CN=a\0D\0ASet-Cookie: b"),
        ("\u{e9}\u{1f980}\u{202e}", r"CN=\C3\A9\F0\9F\A6\80\E2\80\AE"),
        ("\x1b[31m\x7f\u{85}", r"CN=\1B[31m\7F\C2\85"),
        (" a  b ", r"CN=\20a  b\20"),
        (" ", r"CN=\20"),
        ("#a#", r"CN=\#a#"),
    ] {
        assert_eq!(with_subject(value).subject, text, "{value:?}");
    }
}

#[test]
fn strings_of_other_types_are_decoded_or_shown_in_hex() {
    let bmp = BmpString::try_from("z\u{f6}\u{4e2d}").unwrap();
    let bmp = with_subject(DnValue::BmpString(bmp));
    assert_eq!(bmp.subject, r"CN=z\C3\B6\E4\B8\AD");
    assert_eq!(bmp.common_name.as_deref(), Some("z\u{f6}\u{4e2d}"));
    let teletex = with_subject(DnValue::TeletexString(TeletexString::try_from("abc").unwrap()));
    assert_eq!(teletex.subject, "CN=abc");
    let mut params = params();
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 99]), "odd");
    assert_eq!(read(&params).subject, "2.5.4.99=#0C036F6464");
    let mut der = der(&with_cn("abcd"));
    let at = memchr::memmem::rfind(&der, b"\x0c\x04abcd").unwrap();
    der[at] = 0x03;
    let bits = Certificate::parse(&der).unwrap();
    assert_eq!((bits.subject.as_str(), bits.common_name), ("CN=#030461626364", None));
    der[at] = 0x1e;
    let bmp = Certificate::parse(&der).unwrap();
    assert_eq!(bmp.common_name.as_deref(), Some("\u{6162}\u{6364}"));
    der[at + 2] = 0xd8;
    assert_eq!(Certificate::parse(&der).unwrap().subject, "CN=#1E04D8626364");
}

fn with_cn(name: &str) -> CertificateParams {
    let mut params = params();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

#[test]
fn a_type_that_x509_cert_does_not_know_is_an_error() {
    let value = UniversalString::try_from("a").unwrap();
    let mut params = params();
    params.distinguished_name.push(DnType::CommonName, DnValue::UniversalString(value));
    let error = Certificate::parse(&der(&params)).unwrap_err();
    assert_eq!(error.to_string(), "parse certificate");
}

#[test]
fn a_name_with_a_control_character_is_none() {
    for name in ["admin\0.evil", "admin\r\nx: y", "\u{85}"] {
        assert_eq!(with_subject(name).common_name, None, "{name:?}");
    }
    let mut params = params();
    params.distinguished_name.push(DnType::OrganizationalUnitName, "ops\0");
    assert!(read(&params).organizational_units.is_empty());
}

#[test]
fn an_empty_subject_is_empty() {
    let certificate = read(&params());
    assert_eq!((certificate.subject.as_str(), certificate.common_name), ("", None));
    assert!(certificate.names.is_empty() && certificate.uris.is_empty());
}

#[test]
fn dates_reach_from_1970_to_9999() {
    let mut params = params();
    params.not_before = date_time_ymd(1970, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31);
    let certificate = read(&params);
    assert_eq!(certificate.not_before, UNIX_EPOCH);
    assert_eq!(certificate.not_after, UNIX_EPOCH + Duration::from_secs(253_402_214_400));
}

#[test]
fn keys_are_named() {
    let kind = |algorithm: &'static SignatureAlgorithm| {
        let key = KeyPair::generate_for(algorithm).unwrap();
        Certificate::parse(params().self_signed(&key).unwrap().der()).unwrap().key
    };
    assert_eq!(kind(&rcgen::PKCS_ECDSA_P256_SHA256), "ECDSA P-256");
    assert_eq!(kind(&rcgen::PKCS_ECDSA_P384_SHA384), "ECDSA P-384");
    assert_eq!(kind(&rcgen::PKCS_ECDSA_P521_SHA512), "ECDSA P-521");
    assert_eq!(kind(&rcgen::PKCS_ED25519), "Ed25519");
    // OIDs of one length: an algorithm and a curve that have no name here.
    let patch = |from: &[u8], to: &[u8]| {
        let mut der = der(&params());
        let at = memchr::memmem::find(&der, from).unwrap();
        der[at..at + to.len()].copy_from_slice(to);
        Certificate::parse(&der).unwrap().key
    };
    let ec_public_key = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    assert_eq!(
        patch(&ec_public_key, &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 9]),
        "1.2.840.10045.2.9"
    );
    let p256 = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let p239 = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 4];
    assert_eq!(patch(&p256, &p239), "ECDSA 1.2.840.10045.3.1.4");
    // ecPublicKey is 7 octets long, an ML-DSA OID 9: the null parameters make up for the curve.
    let curve_and_key = [&[0x30, 0x13][..], &ec_public_key, &p256].concat();
    let ml_dsa =
        [0x30, 0x13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 0x12, 4, 6, 0, 0, 0, 0, 0, 0];
    assert_eq!(patch(&curve_and_key, &ml_dsa), "ML-DSA-65");
}

#[test]
fn an_issuer_is_known_by_its_subject() {
    let key = KeyPair::generate().unwrap();
    let authority = with_cn("authority");
    let other = read(&with_cn("other"));
    let leaf = with_cn("leaf")
        .signed_by(&KeyPair::generate().unwrap(), &Issuer::from_params(&authority, &key));
    let leaf = Certificate::parse(leaf.unwrap().der()).unwrap();
    let authority = read(&authority);
    assert!(leaf.is_issued_by(&authority));
    assert!(!leaf.is_issued_by(&other) && !authority.is_issued_by(&leaf));
    assert!(authority.is_self_signed() && !leaf.is_self_signed());
}

#[test]
fn what_is_no_certificate_is_an_error() {
    let der = rsa();
    let behind = [der.as_slice(), b"\0"].concat();
    for broken in [b"".as_slice(), b"-----BEGIN CERTIFICATE-----", &der[..der.len() - 1], &behind] {
        assert_eq!(Certificate::parse(broken).unwrap_err().to_string(), "parse certificate");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_certificate_is_read_or_refused(changes in vec((any::<Index>(), any::<u8>()), 1..6)) {
        let mut der = rsa();
        for (at, byte) in changes {
            let at = at.index(der.len());
            der[at] = byte;
        }
        if let Ok(certificate) = Certificate::parse(&der) {
            let is_safe = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"';
            prop_assert!(certificate.subject.bytes().all(is_safe), "{}", certificate.subject);
            prop_assert!(!certificate.subject.trim_end().ends_with('\\'), "{}", certificate.subject);
            prop_assert_eq!(certificate.fingerprint.len(), 64);
        }
    }

    #[test]
    fn any_subject_is_safe(name in any::<String>()) {
        let subject = with_subject(name.as_str()).subject;
        prop_assert!(subject.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"'));
        prop_assert!(!subject.trim_end().ends_with('\\'), "{}", subject);
    }
}
