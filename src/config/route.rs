//! Which requests go where: by host and by the beginning of the path.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use anyhow::{Context as _, ensure};

use crate::addr::{self, Upstream};

/// Requests for a host, below a path, and the servers that they go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// For which requests.
    pub pattern: Pattern,
    /// Where they go; at least one, and only one when that has a name.
    pub goals: Vec<Goal>,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// To a server.
    Address(Upstream),
    /// To the servers that have this name in the configuration file.
    Named(String),
}

impl FromStr for Goal {
    type Err = addr::Error;

    /// An address has a port, and a name has none. What is neither is said of an address.
    fn from_str(text: &str) -> Result<Self, addr::Error> {
        match is_upstream_name(text) {
            true => Ok(Self::Named(text.to_owned())),
            false => text.parse().map(Self::Address),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl From<Upstream> for Goal {
    fn from(address: Upstream) -> Self {
        Self::Address(address)
    }
}

/// Whether an upstream may have this name: a letter, then letters, digits, dashes and underscores.
pub fn is_upstream_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(known)
}

/// A host and the beginning of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The host.
    pub host: Host,
    /// Whole segments of a path: `/chat` is the beginning of `/chat` and `/chat/1`, not of `/chats`. Without
    /// a slash at its end; empty for every path.
    pub prefix: String,
}

/// The hosts of a route, in lower case, without a port or a dot at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// This one.
    Exact(String),
    /// Each below this domain, which is written behind `*.`.
    Below(String),
    /// All.
    Any,
}

impl Pattern {
    /// Every request.
    pub fn all() -> Self {
        Self { host: Host::Any, prefix: String::new() }
    }
}

impl FromStr for Pattern {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (host, prefix) = text.split_at(text.find('/').unwrap_or(text.len()));
        let is_path =
            prefix.bytes().all(|byte| matches!(byte, b'!'..=b'~') && !b"?#*".contains(&byte));
        ensure!(is_path, "{prefix:?} is not the beginning of a path, as in /chat");
        let host = parse_host(host).with_context(|| {
            format!("{host:?} is not a host without a port, as in example.com or *.example.com")
        })?;
        Ok(Self { host, prefix: prefix.trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Exact(v6) if v6.contains(':') => write!(f, "[{v6}]")?,
            Host::Exact(name) => f.write_str(name)?,
            Host::Below(domain) => write!(f, "*.{domain}")?,
            Host::Any => {}
        }
        f.write_str(if self.prefix.is_empty() { "/" } else { &self.prefix })
    }
}

/// Written in any way, kept in the one that requests are compared with.
fn parse_host(text: &str) -> Option<Host> {
    if text.is_empty() {
        return Some(Host::Any);
    }
    if let Some(v6) = text.strip_prefix('[') {
        let v6: Ipv6Addr = v6.strip_suffix(']')?.parse().ok()?;
        return Some(Host::Exact(v6.to_string()));
    }
    let (name, is_domain) = match text.strip_prefix("*.") {
        Some(domain) => (domain, true),
        None => (text, false),
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    // Of two dots at its end one would be left.
    let has_bare_dot = name.starts_with('.') || name.ends_with('.');
    if name.is_empty() || has_bare_dot || !name.bytes().all(is_name) {
        return None;
    }
    Some(if is_domain { Host::Below(name) } else { Host::Exact(name) })
}

/// Reads a route to one upstream: `HOST/PREFIX=ADDR` or `HOST/PREFIX=NAME`, either part of the left side may be empty.
pub fn parse_route(text: &str) -> anyhow::Result<Route> {
    let (pattern, address) = text
        .split_once('=')
        .with_context(|| format!("{text:?} is not a route; write HOST/PREFIX=ADDR"))?;
    Ok(Route { pattern: pattern.parse()?, goals: vec![address.parse()?] })
}

/// Routes with the same pattern share it: each is a member of what the first one began.
pub fn join(routes: Vec<Route>) -> Vec<Route> {
    let mut joined: Vec<Route> = Vec::new();
    for route in routes {
        match joined.iter_mut().find(|other| other.pattern == route.pattern) {
            Some(other) => other.goals.extend(route.goals),
            None => joined.push(route),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read() {
        for (text, host, prefix) in [
            ("Example.com/chat=9000", Host::Exact("example.com".into()), "/chat"),
            ("example.com=9000", Host::Exact("example.com".into()), ""),
            ("*.example.com/a/b/=9000", Host::Below("example.com".into()), "/a/b"),
            ("[::1]/x=9000", Host::Exact("::1".into()), "/x"),
            ("[0:0::0:1]=9000", Host::Exact("::1".into()), ""),
            ("Example.com./x=9000", Host::Exact("example.com".into()), "/x"),
            ("*.example.com.=9000", Host::Below("example.com".into()), ""),
            ("/=9000", Host::Any, ""),
            ("=9000", Host::Any, ""),
            ("/a=unix:/run/a=b.sock", Host::Any, "/a"),
        ] {
            let route = parse_route(text).unwrap();
            assert_eq!(route.pattern, Pattern { host, prefix: prefix.into() }, "{text}");
            let printed = route.pattern.to_string();
            assert_eq!(printed.parse::<Pattern>().unwrap(), route.pattern, "{text}: {printed}");
        }
        for (text, part) in [
            ("9000", "HOST/PREFIX=ADDR"),
            ("/a?b=9000", "beginning of a path"),
            ("a b/=9000", "is not a host"),
            ("*./=9000", "is not a host"),
            ("*=9000", "is not a host"),
            (".=9000", "is not a host"),
            ("example.com..=9000", "is not a host"),
            ("*.*.example.com=9000", "is not a host"),
            ("example.com:8443/a=9000", "without a port"),
            ("[::1]:8443/a=9000", "without a port"),
            ("::1/a=9000", "is not a host"),
            ("[a]/a=9000", "is not a host"),
            ("a/b=no sense", "is not an address"),
        ] {
            let error = parse_route(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn routes_of_one_pattern_are_one() {
        let routes = ["/a=1", "/b=2", "/a/=3"].map(|text| parse_route(text).unwrap());
        let joined = join(routes.into());
        assert_eq!(joined.len(), 2);
        assert_eq!(joined[0].goals.len(), 2);
    }
}
