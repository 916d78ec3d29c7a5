//! Response heads: judged and rewritten by wssgate, and by a slow model of RFC 9112, 6.3 and RFC 6455, 4.1. Both
//! must come to the same: whether it is one, where its body ends, whether it opens the gate, what the
//! client gets.

use wssgate::http::body::Framing;
use wssgate::http::response::{self, Response};
use wssgate::http::websocket;

use crate::head::{self, Head};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Never sent on.
const HOP_BY_HOP: [&str; 3] = ["connection", "keep-alive", "proxy-connection"];

/// Not removed for Connection's sake, besides those that begin with `sec-websocket-`.
const PROTECTED: [&str; 5] =
    ["content-length", "transfer-encoding", "content-type", "set-cookie", "upgrade"];

/// Panics when `bytes` are judged or rewritten otherwise than the model has it.
pub fn judge(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(head::LIMIT / 2)];
    head::judge_end(bytes);
    let Some(bytes) = head::complete(bytes) else { return };
    let expected = Head::read(&bytes).and_then(|head| Some((read_status(&head)?, head)));
    match (response::parse(&bytes), expected) {
        (Err(refusal), None) => assert_eq!(refusal.status, 502),
        (Ok(response), Some(((status, minor), head))) => {
            assert_eq!(response.status, status);
            judge_understood(&response, minor, &head);
        }
        (Err(refusal), Some(_)) => panic!("refused, {refusal}"),
        (Ok(response), None) => panic!("not refused: {response:?}"),
    }
}

/// The status code and the minor version. A status line may end behind its code, as some servers have it.
pub(crate) fn read_status(head: &Head) -> Option<(u16, u8)> {
    let line = &head.first;
    let minor = match line.get(..9)? {
        b"HTTP/1.1 " => 1,
        b"HTTP/1.0 " => 0,
        _ => return None,
    };
    let code = line.get(9..12)?;
    if !code.iter().all(u8::is_ascii_digit) || !matches!(line.get(12), None | Some(b' ')) {
        return None;
    }
    let status = String::from_utf8_lossy(code).parse().ok()?;
    (status >= 100).then_some((status, minor))
}

fn judge_understood(response: &Response<'_>, minor: u8, head: &Head) {
    let status = response.status;
    assert_eq!(response.is_interim(), status < 200 && status != 101);
    for method in ["GET", "HEAD", "POST"] {
        assert_eq!(response.framing(method).ok(), read_framing(method, (status, minor), head));
    }
    let opens = opens(status, minor, head);
    assert_eq!(response.accepts(KEY).is_ok(), opens);
    assert!(!opens || response.accepts("AAAAAAAAAAAAAAAAAAAAAA==").is_err(), "for any key");
    for (connection, hsts) in [("close", None), ("Upgrade", Some("max-age=1")), ("", None)] {
        let mut sent = Vec::new();
        response.rewrite(connection, hsts, &mut sent);
        let expected = rewrite(status, head, connection, hsts);
        assert_eq!(sent.escape_ascii().to_string(), expected.escape_ascii().to_string());
        judge_sent((response, opens), &sent, connection);
    }
}

/// RFC 9112, 6.3, in its order; nothing when the answer may not go on.
pub(crate) fn read_framing(
    method: &str,
    (status, minor): (u16, u8),
    head: &Head,
) -> Option<Framing> {
    let length = head.content_length().ok()?;
    let codings = head.values("transfer-encoding");
    if length.is_some() && !codings.is_empty() {
        return None;
    }
    if method == "HEAD" || status < 200 || status == 204 || status == 304 {
        return Some(Framing::None);
    }
    match head.is_chunked().ok()? {
        false => Some(length.map_or(Framing::Close, Framing::Length)),
        true => (minor == 1).then_some(Framing::Chunked),
    }
}

pub(crate) fn opens(status: u16, minor: u8, head: &Head) -> bool {
    assert_eq!(websocket::accept(KEY.as_bytes()).as_bytes(), ACCEPT);
    (status, minor) == (101, 1)
        && head.members("upgrade") == ["websocket"]
        && head.members("connection").contains(&"upgrade".to_owned())
        && head.values("sec-websocket-accept") == [ACCEPT]
}

/// The head for the client.
pub(crate) fn rewrite(status: u16, head: &Head, connection: &str, hsts: Option<&str>) -> Vec<u8> {
    let mut out = [b"HTTP/1.1", &head.first[8..], b"\r\n"].concat();
    let named = head.members("connection");
    let has_no_body = status < 200 || status == 204;
    for field in &head.fields {
        let name = field.name.as_str();
        let is_framing = name == "content-length" || name == "transfer-encoding";
        let is_protected = PROTECTED.contains(&name) || name.starts_with("sec-websocket-");
        let is_dropped = named.contains(&field.name) && !is_protected;
        if !HOP_BY_HOP.contains(&name) && !is_dropped && !(is_framing && has_no_body) {
            out.extend(&field.line);
            out.extend(b"\r\n");
        }
    }
    if let Some(hsts) = hsts.filter(|_| head.values("strict-transport-security").is_empty()) {
        out.extend(format!("Strict-Transport-Security: {hsts}\r\n").into_bytes());
    }
    if !connection.is_empty() {
        out.extend(format!("Connection: {connection}\r\n").into_bytes());
    }
    out.extend(b"\r\n");
    out
}

fn judge_sent((response, opens): (&Response<'_>, bool), sent: &[u8], connection: &str) {
    assert_eq!(head::end(sent), Ok(Some(sent.len())), "one head and nothing behind it");
    let Some(head) = Head::read(sent) else {
        assert!(sent.split(|byte| *byte == b'\n').count() > 100, "a head in order");
        return;
    };
    assert_eq!(head.count("connection"), usize::from(!connection.is_empty()));
    let again = response::parse(sent).expect("what we send is in order");
    assert_eq!(again.status, response.status);
    // One that does not open the gate goes nowhere.
    if connection == "Upgrade" && opens {
        assert_eq!(again.accepts(KEY), Ok(()), "the gate, for who reads it next");
    }
    // Nothing is framed otherwise for who reads it next; a framing that we refuse goes nowhere.
    if let Ok(framing) = response.framing("GET") {
        assert_eq!(again.framing("GET"), Ok(framing));
    }
}
