//! Handshakes that failed: in words for the log, and in a few kinds to be counted.

use std::borrow::Cow;
use std::io;

use tokio_rustls::rustls::{CertificateError, Error};

/// A handshake that failed. The client has been sent its alert.
#[derive(Debug)]
pub struct Failed<S> {
    /// In a few words.
    pub reason: Cow<'static, str>,
    /// In one.
    pub kind: FailureKind,
    /// The client's stream: closing it while bytes come in could destroy the alert.
    pub stream: Option<S>,
}

impl<S> Failed<S> {
    pub(super) fn new(error: &io::Error, stream: Option<S>) -> Self {
        Self { reason: reason(error), kind: kind(error), stream }
    }
}

/// How a handshake may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No certificate is for the name that the client asked for.
    UnknownName,
    /// The client has to have a certificate and showed none.
    NoClientCertificate,
    /// The client's certificate is not accepted.
    BadClientCertificate,
    /// The client refuses something of ours, mostly the certificate.
    RefusedByClient,
    /// No version, cipher suite or group is known to both sides.
    NothingInCommon,
    /// What was sent is no TLS, or not as it should be.
    Protocol,
    /// The client closed or reset its connection.
    Closed,
    /// It was not done in time.
    Timeout,
}

impl FailureKind {
    /// The word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownName => "unknown_name",
            Self::NoClientCertificate => "no_client_certificate",
            Self::BadClientCertificate => "bad_client_certificate",
            Self::RefusedByClient => "refused_by_client",
            Self::NothingInCommon => "nothing_in_common",
            Self::Protocol => "protocol",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
        }
    }
}

fn kind(error: &io::Error) -> FailureKind {
    match tls_error(error) {
        None => FailureKind::Closed,
        Some(Error::NoCertificatesPresented) => FailureKind::NoClientCertificate,
        Some(Error::InvalidCertificate(_)) => FailureKind::BadClientCertificate,
        Some(Error::AlertReceived(_)) => FailureKind::RefusedByClient,
        Some(Error::PeerIncompatible(_)) => FailureKind::NothingInCommon,
        Some(_) => FailureKind::Protocol,
    }
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// What went wrong, in words for an operator.
fn reason(error: &io::Error) -> Cow<'static, str> {
    match tls_error(error) {
        Some(error) => name(error),
        None => error.to_string().into(),
    }
}

pub(super) fn name(error: &Error) -> Cow<'static, str> {
    let words = match error {
        Error::NoCertificatesPresented => "no client certificate",
        Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "client certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "client certificate is not valid yet"
            }
            CertificateError::Revoked => "client certificate is revoked",
            CertificateError::UnknownIssuer => "client certificate is of another authority",
            // Of the certificate, by one who only has its authority's name, or of the handshake.
            CertificateError::BadSignature => "client certificate: a signature is not right",
            CertificateError::UnknownRevocationStatus => {
                "no revocation list for an authority of the client certificate"
            }
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => {
                "a revocation list has expired"
            }
            CertificateError::ApplicationVerificationFailure => {
                "client certificate is not on the list"
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "client certificate is not one for clients"
            }
            _ => return format!("client certificate: {error}").into(),
        },
        _ => return error.to_string().into(),
    };
    Cow::Borrowed(words)
}
