//! What wssgate tells the upstream about the client: `X-Forwarded-*`, `X-Real-IP`, `Forwarded`.
//!
//! What a client says under these names is forged until proven otherwise and never goes on; only
//! a peer that the operator trusts may have its values kept, and appended to. Not even such a peer's
//! `X-Forwarded-Client-Cert` is kept: it speaks of what was proven in our own handshake.

use std::io::Write as _;
use std::net::IpAddr;

use super::Field;

const FOR: &str = "X-Forwarded-For";
const REAL_IP: &str = "X-Real-IP";
const PROTO: &str = "X-Forwarded-Proto";
const HOST: &str = "X-Forwarded-Host";
const PORT: &str = "X-Forwarded-Port";
const FORWARDED: &str = "Forwarded";
const CLIENT_CERT: &str = "X-Forwarded-Client-Cert";

const OWN: [&str; 7] = [FOR, REAL_IP, PROTO, HOST, PORT, FORWARDED, CLIENT_CERT];

/// What is known about one client without asking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Its address; none when it came over a unix socket.
    pub ip: Option<IpAddr>,
    /// The port that it connected to; none for a unix socket.
    pub port: Option<u16>,
    /// Whether it is a proxy whose own words are kept.
    pub trusted: bool,
    /// Whether `Forwarded` (RFC 7239) is sent.
    pub forwarded: bool,
    /// Its verified certificate, as [`client_cert::element`](super::client_cert::element) says it; none
    /// when it showed none.
    pub client_cert: Option<&'a str>,
}

/// Whether a header of this name is wssgate's to set, underscores read as dashes: many servers
/// fold `X_Forwarded_For` and `X-Forwarded-For` into one variable.
pub fn is_own(name: &str) -> bool {
    let is = |own: &str| {
        own.len() == name.len()
            && own.bytes().zip(name.bytes()).all(|(own, byte)| {
                let byte = if byte == b'_' { b'-' } else { byte };
                own.eq_ignore_ascii_case(&byte)
            })
    };
    OWN.iter().any(|own| is(own))
}

impl Facts<'_> {
    /// Appends the header lines to `out`, after what a trusted peer said in `fields`.
    pub fn append(&self, fields: &[Field<'_>], host: Option<&str>, out: &mut Vec<u8>) {
        let ip = self.ip.map(|ip| ip.to_string());
        let port = self.port.map(|port| port.to_string());
        self.extend(fields, FOR, ip.as_deref(), out);
        self.keep_or_set(fields, REAL_IP, ip.as_deref(), out);
        self.keep_or_set(fields, PROTO, Some("https"), out);
        self.keep_or_set(fields, HOST, host, out);
        self.keep_or_set(fields, PORT, port.as_deref(), out);
        let element = self.forwarded.then(|| self.element(host));
        self.extend(fields, FORWARDED, element.as_deref(), out);
        write_line(CLIENT_CERT, self.client_cert.unwrap_or_default().as_bytes(), out);
    }

    /// A list: what was there, and our member at its end.
    fn extend(&self, fields: &[Field<'_>], name: &str, own: Option<&str>, out: &mut Vec<u8>) {
        let mut value = self.incoming(fields, name);
        if let Some(own) = own {
            if !value.is_empty() {
                value.extend_from_slice(b", ");
            }
            value.extend_from_slice(own.as_bytes());
        }
        write_line(name, &value, out);
    }

    /// A single value: the first proxy that we trust knows it best.
    fn keep_or_set(&self, fields: &[Field<'_>], name: &str, own: Option<&str>, out: &mut Vec<u8>) {
        let mut value = self.incoming(fields, name);
        if value.is_empty() {
            value.extend_from_slice(own.unwrap_or_default().as_bytes());
        }
        write_line(name, &value, out);
    }

    fn incoming(&self, fields: &[Field<'_>], name: &str) -> Vec<u8> {
        if !self.trusted {
            return Vec::new();
        }
        let values: Vec<&[u8]> =
            super::values(fields, name).filter(|value| !value.is_empty()).collect();
        values.join(b", ".as_slice())
    }

    /// One element of `Forwarded` (RFC 7239, 4); an address of IPv6 and a host with a port are quoted.
    fn element(&self, host: Option<&str>) -> String {
        let client = match self.ip {
            Some(IpAddr::V4(ip)) => ip.to_string(),
            Some(IpAddr::V6(ip)) => format!("\"[{ip}]\""),
            None => "unknown".to_owned(),
        };
        match host {
            Some(host) => format!("for={client};host=\"{host}\";proto=https"),
            None => format!("for={client};proto=https"),
        }
    }
}

fn write_line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{name}: ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::{Facts, is_own};
    use crate::http::request;

    const VALUE: &str = "Hash=ab;Subject=\"CN=a\"";

    /// The X-Forwarded-Client-Cert lines that go on of a request with these lines.
    fn sent(lines: &str, trusted: bool, client_cert: Option<&str>) -> Vec<String> {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let facts = Facts { ip: None, port: None, trusted, forwarded: false, client_cert };
        let mut out = Vec::new();
        request::parse(head.as_bytes()).unwrap().rewrite(&facts, &mut out);
        let out = String::from_utf8(out).unwrap();
        let is_it = |line: &&str| line.to_lowercase().replace('_', "-").contains("client-cert");
        out.lines().filter(is_it).map(str::to_owned).collect()
    }

    #[test]
    fn a_client_certificate_is_told_by_wssgate_alone() {
        for lines in [
            "",
            "X-Forwarded-Client-Cert: Hash=forged\r\nx-forwarded-client-cert: Hash=forged\r\n",
            "X_Forwarded_Client_Cert: Hash=forged\r\nX-FORWARDED_Client-CERT: Hash=forged\r\n",
            "Connection: X-Forwarded-Client-Cert, X_Forwarded_Client_Cert\r\n",
        ] {
            for trusted in [false, true] {
                let told = sent(lines, trusted, Some(VALUE));
                assert_eq!(told, [format!("X-Forwarded-Client-Cert: {VALUE}")], "{lines}");
                assert!(sent(lines, trusted, None).is_empty(), "{lines}");
            }
        }
    }

    #[test]
    fn own_names_are_known_in_any_spelling() {
        assert!(is_own("x_FORWARDED-client_cert"));
        assert!(!is_own("X-Forwarded-Client-Certs") && !is_own("XForwardedClientCert"));
    }
}
