//! Who a client is by its certificate: whether it is let in, and what is told of it.
//!
//! Verification comes first and is rustls' part; what is read here is believed.

use super::x509::{Certificate, Name};
use crate::config::Allow;
use crate::http::client_cert;

/// What logs and headers say of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The subject, safe in a log line: see [`Certificate::subject`].
    pub subject: Box<str>,
    /// The common name, without control characters but in any script: see [`Certificate::common_name`].
    pub common_name: Option<Box<str>>,
    /// The value of `X-Forwarded-Client-Cert`.
    pub forwarded: Box<str>,
}

impl Identity {
    /// Reads the DER of a client's own certificate, the first that it sends.
    pub fn parse(der: &[u8]) -> anyhow::Result<Self> {
        Ok(Self::from(&Certificate::parse(der)?))
    }
}

impl From<&Certificate> for Identity {
    fn from(certificate: &Certificate) -> Self {
        let names = certificate.names.iter().filter(|name| !matches!(name, Name::Ip(_)));
        let dns: Vec<String> = names.map(Name::to_string).collect();
        let Certificate { fingerprint, subject, uris, .. } = certificate;
        Self {
            subject: subject.as_str().into(),
            common_name: certificate.common_name.as_deref().map(Box::from),
            forwarded: client_cert::element(fingerprint, subject, uris, &dns).into(),
        }
    }
}

/// Whether a client may come in, of those whose certificates were verified: everybody when all lists are
/// empty, else whoever is in one of them.
pub(super) fn lets_in(allow: &Allow, certificate: &Certificate) -> bool {
    let everybody =
        [&allow.cn, &allow.dns, &allow.uri, &allow.ou].iter().all(|list| list.is_empty());
    let has_dns = |allowed: &String| {
        Name::dns(allowed).is_some_and(|allowed| certificate.names.contains(&allowed))
    };
    everybody
        || allow.cn.iter().any(|allowed| certificate.common_name.as_ref() == Some(allowed))
        || allow.dns.iter().any(has_dns)
        || allow.uri.iter().any(|allowed| certificate.uris.contains(allowed))
        || allow.ou.iter().any(|allowed| certificate.organizational_units.contains(allowed))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::{Allow, Certificate, Identity};

    fn der(cn: &str) -> Vec<u8> {
        let mut params = CertificateParams::new(
            ["A.example.com", "*.b.example.com", "192.0.2.1"].map(str::to_owned),
        )
        .unwrap();
        let uri = "spiffe://example.com/a?b=c".try_into().unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationalUnitName, "Ops");
        params.distinguished_name.push(DnType::CommonName, cn);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn an_identity_is_what_logs_and_headers_say() {
        let der = der("a \"b\"");
        let identity = Identity::parse(&der).unwrap();
        assert_eq!(&*identity.subject, r"CN=a \22b\22,OU=Ops");
        assert_eq!(identity.common_name.as_deref(), Some("a \"b\""));
        let hash = Certificate::parse(&der).unwrap().fingerprint;
        let expected = format!(
            "Hash={hash};Subject=\"CN=a \\22b\\22,OU=Ops\";URI=\"spiffe://example.com/a?b=c\";\
             DNS=a.example.com;DNS=*.b.example.com"
        );
        assert_eq!(&*identity.forwarded, expected);
        assert!(Identity::parse(b"x").is_err());
    }

    #[test]
    fn a_hostile_name_stays_within_its_header() {
        let identity = Identity::parse(&der("a\r\nX-Admin: 1\0\";DNS=b,Hash=\\")).unwrap();
        assert_eq!(identity.common_name, None);
        let subject = r#"Subject="CN=a\0D\0AX-Admin: 1\00\22\;DNS=b\,Hash=\5C,OU=Ops";URI="#;
        assert!(identity.forwarded.contains(subject), "{}", identity.forwarded);
    }

    #[test]
    fn any_match_lets_in() {
        let certificate = Certificate::parse(&der("client")).unwrap();
        let one = |value: &str| vec![value.to_owned()];
        let lets_in = |allow: Allow| super::lets_in(&allow, &certificate);
        let nobody = || Allow { cn: one("x"), dns: one("x"), uri: one("x"), ou: one("x") };
        assert!(lets_in(Allow::default()), "everybody");
        assert!(!lets_in(nobody()));
        for (value, expected) in
            [("client", true), ("Client", false), ("client ", false), ("", false)]
        {
            assert_eq!(lets_in(Allow { cn: one(value), ..nobody() }), expected, "{value}");
        }
        for (value, expected) in [
            ("a.example.com", true),
            ("A.EXAMPLE.com.", true),
            ("*.b.example.com", true),
            ("c.b.example.com", false),
            ("*.example.com", false),
            ("example.com", false),
            ("192.0.2.1", false),
            ("client", false),
            ("", false),
        ] {
            assert_eq!(lets_in(Allow { dns: one(value), ..nobody() }), expected, "{value}");
        }
        for (value, expected) in [
            ("spiffe://example.com/a?b=c", true),
            ("spiffe://EXAMPLE.com/a?b=c", false),
            ("spiffe://example.com/a", false),
        ] {
            assert_eq!(lets_in(Allow { uri: one(value), ..nobody() }), expected, "{value}");
        }
        for (value, expected) in [("Ops", true), ("ops", false)] {
            assert_eq!(lets_in(Allow { ou: one(value), ..nobody() }), expected, "{value}");
        }
        let several = Allow { cn: vec!["x".to_owned(), "client".to_owned()], ..Allow::default() };
        assert!(lets_in(several));
    }

    #[test]
    fn a_list_lets_nobody_in_who_has_no_such_name() {
        let mut nameless = CertificateParams::new([]).unwrap();
        nameless.distinguished_name = DistinguishedName::new();
        let der = nameless.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let certificate = Certificate::parse(&der).unwrap();
        for value in ["", "."] {
            let values = || vec![value.to_owned()];
            let allow = Allow { cn: values(), dns: values(), uri: values(), ou: values() };
            assert!(!super::lets_in(&allow, &certificate), "{value:?}");
        }
    }
}
