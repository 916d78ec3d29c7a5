//! A client's request head: parsed, judged by SPEC's table, and rewritten for the upstream.
//!
//! [`parse`] either understands a head fully or refuses it; [`Request::rewrite`] sends on what was
//! understood, in the client's own bytes, without what is hop-by-hop or forged.

use std::borrow::Cow;

use super::body::Framing;
use super::forwarded::{self, Facts};
use super::{Field, MAX_HEADERS, Refusal, head, origin, websocket};

/// Members that a request's Connection may have; browsers send one or two.
const MAX_CONNECTION_OPTIONS: usize = 32;

/// Headers that concern one hop only (RFC 9110, 7.6.1), and those that a proxy answers itself.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "upgrade",
];

/// Headers that Connection may not remove: without them the request would mean something else.
const PROTECTED: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "origin", "cookie", "authorization"];

/// A request that was understood and may go on.
#[derive(Debug)]
pub struct Request<'b> {
    /// The method's token.
    pub method: &'b str,
    /// The target in origin-form (or `*`), query included.
    pub target: Cow<'b, str>,
    /// The Host, when there is one (HTTP/1.0 may do without).
    pub host: Option<&'b str>,
    /// What is asked for.
    pub kind: Kind<'b>,
    version: &'static str,
    fields: Vec<Field<'b>>,
    /// What Connection names, besides what is removed anyway.
    dropped: Vec<&'b [u8]>,
}

/// The two kinds of request that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'b> {
    /// An opening handshake (RFC 6455, 4.1) with this key.
    WebSocket {
        /// The value of Sec-WebSocket-Key.
        key: &'b str,
    },
    /// Anything else, with a body framed so.
    Plain {
        /// How the body says where it ends.
        body: Framing,
    },
}

impl Request<'_> {
    /// The target without its query: what a log may show.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The host without its port, an IPv6 address without its brackets.
    pub fn hostname(&self) -> Option<&str> {
        let host = self.host?;
        match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next(),
            None => host.split(':').next(),
        }
    }

    /// Whether a page that is allowed asks, or no page does and none is required. Always when it is not
    /// a WebSocket that is asked for: of other requests browsers themselves take care (RFC 6455, 10.2).
    pub fn origin_is_allowed(&self, allowed: &[origin::Pattern], required: bool) -> bool {
        !self.is_websocket() || origin::is_allowed(&self.fields, allowed, required)
    }

    /// Whether this asks for a WebSocket.
    pub fn is_websocket(&self) -> bool {
        matches!(self.kind, Kind::WebSocket { .. })
    }

    /// Whether the client takes interim (1xx) responses: HTTP/1.0 does not (RFC 9110, 15.2).
    pub fn takes_interim(&self) -> bool {
        self.version == "HTTP/1.1"
    }

    /// Whether the client means to go on with its connection after the answer (RFC 9112, 9.3).
    pub fn is_persistent(&self) -> bool {
        self.version == "HTTP/1.1" && !super::has_member(&self.fields, "connection", "close")
    }

    /// Appends to `out` the head that the upstream gets, with what `facts` say of the client.
    pub fn rewrite(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
        for part in [self.method, " ", &self.target, " ", self.version, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        for field in self.fields.iter().filter(|field| self.goes_on(field)) {
            out.extend_from_slice(field.line);
            out.extend_from_slice(b"\r\n");
        }
        facts.append(&self.fields, self.host, out);
        out.extend_from_slice(match self.kind {
            Kind::WebSocket { .. } => {
                b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n".as_slice()
            }
            Kind::Plain { .. } => b"Connection: close\r\n\r\n".as_slice(),
        });
    }

    fn goes_on(&self, field: &Field<'_>) -> bool {
        let hop_by_hop = HOP_BY_HOP.iter().any(|name| field.is(name));
        let dropped =
            self.dropped.iter().any(|name| field.name.as_bytes().eq_ignore_ascii_case(name));
        !hop_by_hop && !dropped && !forwarded::is_own(field.name)
    }
}

