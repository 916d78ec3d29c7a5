//! Facts and the bytes that tell them.

use std::net::SocketAddr;

use super::v2::header;
use super::verdict;
use crate::proxy_protocol::Version::{self, V1, V2};
use crate::proxy_protocol::{ClientCert, Tls, Told, write};

fn told(source: &str, destination: &str) -> Told<'static> {
    let address = |text: &str| text.parse::<SocketAddr>().ok();
    Told { source: address(source), destination: address(destination), ..Told::default() }
}

fn written(version: Version, told: &Told<'_>) -> Vec<u8> {
    let mut out = b"before".to_vec();
    write(version, told, &mut out);
    out.split_off(6)
}

#[test]
fn addresses_are_told_in_one_family() {
    let mapped = |last: [u8; 4]| [&[0; 10][..], &[0xff, 0xff], &last].concat();
    let six = [&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[1]].concat();
    for (source, destination, line, family, block) in [
        (
            "192.0.2.1:1",
            "198.51.100.2:443",
            "TCP4 192.0.2.1 198.51.100.2 1 443",
            0x11,
            vec![192, 0, 2, 1, 198, 51, 100, 2, 0, 1, 1, 0xbb],
        ),
        (
            "[::ffff:192.0.2.1]:1",
            "198.51.100.2:443",
            "TCP4 192.0.2.1 198.51.100.2 1 443",
            0x11,
            vec![192, 0, 2, 1, 198, 51, 100, 2, 0, 1, 1, 0xbb],
        ),
        (
            "[2001:db8::1]:1",
            "[2001:db8::1]:2",
            "TCP6 2001:db8::1 2001:db8::1 1 2",
            0x21,
            [&six[..], &six, &[0, 1, 0, 2]].concat(),
        ),
        (
            "[2001:db8::1%7]:1",
            "[2001:db8::1]:2",
            "TCP6 2001:db8::1 2001:db8::1 1 2",
            0x21,
            [&six[..], &six, &[0, 1, 0, 2]].concat(),
        ),
        (
            "192.0.2.1:1",
            "[2001:db8::1]:2",
            "TCP6 ::ffff:c000:201 2001:db8::1 1 2",
            0x21,
            [&mapped([192, 0, 2, 1])[..], &six, &[0, 1, 0, 2]].concat(),
        ),
        (
            "[2001:db8::1]:1",
            "192.0.2.1:2",
            "TCP6 2001:db8::1 ::ffff:c000:201 1 2",
            0x21,
            [&six[..], &mapped([192, 0, 2, 1]), &[0, 1, 0, 2]].concat(),
        ),
    ] {
        let told = told(source, destination);
        assert_eq!(written(V1, &told), format!("PROXY {line}\r\n").as_bytes(), "{source}");
        assert_eq!(written(V2, &told), header(0x21, family, &block), "{source}");
    }
}

#[test]
fn who_has_no_address_is_told_of_not_at_all() {
    for (source, destination) in [("", ""), ("192.0.2.1:1", ""), ("", "192.0.2.1:1")] {
        let told = Told { alpn: Some(b"http/1.1"), ..told(source, destination) };
        assert_eq!(written(V1, &told), b"PROXY UNKNOWN\r\n");
        assert_eq!(written(V2, &told), header(0x20, 0x00, &[]));
    }
}

fn tlvs(tls: Option<Tls<'_>>, authority: Option<&str>) -> Vec<u8> {
    let told = Told {
        tls,
        authority,
        alpn: tls.map(|_| &b"http/1.1"[..]),
        ..told("192.0.2.1:1", "192.0.2.2:2")
    };
    let bytes = written(V2, &told);
    assert_eq!(verdict(&bytes), format!("192.0.2.1:1 to 192.0.2.2:2, {}", bytes.len()));
    bytes[28..].to_vec()
}

#[test]
fn a_session_is_told_as_haproxy_tells_it() {
    let tls =
        |client_cert| Tls { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", client_cert };
    let cert = |resumed| Some(ClientCert { resumed, common_name: Some("alice") });
    let cipher = b"#\0\x16TLS_AES_256_GCM_SHA384";
    let begin = b"\x01\0\x08http/1.1\x02\0\x0fapp.example.com \0";
    for (cert, length, client, verify, name) in [
        (None, b'(', 1, 1, &b""[..]),
        (cert(false), b'0', 7, 0, b"\"\0\x05alice"),
        (cert(true), b'0', 5, 0, b"\"\0\x05alice"),
        (Some(ClientCert { resumed: false, common_name: None }), b'(', 7, 0, b""),
    ] {
        let ssl = [length, client, 0, 0, 0, verify];
        let expected = [&begin[..], &ssl, b"!\0\x07TLSv1.3", name, cipher].concat();
        let got = tlvs(Some(tls(cert)), Some("app.example.com"));
        assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
    assert_eq!(tlvs(None, None), b"");
}

#[test]
fn a_hostile_value_is_left_out_whole() {
    let long = "a".repeat(70_000);
    for name in [&long, &long[..257], "alice\0", "al\nice", "alice\u{85}"] {
        let client_cert = Some(ClientCert { resumed: false, common_name: Some(name) });
        let with = tlvs(Some(Tls { version: "TLSv1.2", cipher: "x", client_cert }), Some(name));
        let client_cert = Some(ClientCert { resumed: false, common_name: None });
        let without = tlvs(Some(Tls { version: "TLSv1.2", cipher: "x", client_cert }), None);
        assert_eq!(with, without);
    }
    let longest = &long[..256];
    let client_cert = Some(ClientCert { resumed: true, common_name: Some(longest) });
    let bytes = tlvs(Some(Tls { version: longest, cipher: longest, client_cert }), Some(longest));
    assert_eq!(bytes.len(), 11 + 4 * (3 + 256) + 8);
}
