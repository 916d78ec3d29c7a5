//! Where a message's body ends: by length, by chunks or by the close (RFC 9112, 6 and 7.1).
//!
//! A [`Decoder`] follows the framing of bytes that pass and copies out those that may go on. Data is
//! not touched, chunk lines go on as they came; only a request's trailers are left out, since
//! they could say to the upstream what its head was not allowed to say.

/// Longest chunk-size line, extension included, without its CRLF.
const MAX_CHUNK_LINE_BYTES: usize = 1024;

/// Longest trailer section.
const MAX_TRAILER_BYTES: usize = 16 * 1024;

/// How a body says where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// This many bytes.
    Length(u64),
    /// Chunks, the last of size 0, then trailers.
    Chunked,
    /// Until the peer closes; a response only.
    Close,
}

/// Whether trailers go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailers {
    /// They do: a response.
    Keep,
    /// They do not: a request.
    Drop,
}

/// The framing is broken; in constant words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(pub &'static str);

/// Follows one body to its end.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    trailers: Trailers,
}

#[derive(Debug)]
enum State {
    /// So many bytes of a body with a length.
    Length(u64),
    Close,
    /// A chunk-size line, `seen` bytes of it; its value so far.
    Size {
        size: u64,
        digits: u8,
        seen: usize,
    },
    Extension {
        size: u64,
        seen: usize,
    },
    SizeLf {
        size: u64,
    },
    Data(u64),
    DataCr,
    DataLf,
    /// The trailer section, `seen` bytes of it; whether a line has just begun.
    Trailer {
        seen: usize,
        line_start: bool,
    },
    TrailerLf {
        seen: usize,
        last: bool,
    },
    Done,
}

impl Decoder {
    /// A decoder for a body framed so.
    pub fn new(framing: Framing, trailers: Trailers) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size { size: 0, digits: 0, seen: 0 },
            Framing::Close => State::Close,
        };
        Self { state, trailers }
    }

    /// Whether the body's last byte was seen. A body that ends by the close never is.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether the peer's close is what ends this body.
    pub fn ends_by_close(&self) -> bool {
        matches!(self.state, State::Close)
    }

    /// Takes bytes from the front of `input` up to the body's end, copies those that may go on to
    /// `out`, and returns how many it took.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Error> {
        let mut at = 0;
        while at < input.len() && !self.is_done() {
            let rest = &input[at..];
            at += match self.state {
                State::Length(left) => {
                    let taken = take(rest, left, out);
                    self.state = match left - taken as u64 {
                        0 => State::Done,
                        left => State::Length(left),
                    };
                    taken
                }
                State::Data(left) => {
                    let taken = take(rest, left, out);
                    self.state = match left - taken as u64 {
                        0 => State::DataCr,
                        left => State::Data(left),
                    };
                    taken
                }
                State::Close => take(rest, u64::MAX, out),
                _ => {
                    let (next, forward) = self.step(rest[0])?;
                    self.state = next;
                    if forward {
                        out.push(rest[0]);
                    }
                    1
                }
            };
        }
        Ok(at)
    }

    /// One byte of chunked framing: the next state, and whether the byte goes on.
    fn step(&self, byte: u8) -> Result<(State, bool), Error> {
        let next = match self.state {
            State::Size { size, digits, seen } => size_step(size, digits, seen, byte)?,
            State::Extension { seen, .. } if seen >= MAX_CHUNK_LINE_BYTES => {
                return Err(Error("chunk line too long"));
            }
            State::Extension { size, seen } => match byte {
                b'\r' => State::SizeLf { size },
                b'\t' | b' '..=0x7e | 0x80.. => State::Extension { size, seen: seen + 1 },
                _ => return Err(Error("malformed chunk extension")),
            },
            State::SizeLf { size } => match (byte, size) {
                (b'\n', 0) => State::Trailer { seen: 0, line_start: true },
                (b'\n', size) => State::Data(size),
                _ => return Err(Error("malformed chunk line end")),
            },
            State::DataCr if byte == b'\r' => State::DataLf,
            State::DataLf if byte == b'\n' => State::Size { size: 0, digits: 0, seen: 0 },
            State::DataCr | State::DataLf => return Err(Error("chunk longer than its size")),
            State::Trailer { .. } | State::TrailerLf { .. } => return self.trailer_step(byte),
            State::Length(_) | State::Data(_) | State::Close | State::Done => {
                return Err(Error("framing state without bytes of its own"));
            }
        };
        Ok((next, true))
    }

    fn trailer_step(&self, byte: u8) -> Result<(State, bool), Error> {
        let keep = self.trailers == Trailers::Keep;
        match self.state {
            State::Trailer { seen, .. } if seen >= MAX_TRAILER_BYTES => {
                Err(Error("trailers too long"))
            }
            State::Trailer { seen, line_start } => match byte {
                // The CRLF of the empty line goes on even when the trailers do not.
                b'\r' => Ok((State::TrailerLf { seen, last: line_start }, keep || line_start)),
                b'\t' | b' '..=0x7e | 0x80.. => {
                    Ok((State::Trailer { seen: seen + 1, line_start: false }, keep))
                }
                _ => Err(Error("malformed trailer")),
            },
            State::TrailerLf { last: true, .. } if byte == b'\n' => Ok((State::Done, true)),
            State::TrailerLf { seen, .. } if byte == b'\n' => {
                Ok((State::Trailer { seen: seen + 2, line_start: true }, keep))
            }
            _ => Err(Error("malformed trailer line end")),
        }
    }
}

