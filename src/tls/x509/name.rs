//! The names that a certificate is for, and which host each covers (RFC 9525, 6).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One dNSName or iPAddress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// This host, in lower case and without a dot at its end.
    Dns(String),
    /// Each host one label below this: `*.example.com` without its `*.`.
    Wildcard(String),
    /// This address.
    Ip(IpAddr),
}

impl Name {
    /// A dNSName; `None` for what is none: not letters, digits, `-` and `_` between single dots, or a `*`
    /// that is not the whole leftmost label. One dot at the end is dropped.
    pub fn dns(text: &str) -> Option<Self> {
        let text = without_dot(text);
        match text.strip_prefix("*.") {
            Some(suffix) => is_host(suffix).then(|| Self::Wildcard(suffix.to_ascii_lowercase())),
            None => is_host(text).then(|| Self::Dns(text.to_ascii_lowercase())),
        }
    }

    /// An iPAddress: 4 or 16 octets.
    pub(super) fn ip(octets: &[u8]) -> Option<Self> {
        let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).into());
        let v6 = <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).into());
        v4.or(v6).ok().map(Self::Ip)
    }

    /// Whether this is a name of `host`: a Host header's or SNI's, without a port, in any case, a dot at
    /// its end ignored. A wildcard stands for exactly one label (RFC 6125, 6.4.3). An address, of IPv6
    /// with or without brackets, is covered by an iPAddress alone.
    pub fn covers(&self, host: &str) -> bool {
        let host = without_dot(host);
        match (self, address(host)) {
            (Self::Ip(ip), Some(address)) => *ip == address,
            (Self::Ip(_), None) | (_, Some(_)) => false,
            (Self::Dns(name), None) => name.eq_ignore_ascii_case(host),
            (Self::Wildcard(suffix), None) => host
                .split_once('.')
                .is_some_and(|(label, rest)| is_label(label) && suffix.eq_ignore_ascii_case(rest)),
        }
    }
}

/// As a certificate writes it.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

fn without_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// The address that a host is, if it is one (RFC 3986, 3.2.2).
fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

fn is_host(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// Underscores are in no standard and in many certificates.
fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::Name;

    fn covers(name: &str, host: &str) -> bool {
        Name::dns(name).unwrap().covers(host)
    }

    #[test]
    fn a_name_covers_itself_in_any_case_with_or_without_a_dot() {
        for host in ["example.com", "EXAMPLE.com", "example.com."] {
            assert!(covers("example.com", host), "{host}");
            assert!(covers("Example.COM.", host), "{host}");
        }
        for host in ["a.example.com", "example.com..", "example", "xexample.com", "", ".", "com"] {
            assert!(!covers("example.com", host), "{host}");
        }
        assert!(covers("localhost", "localhost"));
        assert!(covers("a_b.xn--bcher-kva.example", "A_B.XN--bcher-kva.example"));
    }

    #[test]
    fn a_wildcard_is_one_whole_leftmost_label() {
        for host in ["a.example.com", "A.Example.Com.", "xn--a.example.com", "_a.example.com"] {
            assert!(covers("*.example.com", host), "{host}");
        }
        for host in [
            "example.com",
            "a.b.example.com",
            ".example.com",
            "*.example.com",
            "a%2eb.example.com",
            "aexample.com",
            "a.example.com..",
        ] {
            assert!(!covers("*.example.com", host), "{host}");
        }
    }

    #[test]
    fn what_is_not_a_name_is_none() {
        for text in [
            "",
            ".",
            "*",
            "*.",
            "f*.example.com",
            "*f.example.com",
            "*.*.example.com",
            "a.*.com",
            "**.a.com",
            "a..b",
            ".a",
            "a b",
            "a\0.com",
            "a,b",
            "a\"b",
            "a\\b",
            "a/b",
            "ä.com",
            "[::1]",
        ] {
            assert_eq!(Name::dns(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_address_is_covered_by_an_address_alone() {
        let v4 = Name::ip(&[192, 0, 2, 1]).unwrap();
        let v6 = Name::ip(&"2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets()).unwrap();
        assert!(v4.covers("192.0.2.1"));
        for host in ["[2001:db8::1]", "2001:db8::1", "[2001:DB8:0::1]"] {
            assert!(v6.covers(host), "{host}");
            assert!(!v4.covers(host), "{host}");
        }
        for host in ["192.0.2.2", "[192.0.2.1]", "[::ffff:192.0.2.1]", "192.0.2.1.a", "[", "[]"] {
            assert!(!v4.covers(host), "{host}");
        }
        assert!(!covers("192.0.2.1", "192.0.2.1"), "an address in a dNSName");
        assert!(!covers("*.0.2.1", "192.0.2.1"), "half an address in a dNSName");
        assert!(!covers("2.1", "192.0.2.1"));
        assert_eq!(Name::ip(&[1, 2, 3]), None);
    }

    #[test]
    fn names_are_written_as_in_a_certificate() {
        for text in ["example.com", "*.example.com"] {
            assert_eq!(Name::dns(text).unwrap().to_string(), text);
        }
        assert_eq!(Name::ip(&[192, 0, 2, 1]).unwrap().to_string(), "192.0.2.1");
    }
}
