//! The opening handshake of a WebSocket, RFC 6455: its key, the accept value that answers it, and the
//! request and the good-bye of a client.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

/// What the server appends to the key before it hashes (RFC 6455, 4.2.2).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes that a key encodes (RFC 6455, 4.1).
const KEY_BYTES: usize = 16;

/// Padding is needed, but the unused bits of the last digit may be anything: some clients make
/// their key of 22 random digits, and every server takes those.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A close frame without a body, masked with zeros (RFC 6455, 5.5.1): a good-bye.
pub const CLOSE: [u8; 6] = [0x88, 0x80, 0, 0, 0, 0];

/// A key for one request. It is no secret: it proves that the answer is to this very request.
pub fn new_key() -> String {
    let key: [u8; KEY_BYTES] = std::array::from_fn(|_| fastrand::u8(..));
    STANDARD.encode(key)
}

/// The head that asks for a WebSocket, with more header `lines`, each with its CRLF.
pub fn request(path: &str, host: &str, key: &str, lines: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: wssgate\r\nSec-WebSocket-Key: {key}\r\n\
         Sec-WebSocket-Version: 13\r\n{lines}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
}

/// Whether `key` is the base64 of 16 bytes.
pub fn is_key(key: &[u8]) -> bool {
    let mut bytes = [0; KEY_BYTES + 2];
    LENIENT.decode_slice(key, &mut bytes).is_ok_and(|length| length == KEY_BYTES)
}

/// The Sec-WebSocket-Accept that answers `key`: base64(SHA-1(key + GUID)).
pub fn accept(key: &[u8]) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(GUID);
    STANDARD.encode(context.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_is_that_of_the_rfc() {
        // RFC 6455, 1.3.
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_the_base64_of_sixteen_bytes() {
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(is_key(b"AAAAAAAAAAAAAAAAAAAAAB=="), "unused bits do not matter");
        let wrong: [&[u8]; 7] = [
            b"",
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZQ=",
            b"SGVsbG8sIHdvcmxkIQ==",
            b"dGhlIHNhbXBsZSBub25jZSEhISE=",
            b"dGhlIHNhbXBsZSBub25jZ_==",
            b" dGhlIHNhbXBsZSBub25jZQ==",
        ];
        for key in wrong {
            assert!(!is_key(key), "{:?}", key.escape_ascii());
        }
    }
}
