//! All of it: every listener, the accept loop with its limits, and the drain.
//!
//! [`Server::bind`] does what can fail and serves nobody yet; [`Server::run`] serves until it is told to
//! stop and says how that went.

mod accept;
mod generation;
mod limit;
mod phase;
mod pools;
mod reload;
mod report;
mod tick;

pub use limit::raise_open_files;
pub use phase::Phase;
pub use report::Reporter;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::admin::{self, Admin};
use crate::config::{self, Config, HANDSHAKES_PER_CORE};
use crate::connection::{Site, Speaks, Tunnels};
use crate::drain;
use crate::metrics::Metrics;
use crate::status::Totals;
use crate::tls;
use accept::{Accepting, Door};
use generation::{Generation, Process};
use reload::Serving;

/// What may outlast the drain's window: the last goodbyes.
const GRACE: Duration = Duration::from_secs(2);

/// Prints what a start would find in the files that `config` names, and all that is wrong with them.
/// Returns whether a start would succeed with certificates that clients take. Blocks.
pub fn check(config: &Config, out: &mut impl io::Write) -> io::Result<bool> {
    let mut is_well = true;
    let mut pools = Vec::new();
    for listener in &config.listeners {
        is_well &= tls::check(&listener.tls, out)?;
        let routes = listener.all_routes();
        pools.extend(routes.iter().filter_map(|route| config.pool(listener, &route.goals)));
    }
    let mut checked = Vec::new();
    for pool in pools {
        let speaks_tls = pool.members.iter().any(|member| member.address.is_tls);
        if speaks_tls && !checked.contains(&pool.tls) {
            is_well &= tls::check_upstream(&pool.tls, out)?;
            checked.push(pool.tls);
        }
    }
    Ok(is_well)
}

/// A word to a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take in what has changed in the configuration and in the files that it names.
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

/// Reads the configuration again; called for each [`Order::Reload`], where it may block.
pub type Source = Arc<dyn Fn() -> anyhow::Result<Config> + Send + Sync>;

/// A server that is bound and not yet running.
#[derive(Debug)]
pub struct Server {
    generation: Generation,
    process: Process,
    reporter: Reporter,
    admin: Option<Admin>,
    permits: Arc<Semaphore>,
    tell: fn(Phase),
}

impl Server {
    /// Reads every file and binds every listener. Needs a tokio runtime, and blocks.
    ///
    /// `open_files` is the limit of descriptors, from which the limit of connections follows. Errors
    /// name the file or the address and what to do.
    pub fn bind(config: Config, open_files: u64) -> anyhow::Result<Self> {
        let process = Process {
            metrics: Arc::new(Metrics::new().context("make the metrics")?),
            tunnels: Arc::new(Tunnels::default()),
            handshakes: handshakes(&config),
            freed: Arc::new(Notify::new()),
        };
        let admin = Admin::bind(&config.admin)?;
        let of_admin = if admin.is_some() { admin::MAX_CONNECTIONS as u64 } else { 0 };
        let open_files = open_files.saturating_sub(of_admin);
        let connections = limit::connections_for(open_files).min(Semaphore::MAX_PERMITS);
        let generation = Generation::build(config, None, &process)?;
        let reporter = Reporter::new(&process, &generation);
        let permits = Arc::new(Semaphore::new(connections));
        Ok(Self { generation, process, reporter, admin, permits, tell: |_| {} })
    }

    /// The addresses that are listened on, ports chosen by the kernel included.
    pub fn addresses(&self) -> Vec<(String, Speaks)> {
        let doors = self.generation.doors();
        doors.iter().map(|Door { site, .. }| (site.listener.to_string(), site.speaks)).collect()
    }

    /// What its sockets lead to, in the same order.
    pub fn sites(&self) -> Vec<Arc<Site>> {
        self.generation.sites()
    }

    /// The addresses of the admin listener.
    pub fn admin_addresses(&self) -> Vec<String> {
        self.admin.iter().flat_map(Admin::addresses).collect()
    }

    /// What says how it is, also while it runs.
    pub fn reporter(&self) -> Reporter {
        self.reporter.clone()
    }

    /// Has `tell` called with each phase of the run, when it begins. It may not block for long.
    pub fn telling(self, tell: fn(Phase)) -> Self {
        Self { tell, ..self }
    }

