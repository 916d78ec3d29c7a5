//! How to speak TLS: certificates, versions, tickets, and who may come.

use std::path::PathBuf;

use anyhow::Context as _;
use tokio_rustls::rustls::crypto::aws_lc_rs as provider;
use tokio_rustls::rustls::{CipherSuite, NamedGroup};

/// TLS towards clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// What to show to clients.
    pub certificates: Certificates,
    /// Whether a name that no certificate covers is refused, in the handshake (SNI) and in a request
    /// (Host); otherwise the first certificate stands in.
    pub strict_sni: bool,
    /// The oldest version spoken; TLS 1.2 by default.
    pub min_version: Version,
    /// The cipher suites spoken, in order of preference; none: all that rustls has. A client that
    /// prefers ChaCha20 has its own order.
    pub ciphers: Vec<CipherSuite>,
    /// The key exchange groups spoken; none: rustls' own choice. Of those the client's first is taken.
    pub groups: Vec<NamedGroup>,
    /// The secret from which the keys of session tickets are derived; none: one drawn at the start.
    pub ticket_key_file: Option<PathBuf>,
    /// Who may come; none: everybody, and nobody is asked for a certificate.
    pub client_auth: Option<ClientAuth>,
    /// Whether session keys are written to the file that the variable SSLKEYLOGFILE names.
    pub key_log: bool,
}

impl Tls {
    /// These certificates, and the default of everything else.
    pub fn new(certificates: Certificates) -> Self {
        Self {
            certificates,
            strict_sni: false,
            min_version: Version::Tls12,
            ciphers: Vec::new(),
            groups: Vec::new(),
            ticket_key_file: None,
            client_auth: None,
            key_log: false,
        }
    }
}

/// Where the certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificates {
    /// PEM files; at least one pair. The first stands in for names that none covers.
    Files(Vec<Files>),
    /// One, made in memory for these DNS names and IP addresses.
    SelfSigned(Vec<String>),
}

/// The PEM files of one certificate: the chain, leaf first, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The chain.
    pub chain: PathBuf,
    /// The key; the same file when it holds both.
    pub key: PathBuf,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// Which certificates clients must, or may, come with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientAuth {
    /// The PEM file of the authorities that sign clients' certificates.
    pub ca: PathBuf,
    /// PEM files of what these authorities have revoked; with any, each authority needs one of its own.
    pub crls: Vec<PathBuf>,
    /// Whether a client without a certificate is refused. One with a bad certificate always is.
    pub required: bool,
    /// Which of the authorities' clients may come.
    pub allow: Allow,
}

/// Which clients may come: those with any of these; all, when there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// The subject's common name, exactly.
    pub cn: Vec<String>,
    /// The subject's organizational unit, exactly.
    pub ou: Vec<String>,
    /// A dNSName of subjectAltName in any case, a dot at the end ignored. A wildcard stands for itself
    /// alone.
    pub dns: Vec<String>,
    /// A uniformResourceIdentifier of subjectAltName, exactly: `spiffe://example.com/a`.
    pub uri: Vec<String>,
}

/// Reads a version: `1.2` or `1.3`.
pub fn parse_version(text: &str) -> anyhow::Result<Version> {
    match text {
        "1.2" => Ok(Version::Tls12),
        "1.3" => Ok(Version::Tls13),
        _ => anyhow::bail!("{text:?} is not a version spoken here; those are 1.2 and 1.3"),
    }
}

/// Reads a cipher suite by its name in IANA's registry or by OpenSSL's.
pub fn parse_cipher(text: &str) -> anyhow::Result<CipherSuite> {
    let known = || provider::ALL_CIPHER_SUITES.iter().map(|suite| suite.suite());
    let is_it = |suite: &CipherSuite| {
        let iana = cipher_name(*suite);
        text.eq_ignore_ascii_case(&openssl_name(&iana)) || text.eq_ignore_ascii_case(&iana)
    };
    known().find(is_it).with_context(|| {
        let names: Vec<String> = known().map(cipher_name).collect();
        format!("{text:?} is not a cipher suite spoken here; those are {}", names.join(", "))
    })
}

/// A suite's name in IANA's registry.
pub fn cipher_name(suite: CipherSuite) -> String {
    suite.as_str().unwrap_or("unknown").replacen("TLS13_", "TLS_", 1)
}

/// A suite's name in OpenSSL: `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` is `ECDHE-RSA-AES128-GCM-SHA256`
/// there; those of TLS 1.3 keep their names.
pub fn openssl_name(iana: &str) -> String {
    let Some((exchange, cipher)) =
        iana.strip_prefix("TLS_").and_then(|rest| rest.split_once("_WITH_"))
    else {
        return iana.to_owned();
    };
    let cipher = cipher.replace("AES_", "AES").replace("POLY1305_SHA256", "POLY1305");
    format!("{exchange}-{cipher}").replace('_', "-")
}

/// Reads a key exchange group by its name in IANA's registry; `P-256` and `P-384` too.
pub fn parse_group(text: &str) -> anyhow::Result<NamedGroup> {
    let known = || provider::ALL_KX_GROUPS.iter().map(|group| group.name());
    let is_it = |group: &NamedGroup| {
        group.as_str().is_some_and(|name| text.eq_ignore_ascii_case(name))
            || short_name(*group).is_some_and(|name| text.eq_ignore_ascii_case(name))
    };
    known().find(is_it).with_context(|| {
        let names: Vec<&str> =
            known().filter_map(|group| short_name(group).or(group.as_str())).collect();
        format!("{text:?} is not a group spoken here; those are {}", names.join(", "))
    })
}

fn short_name(group: NamedGroup) -> Option<&'static str> {
    match group {
        NamedGroup::secp256r1 => Some("P-256"),
        NamedGroup::secp384r1 => Some("P-384"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ciphers_are_read_by_both_of_their_names() {
        let cases = [
            ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
            ("tls_chacha20_poly1305_sha256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
            ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
            (
                "ECDHE-RSA-CHACHA20-POLY1305",
                CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            ),
            (
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            ),
        ];
        for (text, suite) in cases {
            assert_eq!(parse_cipher(text).unwrap(), suite);
        }
        let error = parse_cipher("RC4-SHA").unwrap_err().to_string();
        assert!(
            error.contains("\"RC4-SHA\"") && error.contains("TLS_AES_128_GCM_SHA256"),
            "{error}"
        );
    }

    #[test]
    fn groups_are_read() {
        let cases = [
            ("X25519MLKEM768", NamedGroup::X25519MLKEM768),
            ("x25519", NamedGroup::X25519),
            ("P-256", NamedGroup::secp256r1),
            ("secp384r1", NamedGroup::secp384r1),
        ];
        for (text, group) in cases {
            assert_eq!(parse_group(text).unwrap(), group);
        }
        let error = parse_group("P-192").unwrap_err().to_string();
        assert!(error.contains("X25519MLKEM768") && error.contains("P-256"), "{error}");
    }

    #[test]
    fn versions_are_read() {
        assert!(parse_version("1.2").unwrap() < parse_version("1.3").unwrap());
        assert!(parse_version("1.1").unwrap_err().to_string().contains("1.2 and 1.3"));
    }
}
