//! Reads one head, of a request or a response, from a stream: until its empty line, within a size.
//!
//! Line ends are judged here, byte by byte in their order, so that the verdict does not depend on
//! how the bytes were cut into packets. What the lines say is not looked at.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes that are asked for at once: nearly every head fits, and no more than this is read past it.
const CHUNK_BYTES: usize = 4096;

/// Why there is no whole head.
#[derive(Debug)]
pub enum Error {
    /// The peer ended its side before the first byte.
    Empty,
    /// The peer ended its side in the middle of the head.
    Truncated,
    /// A CR without its LF, or an LF without its CR (RFC 9112, 2.2).
    LineEnd,
    /// The first line alone is over the limit.
    LineTooLong,
    /// The head is over the limit.
    TooLong,
    /// The stream failed.
    Io(io::Error),
}

/// Reads until `buf` holds a whole head of at most `limit` bytes and returns its length, the empty
/// line included.
///
/// Bytes that `buf` holds already are taken first; those behind the head stay in it. Cancel safe:
/// whatever was read is in `buf`. The caller sets the time limit.
pub async fn read<S>(stream: &mut S, buf: &mut Vec<u8>, limit: usize) -> Result<usize, Error>
where
    S: AsyncRead + Unpin,
{
    let mut scanner = Scanner::new(limit);
    loop {
        if let Some(length) = scanner.scan(buf)? {
            return Ok(length);
        }
        buf.reserve(CHUNK_BYTES);
        match stream.read_buf(buf).await {
            Ok(0) => return Err(end_of(buf)),
            // A TCP close without close_notify: the peer is gone all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(end_of(buf)),
            Err(error) => return Err(Error::Io(error)),
            Ok(_) => {}
        }
    }
}

fn end_of(buf: &[u8]) -> Error {
    if buf.is_empty() { Error::Empty } else { Error::Truncated }
}

/// Looks for the end of a head in bytes that grow, each byte once.
#[derive(Debug)]
pub struct Scanner {
    limit: usize,
    at: usize,
    line_start: usize,
}

impl Scanner {
    /// A scanner for one head of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, at: 0, line_start: 0 }
    }

    /// The length of the head when `bytes`, all that was read so far, holds it whole.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Error> {
        let end = bytes.len().min(self.limit);
        while let Some(offset) = memchr::memchr2(b'\r', b'\n', &bytes[self.at..end]) {
            let cr = self.at + offset;
            if bytes[cr] == b'\n' {
                return Err(Error::LineEnd);
            }
            if cr + 1 >= self.limit {
                return Err(self.too_long());
            }
            match bytes.get(cr + 1) {
                None => {
                    self.at = cr;
                    return Ok(None);
                }
                Some(b'\n') if cr == self.line_start => return Ok(Some(cr + 2)),
                Some(b'\n') => {
                    self.line_start = cr + 2;
                    self.at = cr + 2;
                }
                Some(_) => return Err(Error::LineEnd),
            }
        }
        if bytes.len() >= self.limit {
            return Err(self.too_long());
        }
        self.at = end;
        Ok(None)
    }

    fn too_long(&self) -> Error {
        if self.line_start == 0 { Error::LineTooLong } else { Error::TooLong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(bytes: &[u8], limit: usize) -> String {
        let whole = format!("{:?}", Scanner::new(limit).scan(bytes));
        let mut scanner = Scanner::new(limit);
        let mut slow = scanner.scan(b"");
        for end in 1..=bytes.len() {
            if !matches!(slow, Ok(None)) {
                break;
            }
            slow = scanner.scan(&bytes[..end]);
        }
        assert_eq!(whole, format!("{slow:?}"), "a byte at a time, {:?}", bytes.escape_ascii());
        whole
    }

    #[test]
    fn the_end_is_found_however_the_bytes_are_cut() {
        assert_eq!(verdict(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nmore", 100), "Ok(Some(27))");
        assert_eq!(verdict(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27), "Ok(Some(27))");
        assert_eq!(verdict(b"\r\n\r\n", 100), "Ok(Some(2))");
        assert_eq!(verdict(b"GET / HTTP/1.1\r\nHost: a\r\n\r", 100), "Ok(None)");
    }

    #[test]
    fn bare_line_ends_are_refused_at_once() {
        for bytes in [&b"GET / HTTP/1.1\nHost: a\n\n"[..], b"a\rb", b"a\r\r", b"\n", b"a\r\n\n"] {
            assert_eq!(verdict(bytes, 100), "Err(LineEnd)");
        }
    }

    #[test]
    fn the_first_fault_wins_over_the_limit_behind_it() {
        assert_eq!(verdict(b"aaaaaaaa", 8), "Err(LineTooLong)");
        assert_eq!(verdict(b"aaaaaaa\r\n\r\n", 8), "Err(LineTooLong)");
        assert_eq!(verdict(b"a\r\nbbbbbbbbb\r\n\r\n", 8), "Err(TooLong)");
        assert_eq!(verdict(b"a\r\nb: c\r\n\r\n", 10), "Err(TooLong)");
        assert_eq!(verdict(b"a\r\nb: c\r\n\r\n", 11), "Ok(Some(11))");
        assert_eq!(verdict(b"a\nbbbbbbbbbbbbbbbbbbb", 8), "Err(LineEnd)");
    }
}
