//! What is known of one connection, and the log lines made of it.
//!
//! A line each when a tunnel opens and closes, for a plain request, and for what failed before. Never a
//! cookie, an authorization header or a key; the query only when asked for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Accepted;
use super::failure::{Failure, Stage};
use crate::http::request::Request;
use crate::meter::Meter;
use crate::metrics::Metrics;
use crate::net::Target;
use crate::status;
use crate::tls::{Identity, Session};
use crate::tunnel::{End, Party, Reason};

/// The fields of one connection's lines, as far as they are known yet.
#[derive(Debug)]
pub(super) struct Record {
    /// Accept, or the moment when a further request was whole.
    began_at: Instant,
    id: u64,
    listener: Arc<str>,
    pub(super) client: Option<SocketAddr>,
    pub(super) port: Option<u16>,
    /// The address that the client has connected to; none over a unix socket.
    pub(super) local: Option<SocketAddr>,
    /// Whether nobody knows who the client is: nothing that it says of itself is believed.
    pub(super) is_stranger: bool,
    pub(super) session: Option<Session>,
    method: Option<Box<str>>,
    host: Option<Box<str>>,
    path: Option<Box<str>>,
    status: Option<u16>,
    upstream: Option<Target>,
    setup: Duration,
    /// Why it ends, once nothing but the answer to that is on its way. Boxed, as a resting tunnel keeps room for it.
    verdict: Option<Box<Failure>>,
}

/// One line: the fields that every line has, those given, the message.
macro_rules! line {
    ($level:ident, $record:expr, $message:literal, $($field:ident = $value:expr),* $(,)?) => {
        tracing::$level!(
            id = $record.id,
            listener = %$record.listener,
            client = $record.client.map(tracing::field::display),
            server_name = $record.session.as_ref().and_then(|s| s.server_name.as_deref()),
            tls_version = $record.session.as_ref().map(|s| s.version),
            cipher = $record.session.as_ref().map(|s| s.cipher.as_str()),
            resumed = $record.session.as_ref().map(|s| s.resumed),
            client_subject = $record.identity().map(|identity| &*identity.subject),
            method = $record.method.as_deref(),
            host = $record.host.as_deref(),
            path = $record.path.as_deref(),
            status = $record.status,
            upstream = $record.upstream.as_ref().map(tracing::field::display),
            $($field = $value,)*
            $message
        )
    };
}

impl Record {
    pub(super) fn new<S>(accepted: &Accepted<S>) -> Self {
        Self {
            began_at: Instant::now(),
            id: accepted.id,
            listener: Arc::clone(&accepted.site.listener),
            client: accepted.client,
            port: accepted.site.port,
            local: None,
            is_stranger: false,
            session: None,
            method: None,
            host: None,
            path: None,
            status: None,
            upstream: None,
            setup: Duration::ZERO,
            verdict: None,
        }
    }

    /// When the connection was accepted: all of set-up counts from here.
    pub(super) fn began_at(&self) -> Instant {
        self.began_at
    }

    /// The number of the connection.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Where it was accepted.
    pub(super) fn listener(&self) -> &str {
        &self.listener
    }

    /// From accept to the answer.
    pub(super) fn setup(&self) -> Duration {
        self.setup
    }

    /// When the client was answered: a tunnel is open from then on.
    pub(super) fn answered_at(&self) -> Instant {
        self.began_at + self.setup
    }

    /// What is known of a tunnel, its traffic and its upstream left out.
    pub(super) fn describe(&self) -> status::Tunnel {
        let session = self.session.as_ref();
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        status::Tunnel {
            id: self.id,
            listener: self.listener.to_string(),
            client: self.client.map(|client| client.to_string()),
            server_name: session.and_then(|session| session.server_name.clone()),
            tls_version: session.map(|session| session.version.to_owned()),
            cipher: session.map(|session| session.cipher.clone()),
            host: text(&self.host),
            path: text(&self.path),
            ..status::Tunnel::default()
        }
    }

