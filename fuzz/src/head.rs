//! Heads as a slow and strict reader understands them: what the models of requests and responses share.
//!
//! Nothing here is clever, and nothing is taken from wssgate: lines are split at CRLF, names compared in
//! lower case, lists split at commas.

/// Longest head that is judged.
pub const LIMIT: usize = 64 * 1024;

/// Headers that a head may have.
const MAX_HEADERS: usize = 100;

/// A head, line by line.
#[derive(Debug)]
pub struct Head {
    /// Its first line, without CRLF.
    pub first: Vec<u8>,
    /// Its other lines.
    pub fields: Vec<Field>,
}

/// One header.
#[derive(Debug)]
pub struct Field {
    /// In lower case.
    pub name: String,
    /// Without blanks around it.
    pub value: Vec<u8>,
    /// The line, without CRLF.
    pub line: Vec<u8>,
}

impl Head {
    /// Reads one that is well made in every byte: its lines end in CRLF, the last is empty.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let text = bytes.strip_suffix(b"\r\n\r\n")?;
        let mut lines = split_lines(text).into_iter();
        let first = lines.next()?;
        if first.is_empty() || !is_text(&first) {
            return None;
        }
        let fields: Vec<Field> = lines.map(Field::read).collect::<Option<_>>()?;
        (fields.len() <= MAX_HEADERS).then_some(Self { first, fields })
    }

    /// The values of the headers with this name.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.lines(name).into_iter().map(|field| field.value.as_slice()).collect()
    }

    /// The members of the lists in them, in lower case.
    pub fn members(&self, name: &str) -> Vec<String> {
        let values = self.values(name).join(b",".as_slice());
        let members = values.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        members.filter(|member| !member.is_empty()).map(lower).collect()
    }

    /// How many headers have this name, dashes and underscores being the same.
    pub fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|field| field.name.replace('_', "-") == name).count()
    }

    /// The one Content-Length; an error when there are several, it is no number, or there is a tab in its line.
    pub fn content_length(&self) -> Result<Option<u64>, ()> {
        match self.lines("content-length")[..] {
            [] => Ok(None),
            [field] if !field.value.is_empty() && field.value.iter().all(u8::is_ascii_digit) => {
                // Digits, but perhaps too many: more than a signed number of 64 bits holds.
                let digits = String::from_utf8_lossy(&field.value);
                let length: i64 = digits.parse().map_err(|_| ())?;
                if field.line.contains(&b'\t') { Err(()) } else { Ok(Some(length.unsigned_abs())) }
            }
            _ => Err(()),
        }
    }

    /// Whether the body comes in chunks; an error when it is coded otherwise, or in other words than that one.
    pub fn is_chunked(&self) -> Result<bool, ()> {
        match self.lines("transfer-encoding")[..] {
            [] => Ok(false),
            [field] if lower(&field.value) == "chunked" && !field.line.contains(&b'\t') => Ok(true),
            _ => Err(()),
        }
    }

    fn lines(&self, name: &str) -> Vec<&Field> {
        self.fields.iter().filter(|field| field.name == name).collect()
    }
}

impl Field {
    fn read(line: Vec<u8>) -> Option<Self> {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) || !is_text(value) {
            return None;
        }
        Some(Self { name: lower(name), value: value.trim_ascii().to_vec(), line })
    }
}

/// In lower case; bytes that are no ASCII stay apart from each other.
pub fn lower(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

/// Whether this is a token (RFC 9110, 5.6.2).
pub fn is_token(bytes: &[u8]) -> bool {
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(known)
}

/// Whether there is no control character but the tab.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}

/// At each CRLF. CR and LF that stand alone stay in the lines.
fn split_lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = vec![Vec::new()];
    let mut rest = bytes;
    while let Some(byte) = rest.first() {
        if rest.starts_with(b"\r\n") {
            lines.push(Vec::new());
            rest = &rest[2..];
        } else {
            lines.last_mut().unwrap().push(*byte);
            rest = &rest[1..];
        }
    }
    lines
}

/// Where a head ends that nothing is wrong with so far, or that its line ends are wrong.
pub fn end(bytes: &[u8]) -> Result<Option<usize>, ()> {
    let mut line_start = 0;
    for at in 0..bytes.len() {
        let cr_before = at > 0 && bytes[at - 1] == b'\r';
        match bytes[at] {
            b'\n' if !cr_before => return Err(()),
            b'\n' if at - line_start == 1 => return Ok(Some(at + 1)),
            b'\n' => line_start = at + 1,
            _ if cr_before => return Err(()),
            _ => {}
        }
    }
    Ok(None)
}

/// `bytes` up to the end of their head; what has no end is given one.
pub fn complete(bytes: &[u8]) -> Option<Vec<u8>> {
    match end(bytes) {
        Err(()) => None,
        Ok(Some(length)) => Some(bytes[..length].to_vec()),
        Ok(None) => ["\r\n\r\n", "\n\r\n", "\r\n"]
            .iter()
            .find_map(|ending| complete_by(bytes, ending.as_bytes())),
    }
}

fn complete_by(bytes: &[u8], ending: &[u8]) -> Option<Vec<u8>> {
    let whole = [bytes, ending].concat();
    let length = end(&whole).ok()??;
    Some(whole[..length].to_vec())
}

/// Checks that [`Scanner`](wssgate::http::head::Scanner) finds the same end as [`end`], whole and as the
/// bytes come in, and with any limit.
pub fn judge_end(bytes: &[u8]) {
    use wssgate::http::head::{Error, Scanner};

    let expected = end(bytes);
    let mut scanner = Scanner::new(LIMIT);
    let mut grown = Ok(None);
    for length in 0..=bytes.len() {
        grown = scanner.scan(&bytes[..length]);
        if !matches!(grown, Ok(None)) {
            break;
        }
    }
    for found in [Scanner::new(LIMIT).scan(bytes), grown] {
        match (expected, found) {
            (Ok(expected), Ok(found)) => assert_eq!(expected, found),
            (Err(()), Err(Error::LineEnd)) => {}
            (expected, found) => panic!("{expected:?}, but the scanner says {found:?}"),
        }
    }
    let Ok(Some(length)) = expected else { return };
    assert!(matches!(Scanner::new(length).scan(bytes), Ok(Some(found)) if found == length));
    let short = Scanner::new(length - 1).scan(bytes);
    assert!(matches!(short, Err(Error::LineTooLong | Error::TooLong)), "{short:?}");
}