    /// Serves until `orders` says so; its second word to end, or [`Order::Stop`], ends the drain at once.
    /// When `orders` is closed the server runs on. `source` is asked for the configuration at a reload.
    pub async fn run(
        self,
        mut orders: mpsc::Receiver<Order>,
        source: Source,
    ) -> anyhow::Result<Outcome> {
        let (drain, watch) = drain::channel();
        let reporter = self.reporter;
        // Ends with this function, after everything else.
        let mut overseeing = JoinSet::new();
        overseeing.spawn(oversee(self.admin, reporter.source()));
        overseeing.spawn(tick::run(Arc::clone(&self.permits)));
        let (mut serving, doors) =
            Serving::begin(self.generation, self.process.clone(), reporter.clone());
        let accepting = Accepting {
            metrics: Arc::clone(&self.process.metrics),
            freed: Arc::clone(&self.process.freed),
            permits: Arc::clone(&self.permits),
        };
        let accepting = tokio::spawn(accepting.run(doors, watch));

        let mut order = until_end(&mut orders, &mut serving, &source, self.tell).await;
        (self.tell)(Phase::Draining);
        let config::Drain { delay, timeout: window } = serving.generation().config.drain;
        reporter.draining();
        tracing::info!(tunnels_open = self.process.tunnels.count(), "draining");
        if order == Order::Drain {
            order = tokio::select! {
                () = sleep(delay) => Order::Drain,
                _ = end(&mut orders, || {}) => Order::Stop,
            };
        }
        drain.start(window);
        self.process.tunnels.drain(&drain);
        accepting.await.context("run the accept loop")?;
        serving.close();
        if order == Order::Drain {
            tokio::select! {
                () = drain.left() => {}
                () = sleep(window + GRACE) => {}
                _ = end(&mut orders, || {}) => {}
            }
        }
        drain.cut();
        self.process.tunnels.drain(&drain);
        let left = timeout(GRACE, drain.left()).await;
        let totals = say_stopped(&reporter);
        // Until it is gone: with it goes its socket's file.
        overseeing.shutdown().await;
        let cut = left.is_err() || totals.cut > 0;
        Ok(if cut { Outcome::Cut } else { Outcome::Drained })
    }
}

async fn oversee(admin: Option<Admin>, source: admin::Source) {
    if let Some(admin) = admin {
        admin.run(source).await;
    }
}

fn say_stopped(reporter: &Reporter) -> Totals {
    let totals = reporter.status().totals;
    tracing::info!(
        accepted = totals.connections_accepted,
        probes = totals.probes,
        failed = totals.failed,
        requests = totals.requests,
        tunnels = totals.tunnels_opened,
        cut = totals.cut,
        to_upstream_bytes = totals.to_upstream_bytes,
        to_client_bytes = totals.to_client_bytes,
        accept_errors = totals.accept_errors,
        "stopped"
    );
    totals
}

fn handshakes(config: &Config) -> Arc<Semaphore> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let handshakes = config.max_handshakes.unwrap_or(cores * HANDSHAKES_PER_CORE);
    Arc::new(Semaphore::new(handshakes.min(Semaphore::MAX_PERMITS)))
}

/// Reloads whenever it is told to, until the word to end, which is returned.
async fn until_end(
    orders: &mut mpsc::Receiver<Order>,
    serving: &mut Serving,
    source: &Source,
    tell: fn(Phase),
) -> Order {
    let mut is_due = false;
    loop {
        tell(Phase::Serving);
        if !is_due {
            match orders.recv().await {
                Some(Order::Reload) => {}
                Some(order) => return order,
                None => std::future::pending().await,
            }
        }
        is_due = false;
        tokio::select! {
            biased;
            () = serving.reload(source, tell) => {}
            // Files may lie where reading them hangs. What a reload has not begun to serve then never serves.
            order = end(orders, || is_due = true) => return order,
        }
    }
}

/// Resolves at a word to end, which is returned. Of a reload, for which it is not the time, `note_reload` is told.
async fn end(orders: &mut mpsc::Receiver<Order>, mut note_reload: impl FnMut()) -> Order {
    loop {
        match orders.recv().await {
            Some(Order::Reload) => note_reload(),
            Some(order) => return order,
            None => std::future::pending().await,
        }
    }
}
