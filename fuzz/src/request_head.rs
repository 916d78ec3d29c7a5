//! Request heads: judged and rewritten by wssgate, and by a model that is SPEC's table written out slowly. Both
//! must come to the same verdict and, byte for byte, to the same head for the upstream.

use wssgate::http::body::Framing;
use wssgate::http::forwarded::Facts;
use wssgate::http::request::{self, Kind, Request};

use crate::head::{self, Head, is_token};

/// Never sent on.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
];

/// Not removed for Connection's sake, besides those that begin with `sec-websocket-`.
const PROTECTED: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "origin", "cookie", "authorization"];

/// Wssgate's own, underscores read as dashes.
const OWN: [&str; 7] = [
    "x-forwarded-for",
    "x-real-ip",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "forwarded",
    "x-forwarded-client-cert",
];

const MAX_CONNECTION_OPTIONS: usize = 32;

/// What a head means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) host: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) body: Framing,
    pub(crate) version: &'static str,
}

/// Panics when `bytes` are judged or rewritten otherwise than the model has it.
pub fn judge(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(head::LIMIT / 2)];
    head::judge_end(bytes);
    let Some(bytes) = head::complete(bytes) else { return };
    let expected = Head::read(&bytes).and_then(|head| Some((mean(&head)?, head)));
    match (request::parse(&bytes), expected) {
        (Err(refusal), None) => {
            assert!([400, 431, 501, 505].contains(&refusal.status), "{refusal:?}");
        }
        (Ok(request), Some((meaning, head))) => {
            assert_eq!(meaning_of(&request), meaning);
            judge_rewritten(&request, &head);
        }
        (Err(refusal), Some((meaning, _))) => panic!("refused, {refusal}: {meaning:?}"),
        (Ok(request), None) => panic!("not refused: {request:?}"),
    }
}

fn meaning_of(request: &Request<'_>) -> Meaning {
    let (key, body) = match request.kind {
        Kind::WebSocket { key } => (Some(key.to_owned()), Framing::None),
        Kind::Plain { body } => (None, body),
    };
    Meaning {
        method: request.method.to_owned(),
        target: request.target.clone().into_owned(),
        host: request.host.map(str::to_owned),
        key,
        body,
        version: if request.takes_interim() { "HTTP/1.1" } else { "HTTP/1.0" },
    }
}

/// What the head means, or nothing when it must be refused.
pub(crate) fn mean(head: &Head) -> Option<Meaning> {
    let first: Vec<&[u8]> = head.first.split(|byte| *byte == b' ').collect();
    let [method, target, version] = first[..] else { return None };
    let version = match version {
        b"HTTP/1.1" => "HTTP/1.1",
        b"HTTP/1.0" => "HTTP/1.0",
        _ => return None,
    };
    if !is_token(method) || method == b"CONNECT" {
        return None;
    }
    let method = String::from_utf8_lossy(method).into_owned();
    let host = match head.values("host")[..] {
        [host] => Some(read_host(host)?),
        [] if version == "HTTP/1.0" => None,
        _ => return None,
    };
    let target = read_target(&method, target, host.as_deref())?;
    let body = read_body(head, version)?;
    if head.members("connection").len() > MAX_CONNECTION_OPTIONS {
        return None;
    }
    let mut meaning = Meaning { method, target, host, key: None, body, version };
    if head.members("upgrade").contains(&"websocket".to_owned()) {
        let has_no_body = matches!(body, Framing::None | Framing::Length(0));
        let asks = head.members("connection").contains(&"upgrade".to_owned());
        if meaning.method != "GET" || version != "HTTP/1.1" || !has_no_body || !asks {
            return None;
        }
        meaning.key = Some(read_key(head)?);
        meaning.body = Framing::None;
    }
    Some(meaning)
}

fn read_host(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let (host, port) = match text.find(']') {
        Some(end) if text.starts_with('[') => text.split_at(end + 1),
        _ => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let in_brackets = host.strip_prefix('[').map(|rest| rest.strip_suffix(']').unwrap_or_default());
    let is_host = match in_brackets {
        Some(ip) => {
            !ip.is_empty() && ip.chars().all(|c| c.is_ascii_alphanumeric() || ":.".contains(c))
        }
        None => {
            let known = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=".contains(c);
            !host.is_empty() && host.chars().all(known)
        }
    };
    let is_port = match port.strip_prefix(':') {
        Some(digits) => digits.len() <= 5 && digits.chars().all(|c| c.is_ascii_digit()),
        None => port.is_empty(),
    };
    (is_host && is_port).then(|| text.to_owned())
}

fn read_target(method: &str, target: &[u8], host: Option<&str>) -> Option<String> {
    if !target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return None;
    }
    let target = String::from_utf8_lossy(target).into_owned();
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Some(target);
    }
    let schemes = ["http://", "https://", "ws://", "wss://"];
    let scheme = schemes.iter().find(|scheme| target.to_lowercase().starts_with(*scheme))?;
    let rest = &target[scheme.len()..];
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    if !rest[..end].eq_ignore_ascii_case(host?) {
        return None;
    }
    Some(match &rest[end..] {
        "" if method == "OPTIONS" => "*".to_owned(),
        origin if origin.starts_with('/') => origin.to_owned(),
        query => format!("/{query}"),
    })
}

