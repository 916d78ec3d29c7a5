//! Heads that go on: what is kept as it came, and what is removed.

use crate::heads::case::{self, Case, SMALL, Setting};

/// A plain head of this request line and these lines behind its Host; `kept` of them go on.
fn kept(name: &'static str, lines: &str, kept: &str) -> Case {
    case::sent(
        name,
        format!("GET / HTTP/1.1\r\nHost: example.com\r\n{lines}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: example.com\r\n{kept}{{own}}{{close}}"),
    )
}

pub(in crate::heads) fn request_lines() -> Vec<Case> {
    let line = |name, line: &str| {
        case::sent(
            name,
            format!("{line}\r\nHost: example.com\r\n\r\n"),
            format!("{line}\r\nHost: example.com\r\n{{own}}{{close}}"),
        )
    };
    vec![
        line("get", "GET / HTTP/1.1"),
        line("query", "GET /a/b.html?c=d&e=f%20g HTTP/1.1"),
        line("query_empty", "GET /? HTTP/1.1"),
        line("query_of_question_marks", "GET /a?b?c??d HTTP/1.1"),
        line("dot_segments", "GET /a/../b/./c HTTP/1.1"),
        line("two_slashes", "GET //example.org/a HTTP/1.1"),
        line("url_in_path", "GET /http://example.org/ HTTP/1.1"),
        line("percent_nul", "GET /%00%0d%0a%2e%2e HTTP/1.1"),
        line("percent_alone", "GET /%zz% HTTP/1.1"),
        line("path_of_delimiters", "GET /a;b=c,d@e:f!$'()*+&=~ HTTP/1.1"),
        line("path_of_what_should_be_quoted", "GET /\"<>\\^`| HTTP/1.1"),
        line("options_asterisk", "OPTIONS * HTTP/1.1"),
        line("options_path", "OPTIONS /a HTTP/1.1"),
        line("head", "HEAD /a HTTP/1.1"),
        line("delete", "DELETE /a HTTP/1.1"),
        line("trace", "TRACE / HTTP/1.1"),
        line("propfind", "PROPFIND /a HTTP/1.1"),
        line("m_search", "M-SEARCH / HTTP/1.1"),
        line("get_in_lower_case", "get / HTTP/1.1"),
        line("connect_in_lower_case", "connect / HTTP/1.1"),
        line("method_of_any_token", "!#$%&'*+-.^_`|~09Az / HTTP/1.1"),
    ]
}

pub(in crate::heads) fn absolute_form() -> Vec<Case> {
    let absolute = |name, target: &str, host: &str, line: &str| {
        case::sent(
            name,
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("{line}\r\nHost: {host}\r\n{{own {host}}}{{close}}"),
        )
    };
    let options = |name, target: &str, line: &str| {
        case::sent(
            name,
            format!("OPTIONS {target} HTTP/1.1\r\nHost: example.com\r\n\r\n"),
            format!("{line}\r\nHost: example.com\r\n{{own}}{{close}}"),
        )
    };
    vec![
        absolute("absolute", "http://example.com/a?b", "example.com", "GET /a?b HTTP/1.1"),
        absolute("absolute_https", "https://example.com/", "example.com", "GET / HTTP/1.1"),
        absolute("absolute_ws", "ws://example.com/a", "example.com", "GET /a HTTP/1.1"),
        absolute("absolute_upper_case", "HTTPS://example.com/A", "example.com", "GET /A HTTP/1.1"),
        absolute("absolute_host_case", "http://EXAMPLE.com/", "Example.COM", "GET / HTTP/1.1"),
        absolute("absolute_empty_path", "http://example.com", "example.com", "GET / HTTP/1.1"),
        absolute("absolute_query", "http://example.com?a/b", "example.com", "GET /?a/b HTTP/1.1"),
        absolute(
            "absolute_two_slashes",
            "http://example.com//a",
            "example.com",
            "GET //a HTTP/1.1",
        ),
        absolute("absolute_port", "https://a.example:1/b", "a.example:1", "GET /b HTTP/1.1"),
        absolute("absolute_ipv6", "https://[::1]:1/b", "[::1]:1", "GET /b HTTP/1.1"),
        absolute(
            "absolute_url_in_query",
            "http://example.com/?u=http://example.org/",
            "example.com",
            "GET /?u=http://example.org/ HTTP/1.1",
        ),
        options("absolute_options", "http://example.com", "OPTIONS * HTTP/1.1"),
        options("absolute_options_path", "http://example.com/", "OPTIONS / HTTP/1.1"),
        options("absolute_options_query", "http://example.com?a", "OPTIONS /?a HTTP/1.1"),
        case::sent(
            "absolute_in_1_0",
            b"GET http://example.com/a HTTP/1.0\r\nHost: example.com\r\n\r\n",
            b"GET /a HTTP/1.0\r\nHost: example.com\r\n{own}{close}",
        ),
    ]
}

