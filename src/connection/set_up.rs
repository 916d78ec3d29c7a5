//! Set-up: from accept to the request head's last byte, in one budget of time.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::sync::{AcquireError, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{Failure, Stage};
use super::record::Record;
use super::{Client, Encrypted, Shared, Site, redirect, send_last, send_verdict};
use crate::drain::Watch;
use crate::http::{Refusal, answer, head, request};
use crate::net::{Prefixed, Stream};
use crate::tls;

/// Bytes read before it is known whether the client speaks TLS; a ClientHello mostly fits.
const FIRST_READ_BYTES: usize = 1024;

/// How long a handshake keeps its place among those under way. One that takes longer waits for its
/// client and costs nothing meanwhile, and thousands of stalled clients must not keep out the others.
const PLACE_TIMEOUT: Duration = Duration::from_millis(50);

/// A client whose request head is whole: the first `head_bytes` of `buf`; more may stand behind.
#[derive(Debug)]
pub(super) struct Ready<C> {
    pub(super) client: C,
    pub(super) buf: Vec<u8>,
    pub(super) head_bytes: usize,
}

/// Takes a client through its handshake and reads its head. Refusals are answered here.
pub(super) async fn run(
    mut stream: Stream,
    shared: &Shared,
    record: &mut Record,
) -> Result<Ready<Encrypted>, Failure> {
    let deadline = record.began_at() + shared.timeouts.setup;
    let first = read_first(&mut stream, deadline).await?;
    let speaks_http = speaks_http(&first);
    if speaks_http {
        let limit = shared.max_head_bytes;
        let mut stream = Prefixed::new(first, stream);
        return Err(redirect::on_tls_port(&mut stream, deadline, limit, record).await);
    }
    let client = handshake((first, stream), deadline, shared, record).await?;
    finish((client, Vec::new()), deadline, shared, record).await
}

/// Waits for the next request of a client whose last one was answered and who has sent `buf` since. A
/// client that sends none in time, or whose place is needed, or a drain: close_notify, and `None`.
pub(super) async fn next<C: Client>(
    (mut client, mut buf): (C, Vec<u8>),
    site: &Site,
    watch: &mut Watch,
    record: &mut Record,
) -> Result<Option<Ready<C>>, Failure> {
    let shared = site.current();
    if buf.is_empty() {
        buf.reserve(FIRST_READ_BYTES);
        let keepalive = shared.timeouts.keepalive_timeout;
        let read = tokio::select! {
            biased;
            read = timeout(keepalive, client.read_buf(&mut buf)) => read.ok(),
            () = shared.places.give_way() => None,
            () = watch.stopping() => None,
        };
        if !matches!(read, Some(Ok(1..))) {
            send_last(&mut client, b"").await;
            return Ok(None);
        }
    }
    let deadline = Instant::now() + shared.timeouts.setup;
    tokio::select! {
        biased;
        ready = finish((client, buf), deadline, &shared, record) => ready.map(Some),
        () = watch.set_ups_end() => Err(record.cut(Stage::Head)),
    }
}

/// Reads the rest of a head. A refusal is answered here.
pub(super) async fn finish<C: Client>(
    (mut client, mut buf): (C, Vec<u8>),
    deadline: Instant,
    shared: &Shared,
    record: &mut Record,
) -> Result<Ready<C>, Failure> {
    match read_head(&mut client, &mut buf, deadline, shared.max_head_bytes).await {
        Ok(head_bytes) => Ok(Ready { client, buf, head_bytes }),
        Err(failure) => {
            if let Some(refusal) = failure.answer {
                let is_head = request::is_head(&buf);
                let answer = answer::text(refusal, is_head, shared.hsts.as_deref());
                send_verdict(&failure, &mut client, &answer, record).await;
            }
            Err(failure)
        }
    }
}

