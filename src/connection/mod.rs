//! The life of one connection, from accept to its one log line.
//!
//! [`run`] is the list of stages, each in a module of its own. Set-up, which ends with the request head's
//! last byte, stops soon after a drain begins; what comes after it runs on until it is cut.
//!
//! There is no tracing span around a connection: a span is kept in memory for as long as it is open,
//! and a tunnel rests for hours. The record carries the fields of its lines instead.

mod exchange;
mod failure;
mod open;
mod per_ip;
mod place;
mod proxied;
mod record;
mod redirect;
mod request;
mod set_up;
mod site;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::config::{Forwarding, Origins, ProxyProtocol, Timeouts};
use crate::drain::Watch;
use crate::meter::Meter;
use crate::metrics::Metrics;
use crate::net::Stream;
use crate::tls;
use crate::tunnel::{self, Cut, Limits, Party, ReadReady, Reason};
use crate::upstream::Routes;
use failure::{Failure, Stage};
pub use open::Tunnels;
use open::{Live, Open};
pub use per_ip::PerIp;
pub use place::{Place, Places};
use record::Record;
use request::{Served, Streams};
use set_up::Ready;
pub use site::{Site, Speaks};

/// How long the reader of a last answer may take to end his side.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// Share of a tunnel's greatest age by which it may end earlier, so that those opened together do not
/// end together.
const LIFETIME_JITTER: f64 = 0.1;

/// A client's stream after its handshake.
pub type Encrypted = tls::ServerStream<Stream>;

/// The client's side of a connection: bytes that TLS has been taken off.
pub trait Client: AsyncRead + AsyncWrite + ReadReady + Send + Unpin {}

impl<C: AsyncRead + AsyncWrite + ReadReady + Send + Unpin> Client for C {}

/// What the connections of a listener share, from one reload to the next.
#[derive(Debug)]
pub struct Shared {
    /// What handshakes are made of.
    pub tls: Arc<tls::Store>,
    /// Where requests go.
    pub routes: Routes,
    /// Which pages may open WebSockets.
    pub origins: Origins,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Bytes of a head.
    pub max_head_bytes: usize,
    /// What upstreams are told.
    pub forwarding: Forwarding,
    /// Whether the query is logged.
    pub log_query: bool,
    /// The value of Strict-Transport-Security, when it is sent.
    pub hsts: Option<String>,
    /// Where the answers to ACME challenges lie.
    pub acme_webroot: Option<PathBuf>,
    /// The port of the first listener that speaks TLS.
    pub tls_port: Option<u16>,
    /// Requests that one connection may bring; none: any number.
    pub max_requests: Option<usize>,
    /// Connections at once; none: as many as the server allows for.
    pub max_connections: Option<usize>,
    /// Their places, and those of them that wait for a request.
    pub places: Arc<Places>,
    /// Connections from one address.
    pub per_ip: PerIp,
    /// The PROXY protocol, on both sides.
    pub proxy_protocol: ProxyProtocol,
    /// Places for handshakes, of all listeners.
    pub handshakes: Arc<Semaphore>,
    /// What is counted, of all listeners.
    pub metrics: Arc<Metrics>,
    /// The tunnels that are open, of all listeners.
    pub tunnels: Arc<Tunnels>,
}

/// A connection as the accept loop hands it over.
#[derive(Debug)]
pub struct Accepted<S> {
    /// Its number, from 1.
    pub id: u64,
    /// The client's stream.
    pub stream: S,
    /// The client's address; none over a unix socket.
    pub client: Option<SocketAddr>,
    /// The listener.
    pub site: Arc<Site>,
    /// Whether it begins with a header of the PROXY protocol.
    pub proxied: bool,
}

impl Shared {
    /// Whether a connection from this address begins with a header of the PROXY protocol.
    pub fn expects_proxy_header(&self, peer: Option<SocketAddr>) -> bool {
        self.proxy_protocol.accept && peer.is_some_and(|peer| self.trusts(peer.ip()))
    }

    /// Counts and says that there are too many connections from this address.
    pub fn too_many(&self, client: Option<SocketAddr>) {
        self.metrics.failure(Stage::Limit.as_str(), Party::Client.as_str());
        let client = client.map(tracing::field::display);
        tracing::debug!(client, "too many from this address");
    }

