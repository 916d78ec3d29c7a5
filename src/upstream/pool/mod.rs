//! A pool of members: connecting to the best that accepts, waiting for a place when all are full.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::balance::Balancer;
use super::check;
use super::health::{self, Outcome, Standing};
use super::member::{self, Lease, Member};
use super::stream::{Connector, Stream};
use crate::addr::Upstream;
use crate::config::{self, Check, OnDown, ProxyVersion};
use crate::drain::Watch;
use crate::net::Target;

/// How often those who wait look for a place that nobody told them of: one that was not connected to after
/// all, or of a member that is back.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The members that share the load.
#[derive(Debug)]
pub struct Pool {
    name: Option<String>,
    members: Vec<Arc<Member>>,
    balancer: Balancer,
    on_down: OnDown,
    send_proxy: Option<ProxyVersion>,
    connector: Connector,
    /// Places of those who wait for a place.
    queue: Semaphore,
    max_queued: usize,
    /// How many of those wait this moment, and do not try whether there is a place.
    waiting: AtomicUsize,
    freed: Arc<Notify>,
    /// Whether what checks find is not asked for any more. Held while a result is said: none is half way then.
    checks_are_off: Mutex<bool>,
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
    member: Arc<Member>,
    lease: Option<Lease>,
    freed: Arc<Notify>,
    /// Resolves when the member's tunnels are to close, if they are.
    pub fallen: Option<Watch>,
}

impl Hold {
    /// Who carries it.
    pub fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// Says that the member has done what it is there for.
    pub fn succeeded(&self) {
        report(&self.member, Outcome::Success);
    }

    /// Says that the member accepted a connection and then failed.
    pub fn misbehaved(&self) {
        report(&self.member, Outcome::Failure);
    }
}

fn report(member: &Member, outcome: Outcome) {
    member.changed(member.report(outcome, Instant::now()));
}

impl Drop for Hold {
    fn drop(&mut self) {
        // The place first, then the word that there is one.
        self.lease = None;
        self.freed.notify_one();
    }
}

/// One who waits, until dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
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
    /// A pool as `config` describes it. A member that `known` knows goes on as it was there.
    pub fn new(
        config: &config::Pool,
        connector: Connector,
        known: impl Fn(&Upstream) -> Option<Arc<Member>>,
    ) -> Self {
        let balancing = &config.balancing;
        let health = health::Settings {
            max_fails: balancing.max_fails,
            fail_timeout: balancing.fail_timeout,
            slow_start: balancing.slow_start,
        };
        let member = |member: &config::Member| {
            let settings = member::Settings {
                weight: member.weight,
                backup: member.backup,
                max_connections: member.max_connections.or(balancing.max_connections),
                health,
            };
            Arc::new(match known(&member.address) {
                Some(known) => known.renew(settings),
                None => Member::new(member.address.clone(), settings),
            })
        };
        let max_queued = balancing.max_queued.min(Semaphore::MAX_PERMITS);
        Self {
            name: config.name.clone(),
            members: config.members.iter().map(member).collect(),
            balancer: Balancer::new(balancing.balance),
            on_down: balancing.on_down,
            send_proxy: config.send_proxy,
            connector,
            queue: Semaphore::new(max_queued),
            max_queued,
            waiting: AtomicUsize::new(0),
            freed: Arc::new(Notify::new()),
            checks_are_off: Mutex::new(false),
        }
    }

    /// Looks at every member in the way of `check`, for as long as it is polled.
    pub async fn check(self: Arc<Self>, check: Check) {
        check::run(&self, &check).await;
    }

    /// Says what a check has found of a member, unless checks are called off.
    pub(super) fn checked(&self, member: &Member, up: bool) {
        let are_off = self.checks_are_off.lock().unwrap_or_else(PoisonError::into_inner);
        if !*are_off {
            member.changed(member.set_checked(up, Instant::now()));
        }
    }

    /// What checks find from here on is not said: a check that is about to end may have one more result on its way.
    pub fn call_off_checks(&self) {
        *self.checks_are_off.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Takes members that a check has taken out for up, as nobody checks them any more, but for those of whom
    /// `is_checked` says that somebody does.
    pub fn uncheck(&self, is_checked: impl Fn(&Member) -> bool) {
        for member in self.members.iter().filter(|member| !is_checked(member)) {
            member.changed(member.set_checked(true, Instant::now()));
        }
    }

    /// Of which version the PROXY header is that connections to members begin with, if they do.
    pub fn send_proxy(&self) -> Option<ProxyVersion> {
        self.send_proxy
    }

    /// What it is called, if it is.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Every member.
    pub fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// How many wait for a place.
    pub fn queued(&self) -> usize {
        self.max_queued - self.queue.available_permits()
    }

    /// Connects to the member that is best for this client, or else to the next one that accepts. When all
    /// that are up have as many connections as they may, waits for one to end, behind those who wait already,
    /// until `deadline`, or until the client is `gone`. A member that speaks TLS gets `first` before its
    /// handshake. Cancel safe.
    pub async fn connect(
        &self,
        client: Option<IpAddr>,
        first: &[u8],
        deadline: Instant,
        gone: impl Future<Output = ()>,
    ) -> Result<Connected, Error> {
        let mut gone = pin!(gone);
        let patience = self.connector.timeout.min(deadline - Instant::now()) / 2;
        let mut queued = None;
        let mut freed = pin!(self.freed.notified());
        loop {
            // What is freed from now on is not missed.
            freed.as_mut().enable();
            // A place that is free while others wait is that of the first of them, who is about to learn of it.
            if queued.is_some() || self.waiting.load(Relaxed) == 0 {
                let walked = self.walk((client, first), deadline, patience).await;
                if !matches!(walked, Err(Error::Full)) {
                    return walked;
                }
            }
            if queued.is_none() {
                queued = Some(self.queue.try_acquire().map_err(|_| Error::Full)?);
            }
            let _waiting = Waiting::begin(&self.waiting);
            tokio::select! {
                biased;
                // Who looks again by himself keeps his turn.
                () = freed.as_mut() => freed.set(self.freed.notified()),
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
            let began = Instant::now();
            let connecting = timeout_at(deadline, self.connect_member(member, first)).await;
            let is_late = connecting.is_err();
            let late = |_| Err((member.address().to_string(), io::ErrorKind::TimedOut.into()));
            match connecting.unwrap_or_else(late) {
                Ok((stream, target)) => {
                    let fallen = (self.on_down == OnDown::Close).then(|| member.watch_fall());
                    let freed = Arc::clone(&self.freed);
                    let hold =
                        Hold { member: Arc::clone(member), lease: Some(lease), freed, fallen };
                    return Ok(Connected { stream, target, hold });
                }
                Err((tried, source)) => {
                    tracing::debug!(upstream = tried, error = %source, "upstream not reached");
                    member.count_connect_failure();
                    if !is_late || began.elapsed() >= patience {
                        report(member, Outcome::Failure);
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

#[cfg(test)]
mod tests;
