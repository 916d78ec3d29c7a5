//! HAProxy's PROXY protocol, versions 1 and 2: who is at the other end of a relayed connection, as bytes
//! in front of all others (haproxy's doc/proxy-protocol.txt).
//!
//! Headers are judged strictly and never repaired: whoever may send one names the address that limits,
//! logs and upstreams believe. Whether a peer may is for others to decide.

mod tlv;
mod v1;
mod v2;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes that a header may have at most; only TLVs of version 2 could make one longer.
pub const MAX_BYTES: usize = 4096;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Nothing: the connection's own addresses count. The sender speaks for itself (LOCAL), or for a
    /// client that has no address (UNKNOWN, UNSPEC, unix sockets). It is no word for that client.
    Local,
    /// It was relayed between these two. IPv4 is IPv4, also when it came mapped into IPv6.
    Proxied {
        /// The client.
        source: SocketAddr,
        /// What the client connected to.
        destination: SocketAddr,
    },
}

impl Header {
    fn proxied(source: (impl Into<IpAddr>, u16), destination: (impl Into<IpAddr>, u16)) -> Self {
        let source = SocketAddr::new(source.0.into().to_canonical(), source.1);
        let destination = SocketAddr::new(destination.0.into().to_canonical(), destination.1);
        Self::Proxied { source, destination }
    }
}

/// What bytes are that may be, or begin, a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header.
    Incomplete {
        /// Every header that begins so has at least as many bytes more; never zero.
        missing: usize,
    },
    /// A header, and maybe bytes behind it.
    Complete {
        /// What it says.
        header: Header,
        /// The bytes that it takes.
        length: usize,
    },
}

/// Why bytes are no header, in constant lower-case words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(&'static str);

impl Refusal {
    /// The words; safe to log.
    pub fn reason(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refusal {}

const NO_HEADER: Refusal = Refusal("no proxy header");

/// Judges what has arrived so far. The verdict on a header does not depend on how it was cut.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Refusal> {
    match bytes.first() {
        None => Ok(Parsed::Incomplete { missing: v1::MIN_BYTES }),
        Some(b'P') => v1::parse(bytes),
        Some(_) => v2::parse(bytes),
    }
}

/// Why no header could be read.
#[derive(Debug)]
pub enum Error {
    /// The peer went away before the first byte, be it with a reset.
    Empty,
    /// The peer ended its side in the middle of the header.
    Truncated,
    /// What came is no header.
    Refused(Refusal),
    /// The stream failed.
    Io(io::Error),
}

/// Reads one header and not a byte more, so that the stream goes on as if there had been none.
///
/// A line of version 1 says its length at its end only and is read by two bytes at a time. Not
/// cancel safe: what was read is lost. The caller sets the time limit.
pub async fn read<S>(stream: &mut S) -> Result<Header, Error>
where
    S: AsyncRead + Unpin,
{
    let mut bytes = Vec::with_capacity(v1::MAX_BYTES);
    loop {
        let missing = match parse(&bytes).map_err(Error::Refused)? {
            Parsed::Complete { header, .. } => return Ok(header),
            Parsed::Incomplete { missing } => missing,
        };
        let mut limited = (&mut *stream).take(missing as u64);
        match limited.read_buf(&mut bytes).await {
            Ok(0) if bytes.is_empty() => return Err(Error::Empty),
            Ok(0) => return Err(Error::Truncated),
            Ok(_) => {}
            Err(_) if bytes.is_empty() => return Err(Error::Empty),
            Err(error) => return Err(Error::Io(error)),
        }
    }
}

/// The two forms of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line of text: addresses and nothing else.
    V1,
    /// Binary, with what is known of TLS.
    V2,
}

/// What a header is to tell of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told<'a> {
    /// The client's address; none when it came over a unix socket.
    pub source: Option<SocketAddr>,
    /// The address that it connected to.
    pub destination: Option<SocketAddr>,
    /// Its TLS session.
    pub tls: Option<Tls<'a>>,
    /// The protocol chosen by ALPN.
    pub alpn: Option<&'a [u8]>,
    /// The name that it asked for by SNI.
    pub authority: Option<&'a str>,
}

/// What is told of a TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tls<'a> {
    /// As OpenSSL spells it: `TLSv1.3`.
    pub version: &'a str,
    /// As OpenSSL spells it: `ECDHE-RSA-AES128-GCM-SHA256`, `TLS_AES_256_GCM_SHA384`.
    pub cipher: &'a str,
    /// The client's certificate, if it showed one. One that was not verified must not get here.
    pub client_cert: Option<ClientCert<'a>>,
}

/// What is told of a verified client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientCert<'a> {
    /// Whether it was shown on an earlier connection, whose session this one resumed.
    pub resumed: bool,
    /// The subject's common name.
    pub common_name: Option<&'a str>,
}

/// Appends a header to `out`; it goes out before all else, and at once, in one write.
///
/// Unless both addresses are known it is UNKNOWN or, as haproxy's own and unlike UNSPEC taken by
/// haproxy, LOCAL; neither tells anything. When only one of the two is IPv6 the other goes mapped.
pub fn write(version: Version, told: &Told<'_>, out: &mut Vec<u8>) {
    match version {
        Version::V1 => v1::write(told.pair(), out),
        Version::V2 => v2::write(told, out),
    }
}

/// Both ends of a connection in the one family that a header has for both.
#[derive(Clone, Copy, Debug)]
enum Pair {
    V4(SocketAddrV4, SocketAddrV4),
    V6(SocketAddrV6, SocketAddrV6),
}

impl Told<'_> {
    fn pair(&self) -> Option<Pair> {
        let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        let pair = match (canonical(self.source?), canonical(self.destination?)) {
            (SocketAddr::V4(source), SocketAddr::V4(destination)) => Pair::V4(source, destination),
            (source, destination) => Pair::V6(mapped(source), mapped(destination)),
        };
        Some(pair)
    }
}

fn mapped(end: SocketAddr) -> SocketAddrV6 {
    match end {
        SocketAddr::V4(end) => SocketAddrV6::new(end.ip().to_ipv6_mapped(), end.port(), 0, 0),
        SocketAddr::V6(end) => end,
    }
}
