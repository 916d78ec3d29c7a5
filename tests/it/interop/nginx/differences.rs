//! What wssgate does otherwise than nginx with the usual recipe, and why. A line that is not true any more
//! fails, as does a difference without a line.

/// One intended difference.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) cases: Cases,
    /// What is different, as `exchange.rs` names it.
    pub(super) what: &'static str,
    /// By nginx; `-` is nothing.
    pub(super) nginx: &'static str,
    /// By wssgate.
    pub(super) wssgate: &'static str,
    #[expect(dead_code, reason = "for readers, and in the message of a failure")]
    why: &'static str,
}

/// Where a difference is seen.
#[derive(Debug)]
pub(super) enum Cases {
    /// So often that a list would say nothing; once at least.
    Any,
    /// In each of these, and in no other.
    Only(&'static [&'static str]),
}

impl Difference {
    /// Whether it may be seen in this case.
    pub(super) fn is_of(&self, case: &str) -> bool {
        match self.cases {
            Cases::Any => true,
            Cases::Only(cases) => cases.contains(&case),
        }
    }

    /// The cases that it should have been seen in and was not.
    pub(super) fn missing(&self, seen_in: &[&str]) -> Vec<&'static str> {
        match self.cases {
            Cases::Any if seen_in.is_empty() => vec!["any case"],
            Cases::Any => Vec::new(),
            Cases::Only(cases) => {
                cases.iter().copied().filter(|case| !seen_in.contains(case)).collect()
            }
        }
    }
}

