//! A pool of members: connecting to the best that accepts, waiting for a place when all are full.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::balance::Balancer;
use super::check;
use super::fall::Fall;
use super::health::{self, Change, Outcome, Standing};
use super::member::{self, Lease, Member};
use super::stream::{Connector, Stream};
use crate::addr::Upstream;
use crate::config::{Check, OnDown, ProxyVersion, Upstreams};
use crate::drain::Watch;
use crate::net::Target;

/// How often those who wait look for a place that nobody told them of: one that was not connected to after
/// all, or of a member that is back.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The members that share the load.
#[derive(Debug)]
pub struct Pool {
    members: Vec<Arc<Member>>,
    /// Of each member: how its tunnels learn that it fell.
    falls: Vec<Fall>,
    balancer: Balancer,
    on_down: OnDown,
    connector: Connector,
    /// Places of those who wait for a place.
    queue: Semaphore,
    max_queued: usize,
    freed: Arc<Notify>,
}

/// A member that was connected to.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub stream: Stream,
    /// Its address.
    pub target: Target,
    /// What it holds of the pool.
    pub hold: Hold,
}

/// A place at a member, until dropped.
#[derive(Debug)]
pub struct Hold {
    index: usize,
    lease: Option<Lease>,
    freed: Arc<Notify>,
    /// Resolves when the member's tunnels are to close, if they are.
    pub fallen: Option<Watch>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        // The place first, then the word that there is one.
        self.lease = None;
        self.freed.notify_one();
    }
}

/// Why no member could be connected to.
#[derive(Debug)]
pub enum Error {
    /// The last one's trouble.
    Failed {
        /// The member, or the address of it, that was tried last.
        tried: String,
        /// What it answered. [`io::ErrorKind::TimedOut`] when it did not.
        source: io::Error,
    },
    /// All have as many connections as they may, and enough wait already, or waited too long.
    Full,
    /// The client has not waited for a place.
    Gone,
}

impl Pool {
    /// A pool of these members.
    pub fn new(members: Vec<Upstream>, config: &Upstreams, connector: Connector) -> Self {
        let health = health::Settings {
            max_fails: config.max_fails,
            fail_timeout: config.fail_timeout,
            slow_start: config.slow_start,
        };
        let max_connections = config.max_connections;
        let max_queued = config.max_queued.min(Semaphore::MAX_PERMITS);
        let settings = member::Settings { max_connections, health, ..member::Settings::default() };
        let members: Vec<Arc<Member>> =
            members.into_iter().map(|address| Arc::new(Member::new(address, settings))).collect();
        Self {
            falls: members.iter().map(|_| Fall::new()).collect(),
            members,
            balancer: Balancer::new(config.balance),
            on_down: config.on_down,
            connector,
            queue: Semaphore::new(max_queued),
            max_queued,
            freed: Arc::new(Notify::new()),
        }
    }

    /// Looks at every member in the way of `check`, until a drain begins; with `proxy` after a header of
    /// the PROXY protocol.
    pub async fn check(self: Arc<Self>, check: Check, proxy: Option<ProxyVersion>, drain: Watch) {
        check::run(self, check, proxy, drain).await;
    }

    /// Every member, by its index.
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// How many wait for a place.
    pub fn queued(&self) -> usize {
        self.max_queued - self.queue.available_permits()
    }

