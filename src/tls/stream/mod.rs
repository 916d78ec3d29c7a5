//! A client's stream with TLS on it, which holds no buffer while nothing is under way.
//!
//! rustls does all of TLS, by its unbuffered API: it leaves buffers to its caller. Here they belong to the
//! thread and are borrowed for the length of one read or write; a stream keeps bytes of its own only
//! while a record has not come whole, its reader has no room or its socket takes no more.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use tokio_rustls::rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus, WriteTraffic,
};
use tokio_rustls::rustls::{CommonState, Error, InvalidMessage, ServerConfig};

use crate::tunnel::ReadReady;

/// Plaintext of a full record (RFC 8446, 5.1).
const RECORD_BYTES: usize = 16 * 1024;

/// What TLS puts around it at most: header, nonce and tag of AES-GCM in TLS 1.2 (RFC 5288, 3).
const OVERHEAD_BYTES: usize = 5 + 8 + 16;

/// Bytes encrypted at once.
const WRITE_BYTES: usize = 4 * RECORD_BYTES;

/// TLS bytes read at least at once, however little room there is for what is in them.
const MIN_READ_BYTES: usize = 4 * 1024;

/// TLS bytes kept that are no whole message yet: rustls' own limit for a handshake's, a record being shorter.
const MAX_RECEIVED_BYTES: usize = 0xffff;

/// A thread's buffer: either limit, and room for what the records of [`WRITE_BYTES`] have around them.
const BUFFER_BYTES: usize = MAX_RECEIVED_BYTES + MIN_READ_BYTES;

/// Bytes that wait to be sent and may wait for more, to leave in one write.
const QUEUED_BYTES: usize = 2 * 1024;

/// Room for an alert, encrypted by any suite.
const ALERT_BYTES: usize = 64;

thread_local! {
    static BUFFER: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
}

/// Lends the thread's buffer. A stream inside another one finds it taken and gets one of its own.
fn with_buffer<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = BUFFER.take().unwrap_or_else(|| vec![0; BUFFER_BYTES]);
    let outcome = use_it(&mut buffer);
    BUFFER.set(Some(buffer));
    outcome
}

/// The server's side of a TLS connection over `S`.
pub struct ServerStream<S> {
    stream: S,
    // Boxed, as whatever it is handed to would keep room for it once more.
    tls: Box<UnbufferedServerConnection>,
    /// TLS bytes of a message that has not come whole.
    received: Vec<u8>,
    /// Plaintext that the reader had no room for.
    plain: Queue,
    /// TLS bytes that have not left.
    outgoing: Queue,
    /// Some of it is TLS' own, and nobody has tried to send it.
    is_queued: bool,
    /// close_notify has come: there is nothing more to read.
    is_over: bool,
    /// close_notify was sent: there is nothing more to write.
    is_closed: bool,
    /// What was wrong in what has come: nothing more is read or written.
    broken: Option<Box<Error>>,
}

/// Bytes that wait; none are held when none wait.
#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    taken: usize,
}

