//! Who may ask for what.
//!
//! Open tunnels say who talks to whom, and may be ended: that is for this machine alone, unless it is
//! allowed otherwise. A browser on this machine may be made to ask in the name of a page from elsewhere,
//! by a request to us (it says its Origin) or to a name that its owner lets point here (DNS rebinding: it
//! is in Host); such requests get nothing but what probes and metrics say.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::{HOST, ORIGIN};

use crate::net::Stream;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Over a unix socket: its file says who may.
    Unix,
    /// From this machine.
    Loopback,
    /// From elsewhere.
    Remote,
}

impl Peer {
    pub(super) fn of(stream: &Stream, address: Option<SocketAddr>) -> Self {
        match (stream, address) {
            (Stream::Unix(_), _) => Self::Unix,
            (Stream::Tcp(_), Some(address)) if address.ip().is_loopback() => Self::Loopback,
            (Stream::Tcp(_), _) => Self::Remote,
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// What machines ask, by whatever name they know us.
    Probe,
    /// How the server is.
    Status,
    /// Who its clients are.
    Tunnels,
}

/// Decides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge {
    pub(super) allow_remote: bool,
}

impl Judge {
    /// Whether a request may have what it asks for, or why not.
    pub(super) fn admit(
        self,
        asked: Asked,
        peer: Peer,
        headers: &HeaderMap,
    ) -> Result<(), &'static str> {
        if asked == Asked::Probe || peer == Peer::Unix {
            return Ok(());
        }
        if asked == Asked::Tunnels && peer == Peer::Remote && !self.allow_remote {
            return Err("only from this machine, or with --admin-allow-remote");
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(HOST).unwrap_or_default();
        if !self.allow_remote && peer == Peer::Loopback && !is_own_name(host) {
            return Err("only by an IP address or localhost, or with --admin-allow-remote");
        }
        let is_foreign = |origin: &str| origin != format!("http://{host}");
        if headers.contains_key(ORIGIN) && text(ORIGIN).is_none_or(is_foreign) {
            return Err("not for other pages");
        }
        Ok(())
    }
}

/// Whether nobody else can let a name in a Host point here: it is none, or `localhost`.
fn is_own_name(host: &str) -> bool {
    if host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok() {
        return true;
    }
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse::<IpAddr>().is_ok();
    }
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    name.eq_ignore_ascii_case("localhost") && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn admit(asked: Asked, peer: Peer, host: &str, origin: &str, allow_remote: bool) -> bool {
        let mut headers = HeaderMap::new();
        if !host.is_empty() {
            headers.insert(HOST, HeaderValue::try_from(host).unwrap());
        }
        if !origin.is_empty() {
            headers.insert(ORIGIN, HeaderValue::try_from(origin).unwrap());
        }
        Judge { allow_remote }.admit(asked, peer, &headers).is_ok()
    }

    #[test]
    fn tunnels_are_for_this_machine() {
        for (peer, allow_remote, expected) in [
            (Peer::Unix, false, true),
            (Peer::Loopback, false, true),
            (Peer::Remote, false, false),
            (Peer::Remote, true, true),
        ] {
            assert_eq!(admit(Asked::Tunnels, peer, "127.0.0.1:9090", "", allow_remote), expected);
            assert!(admit(Asked::Status, peer, "127.0.0.1:9090", "", allow_remote));
            assert!(admit(Asked::Probe, peer, "", "", allow_remote));
        }
    }

    #[test]
    fn a_name_that_others_own_is_not_ours() {
        for (host, expected) in [
            ("127.0.0.1", true),
            ("127.0.0.1:9090", true),
            ("[::1]", true),
            ("[::1]:9090", true),
            ("localhost", true),
            ("LocalHost:9090", true),
            ("", false),
            ("evil.example", false),
            ("evil.example:9090", false),
            ("localhost.evil.example", false),
            ("localhost:9090.evil.example", false),
            ("127.0.0.1.evil.example", false),
        ] {
            for asked in [Asked::Status, Asked::Tunnels] {
                assert_eq!(admit(asked, Peer::Loopback, host, "", false), expected, "{host}");
                assert!(admit(asked, Peer::Loopback, host, "", true), "{host}");
                assert!(admit(asked, Peer::Unix, host, "", false), "{host}");
            }
            assert!(admit(Asked::Probe, Peer::Loopback, host, "", false), "{host}");
        }
        assert!(admit(Asked::Status, Peer::Remote, "wssgate.monitoring.svc:9090", "", false));
    }

    #[test]
    fn a_page_from_elsewhere_gets_nothing() {
        for (origin, expected) in [
            ("http://127.0.0.1:9090", true),
            ("https://127.0.0.1:9090", false),
            ("http://127.0.0.1:9091", false),
            ("https://evil.example", false),
            ("null", false),
        ] {
            for peer in [Peer::Loopback, Peer::Remote] {
                let got = admit(Asked::Tunnels, peer, "127.0.0.1:9090", origin, true);
                assert_eq!(got, expected, "{origin}");
            }
        }
    }
}
