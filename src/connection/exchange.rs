//! The exchange with an upstream: the head and the body one way, the answer the other, and the gate.
//!
//! For a WebSocket request nothing behind the head leaves here before the upstream's 101 was judged; if
//! it refuses, nothing ever does.

use std::future::pending;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::failure::{Failure, Stage};
use super::record::Record;
use super::{Client, Shared};
use crate::http::body::{Decoder, Framing, Trailers};
use crate::http::request::{Kind, Request};
use crate::http::{Refusal, response};
use crate::meter::Meter;
use crate::relay::{self, Ended};
use crate::upstream::{Hold, Stream};

/// How often the clocks are looked at.
const TICK: Duration = Duration::from_millis(250);

/// How an exchange went.
pub(super) enum Outcome {
    /// 101, the right one, and sent on: the tunnel may begin with these bytes of the upstream's.
    Switched(Vec<u8>),
    /// The answer was relayed to its end. When the client's connection may go on, what it has sent
    /// behind this request.
    Answered(Option<Vec<u8>>),
}

/// How the upstream answered.
enum Answer {
    Switched(Vec<u8>),
    /// To its end; whether the client has been told that its connection goes on.
    Relayed {
        keep: bool,
    },
}

/// One request on its way.
pub(super) struct Exchange<'a> {
    pub(super) request: &'a Request<'a>,
    /// What the client sent behind its head.
    pub(super) behind: &'a [u8],
    /// The head that the upstream gets.
    pub(super) head: Vec<u8>,
    /// Whether the client's connection may go on, as far as the request and the server are concerned.
    pub(super) persistent: bool,
    pub(super) shared: &'a Shared,
    pub(super) meter: &'a Meter,
    /// The place at the upstream, which is told when that has begun to answer.
    pub(super) hold: &'a Hold,
}

/// What one direction has to know of the other.
#[derive(Default)]
struct Progress {
    /// The answer's head is on its way to the client: no other can be sent.
    answering: AtomicBool,
    /// So is an interim one, which the client has not taken yet.
    is_amid_interim: AtomicBool,
    /// The gate stays shut.
    refused: Notify,
    /// It is the upstream that is waited for: it has the whole request, or does not take it.
    upstream_owes: AtomicBool,
    /// The request's body was read to its end: what follows is another request.
    consumed: AtomicBool,
    /// The client has ended its side.
    client_ended: AtomicBool,
}

impl Progress {
    /// Whether the client has a part of an answer, or may have: no other can begin.
    fn is_answering(&self) -> bool {
        self.answering.load(Relaxed) || self.is_amid_interim.load(Relaxed)
    }
}

