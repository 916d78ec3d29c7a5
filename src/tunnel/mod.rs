//! The tunnel: bytes both ways between two streams until both ends are closed, or it is cut.
//!
//! `copy_bidirectional` moves the bytes; what is added is what it lacks: counts that survive errors,
//! the reason of the end and who caused it, timers, and rest. A tunnel in which nothing is under way
//! lets go of the copy and its buffers and waits for either stream to be readable: at once, unless it is
//! busy. [`run`] shuts both streams down before it returns; the caller drops them.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy_bidirectional_with_sizes};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

mod ending;
mod side;

use crate::meter::Meter;
pub use ending::Ending;
use side::{Flow, Growth, Side};

/// Copy buffers, of each direction for itself: the first until a read fills it, then the next. A tunnel that says
/// a word now and then, or is only closed, takes little; one that streams makes few calls.
const BUFFER_BYTES: [usize; 3] = [1024, 8 * 1024, 64 * 1024];

/// Time without a byte after which a tunnel is not busy any more.
const REST_AFTER: Duration = Duration::from_millis(100);

/// So many writes without such a pause make a tunnel busy: it keeps its buffers for the next one, as making them costs
/// more than a timer now and then. For who says a word now and then, it is the timer that costs more.
const BUSY_WRITES: u32 = 8;

/// How long a cut tunnel may take to say its goodbye (close_notify, FIN).
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// A timer that is off is set this far away.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A stream that can wait for bytes without a buffer to put them in.
pub trait ReadReady {
    /// Ready when a read may find bytes, the end or an error; may be ready in vain, never pending in
    /// vain once a read was pending.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// What ends a tunnel besides its two ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Time without a byte either way; none: for ever.
    pub idle_timeout: Option<Duration>,
    /// Time without a byte after one side has ended; none: for ever.
    pub half_close_timeout: Option<Duration>,
    /// Time from the start, jitter included; none: for ever.
    pub lifetime: Option<Duration>,
}

/// Resolves when a tunnel has to end, with the reason.
pub type Cut = Pin<Box<dyn Future<Output = Reason> + Send>>;

/// Who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Who came to us.
    Client,
    /// Whom we connected to.
    Upstream,
    /// We did.
    Wssgate,
}

impl Party {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Wssgate => "wssgate",
        }
    }
}

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A party ended its side, and then the other did.
    Closed,
    /// A party reset its connection.
    Reset,
    /// A party did not answer keepalive probes, or did not take bytes, for too long.
    Dead,
    /// A party broke TLS or its socket failed otherwise.
    Broken,
    /// No byte for the idle timeout.
    IdleTimeout,
    /// One side had ended and the other sent nothing for the half-close timeout.
    HalfCloseTimeout,
    /// It was as old as a tunnel may get.
    MaxLifetime,
    /// The server stops.
    Drain,
    /// The upstream is down, and its tunnels were to be closed.
    UpstreamDown,
    /// Somebody who looks after the server wanted it.
    Admin,
}

impl Reason {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Dead => "dead",
            Self::Broken => "broken",
            Self::IdleTimeout => "idle_timeout",
            Self::HalfCloseTimeout => "half_close_timeout",
            Self::MaxLifetime => "max_lifetime",
            Self::Drain => "drain",
            Self::UpstreamDown => "upstream_down",
            Self::Admin => "admin",
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Who ended it.
    pub closed_by: Party,
    /// Why.
    pub reason: Reason,
}

/// Moves bytes until both sides have ended, a limit is reached, or the tunnel is to end from outside: by `ending`, or
/// since `cut`, where there is one, says why. `meter` counts them.
pub async fn run<C, U>(
    client: &mut C,
    upstream: &mut U,
    limits: &Limits,
    meter: &Meter,
    (ending, cut): (&Ending, Option<Cut>),
) -> End
where
    C: AsyncRead + AsyncWrite + ReadReady + Unpin,
    U: AsyncRead + AsyncWrite + ReadReady + Unpin,
{
    let flow = Flow::new(meter);
    let started = Instant::now();
    let mut timers = Timers {
        limits,
        flow: &flow,
        lifetime: limits.lifetime.map(|lifetime| started + lifetime),
        ending,
        known: None,
        cut,
        stage: Stage::default(),
        is_stuck: false,
        is_set: false,
        sleep: pin!(sleep_until(started)),
    };
    let end = loop {
        if let Some(end) = copy(client, upstream, &flow, &mut timers).await {
            break end;
        }
        flow.calm();
        let rested = poll_fn(|cx| {
            let client = client.poll_read_ready(cx).is_ready();
            let upstream = upstream.poll_read_ready(cx).is_ready();
            if client || upstream {
                return Poll::Ready(None);
            }
            timers.poll(cx)
        });
        if let Some(reason) = rested.await {
            break by_us(reason);
        }
    };
    // Also after an error: what one side sent before the other failed may not have left yet. Boxed, as it is
    // seldom long under way.
    let _ = Box::pin(timeout(GOODBYE_TIMEOUT, goodbye(client, upstream))).await;
    end
}

