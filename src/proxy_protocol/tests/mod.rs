//! What haproxy sends, and streams that bring it. Tables of bytes and their verdicts are in the folder.

mod random;
mod told;
mod v1;
mod v2;

use tokio::io::AsyncReadExt as _;

use super::{Error, Header, Parsed, Refusal, parse, read};

/// The verdict on whole bytes, which must be that on the same bytes as they arrive one by one.
fn verdict(bytes: &[u8]) -> String {
    let whole = show(parse(bytes));
    let grown = (0..=bytes.len()).map(|end| parse(&bytes[..end]));
    let first = grown.clone().find(|slow| !matches!(slow, Ok(Parsed::Incomplete { .. })));
    let slow = first.map_or_else(|| "incomplete".to_owned(), show);
    assert_eq!(whole, slow, "a byte at a time, {}", bytes.escape_ascii());
    whole
}

fn show(parsed: Result<Parsed, Refusal>) -> String {
    match parsed {
        Err(refusal) => refusal.to_string(),
        Ok(Parsed::Incomplete { missing }) => {
            assert!(missing > 0);
            "incomplete".to_owned()
        }
        Ok(Parsed::Complete { header: Header::Local, length }) => format!("local, {length}"),
        Ok(Parsed::Complete { header: Header::Proxied { source, destination }, length }) => {
            format!("{source} to {destination}, {length}")
        }
    }
}

/// Sent by haproxy 2.6.12, a `listen` section each in TCP mode towards a socket that wrote down what came:
/// `server s ADDR send-proxy`, `send-proxy-v2`, and `send-proxy-v2 proxy-v2-options` with `crc32c,unique-id`
/// or (`bind ... ssl ... verify optional`, a client with a certificate) `ssl,cert-cn,ssl-cipher,cert-sig,
/// cert-key,authority,crc32c`. Clients came over IPv4, IPv6, a unix socket, and IPv4 to `bind :::PORT v4v6`.
#[rustfmt::skip]
const OF_HAPROXY: [(&[u8], &str); 12] = [
    (b"PROXY TCP4 127.0.0.1 127.0.0.1 51022 27411\r\n", "127.0.0.1:51022 to 127.0.0.1:27411, 44"),
    (b"PROXY TCP6 ::1 ::1 43368 27411\r\n", "[::1]:43368 to [::1]:27411, 32"),
    (b"PROXY TCP6 ::ffff:127.0.0.1 ::ffff:127.0.0.1 48490 27417\r\n", "127.0.0.1:48490 to 127.0.0.1:27417, 58"),
    (b"PROXY UNKNOWN\r\n", "local, 15"),
    (b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x95\xb4k\x14", "127.0.0.1:38324 to 127.0.0.1:27412, 28"),
    (b"\r\n\r\n\x00\r\nQUIT\n!!\x00$\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xd8\xb2k\x14", "[::1]:55474 to [::1]:27412, 52"),
    (b"\r\n\r\n\x00\r\nQUIT\n!!\x00$\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x7f\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x7f\x00\x00\x01\x9e\xeak\x1a", "127.0.0.1:40682 to 127.0.0.1:27418, 52"),
    (b"\r\n\r\n\x00\r\nQUIT\n \x00\x00\x00", "local, 16"),
    (b"\r\n\r\n\x00\r\nQUIT\n \x00\x00\n\x03\x00\x04\x82ct\xb8\x05\x00\x00", "local, 26"),
    (b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00#\x7f\x00\x00\x01\x7f\x00\x00\x01\xc6\x86k\x15\x03\x00\x04\xa2\xf9\xc2\x15\x05\x00\r7F000001-C686", "127.0.0.1:50822 to 127.0.0.1:27413, 51"),
    (b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00r\x7f\x00\x00\x01\x7f\x00\x00\x01\xbc\x98k\x16\x03\x00\x04\xa8C\xfb\xfd\x01\x00\x08http/1.1\x02\x00\x0fapp.example.com \x00?\x01\x00\x00\x00\x00!\x00\x07TLSv1.3%\x00\x07RSA2048$\x00\nRSA-SHA256#\x00\x16TLS_AES_256_GCM_SHA384", "127.0.0.1:48280 to 127.0.0.1:27414, 130"),
    (b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00z\x7f\x00\x00\x01\x7f\x00\x00\x01\xbc\xa2k\x16\x03\x00\x04\x92w\x9f\xdc\x01\x00\x08http/1.1\x02\x00\x0fapp.example.com \x00G\x07\x00\x00\x00\x00!\x00\x07TLSv1.3\"\x00\x05alice%\x00\x07RSA2048$\x00\nRSA-SHA256#\x00\x16TLS_AES_256_GCM_SHA384", "127.0.0.1:48290 to 127.0.0.1:27414, 138"),
];

#[test]
fn what_haproxy_sends_is_taken() {
    for (bytes, expected) in OF_HAPROXY {
        assert_eq!(verdict(bytes), expected, "{}", bytes.escape_ascii());
    }
}

/// What `read` says of a stream that brings `bytes` in pieces, and what it leaves.
async fn read_from(bytes: &[u8], piece: usize) -> (Result<Header, Error>, Vec<u8>) {
    let (mut near, far) = tokio::io::duplex(piece);
    let bytes = bytes.to_vec();
    let sending = async move {
        let mut far = far;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut far, &bytes).await;
    };
    let reading = async move {
        let header = read(&mut near).await;
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        (header, rest)
    };
    tokio::join!(sending, reading).1
}

#[tokio::test]
async fn not_a_byte_behind_a_header_is_taken() {
    for (bytes, expected) in OF_HAPROXY {
        for piece in [1, 2, 3, 15, 16, 17, 4096] {
            for behind in [&b""[..], b"G", b"\n", b"\r\n\r\n", b"\x16\x03\x01 and so on", bytes] {
                let (header, rest) = read_from(&[bytes, behind].concat(), piece).await;
                let header = header.unwrap();
                let length = bytes.len();
                assert_eq!(show(Ok(Parsed::Complete { header, length })), expected);
                assert_eq!(rest, behind, "{expected}, {piece}");
            }
        }
    }
}

#[tokio::test]
async fn an_end_before_the_headers_is_an_error() {
    assert!(matches!(read_from(b"", 9).await.0, Err(Error::Empty)));
    for (bytes, _) in OF_HAPROXY {
        for end in 1..bytes.len() {
            assert!(matches!(read_from(&bytes[..end], 9).await.0, Err(Error::Truncated)));
        }
    }
    let (refused, _) = read_from(b"GET / HTTP/1.1\r\n\r\n", 9).await;
    assert!(matches!(refused, Err(Error::Refused(_))));
}