fn size_step(size: u64, digits: u8, seen: usize, byte: u8) -> Result<State, Error> {
    if let Some(digit) = char::from(byte).to_digit(16) {
        if digits == 16 {
            return Err(Error("chunk size out of range"));
        }
        let size = size << 4 | u64::from(digit);
        return Ok(State::Size { size, digits: digits + 1, seen: seen + 1 });
    }
    match byte {
        _ if digits == 0 => Err(Error("chunk size missing")),
        b'\r' => Ok(State::SizeLf { size }),
        b';' => Ok(State::Extension { size, seen: seen + 1 }),
        _ => Err(Error("malformed chunk size")),
    }
}

fn take(input: &[u8], left: u64, out: &mut Vec<u8>) -> usize {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    out.extend_from_slice(&input[..length]);
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        framing: Framing,
        trailers: Trailers,
        input: &[u8],
    ) -> Result<(String, usize, bool), Error> {
        let mut whole = Vec::new();
        let mut decoder = Decoder::new(framing, trailers);
        let result = decoder.decode(input, &mut whole);

        let mut slow = Vec::new();
        let mut slow_decoder = Decoder::new(framing, trailers);
        let mut slow_result = Ok(0);
        for byte in input {
            let step = slow_decoder.decode(std::slice::from_ref(byte), &mut slow);
            slow_result = step.and_then(|taken| slow_result.map(|total| total + taken));
            if slow_result.is_err() {
                break;
            }
        }
        assert_eq!(result, slow_result, "a byte at a time: {:?}", input.escape_ascii());
        assert_eq!(whole, slow);
        result.map(|taken| (whole.escape_ascii().to_string(), taken, decoder.is_done()))
    }

    #[test]
    fn lengths_are_counted_exactly() {
        assert_eq!(run(Framing::Length(3), Trailers::Drop, b"abcdef"), Ok(("abc".into(), 3, true)));
        assert_eq!(run(Framing::Length(9), Trailers::Drop, b"abc"), Ok(("abc".into(), 3, false)));
        assert_eq!(run(Framing::None, Trailers::Drop, b"abc"), Ok((String::new(), 0, true)));
        assert_eq!(run(Framing::Close, Trailers::Keep, b"abc"), Ok(("abc".into(), 3, false)));
    }

    #[test]
    fn chunks_go_on_as_they_came_and_end_at_their_end() {
        let body = b"5;a=b\r\nhello\r\n0a\r\n0123456789\r\n0\r\n\r\nGET";
        let (out, taken, done) = run(Framing::Chunked, Trailers::Drop, body).unwrap();
        assert_eq!(out.as_bytes(), body[..body.len() - 3].escape_ascii().to_string().as_bytes());
        assert_eq!((taken, done), (body.len() - 3, true));
    }

    #[test]
    fn trailers_of_a_request_are_left_out() {
        let body = b"1\r\nx\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nA: b\r\n\r\n";
        let dropped = run(Framing::Chunked, Trailers::Drop, body).unwrap();
        assert_eq!(dropped, (r"1\r\nx\r\n0\r\n\r\n".into(), body.len(), true));
        let kept = run(Framing::Chunked, Trailers::Keep, body).unwrap();
        assert_eq!(kept.0, body.escape_ascii().to_string());
    }

    #[test]
    fn broken_framing_is_refused() {
        let long_line = [b"1;".as_slice(), &[b'a'; 2000]].concat();
        let long_trailer = [b"0\r\n".as_slice(), &[b'a'; 20_000]].concat();
        let broken: [&[u8]; 16] = [
            b"\r\n",
            b"g\r\n",
            b"-1\r\n",
            b"0x1\r\n",
            b"1 \r\nx\r\n",
            b"1\nx\r\n",
            b"1\rx",
            b"1\r\nxy\r\n",
            b"1\r\nx\n",
            b"1\r\nx\r\r",
            b"11111111111111111\r\n",
            b"1;a\nb\r\n",
            b"0\r\na\nb\r\n\r\n",
            b"0\r\n\n",
            &long_line,
            &long_trailer,
        ];
        for body in broken {
            assert!(
                run(Framing::Chunked, Trailers::Drop, body).is_err(),
                "{:?}",
                body.escape_ascii()
            );
        }
    }
}
