//! The opening handshake of a WebSocket, RFC 6455: its key, and the accept value that answers it.

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