impl Queue {
    fn waiting(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn take(&mut self, count: usize) {
        self.taken += count;
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for ServerStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStream").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl<S> ServerStream<S> {
    /// A handshake that is about to begin, of which `received` has been read from `stream`.
    pub(super) fn new(
        config: Arc<ServerConfig>,
        stream: S,
        received: Vec<u8>,
    ) -> Result<Self, (Error, S)> {
        let tls = match UnbufferedServerConnection::new(config) {
            Ok(tls) => Box::new(tls),
            Err(error) => return Err((error, stream)),
        };
        let (plain, outgoing) = Default::default();
        let (is_queued, is_over, is_closed, broken) = Default::default();
        Ok(Self { stream, tls, received, plain, outgoing, is_queued, is_over, is_closed, broken })
    }

    /// What was agreed on.
    pub(super) fn state(&self) -> &CommonState {
        &self.tls
    }

    /// The stream below.
    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    /// Fails once something was wrong.
    fn verify(&self) -> io::Result<()> {
        self.broken.as_deref().map_or(Ok(()), |error| Err(invalid(error.clone())))
    }

    /// Takes TLS bytes in and returns how many are done with; the rest has to come again, with more behind it.
    /// Plaintext goes to `out`, then to `plain`; what TLS has to say, an alert about an error above all, to `outgoing`.
    fn process(&mut self, bytes: &mut [u8], out: &mut ReadBuf<'_>) -> Result<usize, Error> {
        let mut done = 0;
        let mut failed = None;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.tls.process_tls_records(&mut bytes[done..]);
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        let room = out.remaining().min(record.payload.len());
                        let room = if self.plain.is_empty() { room } else { 0 };
                        let (now, later) = record.payload.split_at(room);
                        out.put_slice(now);
                        self.plain.push(later);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, &mut self.outgoing.bytes)?;
                    self.is_queued = true;
                }
                // It leaves with what is written next.
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.is_over = true,
                // The alert, if there is one, is handed over before the error comes again.
                Err(error) if failed.is_none() => failed = Some(error),
                // Early data is never accepted.
                Ok(_) | Err(_) => return failed.map_or(Ok(done + discard), Err),
            }
            done += discard;
        }
    }

    /// Has rustls write, into room that must do.
    fn encrypt_with(
        &mut self,
        write: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>) -> Option<usize>,
    ) -> io::Result<usize> {
        self.verify()?;
        loop {
            // Whatever is whole was processed when it came: nothing is read here.
            match self.tls.process_tls_records(&mut self.received).state.map_err(invalid)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    return write(&mut traffic).ok_or(io::ErrorKind::BrokenPipe.into());
                }
                ConnectionState::PeerClosed => self.is_over = true,
                ConnectionState::EncodeTlsData(mut data) => {
                    encode(&mut data, &mut self.outgoing.bytes).map_err(invalid)?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                _ => return Err(io::ErrorKind::NotConnected.into()),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ServerStream<S> {
    /// Reads TLS bytes once and takes them in; plaintext goes to `out` and beyond. Ready without a byte of it when
    /// none was in them.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with_buffer(|buffer| {
            let kept = self.received.len();
            buffer[..kept].copy_from_slice(&self.received);
            // Who has little room must not have to be kept much for; and full records, as a client in a hurry sends
            // them, are to be whole: what is left of one is copied twice.
            let full = out.remaining() + out.remaining().div_ceil(RECORD_BYTES) * OVERHEAD_BYTES;
            let wanted = full.max(kept + MIN_READ_BYTES).min(buffer.len());
            let mut space = ReadBuf::new(&mut buffer[kept..wanted]);
            if Pin::new(&mut self.stream).poll_read(cx, &mut space)?.is_pending() {
                // A ticket need not wait for the first answer. Of what a writer tries to send the writer is told.
                if self.is_queued {
                    let _ = self.poll_send(cx);
                }
                return Poll::Pending;
            }
            let read = space.filled().len();
            if read == 0 {
                let words = "closed without close_notify";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, words)));
            }
            self.take_in(&mut buffer[..kept + read], out).inspect_err(|_| {
                // The alert; a socket that has no room for it is of no use any more.
                let _ = self.poll_send(cx);
            })?;
            Poll::Ready(Ok(()))
        })
    }

    /// Takes in all of `received` that is whole.
    pub(super) fn take_in_first(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut received = std::mem::take(&mut self.received);
        let taken = self.take_in(&mut received, &mut ReadBuf::new(&mut []));
        taken.inspect_err(|_| {
            let _ = self.poll_send(cx);
        })
    }

    fn take_in(&mut self, bytes: &mut [u8], out: &mut ReadBuf<'_>) -> io::Result<()> {
        let taken = self.process(bytes, out).and_then(|done| match &bytes[done..] {
            // What follows close_notify is ignored (RFC 8446, 6.1).
            _ if self.is_over => Ok(Vec::new()),
            rest if rest.len() > MAX_RECEIVED_BYTES => {
                Err(Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge))
            }
            rest => Ok(rest.to_vec()),
        });
        match taken {
            Ok(rest) => self.received = rest,
            Err(error) => {
                // rustls may remember a message's place in bytes that it would have to be shown again, or panic.
                self.received = Vec::new();
                self.broken = Some(Box::new(error));
            }
        }
        self.verify()
    }

    /// Sends what waits to be sent.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_queued = false;
        while !self.outgoing.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, self.outgoing.waiting()))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.take(sent);
        }
        Poll::Ready(Ok(()))
    }
}

/// Appends one TLS message.
fn encode(
    data: &mut EncodeTlsData<'_, ServerConnectionData>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = out.len();
    if let Err(EncodeError::InsufficientSize(needs)) = data.encode(&mut []) {
        out.resize(start + needs.required_size, 0);
    }
    let length =
        data.encode(&mut out[start..]).map_err(|error| Error::General(error.to_string()))?;
    out.truncate(start + length);
    Ok(())
}

/// As tokio-rustls has it.
fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl<S: ReadReady> ReadReady for ServerStream<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.plain.is_empty() || self.is_over || self.broken.is_some() {
            return Poll::Ready(Ok(()));
        }
        self.stream.poll_read_ready(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ServerStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if !this.plain.is_empty() {
                let count = this.plain.waiting().len().min(buf.remaining());
                buf.put_slice(&this.plain.waiting()[..count]);
                this.plain.take(count);
            }
            if buf.filled().len() > before || this.is_over || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            this.verify()?;
            let received = ready!(this.poll_receive(cx, buf));
            // What came before something was wrong is read first.
            if this.broken.is_none() {
                received?;
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ServerStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if this.outgoing.waiting().len() > QUEUED_BYTES {
            ready!(this.poll_send(cx))?;
        }
        let plain = &buf[..buf.len().min(WRITE_BYTES)];
        with_buffer(|buffer| {
            let length = this.encrypt_with(|traffic| traffic.encrypt(plain, buffer).ok())?;
            let mut sent = 0;
            if this.outgoing.is_empty()
                && let Poll::Ready(written) =
                    Pin::new(&mut this.stream).poll_write(cx, &buffer[..length])
            {
                sent = written?;
            }
            let is_first = this.outgoing.is_empty();
            this.outgoing.push(&buffer[sent..length]);
            // What the socket does not take now leaves with the next write or flush.
            if !is_first && let Poll::Ready(Err(error)) = this.poll_send(cx) {
                return Poll::Ready(Err(error));
            }
            Poll::Ready(Ok(plain.len()))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_closed {
            let mut alert = [0; ALERT_BYTES];
            // Within a handshake there is nothing to say goodbye to.
            if let Ok(length) =
                this.encrypt_with(|traffic| traffic.queue_close_notify(&mut alert).ok())
            {
                this.outgoing.push(&alert[..length]);
            }
            this.is_closed = true;
        }
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
