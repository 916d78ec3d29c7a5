//! One side of a tunnel as `copy_bidirectional` sees it: a thin wrapper that keeps the books.

use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed,
};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{BUFFER_BYTES, BUSY_WRITES, End, Party, REST_AFTER, Reason};
use crate::meter::Meter;

const NOBODY: u8 = 0;
const CLIENT: u8 = 1;
const UPSTREAM: u8 = 2;

/// The books of one tunnel. Atomics because a task may move between threads; only one writes.
pub(super) struct Flow<'a> {
    pub(super) meter: &'a Meter,
    to_upstream: Lane,
    to_client: Lane,
    /// Writes since the last pause.
    writes: AtomicU32,
    ended_first: AtomicU8,
    /// The first side that failed without having ended, and how.
    failure: OnceLock<(u8, io::ErrorKind)>,
}

/// What becomes of a side that holds back because its buffer is too small.
pub(super) enum Growth {
    /// Nothing is under way: copying can begin again with a larger one.
    Now,
    /// It has to go on as it is.
    Never,
}

/// What is between a read on one side and the flush on the other.
#[derive(Default)]
struct Lane {
    unwritten: AtomicU64,
    /// Which of [`BUFFER_BYTES`] its buffer has.
    size: AtomicUsize,
    /// A read has filled it, and there is a larger one.
    is_narrow: AtomicBool,
    unflushed: AtomicBool,
    /// The side that is read from has ended or failed.
    read_off: AtomicBool,
    /// The side that is written to takes nothing more: what is meant for it is thrown away.
    lost: AtomicBool,
    /// All was delivered, and the end passed on.
    delivered: AtomicBool,
}

impl Lane {
    /// The size of its buffer from now on: the next one when the last was too small.
    fn buffer_bytes(&self) -> usize {
        if self.is_narrow.swap(false, Relaxed) {
            self.size.fetch_add(1, Relaxed);
        }
        BUFFER_BYTES[self.size.load(Relaxed)]
    }

    fn has_larger(&self) -> bool {
        self.size.load(Relaxed) + 1 < BUFFER_BYTES.len()
    }

    fn is_empty(&self) -> bool {
        self.unwritten.load(Relaxed) == 0 && !self.unflushed.load(Relaxed)
    }
}

impl<'a> Flow<'a> {
    pub(super) fn new(meter: &'a Meter) -> Self {
        Self {
            meter,
            to_upstream: Lane::default(),
            to_client: Lane::default(),
            writes: AtomicU32::new(0),
            ended_first: AtomicU8::new(NOBODY),
            failure: OnceLock::new(),
        }
    }

    /// Whether the copy may be dropped without losing a byte and begun again: nothing is under way,
    /// and no side has ended (a new copy would end it once more).
    pub(super) fn may_rest(&self) -> bool {
        !self.is_half_closed() && self.to_upstream.is_empty() && self.to_client.is_empty()
    }

    /// Whether it keeps its buffers while nothing is under way.
    pub(super) fn is_busy(&self) -> bool {
        let is_wide = |lane: &Lane| lane.size.load(Relaxed) > 0;
        self.writes.load(Relaxed) >= BUSY_WRITES
            || is_wide(&self.to_upstream)
            || is_wide(&self.to_client)
    }

    /// Counts a write that came so long after the last one.
    fn written(&self, pause: Duration) {
        let writes =
            if pause < REST_AFTER { self.writes.load(Relaxed).saturating_add(1) } else { 1 };
        self.writes.store(writes, Relaxed);
    }

    /// Bytes of the copy buffers from here on, of the direction to the upstream and of that to the client.
    pub(super) fn buffer_bytes(&self) -> (usize, usize) {
        (self.to_upstream.buffer_bytes(), self.to_client.buffer_bytes())
    }

    /// It is busy no more, and its buffers begin small again.
    pub(super) fn calm(&self) {
        if self.writes.load(Relaxed) >= BUSY_WRITES {
            self.writes.store(0, Relaxed);
        }
        for lane in [&self.to_upstream, &self.to_client] {
            lane.size.store(0, Relaxed);
            lane.is_narrow.store(false, Relaxed);
        }
    }

    /// Whether a side holds back until its buffer has grown, and what comes of it.
    pub(super) fn growth(&self) -> Option<Growth> {
        let (one, other) = (&self.to_upstream, &self.to_client);
        for (own, other) in [(one, other), (other, one)] {
            if own.is_narrow.load(Relaxed) {
                if self.may_rest() {
                    return Some(Growth::Now);
                }
                if !self.may_hold_back(other) {
                    // Said once: while bytes are stuck nobody reads, and this is asked for again and again.
                    own.is_narrow.store(false, Relaxed);
                    return Some(Growth::Never);
                }
            }
        }
        None
    }

    /// Whether a side may wait for its buffer to grow: it is not waited for in vain while bytes for it are stuck.
    fn may_hold_back(&self, other: &Lane) -> bool {
        other.is_empty() && !self.is_half_closed()
    }

    pub(super) fn is_half_closed(&self) -> bool {
        self.ended_first.load(Relaxed) != NOBODY
    }