pub(in crate::heads) fn hosts() -> Vec<Case> {
    let host = |name, host: &str| {
        case::sent(
            name,
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            format!("GET / HTTP/1.1\r\nHost: {host}\r\n{{own {host}}}{{close}}"),
        )
    };
    vec![
        host("host_with_port", "example.com:8443"),
        host("host_with_default_port", "example.com:443"),
        host("host_with_empty_port", "example.com:"),
        host("host_in_upper_case", "EXAMPLE.Com"),
        host("host_with_dot", "example.com."),
        host("host_with_underscore", "my_app.internal"),
        host("host_ipv4", "127.0.0.1:8443"),
        host("host_ipv6", "[2001:db8::1]"),
        host("host_ipv6_with_port", "[::ffff:10.0.0.1]:8443"),
        host("host_percent", "ex%C3%A4mple.com"),
        host("host_punycode", "xn--exmple-cua.com"),
        case::sent(
            "host_last_and_spaced",
            b"GET / HTTP/1.1\r\nAccept: */*\r\nhoST:\t example.com  \r\n\r\n",
            b"GET / HTTP/1.1\r\nAccept: */*\r\nhoST:\t example.com  \r\n{own}{close}",
        ),
        case::sent(
            "host_without_space",
            b"GET / HTTP/1.1\r\nHost:example.com\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost:example.com\r\n{own}{close}",
        ),
    ]
}