const fn any(
    what: &'static str,
    [nginx, wssgate]: [&'static str; 2],
    why: &'static str,
) -> Difference {
    Difference { cases: Cases::Any, what, nginx, wssgate, why }
}

const fn only(
    cases: &'static [&'static str],
    what: &'static str,
    [nginx, wssgate]: [&'static str; 2],
    why: &'static str,
) -> Difference {
    Difference { cases: Cases::Only(cases), what, nginx, wssgate, why }
}

const OWN_ERROR: &str = "each has its own words for an error; nginx sends a page in HTML";
const CLOSES: &str = "what came behind a refused upgrade could be meant for its tunnel (RFC 9931), and \
    so never becomes the next request; an answer that ends by the close ends the connection too";
const VERSION: &str = "the request line goes on as it came, so that an upstream does not answer in \
    a way that the client would not understand";
const NO_GUESS: &str = "a head that can be read in two ways is refused";
const HOST: &str = "Host goes on byte for byte: a WebSocket server compares it with Origin, port \
    included, and the recipe's $host breaks that on any port but 443";
const BY_CLOSE: &str = "framing is not changed: what ends by the close here ends by it there";

/// All of them.
pub(super) const DIFFERENCES: &[Difference] = &[
    any("upstream connection", ["upgrade", "Upgrade"], "the same token, as browsers write it"),
    any("answer connection", ["upgrade", "Upgrade"], "the same token, as browsers write it"),
    any("answer connection", ["keep-alive", "close"], CLOSES),
    any("upstream x-forwarded-host", ["-", "set"], "for applications that make absolute URLs"),
    any("upstream x-forwarded-port", ["-", "set"], "for applications that make absolute URLs"),
    // WebSocket
    only(
        &["upgrade in capitals"],
        "upstream upgrade",
        ["WebSocket", "websocket"],
        "written anew, once, as RFC 6455 has it",
    ),
    only(
        &["upgrade without a key"],
        "upstream line",
        ["GET /chat HTTP/1.1", "-"],
        "what says websocket and is none is refused here, by the same status",
    ),
    only(
        &["upgrade with a wrong accept value", "101 that nobody asked for"],
        "status",
        ["101", "502"],
        "the gate: no tunnel without the right answer to this very key",
    ),
    only(
        &["upgrade with a wrong accept value"],
        "tunnel",
        ["echoes", "-"],
        "the gate: no tunnel without the right answer to this very key",
    ),
    only(
        &["101 that nobody asked for"],
        "tunnel",
        ["is dead", "-"],
        "the gate: no tunnel that was not asked for",
    ),
    only(
        &["upgrade to h2c"],
        "upstream upgrade",
        ["h2c", "-"],
        "only websocket is passed on: HTTP/2 in a tunnel would get past every check (h2c smuggling)",
    ),
    only(&["upgrade to h2c"], "upstream connection", ["upgrade", "close"], "as for any plain one"),
    only(
        &["upgrade to h2c"],
        "upstream http2-settings",
        ["AAMAAABkAAQCAAAAAAIAAAAA", "-"],
        "Connection names it, so it ends here (RFC 9110, 7.6.1)",
    ),
    // Methods, targets, versions
    only(&["OPTIONS *"], "status", ["400", "200"], "it is in order (RFC 9112, 3.2.4)"),
    only(&["OPTIONS *"], "upstream line", ["-", "OPTIONS * HTTP/1.1"], "the same"),
    only(&["TRACE"], "status", ["405", "200"], "the methods are the application's business"),
    only(&["TRACE"], "upstream line", ["-", "TRACE / HTTP/1.1"], "the same"),
    only(&["CONNECT"], "status", ["400", "501"], "both refuse; 501 says what it is"),
    only(
        &["percent-encoded zero byte"],
        "status",
        ["400", "200"],
        "the target is not decoded here, so what it decodes to is the application's business",
    ),
    only(&["percent-encoded zero byte"], "upstream line", ["-", "GET /a%00b HTTP/1.1"], "the same"),
    only(&["absolute-form target, other host"], "status", ["200", "400"], NO_GUESS),
    only(
        &["absolute-form target, other host"],
        "upstream line",
        ["GET /a HTTP/1.1", "-"],
        NO_GUESS,
    ),
    only(&["HTTP/1.0"], "upstream line", ["GET /old HTTP/1.1", "GET /old HTTP/1.0"], VERSION),
    only(
        &["HTTP/1.0 without a host"],
        "upstream line",
        ["GET /old HTTP/1.1", "GET /old HTTP/1.0"],
        VERSION,
    ),
    only(
        &["HTTP/1.0 with keep-alive", "answer in chunks to HTTP/1.0"],
        "upstream line",
        ["GET / HTTP/1.1", "GET / HTTP/1.0"],
        VERSION,
    ),
    only(
        &["HTTP/1.0 without a host"],
        "upstream host",
        ["localhost", "-"],
        "nginx has its server_name to put there; HTTP/1.0 may do without",
    ),
    only(&["HTTP/1.2"], "status", ["200", "505"], "only what is known is spoken"),
    only(&["HTTP/1.2"], "upstream line", ["GET / HTTP/1.1", "-"], "only what is known is spoken"),
    // Headers
    only(&["host with a port"], "upstream host", ["localhost", "localhost:8443"], HOST),
    only(&["host in capitals"], "upstream host", ["localhost", "LOCALHOST"], HOST),
    only(
        &["forged forwarding headers"],
        "upstream forwarded",
        ["for=192.0.2.1", "-"],
        "what a client says of itself is forged until its address is trusted",
    ),
    only(
        &["forged forwarding headers"],
        "upstream x-forwarded-for",
        ["192.0.2.1, 127.0.0.1", "127.0.0.1"],
        "what a client says of itself is forged until its address is trusted",
    ),
    only(
        &["hop-by-hop headers"],
        "upstream proxy-authorization",
        ["Basic eDp5", "-"],
        "a password for the proxy is not the application's",
    ),
    only(
        &["hop-by-hop headers"],
        "upstream proxy-connection",
        ["keep-alive", "-"],
        "of one hop only",
    ),
    only(
        &["hop-by-hop headers"],
        "upstream x-hop",
        ["1", "-"],
        "Connection names it, so it ends here (RFC 9110, 7.6.1)",
    ),
    only(
        &["hop-by-hop headers in the answer"],
        "answer x-hop",
        ["1", "-"],
        "Connection names it, so it ends here (RFC 9110, 7.6.1)",
    ),
    only(
        &["underscore in a name"],
        "upstream x_under",
        ["-", "1"],
        "nothing is lost without a word; only underscore spellings of our own headers go",
    ),
    only(&["bare LF"], "status", ["200", "400"], NO_GUESS),
    only(&["bare LF"], "upstream line", ["GET / HTTP/1.1", "-"], NO_GUESS),
    // Bodies
    only(
        &["POST in chunks"],
        "upstream content-length",
        ["11", "-"],
        "nginx reads the body whole before it asks the upstream; here it passes as it comes",
    ),
    only(
        &["POST in chunks"],
        "upstream transfer-encoding",
        ["-", "chunked"],
        "nginx reads the body whole before it asks the upstream; here it passes as it comes",
    ),
    only(
        &["POST that waits for 100"],
        "upstream expect",
        ["-", "100-continue"],
        "nginx says 100 by itself; here the upstream is asked, and may refuse unread",
    ),
    // Answers
    only(
        &["upgrade refused: 404, until the close", "answer until the close"],
        "answer transfer-encoding",
        ["chunked", "-"],
        BY_CLOSE,
    ),
    only(
        &["answer in chunks to HTTP/1.0"],
        "answer transfer-encoding",
        ["-", "chunked"],
        "an upstream that answers HTTP/1.0 so is broken; nginx mends it",
    ),
    only(
        &["answer after early hints"],
        "answer connection",
        ["-", "keep-alive"],
        "nginx takes the 103 for the answer and the answer for its body",
    ),
    only(
        &["no answer"],
        "answer body",
        [
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 \
             Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
            "502 Bad Gateway: upstream closed without an answer\n",
        ],
        OWN_ERROR,
    ),
    only(&["no answer"], "answer content-length", ["150", "51"], OWN_ERROR),
    only(&["no answer"], "answer content-type", ["text/html", "text/plain"], OWN_ERROR),
    only(
        &["garbage for an answer"],
        "status",
        ["none", "502"],
        "nginx takes it for HTTP/0.9 and passes it on bare",
    ),
];
