//! What holds for every head, made of anything or of pieces that nearly fit.

use proptest::collection::vec;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof,
};
use proptest::proptest;
use proptest::sample::select;
use wssgate::http::forwarded::Facts;
use wssgate::http::request::{self, Kind, Request};
use wssgate::http::{MAX_HEADERS, head, response};

use super::case::Setting;

/// Lines that mean something to us, well made and not.
const LINES: [&str; 46] = [
    "Host: example.com",
    "host: example.com:8443",
    "Connection: Upgrade",
    "Connection: keep-alive, Upgrade, X-Secret",
    "connection: close, Host, Content-Length, Transfer-Encoding",
    "Connection: Sec-WebSocket-Key, TE, X-Forwarded-For",
    "Upgrade: websocket",
    "Upgrade: h2c, WebSocket",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMA",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Key: x",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: a, b",
    "Content-Length: 0",
    "Content-Length: 5",
    "content-length: 05",
    "Content-Length: +5",
    "Transfer-Encoding: chunked",
    "transfer-encoding: Chunked",
    "Transfer-Encoding: gzip, chunked",
    "Transfer-Encoding : chunked",
    "Keep-Alive: 5",
    "Proxy-Connection: close",
    "Proxy-Authorization: Basic YTpi",
    "TE: trailers",
    "te:gzip",
    "Trailer: X",
    "X-Secret: a",
    "X-Forwarded-For: 1.2.3.4",
    "x-forwarded-for: 5.6.7.8",
    "X_Forwarded_For: 6.6.6.6",
    "X-Real-IP: 1.2.3.4",
    "X_Real-IP: 6.6.6.6",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Port: 1",
    "Forwarded: for=1.2.3.4",
    "X-Forwarded-Client-Cert: Hash=6",
    "x_forwarded-client_cert: Hash=6",
    "Cookie: a=b",
    "X:",
    "X: \t a  b \t ",
    " folded",
    "Expect: 100-continue",
    ": nameless",
];

const REQUEST_LINES: [&str; 14] = [
    "GET / HTTP/1.1",
    "GET /a?b=c HTTP/1.1",
    "GET /chat HTTP/1.1",
    "POST /a HTTP/1.1",
    "HEAD / HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "OPTIONS http://example.com HTTP/1.1",
    "GET http://example.com?q HTTP/1.1",
    "GET wss://example.com:8443/a HTTP/1.1",
    "GET //a//b HTTP/1.1",
    "GET / HTTP/1.0",
    "POST http://example.com/ HTTP/1.0",
    "CONNECT a:1 HTTP/1.1",
    "GET /a b HTTP/1.1",
];

/// Heads of such lines. Half of them have a Host first, or hardly any would be in order.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let first = select(&REQUEST_LINES[..]);
    let host = prop_oneof![Just("Host: example.com\r\n"), Just("")];
    (first, host, vec(select(&LINES[..]), 0..12)).prop_map(|(first, host, lines)| {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        format!("{first}\r\n{host}{lines}\r\n").into_bytes()
    })
}

/// The same with some bytes of them changed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    (heads(), vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4)).prop_map(
        |(mut head, changes)| {
            for (at, byte) in changes {
                let at = at.index(head.len());
                head[at] = byte;
            }
            head
        },
    )
}

/// A well-made WebSocket request among lines that cannot break it.
fn upgrades() -> impl Strategy<Value = Vec<u8>> {
    let harmless = select(vec!["Cookie: a=b", "X: y", "Connection: x-secret", "X-Secret: z"]);
    (vec(harmless.clone(), 0..6), vec(harmless, 0..6)).prop_map(|(before, behind)| {
        let [before, behind] = [before, behind]
            .map(|lines| lines.iter().map(|line| format!("{line}\r\n")).collect::<String>());
        let upgrade = crate::support::upgrade_request();
        upgrade
            .replacen("Upgrade: ", &format!("{before}Upgrade: "), 1)
            .replacen("\r\n\r\n", &format!("\r\n{behind}\r\n"), 1)
            .into_bytes()
    })
}

