//! Random headers, by a writer of its own and by ours; cut, with bytes flipped, and with none of either.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use proptest::sample::{Index, select};

use super::v2::{SIGNATURE, header};
use crate::proxy_protocol::{
    ClientCert, Header, Parsed, Refusal, Tls, Told, Version, parse, write,
};

/// A valid header, what it says, and which of its bytes the addresses are read from.
#[derive(Clone, Debug)]
struct Sample {
    bytes: Vec<u8>,
    header: Header,
    addresses: Range<usize>,
    /// The rest was added up.
    is_checked: bool,
}

fn ends() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let four = || any::<Ipv4Addr>().prop_map(IpAddr::V4);
    let six = || {
        let any_six = any::<[u16; 8]>().prop_map(Ipv6Addr::from);
        let sparse = vec(prop_oneof![Just(0_u16), any::<u16>()], 8)
            .prop_map(|groups| Ipv6Addr::from(<[u16; 8]>::try_from(groups).unwrap()));
        let mapped = any::<Ipv4Addr>().prop_map(|ip| ip.to_ipv6_mapped());
        prop_oneof![any_six, sparse, mapped].prop_map(IpAddr::V6)
    };
    let pair = prop_oneof![(four(), four()), (six(), six())];
    (pair, any::<(u16, u16)>()).prop_map(|((source, destination), ports)| {
        (SocketAddr::new(source, ports.0), SocketAddr::new(destination, ports.1))
    })
}

fn meaning((source, destination): (SocketAddr, SocketAddr)) -> Header {
    let plain = |end: SocketAddr| match end.ip() {
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => SocketAddr::from((ip, end.port())),
            None => end,
        },
        IpAddr::V4(_) => end,
    };
    Header::Proxied { source: plain(source), destination: plain(destination) }
}

/// Lines with addresses in several spellings.
fn lines() -> impl Strategy<Value = Sample> {
    (ends(), 0..3_u8).prop_map(|(ends, spelling)| {
        let spell = |ip: IpAddr| match (ip, spelling) {
            (IpAddr::V6(ip), 0) => ip.segments().map(|group| format!("{group:04x}")).join(":"),
            (IpAddr::V6(ip), 1) => ip.segments().map(|group| format!("{group:X}")).join(":"),
            _ => ip.to_string(),
        };
        let family = if ends.0.is_ipv4() { "TCP4" } else { "TCP6" };
        let ips = format!("{} {}", spell(ends.0.ip()), spell(ends.1.ip()));
        let line = format!("PROXY {family} {ips} {} {}\r\n", ends.0.port(), ends.1.port());
        let addresses = 11..line.len() - 2;
        Sample { bytes: line.into_bytes(), header: meaning(ends), addresses, is_checked: false }
    })
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// Binary headers with any TLVs, a checksum among them or not.
fn binaries() -> impl Strategy<Value = Sample> {
    let tlv = (4..=255_u8, vec(any::<u8>(), 0..12));
    (ends(), vec(tlv, 0..4), any::<bool>()).prop_map(|(ends, tlvs, is_checked)| {
        let mut block = [octets(ends.0.ip()), octets(ends.1.ip())].concat();
        block.extend(ends.0.port().to_be_bytes());
        block.extend(ends.1.port().to_be_bytes());
        let addresses = 16..16 + block.len();
        let checksum = addresses.end + 3;
        if is_checked {
            block.extend([3, 0, 4, 0, 0, 0, 0]);
        }
        for (kind, value) in tlvs {
            block.extend([kind, 0, u8::try_from(value.len()).unwrap()]);
            block.extend(value);
        }
        let mut bytes = header(0x21, if ends.0.is_ipv4() { 0x11 } else { 0x21 }, &block);
        if is_checked {
            let sum = crc32c(&bytes).to_be_bytes();
            bytes[checksum..checksum + 4].copy_from_slice(&sum);
        }
        Sample { bytes, header: meaning(ends), addresses, is_checked }
    })
}

/// Bit by bit (RFC 4960, appendix B).
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
    })
}

fn samples() -> impl Strategy<Value = Sample> {
    prop_oneof![lines(), binaries()]
}

