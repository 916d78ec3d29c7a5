//! The one grammar of addresses: parsed, checked for its use, printed back.
//!
//! `8443`, `:8443`, `127.0.0.1:8443`, `[::1]:8443`, `name:8443`, `unix:/run/app.sock`, and where it is
//! listened on `unix:/run/app.sock?mode=0660` and `fd:NAME`. An upstream may be a URL: `ws://name:9000`, and
//! `wss://name:9000` for TLS. Names are not resolved here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A port of every address, IPv6 and IPv4.
    Port(u16),
    /// An address of this machine. `[::]` takes IPv4 as well, as a bare port does.
    Ip(SocketAddr),
    /// Every address that the name has.
    Name(String, u16),
    /// A unix socket, and the permissions of its file.
    Unix(PathBuf, Option<u32>),
    /// A socket handed over by systemd under this name (sd_listen_fds(3)).
    Fd(String),
}

/// Where an application listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Whether it speaks TLS.
    pub is_tls: bool,
    /// On which socket.
    pub place: Place,
}

/// A socket of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// An address.
    Ip(SocketAddr),
    /// A name, resolved when it is connected to.
    Name(String, u16),
    /// A unix socket.
    Unix(PathBuf),
}

/// An address that is not one, and what it should look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl FromStr for Listen {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(name) = text.strip_prefix("fd:") {
            return match name {
                "" => Err(Error("fd: wants a name, as in fd:https".into())),
                name => Ok(Self::Fd(name.to_owned())),
            };
        }
        if let Some(rest) = text.strip_prefix("unix:") {
            let (path, mode) = match rest.split_once("?mode=") {
                Some((path, mode)) => (path, Some(parse_mode(mode)?)),
                None => (rest, None),
            };
            return Ok(Self::Unix(parse_path(path)?, mode));
        }
        if text.contains("://") {
            return Err(Error("listen on an address, not a URL, as in 127.0.0.1:8443".into()));
        }
        let (host, port) = parse_host_port(text)?;
        Ok(match host {
            Host::Any => Self::Port(port),
            Host::Ip(ip) => Self::Ip(SocketAddr::new(ip, port)),
            Host::Name(name) => Self::Name(name, port),
        })
    }
}

impl Listen {
    /// Whether both stand for the same socket. The permissions of a file can be changed.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix(one, _), Self::Unix(other, _)) => one == other,
            // `8443` and `[::]:8443` are written alike.
            _ => self.to_string() == other.to_string(),
        }
    }
}

impl FromStr for Upstream {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Place::Unix(parse_path(path)?).into());
        }
        if text.starts_with("fd:") {
            return Err(Error("fd: names a socket to listen on, not an upstream".into()));
        }
        let (is_tls, (host, port)) = match text.split_once("://") {
            Some((scheme, rest)) => {
                let (is_tls, address) = parse_url(scheme, rest)?;
                (is_tls, parse_host_port(&address)?)
            }
            None => (false, parse_host_port(text)?),
        };
        let place = match host {
            Host::Any => Place::Name("localhost".into(), port),
            Host::Ip(ip) => Place::Ip(SocketAddr::new(ip, port)),
            Host::Name(name) => Place::Name(name, port),
        };
        Ok(Self { is_tls, place })
    }
}

impl From<Place> for Upstream {
    /// One that speaks no TLS.
    fn from(place: Place) -> Self {
        Self { is_tls: false, place }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "[::]:{port}"),
            Self::Ip(address) => write!(f, "{address}"),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
            Self::Unix(path, None) => write!(f, "unix:{}", path.display()),
            Self::Unix(path, Some(mode)) => write!(f, "unix:{}?mode={mode:04o}", path.display()),
            Self::Fd(name) => write!(f, "fd:{name}"),
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without a scheme it would be the name of a socket.
        let is_like_a_socket = matches!(&self.place, Place::Name(name, _) if name == "fd");
        match self.is_tls {
            true => f.write_str("wss://")?,
            false if is_like_a_socket => f.write_str("ws://")?,
            false => {}
        }
        self.place.fmt(f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

enum Host {
    Any,
    Ip(IpAddr),
    Name(String),
}

/// Whether a URL asks for TLS, and its address. Paths are refused: wssgate sends each request's own path on.
fn parse_url(scheme: &str, rest: &str) -> Result<(bool, String), Error> {
    let (is_tls, port) = match scheme {
        "ws" | "http" => (false, 80),
        "wss" | "https" => (true, 443),
        _ => {
            let known = "use ws:// or http://, wss:// or https:// for TLS";
            return Err(Error(format!("unknown scheme {scheme}://; {known}")));
        }
    };
    let address = rest.strip_suffix('/').unwrap_or(rest);
    // Nor is a host of this name: its port would stand for the path.
    if address == "unix" || address.starts_with("unix:") {
        return Err(Error("a unix socket is not part of a URL; write unix:/PATH".into()));
    }
    if address.contains(['/', '?', '#']) {
        return Err(Error(
            "an upstream has no path or query: each request keeps its own; leave it out".into(),
        ));
    }
    if address.contains('@') {
        return Err(Error("an upstream has no user or password; leave it out".into()));
    }
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let address = if has_port { address.to_owned() } else { format!("{address}:{port}") };
    Ok((is_tls, address))
}

fn parse_host_port(text: &str) -> Result<(Host, u16), Error> {
    let shape = || {
        Error(format!(
            "{text:?} is not an address; write PORT, HOST:PORT, [IPV6]:PORT or unix:/PATH"
        ))
    };
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        return Ok((Host::Any, parse_port(text)?));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(shape)?;
    let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(Some(ip)) => Host::Ip(IpAddr::V6(ip.parse().map_err(|_| shape())?)),
        Some(None) => return Err(shape()),
        None if host.is_empty() => Host::Any,
        None if host.contains(':') => {
            return Err(Error(format!("an IPv6 address stands in brackets: [{host}]:{port}")));
        }
        None => match host.parse() {
            Ok(ip) => Host::Ip(ip),
            Err(_) if is_name(host) => Host::Name(host.to_owned()),
            Err(_) => return Err(shape()),
        },
    };
    Ok((host, parse_port(port)?))
}

fn parse_port(text: &str) -> Result<u16, Error> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| Error(format!("{text:?} is not a port; a port is a number up to 65535")))
}

