//! Binary headers and their verdicts.

use super::random::crc32c;
use super::{OF_HAPROXY, verdict};
use crate::proxy_protocol::MAX_BYTES;

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

pub(super) fn header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, block].concat()
}

#[test]
fn a_binary_header_is_taken_as_the_specification_has_it() {
    let four = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 1, 0xbb];
    let mut six = [0; 36];
    six[..2].copy_from_slice(&[0x20, 0x01]);
    six[15] = 1;
    six[26..32].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 1]);
    six[33] = 1;
    six[35] = 2;
    for (bytes, expected) in [
        (header(0x21, 0x11, &four), "192.0.2.1:56324 to 198.51.100.2:443, 28"),
        (
            [header(0x21, 0x11, &four), vec![0x16, 3, 1]].concat(),
            "192.0.2.1:56324 to 198.51.100.2:443, 28",
        ),
        (header(0x21, 0x21, &six), "[2001::1]:1 to 192.0.2.1:2, 52"),
        // Unknown types, an empty one, and one whose inside is nobody's business here.
        (
            header(0x21, 0x11, &[&four[..], &[0xee, 0, 1, 9, 4, 0, 0, 0x20, 0, 2, 1, 1]].concat()),
            "192.0.2.1:56324 to 198.51.100.2:443, 40",
        ),
        (header(0x21, 0x31, &[b'/'; 216]), "local, 232"),
        (header(0x21, 0x31, &[&[0; 216][..], &[4, 0, 0]].concat()), "local, 235"),
        (header(0x21, 0x00, &[]), "local, 16"),
        (header(0x21, 0x00, &[0xff; 9]), "local, 25"),
        (header(0x20, 0x00, &[]), "local, 16"),
        // The block and its family are to be ignored.
        (header(0x20, 0x11, &[0xff; 7]), "local, 23"),
        (header(0x20, 0xff, &[]), "local, 16"),
        (header(0x20, 0x11, &vec![0; MAX_BYTES - 16]), "local, 4096"),
    ] {
        assert_eq!(verdict(&bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn any_other_binary_header_is_refused() {
    let four = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 0x04, 1, 0xbb];
    let with = |tlvs: &[u8]| header(0x21, 0x11, &[&four, tlvs].concat());
    let mut cases = vec![
        (SIGNATURE.iter().map(|byte| byte ^ 0x20).collect(), "no proxy header"),
        (b"\r\n\r\n\0\r\nQUIT\r\n".to_vec(), "no proxy header"),
        (b"\r\n\r\nGET".to_vec(), "no proxy header"),
        (header(0x21, 0x11, &[0; 11]), "proxy header too short for its addresses"),
        (header(0x21, 0x11, &[]), "proxy header too short for its addresses"),
        (header(0x21, 0x21, &[0; 35]), "proxy header too short for its addresses"),
        (header(0x21, 0x31, &[0; 215]), "proxy header too short for its addresses"),
        (header(0x21, 0x11, &vec![0; MAX_BYTES - 15]), "proxy header too long"),
        (header(0x20, 0x00, &vec![0; 65535]), "proxy header too long"),
        (with(&[4]), "malformed tlv in a proxy header"),
        (with(&[4, 0]), "malformed tlv in a proxy header"),
        (with(&[4, 0, 1]), "malformed tlv in a proxy header"),
        (with(&[4, 0xff, 0xff, 0, 0]), "malformed tlv in a proxy header"),
        (with(&[3, 0, 3, 0, 0, 0]), "malformed tlv in a proxy header"),
        (with(&[3, 0, 0]), "malformed tlv in a proxy header"),
        (with(&[3, 0, 4, 0, 0, 0, 0]), "wrong checksum of a proxy header"),
        (header(0x21, 0x31, &[&[0; 216][..], &[4, 0]].concat()), "malformed tlv in a proxy header"),
    ];
    for command in [0x00, 0x01, 0x10, 0x11, 0x31, 0xf1] {
        cases.push((header(command, 0x11, &four), "unknown version of a proxy header"));
    }
    for command in [0x22, 0x2f] {
        cases.push((header(command, 0x11, &four), "unknown command in a proxy header"));
    }
    for family in [0x01, 0x02, 0x10, 0x12, 0x13, 0x20, 0x22, 0x30, 0x32, 0x41, 0xff] {
        let refusal = "unknown family or transport in a proxy header";
        cases.push((header(0x21, family, &[0; 216]), refusal));
    }
    for (bytes, expected) in cases {
        assert_eq!(verdict(&bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_checksum_holds_every_byte_of_a_header() {
    for (bytes, expected) in &OF_HAPROXY[9..] {
        let kind = if bytes[13] == 0x11 { 28 } else { 52 };
        for at in 12..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.to_vec();
                bytes[at] ^= 1 << bit;
                let verdict = verdict(&bytes);
                // LOCAL has nothing to check; another type is no checksum any more.
                let is_let_in = !verdict.contains("proxy header") && verdict != "incomplete";
                let may_be = (at == 12 && verdict.starts_with("local"))
                    || (at == kind && verdict == *expected);
                assert!(!is_let_in || may_be, "{at}, {bit}: {verdict}");
            }
        }
    }
}

#[test]
fn two_checksums_are_refused() {
    let mut bytes = OF_HAPROXY[9].0.to_vec();
    bytes.extend([3, 0, 4, 0, 0, 0, 0]);
    bytes[15] += 7;
    bytes[31..35].fill(0);
    let sum = crc32c(&bytes).to_be_bytes();
    bytes[31..35].copy_from_slice(&sum);
    assert_eq!(verdict(&bytes), "malformed tlv in a proxy header");
}