/// Whether this begins a HEAD request, be it in order or not: no answer to one has a body (RFC 9110,
/// 9.3.2).
pub fn is_head(begin: &[u8]) -> bool {
    begin.starts_with(b"HEAD ")
}

/// What a head that could not be read is answered with; `None` when there is nobody to answer.
pub fn refuse_unread(error: &head::Error) -> Option<Refusal> {
    match error {
        head::Error::Empty | head::Error::Truncated | head::Error::Io(_) => None,
        head::Error::LineEnd => Some(Refusal::new(400, "bare CR or LF in the request head")),
        head::Error::LineTooLong => Some(Refusal::new(414, "request line too long")),
        head::Error::TooLong => Some(Refusal::new(431, "request head too large")),
    }
}

/// Understands one whole head, as [`head::read`] delivers it, or says what it is refused with.
pub fn parse(head: &[u8]) -> Result<Request<'_>, Refusal> {
    // httparse would skip empty lines before the request line; we do not.
    if head.starts_with(b"\r") {
        return Err(Refusal::new(400, "empty line before the request line"));
    }
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Refusal::new(400, "malformed request head")),
        Err(error) => return Err(refuse_malformed(error, head)),
    }
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Refusal::new(400, "malformed request line"));
    };
    let fields = super::fields(head, parsed.headers);
    judge(method, target, minor, fields)
}

fn refuse_malformed(error: httparse::Error, head: &[u8]) -> Refusal {
    match error {
        httparse::Error::Version if names_version(head) => {
            Refusal::new(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
        }
        httparse::Error::Version => Refusal::new(400, "malformed request line"),
        httparse::Error::TooManyHeaders => Refusal::new(431, "too many request headers"),
        httparse::Error::HeaderName => Refusal::new(400, "malformed header name"),
        httparse::Error::HeaderValue => Refusal::new(400, "malformed header value"),
        _ => Refusal::new(400, "malformed request head"),
    }
}

/// Whether a version stands where one belongs. Something else does when the target has a space in it.
fn names_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let version = line.splitn(3, |byte| *byte == b' ').nth(2).unwrap_or_default();
    version.strip_prefix(b"HTTP/").is_some_and(|number| {
        !number.is_empty() && number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
    })
}

fn judge<'b>(
    method: &'b str,
    target: &'b str,
    minor: u8,
    fields: Vec<Field<'b>>,
) -> Result<Request<'b>, Refusal> {
    if method == "CONNECT" {
        return Err(Refusal::new(501, "CONNECT is not implemented"));
    }
    let host = judge_host(&fields, minor)?;
    let target = judge_target(method, target, host)?;
    let body = judge_body(&fields, minor)?;
    let kind = match super::has_member(&fields, "upgrade", "websocket") {
        true => Kind::WebSocket { key: judge_upgrade(method, minor, body, &fields)? },
        false => Kind::Plain { body },
    };
    let dropped = judge_connection(&fields)?;
    let version = if minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" };
    Ok(Request { method, target, host, kind, version, fields, dropped })
}

/// RFC 9112, 3.2: exactly one in HTTP/1.1, and one that can stand in a URL.
fn judge_host<'b>(fields: &[Field<'b>], minor: u8) -> Result<Option<&'b str>, Refusal> {
    let mut hosts = super::values(fields, "host");
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host,
        (None, _) if minor == 0 => return Ok(None),
        (None, _) => return Err(Refusal::new(400, "no host")),
        (Some(_), Some(_)) => return Err(Refusal::new(400, "more than one host")),
    };
    let host = std::str::from_utf8(host).unwrap_or_default();
    if is_authority(host) { Ok(Some(host)) } else { Err(Refusal::new(400, "malformed host")) }
}

/// Whether this is `uri-host [ ":" port ]` (RFC 9110, 7.2; RFC 3986, 3.2.2), and not empty.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                let literal =
                    address.bytes().all(|b| b.is_ascii_alphanumeric() || b":.".contains(&b));
                (if literal { address } else { "" }, port)
            }
            None => ("", ""),
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_host_byte = |b: u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(&b);
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()));
    !host.is_empty() && host.bytes().all(is_host_byte) && is_port
}