    /// Whether what comes from there may speak for others.
    fn trusts(&self, ip: IpAddr) -> bool {
        self.forwarding.trusted_proxies.iter().any(|network| network.contains(&ip))
    }
}

/// Serves one connection until it is closed or has become a tunnel. That one is for the caller to run, in a task of
/// its own: this future has room for much that a tunnel does not need.
pub async fn run(
    mut accepted: Accepted<Stream>,
    mut watch: Watch,
) -> Option<Box<Upgraded<Encrypted>>> {
    let shared = accepted.site.current();
    // Boxed, as whatever it is handed to would keep room for it once more.
    let mut record = Box::new(Record::new(&accepted));
    // The place of a client that a proxy speaks for.
    let place = if accepted.proxied {
        // Boxed, as what follows is: a resting tunnel does not keep room for it.
        let entering = Box::pin(proxied::enter(&mut accepted.stream, &shared, &mut record));
        let entered = tokio::select! {
            biased;
            entered = entering => entered,
            () = watch.set_ups_end() => Err(Failure::drain(Stage::Proxy)),
        };
        match entered {
            Ok(place) => Some(place),
            Err(failure) => {
                record.failed(&failure, &shared.metrics, &Meter::default());
                return None;
            }
        }
    } else {
        // Upstreams may be told of it from some later request on: TLS hides the socket by then.
        record.local = accepted.stream.local_addr();
        None
    };
    if accepted.site.speaks == Speaks::Plain {
        Box::pin(redirect::run(accepted.stream, record, &shared, &mut watch)).await;
        return None;
    }
    // Boxed, so that a resting tunnel does not keep room for what came before it.
    let ready = {
        let set_up = Box::pin(set_up::run(accepted.stream, &shared, &mut record));
        tokio::select! {
            biased;
            ready = set_up => ready,
            () = watch.set_ups_end() => Err(record.cut(Stage::Head)),
        }
    };
    let mut upgraded = requests(ready, record, (&accepted.site, shared), watch).await?;
    upgraded.place = place;
    Some(upgraded)
}

/// Serves a client whose TLS was taken off before: what fuzzing and tests without sockets begin with.
pub async fn run_decrypted<C: Client>(accepted: Accepted<C>, watch: Watch) {
    let shared = accepted.site.current();
    let mut record = Box::new(Record::new(&accepted));
    let deadline = record.began_at() + shared.timeouts.setup;
    let buf = Vec::new();
    let finish = set_up::finish((accepted.stream, buf), deadline, &shared, &mut record);
    let ready = Box::pin(finish).await;
    if let Some(upgraded) = requests(ready, record, (&accepted.site, shared), watch).await {
        upgraded.run().await;
    }
}

/// One request after the other, each under the settings of its moment, until the connection ends or becomes a
/// tunnel.
async fn requests<C: Client>(
    first: Result<Ready<C>, Failure>,
    mut record: Box<Record>,
    (site, mut shared): (&Site, Arc<Shared>),
    mut watch: Watch,
) -> Option<Box<Upgraded<C>>> {
    let mut ready = first;
    let mut count = 0;
    let (streams, open) = loop {
        count += 1;
        let meter = Meter::default();
        let served = match ready {
            Ok(ready) => {
                let may_go_on = shared.max_requests.is_none_or(|max| count < max);
                let may_go_on = may_go_on && !site.is_closed();
                serve(ready, (&shared, may_go_on), (&mut *record, &meter), &watch).await
            }
            Err(failure) => Err(failure),
        };
        match served {
            Ok(Served::Tunnel(streams)) => {
                let live = Live::new(*record, meter, streams.hold.member());
                break (streams, shared.tunnels.open(live));
            }
            Ok(Served::Answered(next)) => {
                record.request_served(&shared.metrics, &meter);
                let next = set_up::next(*next, site, &mut watch, &mut record);
                ready = match Box::pin(next).await {
                    Ok(Some(ready)) => Ok(ready),
                    Ok(None) => return None,
                    Err(failure) => Err(failure),
                };
                shared = site.current();
                record.begin_again();
            }
            Ok(Served::AnsweredLast(mut client)) => {
                // It has its answer: that it is not let linger is no part of how it was served.
                record.request_served(&shared.metrics, &meter);
                tokio::select! {
                    () = Box::pin(send_last(&mut *client, b"")) => {}
                    () = watch.cut(fastrand::f64()) => {}
                }
                return None;
            }
            Err(failure) => {
                record.failed(&failure, &shared.metrics, &meter);
                return None;
            }
        }
    };
    // Nothing of `shared`, which a reload replaces, lives as long as a tunnel does.
    let (limits, metrics) = (limits(&shared.timeouts), Arc::clone(&shared.metrics));
    Some(Box::new(Upgraded { streams, open, limits, metrics, watch, place: None }))
}