fn read_body(head: &Head, version: &str) -> Option<Framing> {
    let length = head.content_length().ok()?;
    match (head.is_chunked().ok()?, length) {
        (false, None) => Some(Framing::None),
        (false, Some(length)) => Some(Framing::Length(length)),
        (true, None) if version == "HTTP/1.1" => Some(Framing::Chunked),
        (true, _) => None,
    }
}

/// Base64 of 16 bytes: 22 digits and two signs of padding.
fn read_key(head: &Head) -> Option<String> {
    let [key] = head.values("sec-websocket-key")[..] else { return None };
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let is_key = key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(is_digit);
    is_key.then(|| String::from_utf8_lossy(key).into_owned())
}

fn judge_rewritten(request: &Request<'_>, head: &Head) {
    let ip = Some("192.0.2.7".parse().unwrap());
    for (trusted, forwarded) in [(false, false), (false, true), (true, true)] {
        let facts = Facts { ip, port: Some(8443), trusted, forwarded, client_cert: None };
        let mut sent = Vec::new();
        request.rewrite(&facts, &mut sent);
        if !trusted {
            let expected = rewrite(&meaning_of(request), head, forwarded, 8443);
            assert_eq!(sent.escape_ascii().to_string(), expected.escape_ascii().to_string());
        }
        judge_sent(request, &sent, &facts);
    }
}

/// The head for the upstream.
pub(crate) fn rewrite(meaning: &Meaning, head: &Head, forwarded: bool, port: u16) -> Vec<u8> {
    let Meaning { method, target, host, key, version, .. } = meaning;
    let mut out = format!("{method} {target} {version}\r\n").into_bytes();
    let named = head.members("connection");
    for field in &head.fields {
        let name = field.name.as_str();
        let is_protected = PROTECTED.contains(&name) || name.starts_with("sec-websocket-");
        let is_dropped = named.contains(&field.name) && !is_protected;
        let is_own = OWN.contains(&name.replace('_', "-").as_str());
        if !HOP_BY_HOP.contains(&name) && !is_dropped && !is_own {
            out.extend(&field.line);
            out.extend(b"\r\n");
        }
    }
    out.extend(
        b"X-Forwarded-For: 192.0.2.7\r\nX-Real-IP: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n",
    );
    if let Some(host) = host {
        out.extend(format!("X-Forwarded-Host: {host}\r\n").into_bytes());
    }
    out.extend(format!("X-Forwarded-Port: {port}\r\n").into_bytes());
    if forwarded {
        let host = host.as_ref().map(|host| format!("host=\"{host}\";")).unwrap_or_default();
        out.extend(format!("Forwarded: for=192.0.2.7;{host}proto=https\r\n").into_bytes());
    }
    out.extend(match key {
        Some(_) => b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n".as_slice(),
        None => b"Connection: close\r\n\r\n",
    });
    out
}

/// What holds for every head that is sent, whoever the client is.
fn judge_sent(request: &Request<'_>, sent: &[u8], facts: &Facts<'_>) {
    assert_eq!(head::end(sent), Ok(Some(sent.len())), "one head and nothing behind it");
    let count = sent.split(|byte| *byte == b'\n').count();
    if count > 100 {
        // With wssgate's own it may have more lines than a head that comes in.
        return;
    }
    let head = Head::read(sent).expect("a head in order");
    for name in OWN {
        assert!(head.count(name) <= 1, "{name} twice");
    }
    assert_eq!(head.count("host"), usize::from(request.host.is_some()));
    assert_eq!(head.count("connection"), 1);
    assert_eq!(head.count("upgrade"), usize::from(request.is_websocket()));
    assert!(head.values("content-length").len() + head.values("transfer-encoding").len() <= 1);
    for name in ["keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer"] {
        assert!(head.values(name).is_empty(), "{name}");
    }
    let again = request::parse(sent).expect("what we send we take");
    assert_eq!(meaning_of(&again), meaning_of(request));
    if !facts.trusted {
        let mut twice = Vec::new();
        again.rewrite(facts, &mut twice);
        assert_eq!(twice.escape_ascii().to_string(), sent.escape_ascii().to_string());
    }
}
