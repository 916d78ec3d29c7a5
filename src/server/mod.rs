//! All of it: every listener, the accept loop with its limits, and the drain.
//!
//! [`Server::bind`] does what can fail and serves nobody yet; [`Server::run`] serves until it is told to
//! stop and says how that went.

mod accept;
mod limit;

pub use limit::raise_open_files;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::addr::Listen;
use crate::config::route::{self, Route};
use crate::config::{Check, Config, HANDSHAKES_PER_CORE, Limits, Timeouts};
use crate::connection::{Idle, PerIp, Shared, Speaks};
use crate::drain;
use crate::metrics::Metrics;
use crate::net::{Keepalive, Listener};
use crate::tls;
use crate::upstream::resolve::Resolver;
use crate::upstream::{self, Pool, Routes};
use accept::Accepting;

/// What may outlast the drain's window: the last goodbyes.
const GRACE: Duration = Duration::from_secs(2);

/// Prints what a start would find in the files that `config` names, and all that is wrong with them.
/// Returns whether a start would succeed with certificates that clients take. Blocks.
pub fn check(config: &Config, out: &mut impl io::Write) -> io::Result<bool> {
    let mut is_well = tls::check(&config.tls, out)?;
    if config.has_tls_upstream() {
        is_well &= tls::check_upstream(&config.upstream_tls, out)?;
    }
    Ok(is_well)
}

/// A word to a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take in at once what has changed in the files.
    Reload,
    /// Let what runs end within the drain timeout.
    Drain,
    /// End everything.
    Stop,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything had ended by itself.
    Drained,
    /// Some of it had to be cut.
    Cut,
}

/// A server that is bound and not yet running.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<(Listener, Speaks)>,
    accepting: Accepting,
    timeouts: Timeouts,
    check: Option<Check>,
}

impl Server {
    /// Loads the certificates and binds every listener. Needs a tokio runtime.
    ///
    /// `open_files` is the limit of descriptors, from which the default for connections follows. Errors
    /// name the file or the address and what to do.
    pub fn bind(config: Config, open_files: u64) -> anyhow::Result<Self> {
        let tls = Arc::new(tls::Store::open(&config.tls)?);
        tls.report();
        let keepalive = Keepalive(config.timeouts.keepalive);
        let routes = routes(&config, keepalive)?;
        let mut listeners = Vec::new();
        for (index, address) in config.listen.iter().enumerate() {
            // A descriptor can be taken over once.
            let twice =
                matches!(address, Listen::Fd(_)) && config.listen[..index].contains(address);
            ensure!(!twice, "listen on {address}: given twice");
            let bound = Listener::bind(address, keepalive)?.into_iter();
            listeners.extend(bound.map(|listener| (listener, Speaks::Tls)));
        }
        let tls_port = listeners.iter().find_map(|(listener, _)| listener.port());
        for address in &config.redirect_http {
            let bound = Listener::bind(address, keepalive)?.into_iter();
            listeners.extend(bound.map(|listener| (listener, Speaks::Plain)));
        }
        let limits = &config.limits;
        let handshakes = limits.max_handshakes.unwrap_or_else(default_handshakes);
        let connections =
            limits.max_connections.unwrap_or_else(|| limit::connections_for(open_files));
        let shared = Shared {
            tls,
            routes,
            origins: config.origins,
            timeouts: config.timeouts.clone(),
            max_head_bytes: limits.max_head_bytes,
            forwarding: config.forwarding,
            log_query: config.log_query,
            per_ip: PerIp::new(limits.max_connections_per_ip),
            proxy_protocol: config.proxy_protocol,
            hsts: config.hsts.map(|age| format!("max-age={}", age.as_secs())),
            acme_webroot: config.acme_webroot,
            tls_port,
            max_requests: requests_for(&config.timeouts, limits),
            idle: Idle::default(),
            handshakes: Semaphore::new(handshakes.min(Semaphore::MAX_PERMITS)),
            metrics: Metrics::default(),
        };
        let accepting = Accepting {
            shared: Arc::new(shared),
            permits: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
        };
        Ok(Self { listeners, accepting, timeouts: config.timeouts, check: config.balancing.check })
    }

    /// The addresses that are listened on, ports chosen by the kernel included, those of plain HTTP last.
    pub fn addresses(&self) -> Vec<(String, Speaks)> {
        let address =
            |(listener, speaks): &(Listener, Speaks)| (listener.name().to_string(), *speaks);
        self.listeners.iter().map(address).collect()
    }