fn facts() -> impl Strategy<Value = Facts<'static>> {
    let settings = select(vec![
        Setting::Ordinary,
        Setting::Forwarded,
        Setting::Trusted,
        Setting::TrustedForwarded,
        Setting::Ipv6Trusted,
    ]);
    let client_certs = select(vec![None, Some("Hash=ab;Subject=\"CN=a\"")]);
    (settings, client_certs)
        .prop_map(|(setting, client_cert)| Facts { client_cert, ..setting.facts(8443) })
}

/// The head at the front of these bytes, if the scanner lets one through: what `parse` is given.
fn scanned(bytes: &[u8]) -> Option<&[u8]> {
    let length = head::Scanner::new(64 * 1024).scan(bytes).ok()??;
    Some(&bytes[..length])
}

fn rewrite(request: &Request<'_>, facts: &Facts<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    request.rewrite(facts, &mut out);
    out
}

/// Names of a head's headers, in lower case and with `_` as `-`.
fn names(head: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(head).to_lowercase().replace('_', "-");
    let lines = text.split("\r\n").skip(1).filter(|line| !line.is_empty());
    lines.map(|line| line.split(':').next().unwrap().to_owned()).collect()
}

fn holds_for(bytes: &[u8], facts: &Facts<'_>) -> Result<(), proptest::test_runner::TestCaseError> {
    let Some(Ok(request)) = scanned(bytes).map(request::parse) else { return Ok(()) };
    let once = rewrite(&request, facts);
    prop_assert_eq!(scanned(&once), Some(once.as_slice()), "one head and nothing behind it");
    let names = names(&once);
    let count = |name: &str| names.iter().filter(|found| *found == name).count();
    let upgrades = usize::from(request.is_websocket());
    prop_assert_eq!(count("connection"), 1);
    prop_assert_eq!(count("upgrade"), upgrades);
    for gone in ["keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer"] {
        prop_assert_eq!(count(gone), 0, "{}", gone);
    }
    for own in ["x-forwarded-for", "x-real-ip", "x-forwarded-proto", "x-forwarded-port"] {
        prop_assert_eq!(count(own), 1, "{}", own);
    }
    prop_assert_eq!(count("x-forwarded-client-cert"), usize::from(facts.client_cert.is_some()));
    prop_assert!(count("host") == 1 || request.host.is_none());
    prop_assert!(count("content-length") + count("transfer-encoding") <= 1);
    if names.len() > MAX_HEADERS {
        return Ok(());
    }
    let again = match request::parse(&once) {
        Ok(again) => again,
        Err(refusal) => panic!("{refusal}: {}", once.escape_ascii()),
    };
    prop_assert_eq!(again.kind, request.kind);
    prop_assert_eq!(&again.target, &request.target);
    prop_assert_eq!(again.method, request.method);
    prop_assert_eq!(again.host, request.host);
    if !facts.trusted {
        let twice = rewrite(&again, facts);
        prop_assert_eq!(twice.escape_ascii().to_string(), once.escape_ascii().to_string());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_never_panics(bytes in vec(any::<u8>(), 0..300)) {
        let _ = request::parse(&bytes);
        let _ = response::parse(&bytes);
        let _ = scanned(&bytes);
    }

    #[test]
    fn parsing_damaged_heads_never_panics(bytes in damaged()) {
        let _ = request::parse(&bytes);
        let answer = [b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes].concat();
        if let Ok(response) = response::parse(&answer) {
            let _ = response.framing("GET");
            let _ = response.accepts(crate::support::KEY);
        }
    }

    #[test]
    fn what_is_sent_on_means_the_same_again(bytes in heads(), facts in facts()) {
        holds_for(&bytes, &facts)?;
    }

    #[test]
    fn what_is_sent_on_of_a_damaged_head_means_the_same_again(bytes in damaged(), facts in facts()) {
        holds_for(&bytes, &facts)?;
    }

    #[test]
    fn a_websocket_request_stays_one(bytes in upgrades(), facts in facts()) {
        let request = request::parse(&bytes).unwrap();
        prop_assert_eq!(request.kind, Kind::WebSocket { key: crate::support::KEY });
        holds_for(&bytes, &facts)?;
    }
}
