//! The requests, and what the upstream answers to each.

/// One request.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// The lines of its head.
    pub(super) head: &'static [&'static str],
    pub(super) body: &'static str,
    /// What the upstream sends back, should the request get there.
    pub(super) answer: &'static str,
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const SWITCHING_WITH_CHOICES: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

const UPGRADE: &[&str] = &[
    "GET /chat?room=1 HTTP/1.1",
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Origin: https://localhost",
];

const fn case(name: &'static str, head: &'static [&'static str]) -> Case {
    Case { name, head, body: "", answer: OK }
}

impl Case {
    const fn with_body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    const fn answered(self, answer: &'static str) -> Self {
        Self { answer, ..self }
    }
}

/// All of them.
pub(super) const CASES: &[Case] = &[
    // WebSocket
    case("upgrade", UPGRADE).answered(SWITCHING),
    case(
        "upgrade as Firefox writes it",
        &[
            "GET /chat HTTP/1.1",
            "Host: localhost",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: chat, superchat",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Connection: keep-alive, Upgrade",
            "Upgrade: websocket",
            "Cookie: session=1",
        ],
    )
    .answered(SWITCHING_WITH_CHOICES),
    case(
        "upgrade in capitals",
        &[
            "GET /chat HTTP/1.1",
            "HOST: localhost",
            "UPGRADE: WebSocket",
            "CONNECTION: UPGRADE",
            "SEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==",
            "SEC-WEBSOCKET-VERSION: 13",
        ],
    )
    .answered(SWITCHING),
    case("upgrade refused: 403", UPGRADE)
        .answered("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno!\n"),
    case("upgrade refused: 404, until the close", UPGRADE)
        .answered("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\nnot here"),
    case("upgrade refused: 426", UPGRADE).answered(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n",
    ),
    case("upgrade refused: 200", UPGRADE),
    case("upgrade refused: redirect", UPGRADE).answered(
        "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
    ),
    case("upgrade with a wrong accept value", UPGRADE).answered(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
    ),
    case(
        "upgrade without a key",
        &["GET /chat HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade"],
    )
    .answered("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    case(
        "upgrade to h2c",
        &[
            "GET / HTTP/1.1",
            "Host: localhost",
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
        ],
    ),
    case("101 that nobody asked for", &["GET / HTTP/1.1", "Host: localhost"]).answered(SWITCHING),
    // Methods, targets, versions
    case("GET", &["GET / HTTP/1.1", "Host: localhost"]),
    case("GET with a query", &["GET /a?b=c&d=%20e&b=?/ HTTP/1.1", "Host: localhost"]),
    case("HEAD", &["HEAD /page HTTP/1.1", "Host: localhost"])
        .answered("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
    case("OPTIONS", &["OPTIONS /page HTTP/1.1", "Host: localhost"])
        .answered("HTTP/1.1 204 No Content\r\nAllow: GET, OPTIONS\r\n\r\n"),
    case("OPTIONS *", &["OPTIONS * HTTP/1.1", "Host: localhost"]),
    case("DELETE", &["DELETE /page HTTP/1.1", "Host: localhost"]),
    case("a method of its own", &["PURGE /page HTTP/1.1", "Host: localhost"]),
    case("CONNECT", &["CONNECT example.com:443 HTTP/1.1", "Host: example.com:443"]),
    case("TRACE", &["TRACE / HTTP/1.1", "Host: localhost"]),
    case("percent-encoded target", &["GET /a%2Fb/%c3%A9/%25 HTTP/1.1", "Host: localhost"]),
    case("percent-encoded zero byte", &["GET /a%00b HTTP/1.1", "Host: localhost"]),
    case("dots and slashes in the target", &["GET //a/./b/../c/ HTTP/1.1", "Host: localhost"]),
    case("absolute-form target", &["GET https://localhost/a?b HTTP/1.1", "Host: localhost"]),
    case("absolute-form target, other host", &["GET http://other/a HTTP/1.1", "Host: localhost"]),
    case("HTTP/1.0", &["GET /old HTTP/1.0", "Host: localhost"]),
    case("HTTP/1.0 without a host", &["GET /old HTTP/1.0"]),
    case("HTTP/1.0 with keep-alive", &["GET / HTTP/1.0", "Host: localhost", "Connection: keep-alive"]),
    case("HTTP/1.2", &["GET / HTTP/1.2", "Host: localhost"]),
    case("HTTP/2.0", &["GET / HTTP/2.0", "Host: localhost"]),
    // Headers
    case("host with a port", &["GET / HTTP/1.1", "Host: localhost:8443"]),
    case("host in capitals", &["GET / HTTP/1.1", "Host: LOCALHOST"]),
    case("no host", &["GET / HTTP/1.1"]),
    case("two hosts", &["GET / HTTP/1.1", "Host: localhost", "Host: other"]),
    case("connection: close", &["GET / HTTP/1.1", "Host: localhost", "Connection: close"]),
    case(
        "duplicate headers",
        &["GET / HTTP/1.1", "Host: localhost", "X-Two: 1", "X-Other: 0", "x-two: 2", "X-Two: 1"],
    ),
    case(
        "cookies",
        &["GET / HTTP/1.1", "Host: localhost", "Cookie: a=1; b=\"2\"", "Cookie: c=3"],
    )
    .answered(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Secure\r\n\
         Content-Length: 0\r\n\r\n",
    ),
    case(
        "forged forwarding headers",
        &[
            "GET / HTTP/1.1",
            "Host: localhost",
            "X-Forwarded-For: 192.0.2.1",
            "X-Real-IP: 192.0.2.1",
            "X-Forwarded-Proto: http",
            "Forwarded: for=192.0.2.1",
        ],
    ),
    case(
        "hop-by-hop headers",
        &[
            "GET / HTTP/1.1",
            "Host: localhost",
            "Connection: keep-alive, X-Hop, TE",
            "X-Hop: 1",
            "TE: trailers",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic eDp5",
            "Authorization: Basic eDp5",
        ],
    ),
    case("underscore in a name", &["GET / HTTP/1.1", "Host: localhost", "X_Under: 1"]),
    case("empty header", &["GET / HTTP/1.1", "Host: localhost", "X-Empty:", "X-Last: 1"]),
    case("bytes over 127 in a header", &["GET / HTTP/1.1", "Host: localhost", "X-Name: grüße"]),
    case("folded header", &["GET / HTTP/1.1", "Host: localhost", "X-Fold: 1", " 2"]),
    case("space before the colon", &["GET / HTTP/1.1", "Host: localhost", "X-Space : 1"]),
    case("bare LF", &["GET / HTTP/1.1\nHost: localhost", "X-One: 1"]),
    // Bodies
    case("POST", &["POST /form HTTP/1.1", "Host: localhost", "Content-Length: 11"])
        .with_body("hello=world"),
    case("POST of nothing", &["POST /form HTTP/1.1", "Host: localhost", "Content-Length: 0"]),
    case("POST without a length", &["POST /form HTTP/1.1", "Host: localhost"]),
    case("POST in chunks", &["POST /form HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked"])
        .with_body("6\r\nhello=\r\n5\r\nworld\r\n0\r\n\r\n"),
    case("GET with a body", &["GET /find HTTP/1.1", "Host: localhost", "Content-Length: 2"])
        .with_body("{}"),
    case(
        "POST that waits for 100",
        &["POST /form HTTP/1.1", "Host: localhost", "Content-Length: 5", "Expect: 100-continue"],
    )
    .with_body("hello"),
    case(
        "both a length and chunks",
        &["POST / HTTP/1.1", "Host: localhost", "Content-Length: 5", "Transfer-Encoding: chunked"],
    )
    .with_body("0\r\n\r\n"),
    case(
        "two lengths",
        &["POST / HTTP/1.1", "Host: localhost", "Content-Length: 5", "Content-Length: 6"],
    )
    .with_body("hello!"),
    case("length that is no number", &["POST / HTTP/1.1", "Host: localhost", "Content-Length: +5"])
        .with_body("hello"),
    case("gzip, chunked", &["POST / HTTP/1.1", "Host: localhost", "Transfer-Encoding: gzip, chunked"])
        .with_body("0\r\n\r\n"),
    // Answers
    case("answer in chunks", &["GET / HTTP/1.1", "Host: localhost"])
        .answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n"),
    case("answer in chunks to HTTP/1.0", &["GET / HTTP/1.0", "Host: localhost"])
        .answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n"),
    case("answer until the close", &["GET / HTTP/1.1", "Host: localhost"])
        .answered("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nyes"),
    case("answer of HTTP/1.0", &["GET / HTTP/1.1", "Host: localhost"])
        .answered("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyes"),
    case("answer without a body", &["GET / HTTP/1.1", "Host: localhost", "If-None-Match: \"1\""])
        .answered("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"),
    case("answer after early hints", &["GET / HTTP/1.1", "Host: localhost"]).answered(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes",
    ),
    case("server error", &["GET / HTTP/1.1", "Host: localhost"]).answered(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 9\r\nContent-Length: 5\r\n\r\nlater",
    ),
    case("hop-by-hop headers in the answer", &["GET / HTTP/1.1", "Host: localhost"]).answered(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
         X-End: 1\r\nContent-Length: 3\r\n\r\nyes",
    ),
    case("no answer", &["GET / HTTP/1.1", "Host: localhost"]).answered(""),
    case("garbage for an answer", &["GET / HTTP/1.1", "Host: localhost"]).answered("good day\r\n\r\n"),
];
