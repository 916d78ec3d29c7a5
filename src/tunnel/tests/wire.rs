//! A connection in memory: the tunnel holds the [`Wire`], the test plays its [`Peer`].
//!
//! What the tunnel writes leaves when it is flushed, as with TLS. Room, flush and shutdown can be
//! withheld, reads and writes made to fail, and it can be seen who waits for what.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ReadReady;

/// The tunnel's end.
pub(super) struct Wire(Peer);

/// The test's end, and its hands on the wire.
#[derive(Clone)]
pub(super) struct Peer(Arc<Mutex<State>>);

struct State {
    incoming: VecDeque<u8>,
    /// How it goes on behind `incoming`: not, or with the end, or with an error.
    tail: Option<Result<(), io::ErrorKind>>,
    written: VecDeque<u8>,
    flushed: VecDeque<u8>,
    room: usize,
    write_error: Option<io::ErrorKind>,
    flush_held: bool,
    shutdown_held: bool,
    shut: bool,
    reads: usize,
    waited_for: bool,
    tunnel: Vec<Waker>,
    peer: Vec<Waker>,
}

/// A new connection.
pub(super) fn wire() -> (Wire, Peer) {
    let state = State {
        incoming: VecDeque::new(),
        tail: None,
        written: VecDeque::new(),
        flushed: VecDeque::new(),
        room: usize::MAX,
        write_error: None,
        flush_held: false,
        shutdown_held: false,
        shut: false,
        reads: 0,
        waited_for: false,
        tunnel: Vec::new(),
        peer: Vec::new(),
    };
    let peer = Peer(Arc::new(Mutex::new(state)));
    (Wire(peer.clone()), peer)
}

impl State {
    fn is_readable(&self) -> bool {
        !self.incoming.is_empty() || self.tail.is_some()
    }

    fn flush(&mut self) {
        let mut written = std::mem::take(&mut self.written);
        self.flushed.append(&mut written);
        self.peer.drain(..).for_each(Waker::wake);
    }
}

impl Peer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Changes something that the tunnel may wait for.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.tunnel.drain(..).for_each(Waker::wake);
    }

    pub(super) fn send(&self, bytes: &[u8]) {
        self.change(|state| state.incoming.extend(bytes));
    }

    /// Ends this side, in order.
    pub(super) fn end(&self) {
        self.change(|state| state.tail = Some(Ok(())));
    }

    /// Behind what was sent, reads fail.
    pub(super) fn fail_reads(&self, kind: io::ErrorKind) {
        self.change(|state| state.tail = Some(Err(kind)));
    }

    pub(super) fn fail_writes(&self, kind: io::ErrorKind) {
        self.change(|state| state.write_error = Some(kind));
    }

    /// No more than so many bytes wait to be read by this peer.
    pub(super) fn room(&self, bytes: usize) {
        self.change(|state| state.room = bytes);
    }

    pub(super) fn hold_flush(&self) {
        self.state().flush_held = true;
    }

    pub(super) fn release_flush(&self) {
        self.change(|state| state.flush_held = false);
    }

    pub(super) fn hold_shutdown(&self) {
        self.state().shutdown_held = true;
    }

    /// Whether the tunnel waits for this side to be readable without reading: it rests.
    pub(super) fn is_waited_for(&self) -> bool {
        self.state().waited_for
    }

    /// How often the tunnel tried to read from this side.
    pub(super) fn reads(&self) -> usize {
        self.state().reads
    }

    /// Bytes sent that the tunnel has not read.
    pub(super) fn unread(&self) -> usize {
        self.state().incoming.len()
    }

    /// At most so many bytes; none at the end.
    pub(super) async fn read_some(&self, most: usize) -> Vec<u8> {
        poll_fn(|cx| {
            let mut state = self.state();
            if state.flushed.is_empty() && !state.shut {
                state.peer.push(cx.waker().clone());
                return Poll::Pending;
            }
            let length = most.min(state.flushed.len());
            let bytes = state.flushed.drain(..length).collect();
            state.tunnel.drain(..).for_each(Waker::wake);
            Poll::Ready(bytes)
        })
        .await
    }

    pub(super) async fn read(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let more = self.read_some(length - bytes.len()).await;
            assert!(!more.is_empty(), "ended after {} of {length} bytes", bytes.len());
            bytes.extend(more);
        }
        bytes
    }

    pub(super) async fn read_to_end(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let more = self.read_some(usize::MAX).await;
            if more.is_empty() {
                return bytes;
            }
            bytes.extend(more);
        }
    }
}

impl ReadReady for Wire {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if state.is_readable() {
            return Poll::Ready(Ok(()));
        }
        state.waited_for = true;
        state.tunnel.push(cx.waker().clone());
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
        state.reads += 1;
        state.waited_for = false;
        if state.incoming.is_empty() {
            return match state.tail {
                Some(tail) => Poll::Ready(tail.map_err(io::Error::from)),
                None => {
                    state.tunnel.push(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let length = buf.remaining().min(state.incoming.len());
        let bytes: Vec<u8> = state.incoming.drain(..length).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
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
        if let Some(kind) = state.write_error {
            return Poll::Ready(Err(kind.into()));
        }
        let room = state.room.saturating_sub(state.written.len() + state.flushed.len());
        if room == 0 {
            // What is full leaves by itself.
            if !state.flush_held {
                state.flush();
            }
            state.tunnel.push(cx.waker().clone());
            return Poll::Pending;
        }
        let length = room.min(buf.len());
        state.written.extend(&buf[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if state.flush_held {
            state.tunnel.push(cx.waker().clone());
            return Poll::Pending;
        }
        state.flush();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.state();
        if state.shutdown_held {
            state.tunnel.push(cx.waker().clone());
            return Poll::Pending;
        }
        state.shut = true;
        state.flush();
        Poll::Ready(Ok(()))
    }
}