/// One request, until its answer is relayed, its tunnel may begin or the drain cuts it.
async fn serve<C: Client>(
    ready: Ready<C>,
    (shared, may_go_on): (&Shared, bool),
    (record, meter): (&mut Record, &Meter),
    watch: &Watch,
) -> Result<Served<C>, Failure> {
    let may_go_on = may_go_on && !watch.is_stopping();
    let serving = Box::pin(request::serve(ready, (shared, may_go_on), record, meter));
    tokio::select! {
        biased;
        served = serving => served,
        () = watch.clone().cut(fastrand::f64()) => {
            let failure = record.cut(Stage::Response);
            if failure.side == Party::Wssgate {
                shared.metrics.cut();
            }
            Err(failure)
        }
    }
}

/// A connection that is a tunnel from now on, with as much of what it was before as a tunnel needs.
#[derive(Debug)]
pub struct Upgraded<C> {
    streams: Box<Streams<C>>,
    open: Open,
    limits: Limits,
    metrics: Arc<Metrics>,
    watch: Watch,
    /// That of its client, when a proxy speaks for him.
    place: Option<per_ip::Place>,
}

impl<C: Client> Upgraded<C> {
    /// Serves the tunnel until it has ended.
    pub async fn run(mut self: Box<Self>) {
        // They stay where they are: a future keeps room for what was moved out of it, too.
        let Streams { client, upstream, hold } = &mut *self.streams;
        self.open.opened(&self.metrics);
        // A drain tells those that it finds open. The watch says that we are here until the goodbye is said.
        self.open.drain(self.watch.close_at(fastrand::f64()));
        let fallen = hold.fallen.take().map(|fallen| -> Cut {
            Box::pin(fallen.cut(fastrand::f64()).map(|()| Reason::UpstreamDown))
        });
        let outside = (&self.open.ending, fallen);
        let end = tunnel::run(client, upstream, &self.limits, &self.open.meter, outside).await;
        if end.reason == Reason::Drain {
            self.metrics.cut();
        }
        self.open.closed(end, &self.metrics);
    }
}

fn limits(timeouts: &Timeouts) -> Limits {
    let jitter = 1.0 - LIFETIME_JITTER * fastrand::f64();
    Limits {
        idle_timeout: timeouts.idle,
        half_close_timeout: timeouts.half_close,
        lifetime: timeouts.max_lifetime.map(|lifetime| lifetime.mul_f64(jitter)),
    }
}

/// Sends a last answer so that it arrives even if the client is still sending: closing a socket with
/// unread bytes would reset it, and a reset can overtake the answer.
async fn send_last<S: AsyncRead + AsyncWrite + Unpin>(client: &mut S, answer: &[u8]) {
    let deadline = Instant::now() + LINGER_TIMEOUT;
    let send = async {
        client.write_all(answer).await?;
        client.shutdown().await
    };
    if matches!(timeout(LINGER_TIMEOUT, send).await, Ok(Ok(()))) {
        let mut scratch = [0; 2048];
        let read_off =
            async { while !matches!(client.read(&mut scratch).await, Ok(0) | Err(_)) {} };
        let _ = tokio::time::timeout_at(deadline, read_off).await;
    }
}

/// The same for the answer to a failure. That stays the reason of the end, even if a drain cuts this short.
async fn send_verdict<S>(failure: &Failure, client: &mut S, answer: &[u8], record: &mut Record)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    record.judged(failure);
    send_last(client, answer).await;
}