/// Copies until the tunnel ends, or may rest: `None`.
async fn copy<C, U>(
    client: &mut C,
    upstream: &mut U,
    flow: &Flow<'_>,
    timers: &mut Timers<'_>,
) -> Option<End>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let (from_client, from_upstream) = flow.buffer_bytes();
        let mut to_client = Side::client(&mut *client, flow);
        let mut to_upstream = Side::upstream(&mut *upstream, flow);
        let mut copy = pin!(copy_bidirectional_with_sizes(
            &mut to_client,
            &mut to_upstream,
            from_client,
            from_upstream,
        ));
        let pause = poll_fn(|cx| {
            if let Poll::Ready(result) = copy.as_mut().poll(cx) {
                return Poll::Ready(Pause::End(flow.end(result.err())));
            }
            match flow.growth() {
                Some(Growth::Now) => return Poll::Ready(Pause::Grow),
                Some(Growth::Never) => cx.waker().wake_by_ref(),
                None if flow.may_rest() && !flow.is_busy() => return Poll::Ready(Pause::Rest),
                None => {}
            }
            timers.poll(cx).map(|reason| reason.map_or(Pause::Rest, |it| Pause::End(by_us(it))))
        });
        match pause.await {
            Pause::End(end) => return Some(end),
            Pause::Rest => return None,
            Pause::Grow => {}
        }
    }
}

/// Why copying stops.
enum Pause {
    End(End),
    /// Nothing moves.
    Rest,
    /// It is to go on with larger buffers.
    Grow,
}

fn by_us(reason: Reason) -> End {
    End { closed_by: Party::Wssgate, reason }
}

async fn goodbye<C, U>(client: &mut C, upstream: &mut U)
where
    C: AsyncWrite + Unpin,
    U: AsyncWrite + Unpin,
{
    // Beside each other: a side that takes nothing must not use up the other one's time.
    let _ = tokio::join!(upstream.shutdown(), client.shutdown());
}

/// What the deadlines depend on besides the time of the last byte.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Stage {
    is_busy: bool,
    is_half_closed: bool,
}

/// What ends a tunnel besides its two sides, and what lets it rest.
struct Timers<'a> {
    limits: &'a Limits,
    flow: &'a Flow<'a>,
    lifetime: Option<Instant>,
    ending: &'a Ending,
    /// What `ending` said when the deadlines were looked at.
    known: Option<(Instant, Reason)>,
    cut: Option<Cut>,
    /// That of the time when they were looked at.
    stage: Stage,
    /// Whether it was to rest, but bytes waited for a slow reader, or one side had ended.
    is_stuck: bool,
    /// Whether `sleep` is set to the next deadline.
    is_set: bool,
    sleep: Pin<&'a mut Sleep>,
}

impl Timers<'_> {
    /// Ready when the tunnel is to end, with the reason, or may rest: `None`.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reason>> {
        if let Some(cut) = &mut self.cut
            && let Poll::Ready(reason) = cut.as_mut().poll(cx)
        {
            return Poll::Ready(Some(reason));
        }
        let stage =
            Stage { is_busy: self.flow.is_busy(), is_half_closed: self.flow.is_half_closed() };
        let is_free = self.is_stuck && self.flow.may_rest();
        if self.ending.poll(cx.waker()) != self.known || stage != self.stage || is_free {
            (self.stage, self.is_stuck, self.is_set) = (stage, false, false);
        }
        loop {
            if self.is_set {
                ready!(self.sleep.as_mut().poll(cx));
            }
            let now = Instant::now();
            let mut wake = now + FAR;
            let moved = self.flow.meter.moved_at();
            self.known = self.ending.get();
            for (deadline, reason) in self.deadlines(moved) {
                if deadline <= now {
                    return Poll::Ready(Some(reason));
                }
                wake = wake.min(deadline);
            }
            if stage.is_busy {
                let rest = moved + REST_AFTER;
                if rest > now {
                    wake = wake.min(rest);
                } else if self.flow.may_rest() {
                    return Poll::Ready(None);
                } else {
                    // What frees it wakes us.
                    self.is_stuck = true;
                }
            }
            self.sleep.as_mut().reset(wake);
            self.is_set = true;
        }
    }

    fn deadlines(&self, moved: Instant) -> impl Iterator<Item = (Instant, Reason)> {
        let half_close = self.limits.half_close_timeout.filter(|_| self.stage.is_half_closed);
        [
            self.known,
            self.lifetime.map(|at| (at, Reason::MaxLifetime)),
            half_close.map(|timeout| (moved + timeout, Reason::HalfCloseTimeout)),
            self.limits.idle_timeout.map(|timeout| (moved + timeout, Reason::IdleTimeout)),
        ]
        .into_iter()
        .flatten()
    }
}

#[cfg(test)]
mod tests;