impl Exchange<'_> {
    /// Runs it to its outcome. The streams are not closed.
    pub(super) async fn run<C: Client>(
        mut self,
        client: &mut C,
        upstream: &mut Stream,
        record: &mut Record,
    ) -> Result<Outcome, Failure> {
        let framing = match self.request.kind {
            Kind::WebSocket { .. } => Framing::None,
            Kind::Plain { body } => body,
        };
        let mut body = Decoder::new(framing, Trailers::Drop);
        let head_bytes = self.head.len();
        let malformed = |error: crate::http::body::Error| Refusal::new(400, error.0);
        let taken = body
            .decode(self.behind, &mut self.head)
            .map_err(|error| Failure::refused(Stage::Body, malformed(error)))?;
        let progress = Progress::default();
        self.send(upstream, &progress).await?;
        progress.upstream_owes.store(body.is_done(), Relaxed);
        progress.consumed.store(body.is_done(), Relaxed);
        self.meter.add_to_upstream(self.head.len() - head_bytes);

        let mut ahead = self.behind[taken..].to_vec();
        let (mut client_read, mut client_write) = split(client);
        let (mut upstream_read, mut upstream_write) = split(upstream);
        let result = {
            let download = self.download(&mut upstream_read, &mut client_write, record, &progress);
            let upload =
                self.upload(&mut client_read, &mut upstream_write, (body, &mut ahead), &progress);
            tokio::select! {
                biased;
                result = download => result,
                failure = upload => Err(failure),
                failure = self.watch(&progress) => Err(failure),
            }
        };
        match result {
            Ok(Answer::Switched(first)) => Ok(Outcome::Switched(first)),
            Ok(Answer::Relayed { keep }) => Ok(Outcome::Answered(keep.then_some(ahead))),
            Err(failure) if progress.is_answering() => Err(failure.unanswered()),
            Err(failure) => Err(failure),
        }
    }

    /// The head, and what is known of the body, in one write.
    async fn send(&self, upstream: &mut Stream, progress: &Progress) -> Result<(), Failure> {
        self.meter.touch();
        progress.upstream_owes.store(true, Relaxed);
        tokio::select! {
            biased;
            sent = relay::write_now(upstream, &self.head) => sent.map_err(|error| {
                let refusal = Refusal::new(502, "upstream connection failed");
                Failure::upstream(Stage::Gate, refusal, Some(&error))
            }),
            failure = self.watch(progress) => Err(failure),
        }
    }

    /// The answer: its head through the gate, its body to the end.
    async fn download<U, C>(
        &self,
        upstream: &mut U,
        client: &mut C,
        record: &mut Record,
        progress: &Progress,
    ) -> Result<Answer, Failure>
    where
        U: AsyncRead + Unpin,
        C: AsyncWrite + Unpin,
    {
        let mut buf = Vec::new();
        let limit = self.shared.max_head_bytes;
        let is_amid = &progress.is_amid_interim;
        let length = relay::head(upstream, client, self.request, (&mut buf, limit), is_amid)
            .await
            .map_err(|error| Failure::relay(Stage::Gate, error))?;
        let shut = |refusal| Failure::upstream(Stage::Gate, refusal, None);
        let response = response::parse(&buf[..length]).map_err(shut)?;
        if response.status == 101 {
            let Kind::WebSocket { key } = self.request.kind else {
                return Err(shut(Refusal::new(502, "101 without being asked")));
            };
            response.accepts(key).map_err(shut)?;
            self.begin_answer(response.status, progress, record);
            let mut head = Vec::with_capacity(length);
            response.rewrite("Upgrade", self.shared.hsts.as_deref(), &mut head);
            relay::write_now(client, &head)
                .await
                .map_err(|error| Failure::client(Stage::Response, error.to_string()))?;
            return Ok(Answer::Switched(buf.split_off(length)));
        }
        let framing = response.framing(self.request.method).map_err(shut)?;
        let mut body = Decoder::new(framing, Trailers::Keep);
        let keep = self.persistent && progress.consumed.load(Relaxed) && !body.ends_by_close();
        let mut head = Vec::with_capacity(length + 64);
        let connection = if keep { "keep-alive" } else { "close" };
        response.rewrite(connection, self.shared.hsts.as_deref(), &mut head);
        let head_bytes = head.len();
        let behind = &buf[length..];
        let taken = body.decode(behind, &mut head).map_err(|_| shut(relay::BROKEN_BODY))?;
        self.begin_answer(response.status, progress, record);
        progress.refused.notify_one();
        let sent = relay::write_now(client, &head).await;
        sent.map_err(|error| Failure::client(Stage::Response, error.to_string()))?;
        self.meter.add_to_client(head.len() - head_bytes);
        let ended = relay::answer(upstream, client, &mut body, self.meter)
            .await
            .map_err(|error| Failure::relay(Stage::Response, error))?;
        let whole = ended == Ended::ByFraming && taken == behind.len();
        Ok(Answer::Relayed { keep: keep && whole })
    }

    /// From here on no other answer can follow. This one may go on for hours: the upstream has done what it is there
    /// for, and the time that it took is not time without a byte.
    fn begin_answer(&self, status: u16, progress: &Progress, record: &mut Record) {
        progress.answering.store(true, Relaxed);
        self.meter.touch();
        self.hold.succeeded();
        record.answered(status);
    }

    /// The rest of the body; then only the client's end is waited for. Returns only to end it all.
    async fn upload<C, U>(
        &self,
        client: &mut C,
        upstream: &mut U,
        (mut body, ahead): (Decoder, &mut Vec<u8>),
        progress: &Progress,
    ) -> Failure
    where
        C: AsyncRead + Unpin,
        U: AsyncWrite + Unpin,
    {
        let owes = &progress.upstream_owes;
        let counts = (&mut *ahead, self.meter);
        match relay::body(client, upstream, &mut body, counts, owes).await {
            Ok(()) => {}
            // Who is answered early ought to give the body up and end this side, and reads on (RFC 9112, 9.5).
            Err(relay::Error::Client(error))
                if error.kind() == ErrorKind::UnexpectedEof && progress.answering.load(Relaxed) => {
            }
            Err(error) => return Failure::relay(Stage::Body, error),
        }
        owes.store(true, Relaxed);
        progress.consumed.store(body.is_done(), Relaxed);
        self.meter.touch();
        if self.request.is_websocket() {
            progress.refused.notified().await;
        }
        if let Err(error) = relay::client_end(client, ahead, self.shared.max_head_bytes).await {
            return Failure::client(Stage::Response, error.to_string());
        }
        progress.client_ended.store(true, Relaxed);
        self.meter.touch();
        pending().await
    }

    /// Returns when one side has kept the other waiting for too long.
    async fn watch(&self, progress: &Progress) -> Failure {
        loop {
            let quiet = Instant::now().saturating_duration_since(self.meter.moved_at());
            let over = |limit: Option<Duration>| limit.is_some_and(|limit| quiet >= limit);
            let timeouts = &self.shared.timeouts;
            let head_timeout =
                if self.request.is_websocket() { timeouts.upgrade } else { timeouts.response };
            if progress.answering.load(Relaxed) {
                if over(timeouts.idle) {
                    return Failure::client(Stage::Response, "idle timeout");
                }
                if progress.client_ended.load(Relaxed) && over(timeouts.half_close) {
                    return Failure::client(Stage::Response, "half-close timeout");
                }
            } else if over(Some(head_timeout)) {
                if progress.is_amid_interim.load(Relaxed) {
                    // An upstream must not be taken out for a client that does not read.
                    return Failure::client(Stage::Response, "interim response not taken in time");
                }
                return match progress.upstream_owes.load(Relaxed) {
                    true => {
                        let refusal = Refusal::new(504, "upstream did not answer in time");
                        Failure::upstream(Stage::Gate, refusal, None)
                    }
                    false => {
                        let refusal = Refusal::new(408, "request body not complete in time");
                        Failure::refused(Stage::Body, refusal)
                    }
                };
            }
            sleep(TICK).await;
        }
    }
}