    /// How a copy that returned ended the tunnel.
    pub(super) fn end(&self, error: Option<io::Error>) -> End {
        match (self.failure.get(), error) {
            (Some((side, kind)), _) => End { closed_by: party(*side), reason: reason(*kind) },
            // The copy's own, if it ever has one: `WriteZero`.
            (None, Some(error)) if !self.is_half_closed() => {
                End { closed_by: Party::Wssgate, reason: reason(error.kind()) }
            }
            (None, _) => closed(party(self.ended_first.load(Relaxed))),
        }
    }
}

fn closed(closed_by: Party) -> End {
    End { closed_by, reason: Reason::Closed }
}

fn party(value: u8) -> Party {
    match value {
        CLIENT => Party::Client,
        UPSTREAM => Party::Upstream,
        _ => Party::Wssgate,
    }
}

fn reason(kind: io::ErrorKind) -> Reason {
    match kind {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => Reason::Reset,
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Reason::Dead,
        _ => Reason::Broken,
    }
}

/// One of the two streams.
pub(super) struct Side<'a, S> {
    stream: &'a mut S,
    flow: &'a Flow<'a>,
    name: u8,
}

impl<'a, S> Side<'a, S> {
    pub(super) fn client(stream: &'a mut S, flow: &'a Flow<'a>) -> Self {
        Self { stream, flow, name: CLIENT }
    }

    pub(super) fn upstream(stream: &'a mut S, flow: &'a Flow<'a>) -> Self {
        Self { stream, flow, name: UPSTREAM }
    }

    /// The lane that reads from this side fill.
    fn filled(&self) -> &Lane {
        if self.name == CLIENT { &self.flow.to_upstream } else { &self.flow.to_client }
    }

    /// The lane that writes to this side empty.
    fn emptied(&self) -> &Lane {
        if self.name == CLIENT { &self.flow.to_client } else { &self.flow.to_upstream }
    }

    fn ended(&self) {
        self.filled().read_off.store(true, Relaxed);
        let _ = self.flow.ended_first.compare_exchange(NOBODY, self.name, Relaxed, Relaxed);
        // The half-close timeout counts from here.
        self.flow.meter.touch();
    }

    /// Notes an error. Who has ended for good also fails our writes: its end is what counts then.
    fn failed(&self, error: &io::Error) {
        if !self.filled().read_off.load(Relaxed) {
            let _ = self.flow.failure.set((self.name, error.kind()));
        }
    }

    /// Writing has failed. What this side has said before is still to be delivered: what is meant for
    /// it is thrown away until then.
    fn lost(&self, error: io::Error, bytes: usize) -> io::Result<usize> {
        self.failed(&error);
        if self.filled().delivered.load(Relaxed) {
            return Err(error);
        }
        self.emptied().lost.store(true, Relaxed);
        self.emptied().unwritten.fetch_sub(bytes as u64, Relaxed);
        self.emptied().unflushed.store(false, Relaxed);
        Ok(bytes)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Side<'_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let lane = this.filled();
        if lane.is_narrow.load(Relaxed) {
            if this.flow.may_hold_back(this.emptied()) {
                return Poll::Pending;
            }
            lane.is_narrow.store(false, Relaxed);
        }
        let before = buf.filled().len();
        match ready!(Pin::new(&mut *this.stream).poll_read(cx, buf)) {
            Ok(()) => {
                let read = buf.filled().len() - before;
                if read == 0 {
                    this.ended();
                } else {
                    let lane = this.filled();
                    lane.unwritten.fetch_add(read as u64, Relaxed);
                    let is_full = before == 0 && buf.remaining() == 0;
                    lane.is_narrow.store(is_full && lane.has_larger(), Relaxed);
                }
                Poll::Ready(Ok(()))
            }
            // A TCP close without close_notify: most programs end so, and WebSocket has its own end.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                this.ended();
                Poll::Ready(Ok(()))
            }
            // An end with a reason: what came before it is delivered all the same.
            Err(error) => {
                this.failed(&error);
                this.ended();
                this.emptied().lost.store(true, Relaxed);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Side<'_, S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.emptied().lost.load(Relaxed) {
            return Poll::Ready(this.lost(io::ErrorKind::BrokenPipe.into(), buf.len()));
        }
        let written = match ready!(Pin::new(&mut *this.stream).poll_write(cx, buf)) {
            Ok(written) => written,
            Err(error) => return Poll::Ready(this.lost(error, buf.len())),
        };
        let lane = this.emptied();
        lane.unwritten.fetch_sub(written as u64, Relaxed);
        lane.unflushed.store(true, Relaxed);
        this.flow.written(match this.name {
            CLIENT => this.flow.meter.add_to_client(written),
            _ => this.flow.meter.add_to_upstream(written),
        });
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.emptied().lost.load(Relaxed)
            && let Err(error) = ready!(Pin::new(&mut *this.stream).poll_flush(cx))
        {
            return Poll::Ready(this.lost(error, 0).map(|_| ()));
        }
        this.emptied().unflushed.store(false, Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // That the side is gone already is no reason to stop hearing the other one out.
        let _ = ready!(Pin::new(&mut *this.stream).poll_shutdown(cx));
        this.emptied().delivered.store(true, Relaxed);
        match this.filled().lost.load(Relaxed) {
            // The other side is gone, and now all that it said has left: there is nothing more to do.
            true => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            false => Poll::Ready(Ok(())),
        }
    }
}
