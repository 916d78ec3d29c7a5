//! One answer from the upstream to the client, and one request body the other way.
//!
//! Framing is followed and data not touched. The answer rules: when it is complete the exchange
//! is over, whatever of the request's body is still under way.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::http::body::Decoder;
use crate::http::request::Request;
use crate::http::response::{self, Response};
use crate::http::{Refusal, head};
use crate::meter::Meter;

/// Bytes read at once.
const BUFFER_BYTES: usize = 16 * 1024;

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
/// real one. What the upstream sent behind it stays in `buf`. The caller sets the time limit.
pub async fn head<U, C>(
    upstream: &mut U,
    client: &mut C,
    request: &Request<'_>,
    buf: &mut Vec<u8>,
    limit: usize,
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
            interim.rewrite("", &mut out);
            write_now(client, &out).await.map_err(Error::Client)?;
        }
        buf.drain(..length);
    }
    Err(Error::Response(Refusal::new(502, "too many interim responses")))
}

/// Sends the client an answer with `Connection: close`: its head, then its body, which begins with
/// `surplus`, to its end. `meter` counts the body.
pub async fn answer<U, C>(
    upstream: &mut U,
    client: &mut C,
    response: &Response<'_>,
    mut body: Decoder,
    (surplus, meter): (&[u8], &Meter),
) -> Result<(), Error>
where
    U: AsyncRead + Unpin,
    C: AsyncWrite + Unpin,
{
    let mut out = Vec::with_capacity(BUFFER_BYTES);
    response.rewrite("close", &mut out);
    let head_bytes = out.len();
    let broken = |_| Error::Response(Refusal::new(502, "broken framing in the response body"));
    body.decode(surplus, &mut out).map_err(broken)?;
    write_now(client, &out).await.map_err(Error::Client)?;
    meter.add_to_client(out.len() - head_bytes);

    let mut buf = Vec::with_capacity(BUFFER_BYTES);
    while !body.is_done() {
        buf.clear();
        out.clear();
        match upstream.read_buf(&mut buf).await {
            Ok(0) if body.ends_by_close() => return Ok(()),
            Ok(0) => return Err(Error::Upstream(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(error) => return Err(Error::Upstream(error)),
        }
        body.decode(&buf, &mut out).map_err(broken)?;
        write_now(client, &out).await.map_err(Error::Client)?;
        meter.add_to_client(out.len());
    }
    Ok(())
}

/// Sends the upstream the rest of a request's body, up to its end and not one byte further.
///
/// An upstream that does not want it any more is no error: it may have answered already. `upstream_owes`
/// is true while the upstream takes its time to take what is there.
pub async fn body<C, U>(
    client: &mut C,
    upstream: &mut U,
    body: &mut Decoder,
    meter: &Meter,
    upstream_owes: &AtomicBool,
) -> Result<(), Error>
where
    C: AsyncRead + Unpin,
    U: AsyncWrite + Unpin,
{
    let mut buf = Vec::with_capacity(BUFFER_BYTES);
    let mut out = Vec::with_capacity(BUFFER_BYTES);
    while !body.is_done() {
        buf.clear();
        out.clear();
        match client.read_buf(&mut buf).await {
            Ok(0) => return Err(Error::Client(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(error) => return Err(Error::Client(error)),
        }
        body.decode(&buf, &mut out).map_err(|error| Error::Body(Refusal::new(400, error.0)))?;
        upstream_owes.store(true, Relaxed);
        if write_now(upstream, &out).await.is_err() {
            return Ok(());
        }
        upstream_owes.store(false, Relaxed);
        meter.add_to_upstream(out.len());
    }
    Ok(())
}

/// Waits until the client has ended its side; whatever it still sends is thrown away. An error means
/// that it is gone altogether.
pub async fn client_end<C: AsyncRead + Unpin>(client: &mut C) -> io::Result<()> {
    let mut scratch = [0; 512];
    loop {
        match client.read(&mut scratch).await {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
}

/// Writes all of it and waits until it has left: TLS keeps bytes of its own.
pub async fn write_now<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