async fn read_first(stream: &mut Stream, deadline: Instant) -> Result<Vec<u8>, Failure> {
    let mut first = Vec::with_capacity(FIRST_READ_BYTES);
    match timeout_at(deadline, stream.read_buf(&mut first)).await {
        Ok(Ok(1..)) => Ok(first),
        Ok(Ok(0)) => Err(Failure::client(Stage::FirstByte, "closed without a byte")),
        Ok(Err(error)) => Err(Failure::client(Stage::FirstByte, error.to_string())),
        Err(_) => Err(Failure::client(Stage::FirstByte, "no byte within the setup timeout")),
    }
}

/// A method begins with a capital letter, and no TLS record does (RFC 8446, 5.1).
fn speaks_http(first: &[u8]) -> bool {
    first.first().is_some_and(u8::is_ascii_uppercase)
}

async fn handshake(
    (first, stream): (Vec<u8>, Stream),
    deadline: Instant,
    shared: &Shared,
    record: &mut Record,
) -> Result<Encrypted, Failure> {
    let accept = async {
        let place = place(shared).await;
        let mut accept = std::pin::pin!(tls::accept(&shared.tls, first, stream));
        tokio::select! {
            biased;
            result = &mut accept => return result,
            () = tokio::time::sleep(PLACE_TIMEOUT) => drop(place),
        }
        accept.await
    };
    let began_at = Instant::now();
    let metrics = &shared.metrics;
    match timeout_at(deadline, accept).await {
        Ok(Ok((client, session))) => {
            metrics.handshake(session.version, session.resumed, began_at.elapsed());
            record.handshaken(session);
            Ok(client)
        }
        Ok(Err(tls::Failed { reason, kind, stream })) => {
            metrics.handshake_failed(kind.as_str());
            let failure = Failure::client(Stage::Tls, reason);
            if let Some(mut stream) = stream {
                // In TLS 1.3 a client may have sent its request before it learns of the alert.
                send_verdict(&failure, &mut stream, b"", record).await;
            }
            Err(failure)
        }
        Err(_) => {
            metrics.handshake_failed(tls::FailureKind::Timeout.as_str());
            Err(Failure::client(Stage::Tls, "handshake not done within the setup timeout"))
        }
    }
}

/// A place among the handshakes under way, in its turn.
async fn place(shared: &Shared) -> Result<SemaphorePermit<'_>, AcquireError> {
    if let Ok(place) = shared.handshakes.try_acquire() {
        return Ok(place);
    }
    shared.metrics.handshake_queued();
    shared.handshakes.acquire().await
}

/// Reads a head within the deadline.
pub(super) async fn read_head<S>(
    stream: &mut S,
    buf: &mut Vec<u8>,
    deadline: Instant,
    limit: usize,
) -> Result<usize, Failure>
where
    S: tokio::io::AsyncRead + Unpin,
{
    match timeout_at(deadline, head::read(stream, buf, limit)).await {
        Ok(Ok(length)) => Ok(length),
        // Browsers open connections that they may need and close those that they did not; load balancers
        // reset those by which they only look whether we are here.
        Ok(Err(error)) if buf.is_empty() && is_end(&error) => {
            Err(Failure::client(Stage::FirstByte, "closed without a request"))
        }
        Ok(Err(error)) => Err(match request::refuse_unread(&error) {
            Some(refusal) => Failure::refused(Stage::Head, refusal),
            None => Failure::client(Stage::Head, "closed before a whole request head"),
        }),
        Err(_) if buf.is_empty() => {
            Err(Failure::client(Stage::Head, "no request within the setup timeout"))
        }
        Err(_) => {
            let refusal = Refusal::new(408, "request head not complete within the setup timeout");
            Err(Failure::refused(Stage::Head, refusal))
        }
    }
}

fn is_end(error: &head::Error) -> bool {
    match error {
        head::Error::Empty => true,
        head::Error::Io(error) => error.kind() == ErrorKind::ConnectionReset,
        _ => false,
    }
}
