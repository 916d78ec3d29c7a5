//! Version 1: one line of text.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::str;

use super::{Header, NO_HEADER, Pair, Parsed, Refusal};

/// The longest line that the specification knows, CRLF included.
pub(super) const MAX_BYTES: usize = 107;

/// The length of the shortest line, and less than the fixed part of version 2.
pub(super) const MIN_BYTES: usize = UNKNOWN.len();

const PREFIX: &[u8] = b"PROXY ";
const UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";

const TOO_LONG: Refusal = Refusal("proxy line too long");
const LINE_END: Refusal = Refusal("bare line end in a proxy line");
const MALFORMED: Refusal = Refusal("malformed proxy line");
const FAMILY: Refusal = Refusal("unknown family in a proxy line");
const ADDRESS: Refusal = Refusal("malformed address in a proxy line");
const PORT: Refusal = Refusal("malformed port in a proxy line");

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Refusal> {
    let known = bytes.len().min(PREFIX.len());
    if bytes[..known] != PREFIX[..known] {
        return Err(NO_HEADER);
    }
    let line = &bytes[..bytes.len().min(MAX_BYTES)];
    let is_full = line.len() == MAX_BYTES;
    let Some(end) = memchr::memchr2(b'\r', b'\n', line) else {
        let missing = MIN_BYTES.saturating_sub(line.len()).max(b"\r\n".len());
        return if is_full { Err(TOO_LONG) } else { Ok(Parsed::Incomplete { missing }) };
    };
    match (line[end], line.get(end + 1)) {
        (b'\r', Some(b'\n')) => {
            let header = parse_line(&line[PREFIX.len()..end])?;
            Ok(Parsed::Complete { header, length: end + 2 })
        }
        (b'\r', None) if is_full => Err(TOO_LONG),
        (b'\r', None) => Ok(Parsed::Incomplete { missing: 1 }),
        _ => Err(LINE_END),
    }
}

/// What stands between the prefix and the line's end.
fn parse_line(line: &[u8]) -> Result<Header, Refusal> {
    // What else stands in such a line must be ignored.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(Header::Local);
    }
    let mut fields = str::from_utf8(line).map_err(|_| MALFORMED)?.split(' ');
    let parse_ip = match fields.next() {
        Some("TCP4") => |text: &str| text.parse::<Ipv4Addr>().map(IpAddr::V4),
        // The last 32 bits may stand as IPv4: haproxy writes mapped addresses so.
        Some("TCP6") => |text: &str| text.parse::<Ipv6Addr>().map(IpAddr::V6),
        _ => return Err(FAMILY),
    };
    let mut field = || fields.next().ok_or(MALFORMED);
    let (source, destination) = (field()?, field()?);
    let (source_port, destination_port) = (field()?, field()?);
    if fields.next().is_some() {
        return Err(MALFORMED);
    }
    let source = parse_ip(source).map_err(|_| ADDRESS)?;
    let destination = parse_ip(destination).map_err(|_| ADDRESS)?;
    let ports = (parse_port(source_port)?, parse_port(destination_port)?);
    Ok(Header::proxied((source, ports.0), (destination, ports.1)))
}

/// Digits alone (`parse` would take a plus), and no leading zero.
fn parse_port(text: &str) -> Result<u16, Refusal> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_decimal || (text.len() > 1 && text.starts_with('0')) {
        return Err(PORT);
    }
    text.parse().map_err(|_| PORT)
}

pub(super) fn write(pair: Option<Pair>, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = match pair {
        None => out.write_all(UNKNOWN),
        Some(Pair::V4(source, destination)) => write!(
            out,
            "PROXY TCP4 {} {} {} {}\r\n",
            source.ip(),
            destination.ip(),
            source.port(),
            destination.port()
        ),
        Some(Pair::V6(source, destination)) => write!(
            out,
            "PROXY TCP6 {} {} {} {}\r\n",
            hex(source),
            hex(destination),
            source.port(),
            destination.port()
        ),
    };
}

/// In groups of hex digits only, as the specification has it, where std writes `::ffff:192.0.2.1`.
fn hex(end: SocketAddrV6) -> String {
    match end.ip().segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => format!("::ffff:{high:x}:{low:x}"),
        _ => end.ip().to_string(),
    }
}
