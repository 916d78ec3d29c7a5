//! Origins (RFC 6454, 7; RFC 6455, 10.2): which pages may open a WebSocket.
//!
//! A browser sends a site's cookies with every WebSocket, whichever page opens it, and says in `Origin`
//! which one that is. A pattern is one origin, or all below a domain.

use std::fmt;
use std::str::FromStr;

use super::Field;

/// Pages that are allowed: `https://app.example.com`, `app.example.com` (the same), `*.example.com`,
/// `http://localhost:3000`, `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// In lower case; `null` has none.
    scheme: String,
    /// In lower case; behind `*.` when `below` is set.
    host: String,
    below: bool,
    /// None is the scheme's own.
    port: Option<u16>,
}

/// A pattern that is none, and what it should look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.0;
        write!(
            f,
            "{text:?} is not an origin; write it as in https://app.example.com or *.example.com"
        )
    }
}

impl std::error::Error for Error {}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error(text.to_owned());
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        if text.eq_ignore_ascii_case("null") {
            return Ok(Self {
                scheme: String::new(),
                host: "null".into(),
                below: false,
                port: None,
            });
        }
        let (rest, below) = match rest.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (host, port) = split_port(rest).ok_or_else(wrong)?;
        let is_known = |byte: u8| is_label_byte(byte) || b"[]:".contains(&byte);
        let is_scheme = !scheme.is_empty() && scheme.bytes().all(is_scheme_byte);
        if host.is_empty() || !host.bytes().all(is_known) || !is_scheme {
            return Err(wrong());
        }
        let scheme = scheme.to_ascii_lowercase();
        let port = port.filter(|port| Some(*port) != default_port(&scheme));
        Ok(Self { scheme, host: host.to_ascii_lowercase(), below, port })
    }
}

impl Pattern {
    /// Whether a page of this origin is allowed.
    pub fn allows(&self, origin: &str) -> bool {
        if self.scheme.is_empty() {
            return origin == "null";
        }
        let Some((scheme, rest)) = origin.split_once("://") else { return false };
        let Some((host, port)) = split_port(rest) else { return false };
        let port = port.filter(|port| Some(*port) != default_port(&self.scheme));
        scheme.eq_ignore_ascii_case(&self.scheme) && port == self.port && self.has(host)
    }

    fn has(&self, host: &str) -> bool {
        if !self.below {
            return host.eq_ignore_ascii_case(&self.host);
        }
        let Some(at) = host.len().checked_sub(self.host.len()) else { return false };
        let (labels, domain) = host.as_bytes().split_at(at);
        domain.eq_ignore_ascii_case(self.host.as_bytes())
            && labels.len() > 1
            && labels.ends_with(b".")
            && labels.iter().copied().all(is_label_byte)
    }
}

/// Whether a WebSocket request with these headers may go on: its origin is one of `allowed`, or it has
/// none (it is not from a page) and none is `required`.
pub(super) fn is_allowed(fields: &[Field<'_>], allowed: &[Pattern], required: bool) -> bool {
    let mut origins = super::values(fields, "origin");
    match (origins.next(), origins.next()) {
        (None, _) => !required,
        (Some(origin), None) => {
            let origin = std::str::from_utf8(origin).unwrap_or_default();
            allowed.iter().any(|pattern| pattern.allows(origin))
        }
        (Some(_), Some(_)) => false,
    }
}

/// A host, an IPv6 address in its brackets, and its port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let from = text.rfind(']').map_or(0, |end| end + 1);
    match text[from..].find(':') {
        None => Some((text, None)),
        Some(colon) => {
            let (host, port) = text.split_at(from + colon);
            let digits = &port[1..];
            let is_port = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            Some((host, Some(digits.parse().ok().filter(|_| is_port)?)))
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

/// RFC 3986, 3.1.
fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_allowed_by_what_it_is_exactly() {
        for (pattern, allowed, refused) in [
            (
                "https://app.example.com",
                &[
                    "https://app.example.com",
                    "HTTPS://App.Example.com",
                    "https://app.example.com:443",
                ][..],
                &[
                    "http://app.example.com",
                    "https://app.example.com:8443",
                    "https://app.example.com.evil.org",
                    "https://evil.org/https://app.example.com",
                    "https://xapp.example.com",
                    "https://app.example.com/",
                    "https://app.example.com@evil.org",
                    "app.example.com",
                    "null",
                    "",
                ][..],
            ),
            ("app.example.com", &["https://app.example.com"], &["http://app.example.com"]),
            (
                "app.example.com:8443",
                &["https://app.example.com:8443"],
                &["https://app.example.com"],
            ),
            (
                "*.example.com",
                &["https://a.example.com", "https://a.b.Example.com"],
                &[
                    "https://example.com",
                    "https://.example.com",
                    "https://evilexample.com",
                    "http://a.example.com",
                    "https://a.example.com:1",
                    "https://a.example.com.",
                    // Nothing that a browser says, and nothing below the domain.
                    "https://evil.org/.example.com",
                    "https://evil.org#.example.com",
                    "https://[::1].example.com",
                    "https://a@b.example.com",
                ],
            ),
            ("http://localhost:3000", &["http://localhost:3000"], &["http://localhost", "null"]),
            ("http://[::1]:3000", &["http://[::1]:3000"], &["http://[::1]", "http://[::2]:3000"]),
            ("https://[::1]", &["https://[::1]", "https://[::1]:443"], &["https://[::1]:1"]),
            ("chrome-extension://abc", &["chrome-extension://abc"], &["https://abc"]),
            ("null", &["null"], &["https://null", ""]),
        ] {
            let parsed: Pattern = pattern.parse().unwrap();
            for origin in allowed {
                assert!(parsed.allows(origin), "{pattern} allows {origin}");
            }
            for origin in refused {
                assert!(!parsed.allows(origin), "{pattern} does not allow {origin}");
            }
        }
    }

    #[test]
    fn what_is_no_origin_is_said() {
        for text in [
            "",
            "*",
            "*.",
            "://a",
            "https://",
            "https://a/b",
            "https://a:b",
            "a b",
            "https://a:70000",
        ] {
            let error = text.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.contains("is not an origin"), "{text}: {error}");
        }
    }
}
