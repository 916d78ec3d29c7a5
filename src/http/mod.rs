//! HTTP/1 heads and bodies as bytes: read, parse, judge, rewrite (RFC 9110, RFC 9112, RFC 6455).
//!
//! Nothing here knows sockets, TLS or the configuration: streams and plain values come in, verdicts
//! and bytes go out. What is not right is refused, never repaired.

pub mod answer;
pub mod body;
pub mod client_cert;
pub mod forwarded;
pub mod head;
pub mod origin;
pub mod request;
pub mod response;
pub mod websocket;

use std::fmt;

/// Headers a head may have at most; one more is refused with 431 (a request) or 502 (a response).
pub const MAX_HEADERS: usize = 100;

/// A verdict against a peer's bytes: the status to answer with and why, in constant lower-case words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code of the answer.
    pub status: u16,
    /// What was wrong; safe to show to the client and to log.
    pub reason: &'static str,
}

impl Refusal {
    /// A refusal with `status`, because of `reason`.
    pub const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for Refusal {}

/// One header field of a head, and the line that it came in.
#[derive(Clone, Copy, Debug)]
pub struct Field<'b> {
    /// The name as it came.
    pub name: &'b str,
    /// The value without the white space around it.
    pub value: &'b [u8],
    /// The whole line, without its CRLF: this is what is sent on, byte for byte.
    pub line: &'b [u8],
}

impl Field<'_> {
    /// Whether the field has this name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether there is a tab. Beside a value it is allowed (RFC 9110, 5.5), but some servers take it for a part of
    /// that, and a body may not end in two places.
    fn has_tab(&self) -> bool {
        self.line.contains(&b'\t')
    }
}

/// Pairs what httparse found with the lines that it found it in.
///
/// Line ends were checked while the head was read and folded lines are refused by httparse, so
/// that the n-th header stands in the n-th line after the first.
fn fields<'b>(head: &'b [u8], parsed: &[httparse::Header<'b>]) -> Vec<Field<'b>> {
    let mut rest = after_line(head);
    let mut fields = Vec::with_capacity(parsed.len());
    for header in parsed {
        let next = after_line(rest);
        let line = &rest[..(rest.len() - next.len()).saturating_sub(2)];
        fields.push(Field { name: header.name, value: header.value, line });
        rest = next;
    }
    fields
}

fn after_line(bytes: &[u8]) -> &[u8] {
    memchr::memchr(b'\n', bytes).map_or(&[], |lf| &bytes[lf + 1..])
}

/// The values of every field with this name, in their order.
fn values<'a, 'b>(
    fields: &'a [Field<'b>],
    name: &'a str,
) -> impl Iterator<Item = &'b [u8]> + use<'a, 'b> {
    fields.iter().filter(move |field| field.is(name)).map(|field| field.value)
}

/// The members of a comma-separated list that may be spread over several lines (RFC 9110, 5.6.1).
fn members<'a, 'b>(
    fields: &'a [Field<'b>],
    name: &'a str,
) -> impl Iterator<Item = &'b [u8]> + use<'a, 'b> {
    values(fields, name)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// The Transfer-Encoding: none, or `chunked`, once and without doubt (RFC 9112, 6.1).
fn is_chunked(fields: &[Field<'_>]) -> Result<bool, &'static str> {
    let mut codings = fields.iter().filter(|field| field.is("transfer-encoding"));
    let Some(field) = codings.next() else { return Ok(false) };
    let is_chunked = field.value.eq_ignore_ascii_case(b"chunked") && !field.has_tab();
    match is_chunked && codings.next().is_none() {
        true => Ok(true),
        false => Err("transfer-encoding other than chunked"),
    }
}

fn has_member(fields: &[Field<'_>], name: &str, member: &str) -> bool {
    members(fields, name).any(|found| found.eq_ignore_ascii_case(member.as_bytes()))
}

/// The largest Content-Length: the largest that everybody can count to, as many programs have signed numbers of 64 bits.
const MAX_CONTENT_LENGTH: u64 = i64::MAX as u64;

/// The one Content-Length, if there is one (RFC 9110, 8.6): digits, once.
fn content_length(fields: &[Field<'_>]) -> Result<Option<u64>, &'static str> {
    let mut lengths = fields.iter().filter(|field| field.is("content-length"));
    let Some(field) = lengths.next() else { return Ok(None) };
    if lengths.next().is_some() {
        return Err("more than one content-length");
    }
    let value = field.value;
    if field.has_tab() || value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err("malformed content-length");
    }
    let text = std::str::from_utf8(value).map_err(|_| "malformed content-length")?;
    let length = text.parse().ok().filter(|length| *length <= MAX_CONTENT_LENGTH);
    length.map(Some).ok_or("content-length out of range")
}
