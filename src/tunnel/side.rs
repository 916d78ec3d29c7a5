//! One side of a tunnel as `copy_bidirectional` sees it: a thin wrapper that keeps the books.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{End, Party, Reason};
use crate::meter::Meter;

const NOBODY: u8 = 0;
const CLIENT: u8 = 1;
const UPSTREAM: u8 = 2;

/// The books of one tunnel. Atomics because a task may move between threads; only one writes.
pub(super) struct Flow<'a> {
    pub(super) meter: &'a Meter,
    to_upstream: Lane,
    to_client: Lane,
    ended_first: AtomicU8,
    failed: AtomicU8,
}

/// What is between a read on one side and the flush on the other.
#[derive(Default)]
struct Lane {
    unwritten: AtomicU64,
    unflushed: AtomicBool,
}

impl Lane {
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
            ended_first: AtomicU8::new(NOBODY),
            failed: AtomicU8::new(NOBODY),
        }
    }

    /// Whether the copy may be dropped without losing a byte and begun again: nothing is under way,
    /// and no side has ended (a new copy would end it once more).
    pub(super) fn may_rest(&self) -> bool {
        !self.is_half_closed() && self.to_upstream.is_empty() && self.to_client.is_empty()
    }

    pub(super) fn is_half_closed(&self) -> bool {
        self.ended_first.load(Relaxed) != NOBODY
    }

    /// How a copy that returned ended the tunnel.
    pub(super) fn end(&self, error: Option<io::Error>) -> End {
        let first = party(self.ended_first.load(Relaxed));
        let failed = party(self.failed.load(Relaxed));
        match (error, first, failed) {
            // Who closed for good also fails our writes; its end is what counts.
            (Some(_), Some(first), Some(failed)) if first == failed => closed(first),
            (Some(error), _, failed) => {
                End { closed_by: failed.unwrap_or(Party::Wssgate), reason: reason(&error) }
            }
            (None, first, _) => closed(first.unwrap_or(Party::Client)),
        }
    }
}

fn closed(closed_by: Party) -> End {
    End { closed_by, reason: Reason::Closed }
}

fn party(value: u8) -> Option<Party> {
    match value {
        CLIENT => Some(Party::Client),
        UPSTREAM => Some(Party::Upstream),
        _ => None,
    }
}

fn reason(error: &io::Error) -> Reason {
    match error.kind() {
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
        let _ = self.flow.ended_first.compare_exchange(NOBODY, self.name, Relaxed, Relaxed);
        // The half-close timeout counts from here.
        self.flow.meter.touch();
    }

    fn failed<T>(&self, error: io::Error) -> Poll<io::Result<T>> {
        let _ = self.flow.failed.compare_exchange(NOBODY, self.name, Relaxed, Relaxed);
        Poll::Ready(Err(error))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Side<'_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match ready!(Pin::new(&mut *this.stream).poll_read(cx, buf)) {
            Ok(()) => {
                let read = buf.filled().len() - before;
                if read == 0 {
                    this.ended();
                } else {
                    this.filled().unwritten.fetch_add(read as u64, Relaxed);
                }
                Poll::Ready(Ok(()))
            }
            // A TCP close without close_notify: most programs end so, and WebSocket has its own end.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                this.ended();
                Poll::Ready(Ok(()))
            }
            Err(error) => this.failed(error),
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
        let written = match ready!(Pin::new(&mut *this.stream).poll_write(cx, buf)) {
            Ok(written) => written,
            Err(error) => return this.failed(error),
        };
        let lane = this.emptied();
        lane.unwritten.fetch_sub(written as u64, Relaxed);
        lane.unflushed.store(true, Relaxed);
        match this.name {
            CLIENT => this.flow.meter.add_to_client(written),
            _ => this.flow.meter.add_to_upstream(written),
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match ready!(Pin::new(&mut *this.stream).poll_flush(cx)) {
            Ok(()) => {
                this.emptied().unflushed.store(false, Relaxed);
                Poll::Ready(Ok(()))
            }
            Err(error) => this.failed(error),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // That the side is gone already is no reason to stop hearing the other one out.
        let _ = ready!(Pin::new(&mut *self.get_mut().stream).poll_shutdown(cx));
        Poll::Ready(Ok(()))
    }
}
