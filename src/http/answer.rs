//! The answers that wssgate gives itself: short text/plain, and always the last on their connection.

use super::Refusal;

/// The answer to a request that is refused or cannot be served; its reason is shown to the client. An
/// answer to a HEAD request says how long its body would be and leaves it out.
pub fn text(refusal: Refusal, is_head: bool, hsts: Option<&str>) -> Vec<u8> {
    let Refusal { status, reason } = refusal;
    let phrase = phrase(status);
    let body = format!("{status} {phrase}: {reason}\n");
    let length = body.len();
    let hsts = hsts.map(|value| format!("Strict-Transport-Security: {value}\r\n"));
    let hsts = hsts.unwrap_or_default();
    let mut answer = format!(
        "HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         {hsts}Connection: close\r\n\r\n"
    );
    if !is_head {
        answer.push_str(&body);
    }
    answer.into_bytes()
}

/// The answer that was asked for, as text/plain without a name: nobody should run it.
pub fn content(body: &[u8], is_head: bool) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let body = if is_head { &[] } else { body };
    [head.as_bytes(), body].concat()
}

/// A permanent redirect that keeps the method (RFC 9110, 15.4.9). `location` is a URL that was judged.
pub fn redirect(location: &str) -> Vec<u8> {
    let phrase = phrase(308);
    format!(
        "HTTP/1.1 308 {phrase}\r\nLocation: {location}\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    )
    .into_bytes()
}

/// The reason phrases of RFC 9110, 15, as far as they are used here.
fn phrase(status: u16) -> &'static str {
    match status {
        308 => "Permanent Redirect",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}
