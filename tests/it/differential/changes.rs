//! What is changed in a well made head, by kind: all that is said in `disagreements.md` to be judged in two ways, and what
//! lies around it.

use super::corpus::{Act, Change};

/// Every change there is.
pub(super) fn changes() -> Vec<Change> {
    let mut changes = Vec::new();
    let mut add = |kind, acts: Vec<Act>| {
        changes.extend(acts.into_iter().map(|act| Change { kind, act }));
    };
    add("method", methods());
    add("target", targets());
    add("version", versions());
    add("request line", request_lines());
    add("host", hosts());
    add("content-length", content_lengths());
    add("transfer-encoding", transfer_encodings());
    add("line", odd_lines());
    add("control character", control_characters());
    add("header name", header_names());
    add("line end", line_ends());
    add("connection", connections());
    add("forwarding", forwardings());
    add("size", sizes());
    changes
}

fn each(make: fn(Vec<u8>) -> Act, texts: &[&[u8]]) -> Vec<Act> {
    texts.iter().map(|text| make(text.to_vec())).collect()
}

fn methods() -> Vec<Act> {
    each(
        Act::Method,
        &[
            b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE", b"CONNECT", b"PRI", b"get", b"Get",
            b"FOO", b"FOO-BAR", b"FOO_BAR", b"M!#$%&'*+.^`|~9", b"", b"G\tT", b"GE\x80", b"G(T",
            b"GET,", b"PROPFIND", b"G/T", b"\"GET\"", b"VERYVERYVERYVERYVERYLONGMETHOD",
        ],
    )
}

fn targets() -> Vec<Act> {
    each(
        Act::Target,
        &[
            b"/a/../b", b"/../a", b"//a//b", b"/%00", b"/%zz", b"/%", b"/%2e%2e/", b"/a#b",
            b"/a\x80b", b"/a\tb", b"/a b", b"/a\x00b", b"/a\x7fb", b"/\"<>\\^`{|}", b"/a;b=c",
            b"/?", b"?a", b"*", b"", b"a", b"example.com:80", b"http://example.com/",
            b"http://example.com", b"http://example.com?a", b"HTTP://EXAMPLE.COM/a",
            b"http://other.example/", b"http://example.com:80/", b"http:///a", b"http://",
            b"http:/a", b"ws://example.com/", b"ftp://example.com/", b"http://me@example.com/",
            b"/\xc3\xa4", b"/a\\b", b"/<script>", b"//example.com/", b"/a%0d%0ab", b"/a?b=%00",
            b"/a?b#c", b"/.", b"/./", b"/a/..", b"/..", b"/a/../..",
        ],
    )
}

fn versions() -> Vec<Act> {
    each(
        Act::Version,
        &[
            b"HTTP/1.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/2", b"HTTP/3.0", b"HTTP/1",
            b"HTTP/1.", b"HTTP/01.1", b"HTTP/1.01", b"HTTP/1.10", b"HTTP/11.1", b"HTTP/ 1.1",
            b"http/1.1", b"Http/1.1", b"HTTP1.1", b"HTTPS/1.1", b"HTTP/1,1", b"HTTP/1.1a",
            b"HTTP/+1.1", b"", b"ICE/1.0", b"HTTP/1.1 a",
        ],
    )
}

fn request_lines() -> Vec<Act> {
    let gap = |at: usize, texts: &[&[u8]]| -> Vec<Act> {
        texts.iter().map(|text| Act::Gap(at, text.to_vec())).collect()
    };
    [
        gap(0, &[b"  ", b"\t", b" \t", b"", b"\x0b", b"\x0c", b"\r", b"\x00", b"\xa0"]),
        gap(1, &[b"  ", b"\t", b"\x0b", b"\x0c", b"\r", b" \r", b""]),
        gap(2, &[b" ", b"  ", b"\t", b"\r", b"\x00", b"\x0b"]),
        each(
            Act::Before,
            &[
                b"\r\n", b"\r\n\r\n", b"\n", b"\n\n", b" ", b"\t", b"\r", b"\x00", b"\xef\xbb\xbf",
                b"\x16\x03\x01", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", b"X: y\r\n",
            ],
        ),
    ]
    .concat()
}

