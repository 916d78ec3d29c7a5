//! Heads that are judged: well made ones, each changed in one way, or in two; and those of `heads`' table. They are
//! the same in every run.

use std::collections::BTreeSet;

use wssgate::http::head::Scanner;

use super::changes::changes;
use crate::support::KEY;

/// Heads with two changes.
const PAIRS: usize = 1300;

/// One head.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// What it is made of: a well made head, and what is changed in it.
    pub(super) name: String,
    /// The kinds of its changes; a case of the table is a kind of its own.
    pub(super) kinds: Vec<String>,
    pub(super) bytes: Vec<u8>,
}

/// A head in parts.
#[derive(Clone)]
struct Draft {
    method: Vec<u8>,
    target: Vec<u8>,
    version: Vec<u8>,
    /// What stands between these, and behind the last.
    gaps: [Vec<u8>; 3],
    /// What stands before all of it.
    before: Vec<u8>,
    host: Vec<Vec<u8>>,
    lines: Vec<Vec<u8>>,
    /// What ends the lines, and what stands for the empty line.
    line_end: Vec<u8>,
    end: Vec<u8>,
}

/// A change of one kind.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) kind: &'static str,
    pub(super) act: Act,
}

#[derive(Clone)]
pub(super) enum Act {
    Method(Vec<u8>),
    Target(Vec<u8>),
    Version(Vec<u8>),
    Gap(usize, Vec<u8>),
    Before(Vec<u8>),
    /// In place of the Host line.
    Host(Vec<Vec<u8>>),
    /// One more line, before the others or behind them.
    First(Vec<u8>),
    Line(Vec<u8>),
    /// So many more lines.
    Lines(usize),
    LineEnd(Vec<u8>),
    End(Vec<u8>),
}

/// All heads, each once.
pub(super) fn heads() -> Vec<Head> {
    let (bases, changes) = (bases(), changes());
    let mut heads: Vec<Head> = bases.iter().map(|(name, draft)| head(name, draft, &[])).collect();
    for (name, draft) in &bases {
        heads.extend(changes.iter().map(|change| head(name, draft, &[change])));
    }
    let mut dice = Dice(0x9e37_79b9);
    for _ in 0..PAIRS {
        let (name, draft) = &bases[dice.below(bases.len())];
        let [one, other] = [dice.below(changes.len()), dice.below(changes.len())];
        heads.push(head(name, draft, &[&changes[one], &changes[other]]));
    }
    heads.extend(crate::heads::inputs().into_iter().map(|(name, bytes)| Head {
        kinds: vec![format!("table {name}")],
        name: format!("table {name}"),
        bytes,
    }));
    for head in &mut heads {
        // It is heads that are judged; what stands behind one would be judged as its body.
        if let Ok(Some(end)) = Scanner::new(usize::MAX).scan(&head.bytes) {
            head.bytes.truncate(end);
        }
    }
    let mut seen = BTreeSet::new();
    heads.retain(|head| seen.insert(head.bytes.clone()));
    heads
}

fn head(base: &str, draft: &Draft, changes: &[&Change]) -> Head {
    let mut draft = draft.clone();
    let mut name = base.to_owned();
    for change in changes {
        change.act.apply(&mut draft);
        let text = change.act.text();
        name += &format!(", {} {}", change.kind, text.escape_ascii());
    }
    let kinds = changes.iter().map(|change| change.kind.to_owned()).collect();
    Head { name, kinds, bytes: draft.bytes() }
}

impl Draft {
    fn bytes(&self) -> Vec<u8> {
        let [one, two, three] = &self.gaps;
        let mut out = self.before.clone();
        for part in [&self.method, one, &self.target, two, &self.version, three, &self.line_end] {
            out.extend(part);
        }
        for line in self.host.iter().chain(&self.lines) {
            out.extend(line);
            out.extend(&self.line_end);
        }
        out.extend(&self.end);
        out
    }
}

impl Act {
    fn apply(&self, draft: &mut Draft) {
        match self.clone() {
            Self::Method(bytes) => draft.method = bytes,
            Self::Target(bytes) => draft.target = bytes,
            Self::Version(bytes) => draft.version = bytes,
            Self::Gap(at, bytes) => draft.gaps[at] = bytes,
            Self::Before(bytes) => draft.before = bytes,
            Self::Host(lines) => draft.host = lines,
            Self::First(line) => draft.host.insert(0, line),
            Self::Line(line) => draft.lines.push(line),
            Self::Lines(count) => {
                draft.lines.extend((0..count).map(|at| format!("X-{at}: a").into_bytes()));
            }
            Self::LineEnd(bytes) => draft.line_end = bytes,
            Self::End(bytes) => draft.end = bytes,
        }
    }

    /// Enough of it to know it by.
    fn text(&self) -> Vec<u8> {
        let mut text = match self {
            Self::Host(lines) => lines.join(b" | ".as_slice()),
            Self::Lines(count) => count.to_string().into_bytes(),
            Self::Gap(at, bytes) => [at.to_string().as_bytes(), b":", bytes].concat(),
            Self::Method(bytes)
            | Self::Target(bytes)
            | Self::Version(bytes)
            | Self::Before(bytes)
            | Self::First(bytes)
            | Self::Line(bytes)
            | Self::LineEnd(bytes)
            | Self::End(bytes) => bytes.clone(),
        };
        text.truncate(60);
        text
    }
}

/// Heads that everybody takes.
fn bases() -> Vec<(&'static str, Draft)> {
    let draft = |method: &str, target: &str, lines: &[String]| Draft {
        method: method.into(),
        target: target.into(),
        version: b"HTTP/1.1".to_vec(),
        gaps: [b" ".to_vec(), b" ".to_vec(), Vec::new()],
        before: Vec::new(),
        host: vec![b"Host: example.com".to_vec()],
        lines: lines.iter().map(|line| line.clone().into_bytes()).collect(),
        line_end: b"\r\n".to_vec(),
        end: b"\r\n".to_vec(),
    };
    let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let key = format!("Sec-WebSocket-Key: {KEY}");
    let upgrade = ["Upgrade: websocket", "Connection: Upgrade", &key, "Sec-WebSocket-Version: 13"];
    vec![
        ("GET", draft("GET", "/", &lines(&["Accept: */*"]))),
        ("POST", draft("POST", "/a?b=c", &lines(&["Content-Length: 5"]))),
        ("chunked", draft("PUT", "/up", &lines(&["Transfer-Encoding: chunked"]))),
        ("websocket", draft("GET", "/chat", &lines(&upgrade))),
    ]
}

/// Numbers that only look like chance (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}
