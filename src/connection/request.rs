//! One request: judged, given an upstream, rewritten, sent, and answered by a tunnel or a relay.

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::exchange::{self, Outcome};
use super::failure::{Failure, Stage};
use super::record::Record;
use super::set_up::Ready;
use super::{Client, Shared, proxied, send_verdict};
use crate::config::Origins;
use crate::http::forwarded::Facts;
use crate::http::request::{self, Request};
use crate::http::{Refusal, answer};
use crate::meter::Meter;
use crate::net::Prefixed;
use crate::relay;
use crate::tls::Session;
use crate::upstream::{Connected, Hold, NoRoute, Pool, Stream};

/// Both sides of a tunnel.
#[derive(Debug)]
pub(super) struct Streams<C> {
    pub(super) client: Prefixed<C>,
    pub(super) upstream: Prefixed<Stream>,
    /// The tunnel's place at its upstream.
    pub(super) hold: Hold,
}

/// How a request was served.
pub(super) enum Served<C> {
    /// The gate is open: both streams, with what was kept back in front.
    Tunnel(Box<Streams<C>>),
    /// The upstream's answer was relayed whole, and the connection goes on: the client and what it has sent since.
    Answered(Box<(C, Vec<u8>)>),
    /// The same, and it was the last on this connection.
    AnsweredLast(Box<C>),
}

/// Serves the request whose head is `ready`. Whatever fails is answered here, as far as it can be.
pub(super) async fn serve<C: Client>(
    mut ready: Ready<C>,
    (shared, may_go_on): (&Shared, bool),
    record: &mut Record,
    meter: &Meter,
) -> Result<Served<C>, Failure> {
    let (head, behind) = ready.buf.split_at(ready.head_bytes);
    let request = match request::parse(head) {
        Ok(request) => request,
        Err(refusal) => {
            let failure = Failure::refused(Stage::Head, refusal);
            return Err(answer(failure, &mut ready.client, head, (shared, record)).await);
        }
    };
    record.requested(&request, shared.log_query);
    let pool = match admit(&request, record, shared) {
        Ok(pool) => pool,
        Err(failure) => {
            return Err(answer(failure, &mut ready.client, head, (shared, record)).await);
        }
    };
    let persistent = may_go_on && request.is_persistent() && !request.is_websocket();
    let mut behind = behind.to_vec();
    let request_and_behind = (&request, &mut behind, persistent);
    let shared_and_pool = (shared, pool);
    match exchange(&mut ready.client, request_and_behind, shared_and_pool, record, meter).await {
        Ok((Outcome::Switched(first), upstream)) => {
            let client = Prefixed::new(behind, ready.client);
            let Connected { stream, hold, .. } = upstream;
            let upstream = Prefixed::new(first, stream);
            Ok(Served::Tunnel(Box::new(Streams { client, upstream, hold })))
        }
        Ok((Outcome::Answered(Some(ahead)), _)) => {
            Ok(Served::Answered(Box::new((ready.client, ahead))))
        }
        Ok((Outcome::Answered(None), _)) => Ok(Served::AnsweredLast(Box::new(ready.client))),
        Err(failure) => Err(answer(failure, &mut ready.client, head, (shared, record)).await),
    }
}

/// Tells the client, as far as it can be told.
async fn answer<C: Client>(
    failure: Failure,
    client: &mut C,
    head: &[u8],
    (shared, record): (&Shared, &mut Record),
) -> Failure {
    if let Some(refusal) = failure.answer {
        let answer = answer::text(refusal, request::is_head(head), shared.hsts.as_deref());
        send_verdict(&failure, client, &answer, record).await;
    }
    failure
}

/// Where a request goes, if its session and its page may bring it.
fn admit<'s>(
    request: &Request<'_>,
    record: &Record,
    shared: &'s Shared,
) -> Result<&'s Pool, Failure> {
    if let Some(session) = &record.session {
        admit_session(request, session)?;
    }
    let Origins { allowed, required } = &shared.origins;
    if !allowed.is_empty() && !request.origin_is_allowed(allowed, *required) {
        return Err(Failure::refused(Stage::Head, Refusal::new(403, "origin not allowed")));
    }
    let server_name = record.session.as_ref().and_then(|session| session.server_name.as_deref());
    let host = request.hostname().or(server_name);
    match shared.routes.find(host, request.path()) {
        Ok(pool) => Ok(pool),
        Err(NoRoute::Path) => {
            Err(Failure::refused(Stage::Head, Refusal::new(404, "no route for this path")))
        }
        Err(NoRoute::Host) => {
            Err(Failure::refused(Stage::Head, Refusal::new(421, "no route for this host")))
        }
    }
}

fn admit_session(request: &Request<'_>, session: &Session) -> Result<(), Failure> {
    if let Some(reason) = &session.refused {
        let refusal = Refusal::new(403, "client certificate is not accepted any more");
        let failure = Failure::refused(Stage::Tls, refusal);
        return Err(Failure { reason: reason.clone(), ..failure });
    }
    // RFC 9110, 15.5.20: the client may try again over a connection to that name.
    if !request.hostname().is_none_or(|host| session.serves(host)) {
        return Err(Failure::refused(
            Stage::Head,
            Refusal::new(421, "no certificate for this host"),
        ));
    }
    Ok(())
}

async fn exchange<C: Client>(
    client: &mut C,
    (request, behind, persistent): (&Request<'_>, &mut Vec<u8>, bool),
    (shared, pool): (&Shared, &Pool),
    record: &mut Record,
    meter: &Meter,
) -> Result<(Outcome, Connected), Failure> {
    let ip = record.client.map(|client| client.ip());
    let timeouts = &shared.timeouts;
    let limit = if request.is_websocket() { timeouts.upgrade } else { timeouts.response };
    let version = pool.send_proxy();
    let first = version.map(|version| proxied::header(version, record)).unwrap_or_default();
    let mut upstream = {
        // Who ends his side while he waits for a place does not want it any more.
        let gone = relay::client_end(client, behind, shared.max_head_bytes).map(drop);
        pool.connect(ip, &first, Instant::now() + limit, gone).await?
    };
    record.connected(upstream.target.clone());
    let facts = Facts {
        ip,
        port: record.port,
        trusted: !record.is_stranger && ip.is_some_and(|ip| shared.trusts(ip)),
        forwarded: shared.forwarding.forwarded,
        client_cert: record
            .identity()
            .filter(|_| shared.forwarding.client_cert)
            .map(|identity| &*identity.forwarded),
    };
    let mut head = Vec::with_capacity(1024);
    if matches!(upstream.stream, Stream::Plain(_)) {
        head.extend_from_slice(&first);
    }
    request.rewrite(&facts, &mut head);
    let hold = &upstream.hold;
    let exchange = exchange::Exchange { request, behind, head, persistent, shared, meter, hold };
    let outcome = exchange.run(client, &mut upstream.stream, record).await;
    if outcome.as_ref().is_err_and(Failure::is_upstreams) {
        upstream.hold.misbehaved();
    }
    Ok((outcome?, upstream))
}