/// Letters, digits, dashes, dots and, as container networks have them, underscores; not all digits
/// and dots, which would be a mistyped address.
fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    text.bytes().all(known) && text.bytes().any(|byte| !byte.is_ascii_digit() && byte != b'.')
}

fn parse_path(text: &str) -> Result<PathBuf, Error> {
    if text.is_empty() {
        return Err(Error("unix: wants a path, as in unix:/run/app.sock".into()));
    }
    Ok(PathBuf::from(text))
}

fn parse_mode(text: &str) -> Result<u32, Error> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| Error(format!("{text:?} is not a file mode; write it in octal, as in 0660")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood_and_printed() {
        for (text, printed) in [
            ("8443", "[::]:8443"),
            (":8443", "[::]:8443"),
            ("0", "[::]:0"),
            ("127.0.0.1:8443", "127.0.0.1:8443"),
            ("[::1]:8443", "[::1]:8443"),
            ("example.com:8443", "example.com:8443"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("unix:/run/app.sock?mode=0660", "unix:/run/app.sock?mode=0660"),
            ("unix:relative.sock?mode=600", "unix:relative.sock?mode=0600"),
            ("fd:https", "fd:https"),
        ] {
            assert_eq!(text.parse::<Listen>().map(|addr| addr.to_string()), Ok(printed.to_owned()));
        }
        for (text, printed) in [
            ("9000", "localhost:9000"),
            (":9000", "localhost:9000"),
            ("10.0.0.1:9000", "10.0.0.1:9000"),
            ("[fd00::1]:9000", "[fd00::1]:9000"),
            ("my_app:9000", "my_app:9000"),
            ("ws://app:9000", "app:9000"),
            ("ws://app", "app:80"),
            ("http://[::1]", "[::1]:80"),
            ("http://[::1]:81/", "[::1]:81"),
            ("wss://app:9000", "wss://app:9000"),
            ("wss://app", "wss://app:443"),
            ("https://10.0.0.1/", "wss://10.0.0.1:443"),
            ("https://[::1]", "wss://[::1]:443"),
            ("wss://:9000", "wss://localhost:9000"),
            ("ws://fd:9000", "ws://fd:9000"),
            ("wss://fd", "wss://fd:443"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
        ] {
            let read = text.parse::<Upstream>();
            assert_eq!(read.as_ref().map(Upstream::to_string), Ok(printed.to_owned()));
            assert_eq!(printed.parse(), read, "printed as what it is not");
        }
    }

    #[test]
    fn places_are_the_same_however_they_are_written() {
        for (one, other, is_same) in [
            ("8443", "[::]:8443", true),
            ("8443", "0.0.0.0:8443", false),
            ("unix:/a?mode=0600", "unix:/a", true),
            ("unix:/a", "unix:/b", false),
            ("fd:a", "fd:a", true),
        ] {
            let [one, other] = [one, other].map(|text| text.parse::<Listen>().unwrap());
            assert_eq!(one.is_same_place(&other), is_same, "{one} {other}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("", "is not an address"),
            ("localhost", "is not an address"),
            ("::1:8443", "[::1]:8443"),
            ("[::1:8443", "is not an address"),
            ("127.0.0.1:70000", "up to 65535"),
            ("127.0.0.1:+1", "is not a port"),
            ("70000", "up to 65535"),
            ("1.2.3:80", "is not an address"),
            ("a b:80", "is not an address"),
            ("unix:", "wants a path"),
            ("unix:/a?mode=9", "octal"),
            ("unix:/a?mode=1777", "octal"),
            ("fd:", "wants a name"),
            ("https://:8443", "not a URL"),
        ] {
            let error = text.parse::<Listen>().map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        for (text, part) in [
            ("ws://app:9000/chat", "no path"),
            ("ws://app:9000?x=1", "no path"),
            ("ws://me:secret@app:9000", "no user"),
            ("wss://app/chat", "no path"),
            ("wss://unix:/run/app.sock", "unix socket"),
            ("ws://unix", "unix socket"),
            ("wss://app:70000", "up to 65535"),
            ("ftp://app", "unknown scheme"),
            ("fd:app", "not an upstream"),
        ] {
            let error = text.parse::<Upstream>().map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
