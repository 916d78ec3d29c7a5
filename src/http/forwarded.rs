//! What wssgate tells the upstream about the client: `X-Forwarded-*`, `X-Real-IP`, `Forwarded`.
//!
//! What a client says under these names is forged until proven otherwise and never goes on; only
//! a peer that the operator trusts may have its values kept, and appended to.

use std::io::Write as _;
use std::net::IpAddr;

use super::Field;

const FOR: &str = "X-Forwarded-For";
const REAL_IP: &str = "X-Real-IP";
const PROTO: &str = "X-Forwarded-Proto";
const HOST: &str = "X-Forwarded-Host";
const PORT: &str = "X-Forwarded-Port";
const FORWARDED: &str = "Forwarded";

const OWN: [&str; 6] = [FOR, REAL_IP, PROTO, HOST, PORT, FORWARDED];

/// What is known about one client without asking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its address; none when it came over a unix socket.
    pub ip: Option<IpAddr>,
    /// The port that it connected to; none for a unix socket.
    pub port: Option<u16>,
    /// Whether it is a proxy whose own words are kept.
    pub trusted: bool,
    /// Whether `Forwarded` (RFC 7239) is sent.
    pub forwarded: bool,
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

impl Facts {
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
