//! Version 2: sixteen bytes that say how many follow, addresses, TLVs.

use std::net::IpAddr;

use super::{Header, MAX_BYTES, NO_HEADER, Pair, Parsed, Refusal, Told, tlv};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The signature, version and command, family and transport, the length of what follows.
const FIXED_BYTES: usize = 16;

/// Two paths, as long as they are in a `sockaddr_un`.
const UNIX_BYTES: usize = 2 * 108;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const UNSPEC: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX: u8 = 0x31;

const VERSION: Refusal = Refusal("unknown version of a proxy header");
const COMMAND: Refusal = Refusal("unknown command in a proxy header");
const FAMILY: Refusal = Refusal("unknown family or transport in a proxy header");
const TOO_LONG: Refusal = Refusal("proxy header too long");
const TOO_SHORT: Refusal = Refusal("proxy header too short for its addresses");

/// What stands behind the fixed part.
#[derive(Clone, Copy, Debug)]
enum Block {
    /// What must or may be ignored, whatever it is.
    Ignored,
    V4,
    V6,
    Unix,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Refusal> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes[..known] != SIGNATURE[..known] {
        return Err(NO_HEADER);
    }
    let Some(fixed) = bytes.first_chunk::<FIXED_BYTES>() else {
        return Ok(Parsed::Incomplete { missing: FIXED_BYTES - bytes.len() });
    };
    let [.., command, family, high, low] = *fixed;
    let block = judge(command, family)?;
    let length = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_BYTES {
        return Err(TOO_LONG);
    }
    let Some(whole) = bytes.get(..length) else {
        return Ok(Parsed::Incomplete { missing: length - bytes.len() });
    };
    let header = parse_block(block, whole)?;
    Ok(Parsed::Complete { header, length })
}

fn judge(command: u8, family: u8) -> Result<Block, Refusal> {
    match (command, family) {
        // The family is ignored as all the rest is.
        (LOCAL, _) | (PROXY, UNSPEC) => Ok(Block::Ignored),
        (PROXY, TCP4) => Ok(Block::V4),
        (PROXY, TCP6) => Ok(Block::V6),
        (PROXY, UNIX) => Ok(Block::Unix),
        (PROXY, _) => Err(FAMILY),
        _ if command >> 4 == LOCAL >> 4 => Err(COMMAND),
        _ => Err(VERSION),
    }
}

fn parse_block(block: Block, whole: &[u8]) -> Result<Header, Refusal> {
    let bytes = &whole[FIXED_BYTES..];
    let (header, tlvs) = match block {
        Block::Ignored => return Ok(Header::Local),
        Block::V4 => addresses::<4>(bytes),
        Block::V6 => addresses::<16>(bytes),
        Block::Unix => bytes.get(UNIX_BYTES..).map(|rest| (Header::Local, rest)),
    }
    .ok_or(TOO_SHORT)?;
    tlv::judge(whole, whole.len() - tlvs.len())?;
    Ok(header)
}

/// Addresses of `N` bytes with their ports, and what stands behind.
fn addresses<const N: usize>(block: &[u8]) -> Option<(Header, &[u8])>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = block.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk()?;
    let (destination_port, rest) = rest.split_first_chunk()?;
    let source = (*source, u16::from_be_bytes(*source_port));
    let destination = (*destination, u16::from_be_bytes(*destination_port));
    Some((Header::proxied(source, destination), rest))
}

pub(super) fn write(told: &Told<'_>, out: &mut Vec<u8>) {
    out.extend(SIGNATURE);
    let Some(pair) = told.pair() else {
        out.extend([LOCAL, UNSPEC, 0, 0]);
        return;
    };
    out.extend([PROXY, if matches!(pair, Pair::V4(..)) { TCP4 } else { TCP6 }]);
    tlv::write_counted(out, |out| {
        let (source_port, destination_port) = match pair {
            Pair::V4(source, destination) => {
                out.extend(source.ip().octets());
                out.extend(destination.ip().octets());
                (source.port(), destination.port())
            }
            Pair::V6(source, destination) => {
                out.extend(source.ip().octets());
                out.extend(destination.ip().octets());
                (source.port(), destination.port())
            }
        };
        out.extend(source_port.to_be_bytes());
        out.extend(destination_port.to_be_bytes());
        tlv::write(told, out);
    });
}
