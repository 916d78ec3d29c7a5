//! Bytes where a PROXY header may stand: judged whole, as they grow and from a stream, all to the same
//! verdict; what a header says is written in both versions and read back.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use wssgate::proxy_protocol::{
    Error, Header, MAX_BYTES, Parsed, Told, Version, parse, read, write,
};

/// Panics when `bytes` get two verdicts, or when a header is not read back as it was.
pub fn judge(bytes: &[u8]) {
    let whole = parse(bytes);
    let grown = (0..=bytes.len().min(MAX_BYTES)).map(|end| (end, parse(&bytes[..end])));
    let mut decided =
        grown.skip_while(|(_, parsed)| matches!(parsed, Ok(Parsed::Incomplete { .. })));
    if let Some((end, first)) = decided.next() {
        assert_eq!(whole, first, "at {end}");
        if let Ok(Parsed::Complete { length, .. }) = first {
            assert_eq!(length, end);
        }
    }
    judge_stream(bytes);
    if let Ok(Parsed::Complete { header: Header::Proxied { source, destination }, .. }) = whole {
        write_back(Told {
            source: Some(source),
            destination: Some(destination),
            ..Told::default()
        });
    }
}

fn judge_stream(bytes: &[u8]) {
    let mut stream = bytes;
    let read = match pin!(read(&mut stream)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read,
        Poll::Pending => panic!("bytes in memory are here"),
    };
    match (parse(bytes), read) {
        (Ok(Parsed::Complete { header, length }), Ok(read)) => {
            assert_eq!(header, read);
            assert_eq!(stream, &bytes[length..], "bytes behind the header");
        }
        (Ok(Parsed::Incomplete { .. }), Err(Error::Empty)) => assert!(bytes.is_empty()),
        (Ok(Parsed::Incomplete { missing }), Err(Error::Truncated)) => assert!(missing > 0),
        (Err(refusal), Err(Error::Refused(read))) => assert_eq!(refusal, read),
        (parsed, read) => panic!("{parsed:?}, but from a stream {read:?}"),
    }
}

fn write_back(told: Told<'_>) {
    let (Some(source), Some(destination)) = (told.source, told.destination) else { return };
    for version in [Version::V1, Version::V2] {
        let mut bytes = Vec::new();
        write(version, &told, &mut bytes);
        let header = Header::Proxied { source, destination };
        assert_eq!(parse(&bytes), Ok(Parsed::Complete { header, length: bytes.len() }));
    }
}

#[cfg(test)]
mod tests {
    use super::judge;

    /// The harness itself: bytes on either side of each verdict.
    #[test]
    fn known_bytes_are_judged_alike() {
        let four = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f\xc0\0\x02\x01\xc6\x33\x64\x02\x80\0\x01\xbb\x04\0\0";
        for bytes in [
            &b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n\r\n"[..],
            b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n",
            b"PROXY UNKNOWN anything\r\n\x16\x03\x01",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n",
            b"PROXY \r",
            b"\r\n\r\n\0\r\nQUIT\n\x20\0\xff\xff",
            four,
        ] {
            for end in 0..=bytes.len() {
                judge(&bytes[..end]);
            }
        }
        judge(&[b' '; 5000]);
        judge(&[&b"PROXY UNKNOWN "[..], &[b' '; 5000]].concat());
    }
}