/// RFC 9112, 3.2: origin-form goes on as it came, absolute-form becomes origin-form.
fn judge_target<'b>(
    method: &str,
    target: &'b str,
    host: Option<&str>,
) -> Result<Cow<'b, str>, Refusal> {
    if !target.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'#') {
        return Err(Refusal::new(400, "malformed request target"));
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Ok(Cow::Borrowed(target));
    }
    let (scheme, rest) = target.split_once("://").unwrap_or_default();
    if !["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(Refusal::new(400, "malformed request target"));
    }
    let (authority, origin) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if !host.is_some_and(|host| host.eq_ignore_ascii_case(authority)) {
        return Err(Refusal::new(400, "request target and host differ"));
    }
    Ok(match origin {
        "" if method == "OPTIONS" => Cow::Borrowed("*"),
        "" => Cow::Borrowed("/"),
        query if query.starts_with('?') => Cow::Owned(format!("/{query}")),
        path => Cow::Borrowed(path),
    })
}

/// RFC 9112, 6: a body framed in one way, without doubt, or none.
fn judge_body(fields: &[Field<'_>], minor: u8) -> Result<Framing, Refusal> {
    let length = super::content_length(fields).map_err(|reason| Refusal::new(400, reason))?;
    if super::values(fields, "transfer-encoding").next().is_none() {
        return Ok(length.map_or(Framing::None, Framing::Length));
    }
    if minor == 0 {
        return Err(Refusal::new(400, "transfer-encoding in HTTP/1.0"));
    }
    if length.is_some() {
        return Err(Refusal::new(400, "both content-length and transfer-encoding"));
    }
    super::is_chunked(fields).map_err(|reason| Refusal::new(501, reason))?;
    Ok(Framing::Chunked)
}

/// RFC 6455, 4.2.1: what says websocket must be one. Returns the key.
fn judge_upgrade<'b>(
    method: &str,
    minor: u8,
    body: Framing,
    fields: &[Field<'b>],
) -> Result<&'b str, Refusal> {
    let mut keys = super::values(fields, "sec-websocket-key");
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if websocket::is_key(key) => std::str::from_utf8(key).unwrap_or_default(),
        (Some(_), None) => return Err(Refusal::new(400, "malformed sec-websocket-key")),
        _ => return Err(Refusal::new(400, "a websocket request has one sec-websocket-key")),
    };
    if method != "GET" {
        return Err(Refusal::new(400, "a websocket request is a GET"));
    }
    if minor == 0 {
        return Err(Refusal::new(400, "a websocket request is HTTP/1.1"));
    }
    if !super::has_member(fields, "connection", "upgrade") {
        return Err(Refusal::new(400, "a websocket request has connection: upgrade"));
    }
    if !matches!(body, Framing::None | Framing::Length(0)) {
        return Err(Refusal::new(400, "a websocket request has no body"));
    }
    Ok(key)
}

/// The header names that Connection lists and that may be removed for it.
fn judge_connection<'b>(fields: &[Field<'b>]) -> Result<Vec<&'b [u8]>, Refusal> {
    let mut dropped = Vec::new();
    for (index, option) in super::members(fields, "connection").enumerate() {
        // Each option is compared with each header: their number must not be the client's choice.
        if index == MAX_CONNECTION_OPTIONS {
            return Err(Refusal::new(400, "too many connection options"));
        }
        if !is_protected(option) {
            dropped.push(option);
        }
    }
    Ok(dropped)
}

fn is_protected(name: &[u8]) -> bool {
    const WEBSOCKET: &[u8] = b"sec-websocket-";
    PROTECTED.iter().any(|protected| name.eq_ignore_ascii_case(protected.as_bytes()))
        || name.get(..WEBSOCKET.len()).is_some_and(|start| start.eq_ignore_ascii_case(WEBSOCKET))
}
