//! Response framing as a table: what the upstream sends, what the client gets byte for byte, and whether
//! its connection lives.

use Then::{Cut, Ends, Lives, Refused, Surplus};

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    /// The client gets this, and its next request is answered.
    Lives(&'static str),
    /// The client gets this, and a close_notify.
    Ends(&'static str),
    /// The client gets this and not a byte more. The connection ends when the surplus was seen.
    Surplus(&'static str),
    /// The client gets this, and the connection breaks off: it can tell that something is missing.
    Cut(&'static str),
    /// The client gets an answer of our own with this status, and a close_notify.
    Refused(u16),
}

/// One response.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    /// What the upstream sends before it closes.
    pub(super) response: &'static str,
    pub(super) then: Then,
}

const fn get(name: &'static str, response: &'static str, then: Then) -> Case {
    Case { name, method: "GET", response, then }
}

const fn with(
    method: &'static str,
    name: &'static str,
    response: &'static str,
    then: Then,
) -> Case {
    Case { name, method, response, then }
}

#[rustfmt::skip]
pub(super) const LENGTHS: &[Case] = &[
    get("a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        Lives("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello")),
    get("no body by length", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        Lives("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n")),
    get("headers in their case and order", "HTTP/1.1 200 Fine, thanks\r\nx-B: 2\r\nX-a:1\r\ncontent-length: 1\r\n\r\nx",
        Lives("HTTP/1.1 200 Fine, thanks\r\nx-B: 2\r\nX-a:1\r\ncontent-length: 1\r\nConnection: keep-alive\r\n\r\nx")),
    get("leading zeros in the length", "HTTP/1.1 200 OK\r\nContent-Length: 005\r\n\r\nhello",
        Lives("HTTP/1.1 200 OK\r\nContent-Length: 005\r\nConnection: keep-alive\r\n\r\nhello")),
    get("the upstream's connection header is its own", "HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok",
        Lives("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")),
    get("headers named by connection go", "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok",
        Lives("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")),
    get("connection cannot name the length", "HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 2\r\n\r\nok",
        Lives("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")),
    get("a status without a phrase", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
        Lives("HTTP/1.1 200 \r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")),
    get("an error status with a length", "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy",
        Lives("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\nbusy")),
    get("a redirect", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
        Lives("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n")),
    get("a status out of the classes", "HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n",
        Lives("HTTP/1.1 799 Odd\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n")),
    get("shorter than its length", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        Cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: keep-alive\r\n\r\nhello")),
    get("a length and no byte of it", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        Cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: keep-alive\r\n\r\n")),
    get("longer than its length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloEVIL",
        Surplus("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello")),
    get("two responses to one request", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
        Surplus("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")),
    get("two equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Refused(502)),
    get("two different lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Refused(502)),
    get("a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", Refused(502)),
    get("a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", Refused(502)),
    get("a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", Refused(502)),
    get("an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", Refused(502)),
    get("a length beyond 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n", Refused(502)),
    get("a length in words", "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", Refused(502)),
    get("length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(502)),
];

#[rustfmt::skip]
pub(super) const CHUNKS: &[Case] = &[
    get("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Lives("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n5\r\nhello\r\n0\r\n\r\n")),
    get("no chunk but the last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        Lives("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n")),
    get("chunk sizes in either case with zeros", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n00a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n",
        Lives("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nConnection: keep-alive\r\n\r\n00a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n")),
    get("chunk extensions", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b;c=\"d;e\"\r\nok\r\n0;last\r\n\r\n",
        Lives("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n2;a=b;c=\"d;e\"\r\nok\r\n0;last\r\n\r\n")),
    get("trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
        Lives("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: keep-alive\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n")),
    get("data that looks like the end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n",
        Lives("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n")),
    get("chunks that break off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        Cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n5\r\nhel")),
    get("chunks without the last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        Cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n5\r\nhello\r\n")),
    get("the last chunk without its end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        Cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n2\r\nok\r\n0\r\n")),
    get("trailers that break off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n",
        Cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\nX-Sum: 1\r\n")),
    get("bytes behind the last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nEVIL",
        Surplus("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n2\r\nok\r\n0\r\n\r\n")),
    get("a chunk longer than its size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokEVIL\r\n0\r\n\r\n", Refused(502)),
    get("a chunk size that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", Refused(502)),
    get("a chunk line with a bare LF", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", Refused(502)),
    get("a chunk size beyond 64 bits", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", Refused(502)),
    get("a chunk size with a sign", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n", Refused(502)),
    get("chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(502)),
    get("chunked over gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Refused(502)),
    get("gzip alone", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nbytes", Refused(502)),
    get("an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", Refused(502)),
    get("chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Refused(502)),
];

#[rustfmt::skip]
pub(super) const BODILESS: &[Case] = &[
    with("HEAD", "HEAD with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        Lives("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n")),
    with("HEAD", "HEAD with chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        Lives("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n")),
    with("HEAD", "HEAD without framing", "HTTP/1.1 200 OK\r\n\r\n",
        Lives("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n")),
    with("HEAD", "HEAD with a body all the same", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
        Surplus("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\n")),
    get("204", "HTTP/1.1 204 No Content\r\n\r\n",
        Lives("HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n")),
    get("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        Lives("HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n")),
    get("204 with a length and a body", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nEVIL",
        Surplus("HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n")),
    get("304 with the length of what it stands for", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: \"x\"\r\n\r\n",
        Lives("HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\nETag: \"x\"\r\nConnection: keep-alive\r\n\r\n")),
    get("304 with a body all the same", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nEVIL",
        Surplus("HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\n")),
];

#[rustfmt::skip]
pub(super) const CLOSES: &[Case] = &[
    get("until the close", "HTTP/1.1 200 OK\r\n\r\nhello",
        Ends("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")),
    get("nothing until the close", "HTTP/1.1 200 OK\r\n\r\n",
        Ends("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")),
    get("until the close, though it says keep-alive", "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nhello",
        Ends("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")),
    get("HTTP/1.0 until the close", "HTTP/1.0 200 OK\r\n\r\nhello",
        Ends("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")),
    get("HTTP/1.0 with a length", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        Lives("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello")),
    get("HTTP/1.0 that is cut", "HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        Cut("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: keep-alive\r\n\r\nhello")),
];

#[rustfmt::skip]
pub(super) const INTERIM: &[Case] = &[
    get("100, then the answer", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        Lives("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")),
    get("early hints, twice", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        Lives("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")),
    get("102 with a length of its own", "HTTP/1.1 102 Processing\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        Lives("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")),
    get("interim and no answer", "HTTP/1.1 100 Continue\r\n\r\n", Refused(502)),
    get("101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", Refused(502)),
];

#[rustfmt::skip]
pub(super) const GARBAGE: &[Case] = &[
    get("nothing at all", "", Refused(502)),
    get("half a head", "HTTP/1.1 200 OK\r\nContent-Le", Refused(502)),
    get("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", Refused(502)),
    get("a body without a head", "<html>hello</html>\r\n\r\n", Refused(502)),
    get("another version", "HTTP/2.0 200 OK\r\n\r\n", Refused(502)),
    get("a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", Refused(502)),
    get("a status below 100", "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n", Refused(502)),
    get("bare line ends", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", Refused(502)),
    get("a folded header", "HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok", Refused(502)),
    get("a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", Refused(502)),
    get("a NUL in a value", "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nok", Refused(502)),
    get("an empty line first", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Refused(502)),
];