    /// Makes room for the next request on the same connection.
    pub(super) fn begin_again(&mut self) {
        self.began_at = Instant::now();
        self.method = None;
        self.host = None;
        self.path = None;
        self.status = None;
        self.upstream = None;
        self.setup = Duration::ZERO;
    }

    /// Who the client is, by its certificate.
    pub(super) fn identity(&self) -> Option<&Identity> {
        self.session.as_ref().and_then(|session| session.identity.as_deref())
    }

    pub(super) fn handshaken(&mut self, session: Session) {
        self.session = Some(session);
    }

    pub(super) fn requested(&mut self, request: &Request<'_>, log_query: bool) {
        let path = if log_query { &request.target } else { request.path() };
        self.method = Some(request.method.into());
        self.host = request.host.map(Into::into);
        self.path = Some(path.into());
    }

    pub(super) fn connected(&mut self, upstream: Target) {
        self.upstream = Some(upstream);
    }

    /// The status that the client gets; set-up is over.
    pub(super) fn answered(&mut self, status: u16) {
        self.status = Some(status);
        self.setup = self.began_at.elapsed();
    }

    /// It ends with this failure, whose answer the client has yet to take.
    pub(super) fn judged(&mut self, failure: &Failure) {
        self.verdict = Some(Box::new(failure.clone()));
    }

    /// Why it ended, when a drain has cut it at this stage: the drain, unless that was settled before.
    pub(super) fn cut(&mut self, stage: Stage) -> Failure {
        self.verdict.take().map_or_else(|| Failure::drain(stage), |failure| *failure)
    }

    pub(super) fn tunnel_opened(&self) {
        line!(info, self, "tunnel opened", setup_ms = millis(self.setup));
    }

    pub(super) fn tunnel_closed(&self, end: End, meter: &Meter) {
        line!(
            info,
            self,
            "tunnel closed",
            to_upstream_bytes = meter.to_upstream(),
            to_client_bytes = meter.to_client(),
            setup_ms = millis(self.setup),
            duration_ms = self.duration_ms(),
            closed_by = end.closed_by.as_str(),
            reason = end.reason.as_str(),
        );
    }

    pub(super) fn request_served(&self, metrics: &Metrics, meter: &Meter) {
        metrics.request(self.status.unwrap_or_default());
        metrics.moved(meter.to_upstream(), meter.to_client());
        line!(
            info,
            self,
            "request",
            to_upstream_bytes = meter.to_upstream(),
            to_client_bytes = meter.to_client(),
            setup_ms = millis(self.setup),
            duration_ms = self.duration_ms(),
            closed_by = Party::Wssgate.as_str(),
            reason = Reason::Closed.as_str(),
        );
    }

    /// Counts and logs what ended before it was served; a probe is only counted.
    pub(super) fn failed(&mut self, failure: &Failure, metrics: &Metrics, meter: &Meter) {
        if failure.stage == Stage::FirstByte {
            metrics.probe();
            return;
        }
        metrics.failure(failure.stage.as_str(), failure.side.as_str());
        if let Some(refusal) = failure.refused_head() {
            metrics.head_refused(refusal.reason);
        }
        metrics.moved(meter.to_upstream(), meter.to_client());
        if let Some(answer) = failure.answer {
            self.answered(answer.status);
        }
        macro_rules! failed {
            ($level:ident) => {
                line!(
                    $level,
                    self,
                    "connection failed",
                    to_upstream_bytes = meter.to_upstream(),
                    to_client_bytes = meter.to_client(),
                    duration_ms = self.duration_ms(),
                    stage = failure.stage.as_str(),
                    closed_by = failure.side.as_str(),
                    reason = failure.reason.as_ref(),
                )
            };
        }
        match failure.side {
            // A proxy that is trusted and does not speak as it should is for the operator to mend.
            Party::Client if failure.stage == Stage::Proxy => failed!(warn),
            Party::Client => failed!(debug),
            Party::Upstream => failed!(warn),
            Party::Wssgate => failed!(info),
        }
    }

    fn duration_ms(&self) -> u64 {
        millis(self.began_at.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
