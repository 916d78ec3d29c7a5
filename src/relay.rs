//! One answer from the upstream to the client, and one request body the other way.
//!
//! Framing is followed and data not touched. The answer rules: when it is complete the exchange
//! is over, whatever of the request's body is still under way.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::http::body::Decoder;
use crate::http::request::Request;
use crate::http::response;
use crate::http::{Refusal, head};
use crate::meter::Meter;

/// Bytes read at once.
const BUFFER_BYTES: usize = 16 * 1024;

/// Bytes read at once of what is only awaited.
const AHEAD_BYTES: usize = 512;

/// Interim (1xx) responses that an upstream may send before the real one.
const MAX_INTERIM: usize = 16;

/// What went wrong, and on which side.
#[derive(Debug)]
pub enum Error {
    /// The client's stream failed or ended early.
    Client(io::Error),
    /// The framing of the request's body is broken.
    Body(Refusal),
    /// The upstream's stream failed or ended early.
    Upstream(io::Error),
    /// The upstream's response is not one that may go on.
    Response(Refusal),
}

/// Reads the upstream's response head into `buf`, relays interim ones, and returns the length of the
/// real one. What the upstream sent behind it stays in `buf`. `is_amid` is true while the client may have a part of an
/// interim one: nothing else can be sent then. The caller sets the time limit.
pub async fn head<U, C>(
    upstream: &mut U,
    client: &mut C,
    request: &Request<'_>,
    (buf, limit): (&mut Vec<u8>, usize),
    is_amid: &AtomicBool,
) -> Result<usize, Error>
where
    U: AsyncRead + Unpin,
    C: AsyncWrite + Unpin,
{
    for _ in 0..MAX_INTERIM {
        let length = match head::read(upstream, buf, limit).await {
            Ok(length) => length,
            Err(head::Error::Io(error)) => return Err(Error::Upstream(error)),
            Err(error) => return Err(Error::Response(response::refuse_unread(&error))),
        };
        let interim = response::parse(&buf[..length]).map_err(Error::Response)?;
        if !interim.is_interim() {
            return Ok(length);
        }
        if request.takes_interim() {
            let mut out = Vec::with_capacity(length);
            interim.rewrite("", None, &mut out);
            is_amid.store(true, Relaxed);
            write_now(client, &out).await.map_err(Error::Client)?;
            is_amid.store(false, Relaxed);
        }
        buf.drain(..length);
    }
    Err(Error::Response(Refusal::new(502, "too many interim responses")))
}

/// How an answer's body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it had said: the client knows that it is whole.
    ByFraming,
    /// As it had said, but the upstream sent more. None of that went on.
    WithSurplus,
    /// By the upstream's close.
    ByClose,
}

/// What a broken body is answered with, when its head has not gone on yet.
pub const BROKEN_BODY: Refusal = Refusal::new(502, "broken framing in the response body");

/// Sends the client the rest of an answer's body, to its end. `meter` counts it.
pub async fn answer<U, C>(
    upstream: &mut U,
    client: &mut C,
    body: &mut Decoder,
    meter: &Meter,
) -> Result<Ended, Error>
where
    U: AsyncRead + Unpin,
    C: AsyncWrite + Unpin,
{
    let mut out = Vec::new();
    let mut surplus = false;
    let mut buf = Vec::new();
    if !body.is_done() {
        buf.reserve_exact(BUFFER_BYTES);
    }
    while !body.is_done() {
        buf.clear();
        out.clear();
        match upstream.read_buf(&mut buf).await {
            Ok(0) if body.ends_by_close() => return Ok(Ended::ByClose),
            Ok(0) => return Err(Error::Upstream(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(error) => return Err(Error::Upstream(error)),
        }
        let taken = body.decode(&buf, &mut out).map_err(|_| Error::Response(BROKEN_BODY))?;
        surplus = taken < buf.len();
        write_now(client, &out).await.map_err(Error::Client)?;
        meter.add_to_client(out.len());
    }
    Ok(if surplus { Ended::WithSurplus } else { Ended::ByFraming })
}

/// Sends the upstream the rest of a request's body, up to its end and not one byte further.
///
/// What the client sent behind it is appended to `ahead`. An upstream that does not want it any more is
/// no error: it may have answered already. Then, and only then, `body` is not done. `upstream_owes` is
/// true while the upstream takes its time to take what is there.
pub async fn body<C, U>(
    client: &mut C,
    upstream: &mut U,
    body: &mut Decoder,
    (ahead, meter): (&mut Vec<u8>, &Meter),
    upstream_owes: &AtomicBool,
) -> Result<(), Error>
where
    C: AsyncRead + Unpin,
    U: AsyncWrite + Unpin,
{
    let mut buf = Vec::new();
    let mut out = Vec::new();
    while !body.is_done() {
        buf.clear();
        buf.reserve(BUFFER_BYTES);
        out.clear();
        match client.read_buf(&mut buf).await {
            Ok(0) => return Err(Error::Client(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(error) => return Err(Error::Client(error)),
        }
        let taken =
            body.decode(&buf, &mut out).map_err(|error| Error::Body(Refusal::new(400, error.0)))?;
        ahead.extend_from_slice(&buf[taken..]);
        upstream_owes.store(true, Relaxed);
        if write_now(upstream, &out).await.is_err() {
            return Ok(());
        }
        upstream_owes.store(false, Relaxed);
        meter.add_to_upstream(out.len());
    }
    Ok(())
}

/// Waits until the client has ended its side. What it sends before is kept in `ahead`: it may be its
/// next request. Once `limit` bytes are there no more is read, and no end is seen. An error means that
/// it is gone altogether. Cancel safe.
pub async fn client_end<C: AsyncRead + Unpin>(
    client: &mut C,
    ahead: &mut Vec<u8>,
    limit: usize,
) -> io::Result<()> {
    while ahead.len() < limit {
        ahead.reserve(AHEAD_BYTES);
        match client.read_buf(ahead).await {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    pending().await
}

/// Writes all of it and waits until it has left: TLS keeps bytes of its own.
pub async fn write_now<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
