//! What version 2 says besides addresses: type, length, value. Of what comes in only the checksum is
//! looked at.

use crc::{CRC_32_ISCSI, Crc};

use super::{Refusal, Tls, Told};

const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_COMMON_NAME: u8 = 0x22;
const SSL_CIPHER: u8 = 0x23;

/// Bits of the first byte of `SSL`.
const CLIENT_SSL: u8 = 0x01;
const CLIENT_CERT_CONN: u8 = 0x02;
const CLIENT_CERT_SESS: u8 = 0x04;

/// Longer values are not told: a common name has 64 characters (X.520), a host name 253, and the whole
/// stays within one segment of TCP. Cut off they would be other names.
const MAX_VALUE_BYTES: usize = 256;

const MALFORMED: Refusal = Refusal("malformed tlv in a proxy header");
const CHECKSUM: Refusal = Refusal("wrong checksum of a proxy header");

/// CRC32c is iSCSI's.
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Judges the TLVs of a whole `header`, the first of which begins `at`.
pub(super) fn judge(header: &[u8], mut at: usize) -> Result<(), Refusal> {
    let mut has_checksum = false;
    while at < header.len() {
        let Some(&[kind, high, low]) = header[at..].first_chunk() else {
            return Err(MALFORMED);
        };
        let start = at + 3;
        at = start + usize::from(u16::from_be_bytes([high, low]));
        if at > header.len() {
            return Err(MALFORMED);
        }
        if kind == CRC32C {
            // Two cannot both be right; and many would be work.
            if has_checksum {
                return Err(MALFORMED);
            }
            has_checksum = true;
            verify(header, start, at)?;
        }
    }
    Ok(())
}

/// The checksum at `start..end` is of the whole header with zeros in its own place.
fn verify(header: &[u8], start: usize, end: usize) -> Result<(), Refusal> {
    let told: [u8; 4] = header[start..end].try_into().map_err(|_| MALFORMED)?;
    let mut digest = CRC.digest();
    digest.update(&header[..start]);
    digest.update(&[0; 4]);
    digest.update(&header[end..]);
    if digest.finalize() == u32::from_be_bytes(told) { Ok(()) } else { Err(CHECKSUM) }
}

pub(super) fn write(told: &Told<'_>, out: &mut Vec<u8>) {
    if let Some(alpn) = told.alpn {
        write_value(ALPN, alpn, out);
    }
    if let Some(authority) = told.authority {
        write_text(AUTHORITY, authority, out);
    }
    if let Some(tls) = &told.tls {
        out.push(SSL);
        write_counted(out, |out| write_tls(tls, out));
    }
}

fn write_tls(tls: &Tls<'_>, out: &mut Vec<u8>) {
    // Zero is a certificate that was verified, anything else is none.
    let (client, verify) = match tls.client_cert {
        Some(cert) if cert.resumed => (CLIENT_SSL | CLIENT_CERT_SESS, 0),
        Some(_) => (CLIENT_SSL | CLIENT_CERT_SESS | CLIENT_CERT_CONN, 0),
        None => (CLIENT_SSL, 1_u32),
    };
    out.push(client);
    out.extend(verify.to_be_bytes());
    write_text(SSL_VERSION, tls.version, out);
    if let Some(name) = tls.client_cert.and_then(|cert| cert.common_name) {
        write_text(SSL_COMMON_NAME, name, out);
    }
    write_text(SSL_CIPHER, tls.cipher, out);
}

/// Text with a control character is not told either: a NUL ends it in some languages, a line feed in logs.
fn write_text(kind: u8, text: &str, out: &mut Vec<u8>) {
    if !text.contains(char::is_control) {
        write_value(kind, text.as_bytes(), out);
    }
}

fn write_value(kind: u8, value: &[u8], out: &mut Vec<u8>) {
    if value.len() <= MAX_VALUE_BYTES {
        out.push(kind);
        write_counted(out, |out| out.extend_from_slice(value));
    }
}

/// Puts the length of what `write` writes before it.
pub(super) fn write_counted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 2]);
    write(out);
    // Six values of a bounded length, and addresses: it fits.
    let length = (out.len() - start - 2) as u16;
    out[start..start + 2].copy_from_slice(&length.to_be_bytes());
}
