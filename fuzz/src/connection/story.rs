//! What happens to one connection: what the client asks, what upstreams answer, and in which pieces and at what
//! times.

use arbitrary::Arbitrary;

pub(super) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// Longer than any answer is waited for.
const LONG_SECONDS: u8 = 5;

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// All of it.
#[derive(Arbitrary, Debug)]
pub struct Story {
    pub(super) asks: Vec<Ask>,
    /// What each connection to the upstream answers, in their order; those behind them say nothing.
    pub(super) answers: Vec<Vec<Answer>>,
    pub(super) events: Vec<Event>,
}

/// What a client sends.
#[derive(Arbitrary, Debug)]
pub(super) enum Ask {
    Get,
    Head,
    Length(Vec<u8>),
    /// Chunks, an extension, and whether there is a trailer.
    Chunked(Vec<Vec<u8>>, bool, bool),
    Old,
    Close,
    Ambiguous,
    /// With some bytes of what comes behind.
    Upgrade(Vec<u8>),
    UpgradeWithoutKey,
    /// So many times 1 KiB.
    Bulk(u8),
    Raw(Vec<u8>),
}

/// What an upstream sends, one behind the other.
#[derive(Arbitrary, Debug)]
pub(super) enum Answer {
    Agree,
    AgreeWrongly,
    Interim,
    Length(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
    UntilClose,
    NoContent,
    Ambiguous,
    Bulk(u8),
    Raw(Vec<u8>),
    /// It ends here.
    End,
}

/// What happens next.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Event {
    /// The client sends so many bytes more, or all.
    Send(u8),
    SendAll,
    ClientEnds,
    ClientResets,
    /// The client takes so many bytes more.
    Take(u8),
    TakeAll,
    /// The upstream's newest connection sends so many bytes more, or all.
    Answer(u8),
    AnswerAll,
    UpstreamEnds,
    /// It goes away, whatever it was sent.
    UpstreamDrops,
    /// It does not read, or reads again.
    UpstreamStalls,
    UpstreamReads,
    /// So many times 10 ms pass.
    Wait(u8),
    /// So many times a second.
    WaitLong(u8),
    Drain,
    Cut,
}

impl Story {
    /// Everything that the client sends, if it is let.
    pub(super) fn client_bytes(&self) -> Vec<u8> {
        self.asks.iter().take(8).flat_map(Ask::bytes).collect()
    }

    /// What the connection with this number sends, if it is let, and whether it ends its side then.
    pub(super) fn upstream_bytes(&self, number: usize) -> (Vec<u8>, bool) {
        let answers = self.answers.get(number).map_or(&[][..], Vec::as_slice);
        let mut bytes = Vec::new();
        for answer in answers.iter().take(20) {
            if matches!(answer, Answer::End) {
                return (bytes, true);
            }
            bytes.extend(answer.bytes());
        }
        (bytes, false)
    }

    /// Whether nobody is cut off or kept waiting for long: then everything must arrive.
    pub(super) fn is_calm(&self) -> bool {
        self.is_calm_before(self.events().len())
    }

    /// The same up to the event with this number.
    pub(super) fn is_calm_before(&self, number: usize) -> bool {
        let mut waited = 0;
        self.events()[..number].iter().all(|event| match event {
            Event::ClientResets | Event::UpstreamDrops | Event::Drain | Event::Cut => false,
            Event::WaitLong(seconds) => *seconds == 0,
            Event::Wait(steps) => {
                waited += u32::from(*steps);
                waited < 100
            }
            _ => true,
        })
    }

    /// Whether there is a long silence at this event, with nothing amiss before it and a client that takes all.
    pub(super) fn is_silent(&self, number: usize) -> bool {
        let (before, event) = (&self.events()[..number], self.events()[number]);
        matches!(event, Event::WaitLong(seconds) if seconds % 16 >= LONG_SECONDS)
            && self.is_calm_before(number)
            && before.iter().any(|event| matches!(event, Event::TakeAll))
    }

    pub(super) fn has(&self, wanted: fn(&Event) -> bool) -> bool {
        self.events().iter().any(wanted)
    }

    /// The first ones: a run must end some time.
    pub(super) fn events(&self) -> &[Event] {
        &self.events[..self.events.len().min(40)]
    }
}

impl Ask {
    fn bytes(&self) -> Vec<u8> {
        let text = match self {
            Self::Get => "GET /get HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Self::Head => "HEAD /head HTTP/1.1\r\nHost: a\r\nX-Real-IP: 6.6.6.6\r\n\r\n".to_owned(),
            Self::Length(body) => {
                let length = body.len();
                let head =
                    format!("POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
                return [head.as_bytes(), body].concat();
            }
            Self::Chunked(chunks, extension, trailer) => {
                let head = b"PUT /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
                let extension = if *extension { ";a=b" } else { "" };
                return [head.as_slice(), &chunked(chunks, extension, *trailer)].concat();
            }
            Self::Old => "GET /old HTTP/1.0\r\n\r\n".to_owned(),
            Self::Close => "GET /close HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
            Self::Ambiguous => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\
                                Transfer-Encoding: chunked\r\n\r\n"
                .to_owned(),
            Self::Upgrade(behind) => {
                let head = format!(
                    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Key: {KEY}\r\n\r\n"
                );
                return [head.as_bytes(), behind].concat();
            }
            Self::UpgradeWithoutKey => "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
                                        Upgrade: websocket\r\n\r\n"
                .to_owned(),
            Self::Bulk(size) => return bulk(*size),
            Self::Raw(bytes) => return bytes.clone(),
        };
        text.into_bytes()
    }
}

impl Answer {
    fn bytes(&self) -> Vec<u8> {
        let text = match self {
            Self::Agree => format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
            ),
            Self::AgreeWrongly => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                                   Connection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n"
                .to_owned(),
            Self::Interim => "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_owned(),
            Self::Length(body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX: y\r\n\r\n");
                return [head.as_bytes(), body].concat();
            }
            Self::Chunked(chunks) => {
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                return [head.as_slice(), &chunked(chunks, "", true)].concat();
            }
            Self::UntilClose => {
                "HTTP/1.0 200 OK\r\nConnection: x-y\r\nX-Y: z\r\n\r\nbody".to_owned()
            }
            Self::NoContent => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            Self::Ambiguous => "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\
                                Transfer-Encoding: chunked\r\n\r\n"
                .to_owned(),
            Self::Bulk(size) => return bulk(*size),
            Self::Raw(bytes) => return bytes.clone(),
            Self::End => String::new(),
        };
        text.into_bytes()
    }
}

/// Bytes of which each shows where it belongs.
fn bulk(size: u8) -> Vec<u8> {
    (0..usize::from(size) * 1024).map(|at| b'a' + (at / 7 % 26) as u8).collect()
}

fn chunked(chunks: &[Vec<u8>], extension: &str, trailer: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
        bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n");
    bytes.extend(if trailer { b"X-Real-IP: 6.6.6.6\r\n\r\n".as_slice() } else { b"\r\n" });
    bytes
}
