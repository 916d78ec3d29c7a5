//! The answers that wssgate gives itself: short text/plain, and always the last on their connection.

/// The answer to a request that is refused or cannot be served. `reason` is shown to the client. An
/// answer to a HEAD request says how long its body would be and leaves it out.
pub fn text(status: u16, reason: &str, is_head: bool) -> Vec<u8> {
    let phrase = phrase(status);
    let body = format!("{status} {phrase}: {reason}\n");
    let length = body.len();
    let mut answer = format!(
        "HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    if !is_head {
        answer.push_str(&body);
    }
    answer.into_bytes()
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
        408 => "Request Timeout",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}