pub(in crate::heads) fn headers() -> Vec<Case> {
    let same = |name, lines: &str| kept(name, lines, lines);
    let raw = |name, lines: &[u8]| {
        let head = b"GET / HTTP/1.1\r\nHost: example.com\r\n".as_slice();
        case::sent(name, [head, lines, b"\r\n"].concat(), [head, lines, b"{own}{close}"].concat())
    };
    vec![
        same("order_and_case", "zEBRA: 1\r\nalpha: 2\r\nMIDDLE: 3\r\naLPHA: 4\r\n"),
        same("inner_spacing", "X: a   b \t c\r\nY:a\r\nZ:  \t d \t \r\n"),
        same("value_empty", "X:\r\nY: \r\nZ: \t \r\n"),
        same("value_of_colons", "X: a: b: c\r\nY::::\r\n"),
        same("name_of_any_token", "!#$%&'*+-.^_`|~09Az: a\r\n"),
        same("cookies", "Cookie: a=b; c=\"d\"\r\nCookie: e\r\ncookie: f=\r\n"),
        same("credentials", "Authorization: Bearer x.y.z\r\nOrigin: null\r\n"),
        same("expect", "Expect: 100-continue\r\n"),
        same("via_and_max_forwards", "Via: 1.1 other\r\nMax-Forwards: 0\r\n"),
        same("conditional", "If-None-Match: \"a\", W/\"b\"\r\nRange: bytes=0-1\r\n"),
        same("client_hints", "Sec-Fetch-Mode: cors\r\nUpgrade-Insecure-Requests: 1\r\n"),
        same("http2_settings_alone", "HTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
        same("names_with_underscores", "X_Custom: a\r\nContent_Type: b\r\n"),
        raw("value_in_latin_1", b"X: J\xfcrgen\r\n"),
        raw("value_in_utf8", "X: J\u{fc}rgen \u{1f600}\r\n".as_bytes()),
        raw("value_of_every_visible_byte", &[b"X: ", visible().as_slice(), b"\r\n"].concat()),
    ]
}

/// Every byte that a value may hold, the braces of our templates left out.
fn visible() -> Vec<u8> {
    (b'!'..=b'~').chain(0x80..=0xff).filter(|byte| !b"{}".contains(byte)).collect()
}

pub(in crate::heads) fn hop_by_hop() -> Vec<Case> {
    vec![
        kept("hop_connection", "Connection: keep-alive\r\n", ""),
        kept("hop_connection_close", "Connection: close\r\n", ""),
        kept("hop_connection_empty", "Connection:\r\n", ""),
        kept("hop_connection_lines", "X: a\r\nConnection: a\r\ncONNECTION: b\r\n", "X: a\r\n"),
        kept("hop_keep_alive", "Keep-Alive: timeout=5\r\n", ""),
        kept("hop_proxy_connection", "Proxy-Connection: keep-alive\r\n", ""),
        kept("hop_proxy_authorization", "Proxy-Authorization: Basic YTpi\r\n", ""),
        kept("hop_te", "TE: trailers\r\n", ""),
        kept("hop_trailer", "Trailer: X-Checksum\r\n", ""),
        kept("hop_upgrade", "Upgrade: foo\r\n", ""),
        kept("hop_in_any_case", "kEEP-aLIVE: a\r\nte: b\r\ntRAILER: c\r\nX: d\r\n", "X: d\r\n"),
        kept(
            "hop_look_alikes_stay",
            "Keep-Alive-X: a\r\nTEX: b\r\nX-Upgrade: c\r\nTrailers: d\r\n",
            "Keep-Alive-X: a\r\nTEX: b\r\nX-Upgrade: c\r\nTrailers: d\r\n",
        ),
    ]
}

pub(in crate::heads) fn nominated() -> Vec<Case> {
    vec![
        kept("nominated", "Connection: X-Secret\r\nX-Secret: a\r\nX: b\r\n", "X: b\r\n"),
        kept("nominated_from_behind", "X-Secret: a\r\nConnection: close, X-Secret\r\n", ""),
        kept("nominated_in_any_case", "Connection: x-sECRET\r\nX-Secret: a\r\n", ""),
        kept("nominated_in_lines", "Connection: A\r\nA: 1\r\nB: 2\r\nConnection: B\r\n", ""),
        kept("nominated_every_line", "A: 1\r\na: 2\r\nConnection: A\r\nA: 3\r\n", ""),
        kept("nominated_without_spaces", "Connection: a,b,,c\r\nA: 1\r\nB: 2\r\nC: 3\r\n", ""),
        kept("nominated_but_missing", "Connection: X-Secret\r\nX: b\r\n", "X: b\r\n"),
        kept(
            "nominated_exactly",
            "Connection: X-A\r\nX-AB: 1\r\nX_A: 2\r\n",
            "X-AB: 1\r\nX_A: 2\r\n",
        ),
        kept("nominated_expect", "Connection: Expect\r\nExpect: 100-continue\r\n", ""),
        kept(
            "nominated_nonsense",
            "Connection: ;=\"/\", \u{fc}, a b\r\nA: 1\r\nB: 2\r\n",
            "A: 1\r\nB: 2\r\n",
        ),
        kept(
            "nominated_last_of_32",
            &format!("Connection: {}A\r\nA: 1\r\nB: 2\r\n", "x,".repeat(31)),
            "B: 2\r\n",
        ),
    ]
}

pub(in crate::heads) fn protected() -> Vec<Case> {
    let protected = |name, line: &str| {
        let header = line.split(':').next().unwrap();
        kept(name, &format!("Connection: {header}\r\n{line}\r\n"), &format!("{line}\r\n"))
    };
    vec![
        kept("protected_host", "Connection: host\r\n", ""),
        protected("protected_content_length", "Content-Length: 0"),
        protected("protected_transfer_encoding", "Transfer-Encoding: chunked"),
        protected("protected_origin", "Origin: https://example.com"),
        protected("protected_cookie", "Cookie: a=b"),
        protected("protected_authorization", "Authorization: Basic YTpi"),
        protected("protected_protocol", "Sec-WebSocket-Protocol: chat"),
        protected("protected_websocket_anything", "sec-websocket-X: a"),
        kept("protected_forwarded_for", "Connection: X-Forwarded-For, close\r\n", ""),
        kept(
            "protected_own_all",
            "Connection: X-Forwarded-For, X-Real-IP, X-Forwarded-Proto\r\n\
             Connection: X-Forwarded-Host, X-Forwarded-Port, Forwarded, Connection\r\n\
             Connection: X-Forwarded-Client-Cert\r\n",
            "",
        ),
        kept(
            "protected_in_any_case",
            "Connection: CoOkIe, hOsT, SEC-WEBSOCKET-PROTOCOL\r\nCookie: a\r\n\
             Sec-WebSocket-Protocol: b\r\n",
            "Cookie: a\r\nSec-WebSocket-Protocol: b\r\n",
        ),
    ]
}

pub(in crate::heads) fn framing() -> Vec<Case> {
    let framed = |name, line: &str| {
        case::sent(
            name,
            format!("POST / HTTP/1.1\r\nHost: example.com\r\n{line}\r\n\r\n"),
            format!("POST / HTTP/1.1\r\nHost: example.com\r\n{line}\r\n{{own}}{{close}}"),
        )
    };
    vec![
        framed("length", "Content-Length: 5"),
        framed("length_zero", "content-length: 0"),
        framed("length_leading_zeros", "Content-Length: 0005"),
        framed("length_spaced", "Content-Length:   5  "),
        framed("length_of_63_bits", "Content-Length: 9223372036854775807"),
        framed("chunked", "Transfer-Encoding: chunked"),
        framed("chunked_in_any_case", "TRANSFER-ENCODING: Chunked"),
        framed("chunked_spaced", "Transfer-Encoding:   chunked  "),
        kept("length_of_get", "Content-Length: 5\r\n", "Content-Length: 5\r\n"),
    ]
}

pub(in crate::heads) fn http_1_0() -> Vec<Case> {
    vec![
        case::sent("http_1_0_bare", b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\n{own -}{close}"),
        case::sent(
            "http_1_0_with_host",
            b"GET / HTTP/1.0\r\nHost: example.com\r\n\r\n",
            b"GET / HTTP/1.0\r\nHost: example.com\r\n{own}{close}",
        ),
        case::sent(
            "http_1_0_keep_alive",
            b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nKeep-Alive: 5\r\nX: y\r\n\r\n",
            b"GET / HTTP/1.0\r\nX: y\r\n{own -}{close}",
        ),
        case::sent(
            "http_1_0_with_length",
            b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n",
            b"POST / HTTP/1.0\r\nContent-Length: 5\r\n{own -}{close}",
        ),
    ]
}

pub(in crate::heads) fn at_the_limits() -> Vec<Case> {
    let value = "a".repeat(SMALL - 47);
    let headers = "x: y\r\n".repeat(99);
    vec![
        kept("head_just_fits", &format!("Cookie: {value}\r\n"), &format!("Cookie: {value}\r\n"))
            .with(Setting::Small),
        kept("headers_100", &headers, &headers),
        kept("name_long", &format!("{value}: a\r\n"), &format!("{value}: a\r\n")),
    ]
}
