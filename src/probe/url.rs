//! What is probed: a URL of a WebSocket over TLS (RFC 6455, 3).

use anyhow::{Context as _, bail, ensure};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::addr::{Place, Upstream};

/// A `wss://` URL in its parts, all of them printable ASCII.
#[derive(Clone, Debug)]
pub struct Url {
    /// As it was written.
    pub text: String,
    /// Where it leads.
    pub place: Place,
    /// Whom the certificate must be for.
    pub name: ServerName<'static>,
    /// What Host says: the port is left out where it is 443.
    pub host: String,
    /// Path and query; `/` where the URL has none.
    pub target: String,
}

/// Reads a URL.
pub fn parse_url(text: &str) -> anyhow::Result<Url> {
    let shape = "write wss://HOST[:PORT]/PATH";
    let (scheme, rest) = text.split_once("://").context(shape)?;
    match scheme.to_ascii_lowercase().as_str() {
        "wss" => {}
        "ws" => bail!("probe is for wss:// alone; nothing of ws:// is encrypted"),
        _ => bail!("unknown scheme {scheme}://; {shape}"),
    }
    ensure!(
        rest.bytes().all(|byte| matches!(byte, b'!'..=b'~')),
        "a URL is printable ASCII without spaces; write what else there is in percent-encoding"
    );
    ensure!(!rest.contains('#'), "the URL of a WebSocket has no fragment; leave out #");
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    ensure!(!authority.is_empty() && !authority.starts_with(':'), "no host; {shape}");
    let place = format!("wss://{authority}").parse::<Upstream>()?.place;
    let (host, port) = match &place {
        Place::Ip(address) => (address.ip().to_string(), address.port()),
        Place::Name(name, port) => (name.clone(), *port),
        Place::Unix(_) => bail!(shape),
    };
    let name = ServerName::try_from(host.clone())
        .with_context(|| format!("no certificate can be for {host}"))?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    Ok(Url {
        text: text.to_owned(),
        place,
        name,
        host: if port == 443 { host } else { format!("{host}:{port}") },
        target: if target.starts_with('/') { target.to_owned() } else { format!("/{target}") },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (text, place, host, target) in [
            ("wss://example.com", "example.com:443", "example.com", "/"),
            ("WSS://example.com:443/", "example.com:443", "example.com", "/"),
            ("wss://example.com:8443/a?b=/c", "example.com:8443", "example.com:8443", "/a?b=/c"),
            ("wss://example.com?b", "example.com:443", "example.com", "/?b"),
            ("wss://127.0.0.1:8443//", "127.0.0.1:8443", "127.0.0.1:8443", "//"),
            ("wss://[::1]/x", "[::1]:443", "[::1]", "/x"),
        ] {
            let url = parse_url(text).unwrap();
            assert_eq!((&*url.place.to_string(), &*url.host, &*url.target), (place, host, target));
        }
    }

    #[test]
    fn what_is_no_such_url_is_said() {
        for (text, part) in [
            ("ws://example.com/", "probe is for wss://"),
            ("https://example.com/", "unknown scheme https://"),
            ("example.com", "write wss://"),
            ("wss://", "no host"),
            ("wss:///chat", "no host"),
            ("wss://:8443/", "no host"),
            ("wss://me:secret@example.com/", "no user or password"),
            ("wss://example.com/#top", "no fragment"),
            ("wss://example.com/a b", "percent-encoding"),
            ("wss://example.com/\r\nx: y", "percent-encoding"),
            ("wss://b\u{fc}cher.example/", "percent-encoding"),
            ("wss://example.com:70000/", "up to 65535"),
            ("wss://unix:/run/wss.sock", "not part of a URL"),
            ("wss://a..b/", "no certificate can be for a..b"),
        ] {
            let error = format!("{:#}", parse_url(text).unwrap_err());
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
