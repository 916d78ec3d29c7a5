//! An upstream's response head: parsed, judged, and rewritten for the client.
//!
//! The gate is [`Response::accepts`]: nothing else decides whether a tunnel may begin.

use super::body::Framing;
use super::{Field, MAX_HEADERS, Refusal, head, websocket};

/// Headers that concern one hop only. Upgrade stays: a 426 is of no use without it (RFC 9110, 15.5.22).
const HOP_BY_HOP: [&str; 3] = ["connection", "keep-alive", "proxy-connection"];

/// Headers that Connection may not remove from a response.
const PROTECTED: [&str; 5] =
    ["content-length", "transfer-encoding", "content-type", "set-cookie", "upgrade"];

/// What we speak.
const VERSION: &[u8] = b"HTTP/1.1";

/// A response head that was understood.
#[derive(Debug)]
pub struct Response<'b> {
    /// The status code.
    pub status: u16,
    minor: u8,
    head: &'b [u8],
    fields: Vec<Field<'b>>,
}

/// What an unreadable head of the upstream's is answered with.
pub fn refuse_unread(error: &head::Error) -> Refusal {
    let reason = match error {
        head::Error::Empty => "upstream closed without an answer",
        head::Error::Truncated => "upstream closed in the middle of its response head",
        head::Error::LineEnd => "bare CR or LF in the response head",
        head::Error::LineTooLong | head::Error::TooLong => "response head too large",
        head::Error::Io(_) => "upstream connection failed",
    };
    Refusal::new(502, reason)
}

/// Understands one whole head, as [`head::read`] delivers it, or says why not: always a 502.
pub fn parse(head: &[u8]) -> Result<Response<'_>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let complete = match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) => length == head.len() && !head.starts_with(b"\r"),
        Ok(httparse::Status::Partial) | Err(_) => false,
    };
    match (parsed.code, parsed.version) {
        (Some(status @ 100..), Some(minor)) if complete => {
            let fields = super::fields(head, parsed.headers);
            Ok(Response { status, minor, head, fields })
        }
        _ => Err(Refusal::new(502, "malformed response head")),
    }
}

impl Response<'_> {
    /// The status code and the reason phrase as they came; the phrase may hold any byte over 127.
    pub fn status_text(&self) -> &[u8] {
        let line = self.head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        line.get(VERSION.len() + 1..).unwrap_or_default()
    }

    /// The values of every header with this name, in their order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        super::values(&self.fields, name)
    }

    /// Whether another response follows (RFC 9110, 15.2): 101 is the last, even though it is 1xx.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// Whether this is the one answer that opens the gate: 101 to websocket, with the accept value
    /// of `key`, once (RFC 6455, 4.1).
    pub fn accepts(&self, key: &str) -> Result<(), Refusal> {
        if self.status != 101 || self.minor != 1 {
            return Err(Refusal::new(502, "not an answer that switches protocols"));
        }
        let mut upgrades = super::members(&self.fields, "upgrade");
        let upgrade = (upgrades.next(), upgrades.next());
        if !matches!(upgrade, (Some(name), None) if name.eq_ignore_ascii_case(b"websocket")) {
            return Err(Refusal::new(502, "101 without upgrade: websocket"));
        }
        if !super::has_member(&self.fields, "connection", "upgrade") {
            return Err(Refusal::new(502, "101 without connection: upgrade"));
        }
        let mut accepts = super::values(&self.fields, "sec-websocket-accept");
        let accept = (accepts.next(), accepts.next());
        if !matches!(accept, (Some(value), None) if value == websocket::accept(key.as_bytes()).as_bytes())
        {
            return Err(Refusal::new(502, "101 with a wrong sec-websocket-accept"));
        }
        Ok(())
    }

    /// How the body of this answer to a `method` request ends (RFC 9112, 6.3).
    pub fn framing(&self, method: &str) -> Result<Framing, Refusal> {
        let length =
            super::content_length(&self.fields).map_err(|reason| Refusal::new(502, reason))?;
        let is_coded = super::values(&self.fields, "transfer-encoding").next().is_some();
        if length.is_some() && is_coded {
            return Err(Refusal::new(502, "both content-length and transfer-encoding"));
        }
        if method == "HEAD" || self.status < 200 || matches!(self.status, 204 | 304) {
            return Ok(Framing::None);
        }
        let is_chunked =
            super::is_chunked(&self.fields).map_err(|reason| Refusal::new(502, reason))?;
        match (is_chunked, length) {
            (true, _) if self.minor == 1 => Ok(Framing::Chunked),
            (true, _) => Err(Refusal::new(502, "transfer-encoding in HTTP/1.0")),
            (false, Some(length)) => Ok(Framing::Length(length)),
            (false, None) => Ok(Framing::Close),
        }
    }

    /// Appends to `out` the head that the client gets, with `connection` as its one Connection header
    /// and, unless the upstream has its own word on it, `hsts` as Strict-Transport-Security.
    pub fn rewrite(&self, connection: &str, hsts: Option<&str>, out: &mut Vec<u8>) {
        let status_line = self.head.len() - super::after_line(self.head).len();
        // An intermediary sends its own version (RFC 9112, 2.3), or a client would fall back to 1.0.
        out.extend_from_slice(VERSION);
        out.extend_from_slice(&self.head[VERSION.len()..status_line]);
        for field in self.fields.iter().filter(|field| self.goes_on(field)) {
            out.extend_from_slice(field.line);
            out.extend_from_slice(b"\r\n");
        }
        if let Some(hsts) = hsts
            && !self.fields.iter().any(|field| field.is("strict-transport-security"))
        {
            out.extend_from_slice(format!("Strict-Transport-Security: {hsts}\r\n").as_bytes());
        }
        if !connection.is_empty() {
            out.extend_from_slice(format!("Connection: {connection}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    fn goes_on(&self, field: &Field<'_>) -> bool {
        // RFC 9110, 8.6 and RFC 9112, 6.1: a 1xx or 204 has neither; a client might wait for the body.
        let framing = field.is("content-length") || field.is("transfer-encoding");
        let bodiless = self.status < 200 || self.status == 204;
        if HOP_BY_HOP.iter().any(|name| field.is(name)) || (framing && bodiless) {
            return false;
        }
        let protected = PROTECTED.iter().any(|name| field.is(name))
            || field
                .name
                .get(..14)
                .is_some_and(|start| start.eq_ignore_ascii_case("sec-websocket-"));
        protected || !super::has_member(&self.fields, "connection", field.name)
    }
}