    /// Connects to the member that is best for this client, or else to the next one that accepts. When all
    /// that are up have as many connections as they may, waits for one to end, until `deadline`, or until
    /// the client is `gone`. A member that speaks TLS gets `first` before its handshake. Cancel safe.
    pub async fn connect(
        &self,
        client: Option<IpAddr>,
        first: &[u8],
        deadline: Instant,
        gone: impl Future<Output = ()>,
    ) -> Result<Connected, Error> {
        let mut gone = std::pin::pin!(gone);
        let patience = self.connector.timeout.min(deadline - Instant::now()) / 2;
        let mut queued = None;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // What is freed from now on is not missed.
            freed.as_mut().enable();
            let walked = self.walk((client, first), deadline, patience).await;
            if !matches!(walked, Err(Error::Full)) {
                return walked;
            }
            if queued.is_none() {
                queued = Some(self.queue.try_acquire().map_err(|_| Error::Full)?);
            }
            tokio::select! {
                biased;
                () = freed => {}
                () = &mut gone => return Err(Error::Gone),
                () = sleep_until(deadline) => return Err(Error::Full),
                () = sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// Tries every member once, until `deadline`. One that has not accepted by then has failed if it had
    /// `patience` to do so.
    async fn walk(
        &self,
        (client, first): (Option<IpAddr>, &[u8]),
        deadline: Instant,
        patience: Duration,
    ) -> Result<Connected, Error> {
        let source = io::Error::new(io::ErrorKind::NotFound, "there is none");
        let mut last = Error::Failed { tried: "no upstream".into(), source };
        let mut is_full = false;
        let now = Instant::now();
        for member in self.balancer.order(&self.members, client, now) {
            // Those that are down come last: better to wait for one that is only busy.
            if is_full && (member.standing(now) == Standing::Down || !self.has_place(now)) {
                break;
            }
            let Some(lease) = member.lease() else {
                is_full = true;
                continue;
            };
            let Some(index) = self.members.iter().position(|other| Arc::ptr_eq(other, member))
            else {
                continue;
            };
            let began = Instant::now();
            let connecting = timeout_at(deadline, self.connect_member(member, first)).await;
            let is_late = connecting.is_err();
            let late = |_| Err((member.address().to_string(), io::ErrorKind::TimedOut.into()));
            match connecting.unwrap_or_else(late) {
                Ok((stream, target)) => {
                    let fallen = (self.on_down == OnDown::Close).then(|| self.falls[index].watch());
                    let freed = Arc::clone(&self.freed);
                    let hold = Hold { index, lease: Some(lease), freed, fallen };
                    return Ok(Connected { stream, target, hold });
                }
                Err((tried, source)) => {
                    tracing::debug!(upstream = tried, error = %source, "upstream not reached");
                    if !is_late || began.elapsed() >= patience {
                        self.failed(index);
                    }
                    last = Error::Failed { tried, source };
                    if is_late {
                        return Err(last);
                    }
                }
            }
        }
        if is_full { Err(Error::Full) } else { Err(last) }
    }

    /// Whether any member can take one more that is not down.
    fn has_place(&self, now: Instant) -> bool {
        let mut members = self.members.iter();
        members.any(|member| !member.is_full() && member.standing(now) != Standing::Down)
    }

    /// Says that a member has done what it is there for.
    pub fn succeeded(&self, hold: &Hold) {
        self.report(hold.index, Outcome::Success);
    }

    /// Says that a member accepted a connection and then failed.
    pub fn misbehaved(&self, hold: &Hold) {
        self.failed(hold.index);
    }

    fn failed(&self, index: usize) {
        self.report(index, Outcome::Failure);
    }

    fn report(&self, index: usize, outcome: Outcome) {
        self.changed(index, self.members[index].report(outcome, Instant::now()));
    }

    /// Says in the log, and to its tunnels, what has become of a member.
    pub(super) fn changed(&self, index: usize, change: Option<Change>) {
        let upstream = self.members[index].address();
        match change {
            None => {}
            Some(Change::Returned) => tracing::info!(%upstream, "upstream is up again"),
            Some(Change::Fell) => {
                tracing::warn!(%upstream, tunnels = self.members[index].live(), "upstream is down");
                self.falls[index].tell();
            }
        }
    }

    /// Connects to any address of a member; see [`Connector::connect`] for `first`.
    pub(super) async fn connect_member(
        &self,
        member: &Member,
        first: &[u8],
    ) -> Result<(Stream, Target), (String, io::Error)> {
        let mut tried = member.address().to_string();
        let resolving = super::resolve(&self.connector.resolver, member.address());
        let targets = match timeout(self.connector.timeout, resolving).await {
            Ok(Ok(targets)) => targets,
            Ok(Err(source)) => return Err((tried, source)),
            Err(_) => return Err((tried, io::ErrorKind::TimedOut.into())),
        };
        let mut source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for target in targets {
            source = match self.connector.connect(member.address(), &target, first).await {
                Ok(stream) => return Ok((stream, target)),
                Err(error) => error,
            };
            tried = target.to_string();
        }
        Err((tried, source))
    }
}
