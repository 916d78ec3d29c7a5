//! Why an upstream's TLS was not taken, or ours not by the upstream, in words for an operator.

use std::borrow::Cow;
use std::io;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// What went wrong.
pub fn explain(error: &io::Error) -> Cow<'static, str> {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => name(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            Cow::Borrowed("closed without close_notify")
        }
        None => error.to_string().into(),
    }
}

/// The same of an error of rustls.
pub(super) fn name(error: &Error) -> Cow<'static, str> {
    let words = match error {
        Error::InvalidCertificate(error) => return certificate(error),
        // The first bytes were not those of a record.
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not speak TLS, or breaks it"
        }
        Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => "it wants a client certificate",
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked => "it does not accept our client certificate",
            AlertDescription::UnrecognisedName => "it does not serve this name",
            _ => return format!("it sent the alert {alert:?}").into(),
        },
        _ => return error.to_string().into(),
    };
    Cow::Borrowed(words)
}

/// A name as a certificate writes it: rustls has `DnsName("example.com")` and `IpAddress(192.0.2.1)`.
fn plain(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn certificate(error: &CertificateError) -> Cow<'static, str> {
    let words = match error {
        CertificateError::UnknownIssuer => "its certificate is of an unknown authority",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet"
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            let presented = match presented.is_empty() {
                true => "no name".to_owned(),
                false => presented.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", "),
            };
            return format!("its certificate is not for {expected} but for {presented}").into();
        }
        CertificateError::NotValidForName => "its certificate is not for this name",
        CertificateError::BadSignature => "its certificate: a signature is not right",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not one for servers"
        }
        CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is an authority's own, not one that was issued for a server"
        }
        _ => return format!("its certificate: {error}").into(),
    };
    Cow::Borrowed(words)
}
