//! The client's side of a connection in memory: wssgate holds the [`Wire`], the story the [`Peer`].
//!
//! What is written leaves when it is flushed, as with TLS. There may be no room, and reads and writes fail after a
//! reset.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wssgate::tunnel::ReadReady;

/// Wssgate's end.
pub(super) struct Wire(Peer);

/// The client's end.
#[derive(Clone, Default)]
pub(super) struct Peer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Sent by the client and not read yet.
    incoming: VecDeque<u8>,
    tail: Option<Tail>,
    written: Vec<u8>,
    /// Got by the client.
    flushed: Vec<u8>,
    /// Bytes that the client still takes.
    room: usize,
    shut: bool,
    waiting: Vec<Waker>,
}

/// How the client goes on behind what it has sent.
#[derive(Clone, Copy)]
enum Tail {
    End,
    Reset,
}

pub(super) fn wire() -> (Wire, Peer) {
    let peer = Peer::default();
    (Wire(peer.clone()), peer)
}

impl Peer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Changes something that wssgate may wait for.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.waiting.drain(..).for_each(Waker::wake);
    }

    pub(super) fn send(&self, bytes: &[u8]) {
        self.change(|state| state.incoming.extend(bytes));
    }

    pub(super) fn end(&self) {
        self.change(|state| state.tail = state.tail.or(Some(Tail::End)));
    }

    pub(super) fn reset(&self) {
        self.change(|state| {
            state.incoming.clear();
            state.tail = Some(Tail::Reset);
        });
    }

    pub(super) fn take(&self, bytes: usize) {
        self.change(|state| state.room = state.room.saturating_add(bytes));
    }

    /// What it got so far.
    pub(super) fn got(&self) -> Vec<u8> {
        self.state().flushed.clone()
    }

    /// Bytes that wssgate has not read.
    pub(super) fn unread(&self) -> usize {
        self.state().incoming.len()
    }

    /// Whether wssgate has said that it will write no more.
    pub(super) fn is_shut(&self) -> bool {
        self.state().shut
    }
}

impl State {
    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }

    fn flush(&mut self) {
        let mut written = std::mem::take(&mut self.written);
        self.flushed.append(&mut written);
    }

    fn is_reset(&self) -> bool {
        matches!(self.tail, Some(Tail::Reset))
    }
}

fn reset() -> Poll<io::Result<()>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
}

impl ReadReady for Wire {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if !state.incoming.is_empty() || state.tail.is_some() {
            return Poll::Ready(Ok(()));
        }
        state.wait(cx);
        Poll::Pending
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        match (state.incoming.is_empty(), state.tail) {
            (true, Some(Tail::End)) => Poll::Ready(Ok(())),
            (true, Some(Tail::Reset)) => reset(),
            (true, None) => {
                state.wait(cx);
                Poll::Pending
            }
            (false, _) => {
                let length = buf.remaining().min(state.incoming.len());
                let bytes: Vec<u8> = state.incoming.drain(..length).collect();
                buf.put_slice(&bytes);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.state();
        assert!(!state.shut, "a write after the shutdown");
        if state.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let length = buf.len().min(state.room);
        if length == 0 && !buf.is_empty() {
            state.flush();
            state.wait(cx);
            return Poll::Pending;
        }
        state.room -= length;
        state.written.extend(&buf[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if state.is_reset() {
            return reset();
        }
        state.flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if state.is_reset() {
            return reset();
        }
        state.flush();
        state.shut = true;
        Poll::Ready(Ok(()))
    }
}