/// Bytes that look like a header for a while.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let begin = prop_oneof![
        Just(Vec::new()),
        Just(b"PROXY ".to_vec()),
        Just(b"PROXY TCP4 ".to_vec()),
        Just(b"PROXY UNKNOWN".to_vec()),
        Just(SIGNATURE.to_vec()),
        Just([SIGNATURE, &[0x21, 0x11, 0]].concat()),
        Just([SIGNATURE, &[0x21, 0x21, 0]].concat()),
    ];
    let digits = vec(select(b" .:\r\n0123456789".as_slice()), 0..40);
    (begin, prop_oneof![vec(any::<u8>(), 0..60), digits])
        .prop_map(|(begin, rest)| [begin, rest].concat())
}

fn complete(header: Header, length: usize) -> Result<Parsed, Refusal> {
    Ok(Parsed::Complete { header, length })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_header_says_what_was_written_into_it(sample in samples(), behind in vec(any::<u8>(), 0..20)) {
        let length = sample.bytes.len();
        let bytes = [sample.bytes, behind].concat();
        prop_assert_eq!(parse(&bytes), complete(sample.header, length));
    }

    #[test]
    fn a_truncated_header_is_incomplete(sample in samples()) {
        for end in 0..sample.bytes.len() {
            let parsed = parse(&sample.bytes[..end]);
            let Ok(Parsed::Incomplete { missing }) = parsed else {
                panic!("{parsed:?} of {end} bytes");
            };
            prop_assert!(missing > 0 && end + missing <= sample.bytes.len());
        }
    }

    #[test]
    fn a_flipped_byte_makes_no_other_address(sample in samples(), at in any::<Index>(), flip in 1..=255_u8) {
        let mut bytes = sample.bytes.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        // As there may be no end to what follows.
        bytes.extend([b' '; 300]);
        let is_binary = bytes[0] == b'\r';
        match parse(&bytes) {
            Err(_) | Ok(Parsed::Incomplete { .. }) => {}
            // It may have become LOCAL, UNSPEC or a unix socket.
            Ok(Parsed::Complete { header: Header::Local, .. }) => prop_assert!(is_binary && (at == 12 || at == 13)),
            Ok(Parsed::Complete { header, length }) => {
                let is_same = header == sample.header;
                // The family says how to read addresses: of another one, other addresses.
                let is_address = sample.addresses.contains(&at) || (is_binary && at == 13);
                prop_assert!(is_same || (is_address && !(sample.is_checked && at != 13)));
                prop_assert!(length == sample.bytes.len() || !is_binary || at == 14 || at == 15);
            }
        }
    }

    #[test]
    fn random_bytes_are_judged_alike_however_they_are_cut(bytes in nearly()) {
        let whole = parse(&bytes);
        let cut = (0..=bytes.len()).map(|end| parse(&bytes[..end]));
        let first = cut.into_iter().find(|parsed| !matches!(parsed, Ok(Parsed::Incomplete { .. })));
        match first {
            Some(first) => prop_assert_eq!(whole, first),
            None => {
                let is_incomplete = matches!(whole, Ok(Parsed::Incomplete { .. }));
                prop_assert!(is_incomplete);
            }
        }
        if let Ok(Parsed::Complete { length, .. }) = whole {
            prop_assert!(length <= bytes.len());
        }
    }

    #[test]
    fn what_we_write_we_read(
        (source, destination) in prop_oneof![ends(), (ends(), ends()).prop_map(|(one, other)| (one.0, other.1))],
        texts in vec("[a\u{e4}\n]{0,9}", 4),
        alpn in vec(any::<u8>(), 0..20),
        cert in any::<Option<bool>>(),
    ) {
        let client_cert = cert.map(|resumed| ClientCert { resumed, common_name: Some(&texts[2]) });
        let told = Told {
            source: Some(source),
            destination: Some(destination),
            tls: Some(Tls { version: &texts[0], cipher: &texts[1], client_cert }),
            alpn: Some(&alpn),
            authority: Some(&texts[3]),
        };
        for version in [Version::V1, Version::V2] {
            let mut bytes = Vec::new();
            write(version, &told, &mut bytes);
            prop_assert_eq!(parse(&bytes), complete(meaning((source, destination)), bytes.len()));
        }
    }
}
