//! One request: judged, given an upstream, rewritten, sent, and answered by a tunnel or a relay.

use super::exchange::{self, Outcome};
use super::failure::{Failure, Stage};
use super::record::Record;
use super::set_up::Ready;
use super::{Client, Shared, send_last};
use crate::http::answer;
use crate::http::forwarded::Facts;
use crate::http::request::{self, Request};
use crate::meter::Meter;
use crate::net::{Prefixed, Stream};

/// How a request was served.
pub(super) enum Served<C> {
    /// The gate is open: both streams, with what was kept back in front.
    Tunnel(Box<(Prefixed<C>, Prefixed<Stream>)>),
    /// The upstream's answer was relayed whole. When the connection goes on, the client and what it has
    /// sent since.
    Answered(Option<Box<(C, Vec<u8>)>>),
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
            let is_head = request::is_head(head);
            let answer = answer::text(refusal, is_head, shared.hsts.as_deref());
            send_last(&mut ready.client, &answer).await;
            return Err(Failure::refused(Stage::Head, refusal));
        }
    };
    record.requested(&request, shared.log_query);
    let persistent = may_go_on && request.is_persistent() && !request.is_websocket();
    let request_and_behind = (&request, behind, persistent);
    match exchange(&mut ready.client, request_and_behind, shared, record, meter).await {
        Ok((Outcome::Switched(first), upstream)) => {
            let kept_back = behind.to_vec();
            let client = Prefixed::new(kept_back, ready.client);
            Ok(Served::Tunnel(Box::new((client, Prefixed::new(first, upstream)))))
        }
        Ok((Outcome::Answered(Some(ahead)), _)) => {
            Ok(Served::Answered(Some(Box::new((ready.client, ahead)))))
        }
        Ok((Outcome::Answered(None), upstream)) => {
            // The client may linger; the upstream need not wait for that.
            drop(upstream);
            send_last(&mut ready.client, b"").await;
            Ok(Served::Answered(None))
        }
        Err(failure) => {
            if let Some(refusal) = failure.answer {
                let is_head = request::is_head(head);
                let answer = answer::text(refusal, is_head, shared.hsts.as_deref());
                send_last(&mut ready.client, &answer).await;
            }
            Err(failure)
        }
    }
}

async fn exchange<C: Client>(
    client: &mut C,
    (request, behind, persistent): (&Request<'_>, &[u8], bool),
    shared: &Shared,
    record: &mut Record,
    meter: &Meter,
) -> Result<(Outcome, Stream), Failure> {
    let (mut upstream, target) = shared.pool.connect().await?;
    record.connected(target);
    let ip = record.client.map(|client| client.ip());
    let trusted = |ip| shared.forwarding.trusted_proxies.iter().any(|net| net.contains(&ip));
    let facts = Facts {
        ip,
        port: record.port,
        trusted: ip.is_some_and(trusted),
        forwarded: shared.forwarding.forwarded,
        client_cert: None,
    };
    let mut head = Vec::with_capacity(1024);
    request.rewrite(&facts, &mut head);
    let exchange = exchange::Exchange { request, behind, head, persistent, shared, meter };
    let outcome = exchange.run(client, &mut upstream, record).await?;
    Ok((outcome, upstream))
}