fn hosts() -> Vec<Act> {
    let line = |texts: &[&[u8]]| -> Vec<Act> {
        texts.iter().map(|text| Act::Host(vec![[b"Host: ", *text].concat()])).collect()
    };
    let lines = |lines: &[&[u8]]| Act::Host(lines.iter().map(|line| line.to_vec()).collect());
    let one = b"Host: example.com".as_slice();
    [
        line(&[
            b"", b"example.com:8443", b"example.com:", b"example.com:a", b"example.com:99999999",
            b"EXAMPLE.com", b"example.com.", b"example..com", b".example.com", b"a_b", b"a%41",
            b"a!b", b"a b", b"a,b", b"a/b", b"a@b", b"me@example.com", b"[::1]", b"[::1]:8443",
            b"[::1", b"::1", b"[]", b"[zz]", b"[::1]a", b"127.0.0.1", b"\xc3\xa4.example", b"a\\b",
            b"a?b", b"a#b", b"a<b", b"\"a\"", b"a\tb", b"a\x7fb", b"a;b", b"a=b", b"(a)", b"a:1:2",
            b"-", b"example.com:+1", b"example.com: 1", b"example.com/../b",
        ]),
        vec![
            lines(&[]),
            lines(&[one, one]),
            lines(&[one, b"Host: other.example"]),
            lines(&[b"Host: other.example", one]),
            lines(&[one, b"host: example.com"]),
            lines(&[one, b"Host:"]),
            lines(&[b"HOST: example.com"]),
            lines(&[b"Host:example.com"]),
            lines(&[b"Host:\texample.com \t"]),
            lines(&[b"Host : example.com"]),
            lines(&[b" Host: example.com"]),
            lines(&[b"Host: example.com, other.example"]),
            lines(&[one, b"X-Forwarded-Host: other.example"]),
        ],
    ]
    .concat()
}

fn content_lengths() -> Vec<Act> {
    let values: [&[u8]; 28] = [
        b"0", b"5", b"05", b"00", b"+5", b"-5", b"-0", b"5 ", b"5a", b"a", b"", b"0x5", b"5.0",
        b"5e0", b"5,5", b"5, 5", b"5,6", b"5;6", b"\"5\"", b"9223372036854775807",
        b"9223372036854775808", b"18446744073709551615", b"18446744073709551616",
        b"99999999999999999999999", b"\x0b5", b"5\x00", b"1 5", b"\xd9\xa5",
    ];
    let lines = |prefix: &'static [u8]| {
        values.iter().map(move |value| Act::Line([prefix, *value].concat()))
    };
    lines(b"Content-Length: ")
        .chain(each(
            Act::Line,
            &[
                b"content-length: 5", b"Content-Length : 5", b"Content-Length:5",
                b"Content-Length:\t5\t", b"Content_Length: 5", b"Content-Length\t: 5",
                b"Content-Length", b"Content-Length:\r\n 5",
            ],
        ))
        .collect()
}

fn transfer_encodings() -> Vec<Act> {
    let values: [&[u8]; 26] = [
        b"chunked", b"Chunked", b"CHUNKED", b"chunked ", b"\tchunked", b" chunked", b"chunked,",
        b",chunked", b"chunked, chunked", b"gzip", b"gzip, chunked", b"chunked, gzip", b"identity",
        b"identity, chunked", b"chunked, identity", b"chunked;a=b", b"\"chunked\"", b"xchunked",
        b"chunke", b"chunked\x0b", b"\x0bchunked", b"chunked\x00", b"", b"chunk ed", b"x",
        b"chunked\xa0",
    ];
    values
        .iter()
        .map(|value| Act::Line([b"Transfer-Encoding: ", *value].concat()))
        .chain(each(
            Act::Line,
            &[
                b"transfer-encoding: chunked", b"Transfer-Encoding : chunked",
                b"Transfer-Encoding:chunked", b"Transfer_Encoding: chunked",
                b"Transfer-Encoding\t: chunked", b"Transfer-Encoding",
                b"Transfer-Encoding:\r\n chunked", b"X: y\nTransfer-Encoding: chunked",
                b" Transfer-Encoding: chunked", b"Transfer-Encoding\x00: chunked",
                b"\x00Transfer-Encoding: chunked", b"TE: chunked",
                b"X: y\rTransfer-Encoding: chunked", b"Transfer\xadEncoding: chunked",
            ],
        ))
        .collect()
}

fn odd_lines() -> Vec<Act> {
    let lines: [&[u8]; 30] = [
        b"X: a\r\n b", b"X: a\r\n\tb", b"X:\r\n a", b"X: a\r\n ", b" X: a", b"\tX: a", b"X : a",
        b"X\t: a", b"X", b":", b": a", b"X:", b"X: ", b"X:a", b"X:\ta\t", b"X: a: b", b"X::a",
        b"X: \x80\xff", b"X: \"a", b"X: (a", b"X: a\\", b"X: \xef\xbb\xbf", b"Expect: 100-continue",
        b"Expect: other", b"Trailer: X", b"TE: trailers", b"Cookie: a=b",
        b"Authorization: Basic YTpi", b"X-Long-Name_with.dots: a", b"X:  a  b  ",
    ];
    lines.iter().flat_map(|line| [Act::Line(line.to_vec()), Act::First(line.to_vec())]).collect()
}

