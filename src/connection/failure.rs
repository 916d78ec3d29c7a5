//! How a connection ends before its request was served: at which stage, through whom, and why.

use std::borrow::Cow;
use std::io;

use crate::http::Refusal;
use crate::relay;
use crate::tunnel::Party;
use crate::upstream;

/// One connection's failure.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) stage: Stage,
    /// Whose fault it is; picks the level of the line.
    pub(super) side: Party,
    pub(super) reason: Cow<'static, str>,
    /// What the client is answered with, when it can still be answered.
    pub(super) answer: Option<Refusal>,
}

/// The stages of a connection; the word is the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing was asked for.
    FirstByte,
    /// The header that a trusted proxy begins with.
    Proxy,
    /// A place among the connections from one address.
    Limit,
    /// The TLS handshake.
    Tls,
    /// The request head.
    Head,
    /// Connecting to an upstream.
    Connect,
    /// The upstream's response head: the gate.
    Gate,
    /// The body of a request.
    Body,
    /// The response after its head.
    Response,
}

impl Stage {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::FirstByte => "first_byte",
            Self::Proxy => "proxy",
            Self::Limit => "limit",
            Self::Tls => "tls",
            Self::Head => "head",
            Self::Connect => "connect",
            Self::Gate => "gate",
            Self::Body => "body",
            Self::Response => "response",
        }
    }
}

impl Failure {
    /// The client's fault; nobody is answered.
    pub(super) fn client(stage: Stage, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { stage, side: Party::Client, reason: reason.into(), answer: None }
    }

    /// The client's fault, and it is told.
    pub(super) fn refused(stage: Stage, refusal: Refusal) -> Self {
        let reason = Cow::Borrowed(refusal.reason);
        Self { stage, side: Party::Client, reason, answer: Some(refusal) }
    }

    /// The upstream's fault, and the client is told so much.
    pub(super) fn upstream(stage: Stage, refusal: Refusal, detail: Option<&io::Error>) -> Self {
        let reason = match detail {
            Some(error) => format!("{}: {error}", refusal.reason).into(),
            None => Cow::Borrowed(refusal.reason),
        };
        Self { stage, side: Party::Upstream, reason, answer: Some(refusal) }
    }

    /// Ours: the server stops.
    pub(super) fn drain(stage: Stage) -> Self {
        Self { stage, side: Party::Wssgate, reason: "drain".into(), answer: None }
    }

    /// Why the client's head was refused, if it is that.
    pub(super) fn refused_head(&self) -> Option<Refusal> {
        let is_head = self.side == Party::Client && matches!(self.stage, Stage::Head | Stage::Tls);
        self.answer.filter(|_| is_head)
    }

    /// Whether it is the upstream that did not do what it is there for.
    pub(super) fn is_upstreams(&self) -> bool {
        self.side == Party::Upstream && matches!(self.stage, Stage::Gate | Stage::Response)
    }

    /// The same, when the answer's head is on its way already and no other can follow.
    pub(super) fn unanswered(mut self) -> Self {
        self.answer = None;
        self
    }
}

impl From<upstream::Error> for Failure {
    fn from(error: upstream::Error) -> Self {
        let (tried, source) = match error {
            upstream::Error::Failed { tried, source } => (tried, source),
            upstream::Error::Full => {
                let refusal = Refusal::new(503, "every upstream has as many connections as it may");
                return Self::upstream(Stage::Connect, refusal, None);
            }
            upstream::Error::Gone => {
                return Self::client(Stage::Connect, "closed while it waited for an upstream");
            }
        };
        let refusal = match source.kind() {
            io::ErrorKind::TimedOut => Refusal::new(504, "upstream did not accept in time"),
            _ => Refusal::new(502, "upstream refused the connection"),
        };
        let reason = format!("{} ({tried}: {source})", refusal.reason).into();
        Self { stage: Stage::Connect, side: Party::Upstream, reason, answer: Some(refusal) }
    }
}

impl Failure {
    /// What a relay's error means at this stage.
    pub(super) fn relay(stage: Stage, error: relay::Error) -> Self {
        match error {
            relay::Error::Client(error) => Self::client(stage, error.to_string()),
            relay::Error::Body(refusal) => Self::refused(Stage::Body, refusal),
            relay::Error::Upstream(error) => {
                Self::upstream(stage, Refusal::new(502, "upstream connection failed"), Some(&error))
            }
            relay::Error::Response(refusal) => Self::upstream(stage, refusal, None),
        }
    }
}