    /// What its connections share: settings and counters.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.accepting.shared)
    }

    /// Serves until `orders` says so; its second word to end, or [`Order::Stop`], ends the drain at once.
    /// When `orders` is closed the server runs on.
    pub async fn run(self, mut orders: mpsc::Receiver<Order>) -> anyhow::Result<Outcome> {
        let (drain, watch) = drain::channel();
        let shared = self.shared();
        let watching = tokio::spawn(tls::watch(Arc::clone(&shared.tls), watch.clone()));
        let mut checking = JoinSet::new();
        if let Some(check) = self.check {
            for pool in shared.routes.pools() {
                let proxy = shared.proxy_protocol.send;
                checking.spawn(Arc::clone(pool).check(check.clone(), proxy, watch.clone()));
            }
        }
        let accepting = tokio::spawn(self.accepting.run(self.listeners, watch));

        let mut order = loop {
            match orders.recv().await {
                Some(Order::Reload) => reload(&shared).await,
                Some(order) => break order,
                None => std::future::pending().await,
            }
        };
        let open = shared.metrics.tunnels_open.value();
        tracing::info!(tunnels_open = open, "draining");
        if order == Order::Drain {
            order = tokio::select! {
                () = sleep(self.timeouts.drain_delay) => Order::Drain,
                () = end(&mut orders) => Order::Stop,
            };
        }
        drain.start(self.timeouts.drain);
        accepting.await.context("run the accept loop")?;
        watching.await.context("watch the certificates")?;
        checking.join_all().await;
        if order == Order::Drain {
            tokio::select! {
                () = drain.left() => {}
                () = sleep(self.timeouts.drain + GRACE) => {}
                () = end(&mut orders) => {}
            }
        }
        drain.cut();
        let left = timeout(GRACE, drain.left()).await;
        let metrics = &shared.metrics;
        tracing::info!(
            accepted = metrics.accepted.value(),
            probes = metrics.probes.value(),
            failed = metrics.failed.value(),
            requests = metrics.requests.value(),
            tunnels = metrics.tunnels_opened.value(),
            cut = metrics.cut.value(),
            to_upstream_bytes = metrics.to_upstream_bytes.value(),
            to_client_bytes = metrics.to_client_bytes.value(),
            accept_errors = metrics.accept_errors.value(),
            "stopped"
        );
        let cut = left.is_err() || metrics.cut.value() > 0;
        Ok(if cut { Outcome::Cut } else { Outcome::Drained })
    }
}

/// Reads what has changed; the log says of each file what became of it.
async fn reload(shared: &Shared) {
    let tls = Arc::clone(&shared.tls);
    match tokio::task::spawn_blocking(move || tls.reload()).await {
        Ok(looked) => {
            let tls::Looked { swapped, refused, .. } = looked;
            match refused {
                0 => tracing::info!(swapped, refused, "reload done"),
                _ => tracing::warn!(swapped, refused, "reload done"),
            }
        }
        Err(error) => tracing::error!(%error, "reload failed, what was there serves on"),
    }
}

/// Resolves at a word to end; what else is said is too late.
async fn end(orders: &mut mpsc::Receiver<Order>) {
    loop {
        match orders.recv().await {
            Some(Order::Reload) => {}
            Some(Order::Drain | Order::Stop) => return,
            None => std::future::pending().await,
        }
    }
}

/// A pool for each route, and one for what no route is for.
fn routes(config: &Config, keepalive: Keepalive) -> anyhow::Result<Routes> {
    let tls = config.has_tls_upstream().then(|| tls::Connector::open(&config.upstream_tls));
    let connector = upstream::Connector {
        timeout: config.timeouts.connect,
        keepalive,
        resolver: Arc::new(Resolver::new(&config.resolvers)),
        tls: tls.transpose()?,
    };
    let pool = |upstreams| Arc::new(Pool::new(upstreams, &config.balancing, connector.clone()));
    let mut routes = config.routes.clone();
    if !config.upstreams.is_empty() {
        routes.push(Route { pattern: route::Pattern::all(), upstreams: config.upstreams.clone() });
    }
    let routes = route::join(routes).into_iter();
    Ok(Routes::new(routes.map(|route| (route.pattern, pool(route.upstreams))).collect()))
}

fn requests_for(timeouts: &Timeouts, limits: &Limits) -> Option<usize> {
    if timeouts.keepalive_timeout.is_zero() { Some(1) } else { limits.max_requests }
}

fn default_handshakes() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores * HANDSHAKES_PER_CORE
}