fn control_characters() -> Vec<Act> {
    let bytes = (0..32).chain([0x7f]).filter(|byte| !b"\r\n\t".contains(byte));
    bytes
        .flat_map(|byte| {
            let value = [b"X: a".as_slice(), &[byte], b"b"].concat();
            let name = [b"X".as_slice(), &[byte], b"Y: a"].concat();
            [Act::Line(value), Act::Line(name)]
        })
        .collect()
}

fn header_names() -> Vec<Act> {
    let bytes = (b'!'..=b'~').filter(|byte| !byte.is_ascii_alphanumeric() && !b":".contains(byte));
    bytes
        .chain([b' ', 0x80, 0xff])
        .map(|byte| Act::Line([b"X".as_slice(), &[byte], b"Y: a"].concat()))
        .collect()
}

fn line_ends() -> Vec<Act> {
    let ends = each(
        Act::LineEnd,
        &[b"\n", b"\r", b"\r\r\n", b"\n\r", b" \r\n", b"\t\r\n", b"\x0b\r\n", b"\x00\r\n"],
    );
    let last = each(
        Act::End,
        &[
            b"\n", b"\r", b" \r\n\r\n", b"\r\r\n", b"\x00\r\n\r\n", b"\n\r\n", b"\r\n\r\n",
            b"\r\nX: y\r\n\r\n",
        ],
    );
    let lines = each(
        Act::Line,
        &[
            b"X: a\nY: b", b"X: a\rY: b", b"X: a\r\rY: b", b"X: a\r\r", b"X: a\n", b"X: a\n b",
            b"X: a\r\n\nY: b", b"X: a\r ",
        ],
    );
    [ends, last, lines].concat()
}

fn connections() -> Vec<Act> {
    each(
        Act::Line,
        &[
            b"Connection: close", b"Connection: keep-alive", b"Connection: close, keep-alive",
            b"Connection: Host", b"Connection: Content-Length", b"Connection: Transfer-Encoding",
            b"Connection: X-A\r\nX-A: b", b"Connection: Upgrade", b"Connection: ,,", b"Connection:",
            b"Connection: upgrade, close", b"Connection: a b", b"Connection: \"close\"",
            b"Connection: Authorization", b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive",
            b"Proxy-Authorization: Basic YTpi", b"Upgrade: h2c", b"Upgrade: websocket",
            b"Upgrade: websocket, h2c", b"Upgrade: WebSocket/13", b"Upgrade:",
            b"Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\nConnection: Upgrade, HTTP2-Settings",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Key: x",
            b"Sec-WebSocket-Version: 8", b"Sec-WebSocket-Protocol: chat, a",
            b"Sec-WebSocket-Extensions: permessage-deflate", b"TE: gzip",
            b"Connection: Upgrade\r\nUpgrade: websocket", b"Sec-WebSocket-Accept: a",
        ],
    )
}

fn forwardings() -> Vec<Act> {
    each(
        Act::Line,
        &[
            b"X-Forwarded-For: 6.6.6.6", b"X_Forwarded_For: 6.6.6.6", b"x-forwarded-proto: http",
            b"X-Real-IP: 6.6.6.6", b"Forwarded: for=6.6.6.6", b"X-Forwarded-Host: other.example",
            b"X-Forwarded-Port: 1", b"X-Forwarded-Client-Cert: Hash=6",
            b"X-Forwarded-For : 6.6.6.6", b"Via: 1.1 a", b"Max-Forwards: 0",
            b"X-Forwarded-Server: a", b"Client-IP: 6.6.6.6", b"X-Original-URL: /admin",
        ],
    )
}

fn sizes() -> Vec<Act> {
    let value = |length: usize| Act::Line([b"X: ".as_slice(), &vec![b'a'; length]].concat());
    let name = |length: usize| Act::Line([vec![b'X'; length].as_slice(), b": a"].concat());
    let target = |length: usize| Act::Target([b"/".as_slice(), &vec![b'a'; length]].concat());
    let lines = [50, 90, 99, 100, 101, 150].map(Act::Lines);
    let options =
        |count: usize| Act::Line([b"Connection: ".as_slice(), &b"a,".repeat(count)].concat());
    [
        lines.to_vec(),
        [1000, 7000, 20_000, 60_000, 70_000].map(value).to_vec(),
        [200, 5000, 70_000].map(name).to_vec(),
        [1000, 7000, 20_000, 60_000, 70_000].map(target).to_vec(),
        [30, 32, 33, 100].map(options).to_vec(),
    ]
    .concat()
}
