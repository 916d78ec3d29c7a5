//! Bodies: followed by wssgate in arbitrary pieces, and by a slow decoder that has them whole. Both must take
//! the same bytes, send on the same, and find the same end or fault.

use arbitrary::Arbitrary;
use wssgate::http::body::{Decoder, Error, Framing, Trailers};

/// Longest chunk line without its CRLF, and longest trailer section, as wssgate has them.
const MAX_LINE: usize = 1024;
const MAX_TRAILER: usize = 16 * 1024;

/// A body, how it is framed, and where it is cut.
#[derive(Arbitrary, Debug)]
pub struct Body {
    length: Option<u16>,
    by_close: bool,
    keeps_trailers: bool,
    cuts: Vec<u8>,
    bytes: Vec<u8>,
}

/// Up to where a body was understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Followed {
    /// What goes on.
    pub(crate) out: Vec<u8>,
    /// Bytes taken, when nothing is wrong.
    pub(crate) taken: Option<usize>,
    /// Whether it is whole.
    pub(crate) is_done: bool,
}

/// Panics when the decoder and the model differ.
pub fn judge(body: &Body) {
    let (framing, trailers) = (body.framing(), body.trailers());
    let expected = follow_framed(&body.bytes, (framing, trailers));
    let whole = decode(&[&body.bytes], (framing, trailers));
    assert_eq!(whole, expected, "whole");
    let pieces = cut(&body.bytes, &body.cuts);
    assert_eq!(decode(&pieces, (framing, trailers)), expected, "in pieces");
    let bytes: Vec<&[u8]> = body.bytes.chunks(1).collect();
    assert_eq!(decode(&bytes, (framing, trailers)), expected, "byte by byte");
    if expected.is_done && framing == Framing::Chunked {
        // What goes on is a body of its own, and goes on as it is.
        let again = decode(&[&expected.out], (framing, trailers));
        assert_eq!(again.taken, Some(expected.out.len()));
        assert_eq!((&again.out, again.is_done), (&expected.out, true));
    }
}

impl Body {
    fn framing(&self) -> Framing {
        match (self.length, self.by_close) {
            // Mostly chunks: there is little to say of the others.
            (Some(length), true) if length < 256 => Framing::Length(length.into()),
            (Some(u16::MAX), false) => Framing::Close,
            (Some(0), false) => Framing::None,
            _ => Framing::Chunked,
        }
    }

    fn trailers(&self) -> Trailers {
        if self.keeps_trailers { Trailers::Keep } else { Trailers::Drop }
    }
}

fn cut<'b>(mut bytes: &'b [u8], cuts: &[u8]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, rest) = bytes.split_at(bytes.len().min((*cut).into()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

fn decode(pieces: &[&[u8]], (framing, trailers): (Framing, Trailers)) -> Followed {
    let mut decoder = Decoder::new(framing, trailers);
    let mut out = Vec::new();
    let mut taken = 0;
    for piece in pieces {
        match decoder.decode(piece, &mut out) {
            Ok(more) => {
                assert!(more == piece.len() || decoder.is_done(), "left something and is not done");
                taken += more;
            }
            Err(Error(_)) => return Followed { out, taken: None, is_done: false },
        }
    }
    Followed { out, taken: Some(taken), is_done: decoder.is_done() }
}

/// The bytes, from the front on, and what of them goes on.
struct Reader<'b> {
    rest: &'b [u8],
    out: Vec<u8>,
}

/// Why there is no more to follow.
enum Stop {
    /// The bytes are at their end, the body is not.
    Short,
    Wrong,
}

/// A body of any kind, as far as `bytes` go.
pub(crate) fn follow_framed(bytes: &[u8], (framing, trailers): (Framing, Trailers)) -> Followed {
    let first = |most: usize| {
        let taken = bytes.len().min(most);
        Followed { out: bytes[..taken].to_vec(), taken: Some(taken), is_done: taken == most }
    };
    match framing {
        Framing::Chunked => follow(bytes, trailers),
        Framing::Close => first(usize::MAX),
        Framing::None => first(0),
        Framing::Length(length) => first(usize::try_from(length).unwrap_or(usize::MAX)),
    }
}

/// RFC 9112, 7.1, from top to bottom.
fn follow(bytes: &[u8], trailers: Trailers) -> Followed {
    let mut reader = Reader { rest: bytes, out: Vec::new() };
    let followed = reader.body(trailers == Trailers::Keep);
    let Reader { rest, out } = reader;
    match followed {
        Ok(()) => Followed { out, taken: Some(bytes.len() - rest.len()), is_done: true },
        Err(Stop::Short) => Followed { out, taken: Some(bytes.len()), is_done: false },
        Err(Stop::Wrong) => Followed { out, taken: None, is_done: false },
    }
}

impl Reader<'_> {
    fn body(&mut self, keeps_trailers: bool) -> Result<(), Stop> {
        loop {
            let size = self.size()?;
            if size == 0 {
                return self.trailers(keeps_trailers);
            }
            for _ in 0..size {
                self.next(true, |_| true)?;
            }
            self.next(true, |byte| byte == b'\r')?;
            self.next(true, |byte| byte == b'\n')?;
        }
    }

    /// A chunk's first line. Bytes of it go on as they come: who follows it cannot know its end.
    fn size(&mut self) -> Result<u64, Stop> {
        let mut digits = String::new();
        while self.rest.first().is_some_and(u8::is_ascii_hexdigit) {
            if digits.len() == 16 {
                return Err(Stop::Wrong);
            }
            digits.push(char::from(self.next(true, |_| true)?));
        }
        let mut line = digits.len();
        let is_known = |byte| !digits.is_empty() && (byte == b'\r' || byte == b';');
        let mut last = self.next(true, is_known)?;
        while last != b'\r' {
            line += 1;
            // Whatever comes behind a line of full length makes it one too long, even its end.
            let has_room = line < MAX_LINE;
            last = self.next(true, |byte| has_room && (byte == b'\r' || is_text(byte)))?;
        }
        self.next(true, |byte| byte == b'\n')?;
        Ok(u64::from_str_radix(&digits, 16).unwrap())
    }

    fn trailers(&mut self, keeps: bool) -> Result<(), Stop> {
        let mut seen = 0;
        loop {
            let mut length = 0;
            loop {
                let has_room = seen + length < MAX_TRAILER;
                let is_known = |byte| has_room && (byte == b'\r' || is_text(byte));
                let is_last = length == 0 && self.rest.first() == Some(&b'\r');
                if self.next(keeps || is_last, is_known)? == b'\r' {
                    break;
                }
                length += 1;
            }
            self.next(keeps || length == 0, |byte| byte == b'\n')?;
            if length == 0 {
                return Ok(());
            }
            seen += length + 2;
        }
    }

    /// One byte that is as it should be.
    fn next(&mut self, goes_on: bool, is_known: impl Fn(u8) -> bool) -> Result<u8, Stop> {
        let (byte, rest) = self.rest.split_first().ok_or(Stop::Short)?;
        if !is_known(*byte) {
            return Err(Stop::Wrong);
        }
        self.rest = rest;
        if goes_on {
            self.out.push(*byte);
        }
        Ok(*byte)
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}
