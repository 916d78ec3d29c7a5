//! One member of an upstream: where it is, what it may carry, how many it carries and whether it is up.
//!
//! What is counted of a member outlives its settings: after a reload [`Member::renew`] makes the member
//! of the new settings, which goes on with the counts and the health of the old one.

use std::num::NonZeroU16;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::balance;
use super::fall::Fall;
use super::health::{self, Change, Health, Outcome, Standing};
use crate::addr::Upstream;
use crate::drain::Watch;

/// What is asked of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How much it takes, in proportion to the others.
    pub weight: NonZeroU16,
    /// Whether it is used only when the others cannot be.
    pub backup: bool,
    /// Tunnels and requests at once; none: any number.
    pub max_connections: Option<usize>,
    /// When it counts as failed.
    pub health: health::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        let health = health::Settings::default();
        Self { weight: NonZeroU16::MIN, backup: false, max_connections: None, health }
    }
}

/// A member.
#[derive(Debug)]
pub struct Member {
    address: Upstream,
    /// The address as source-hash knows it.
    hash: u64,
    settings: Settings,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    live: AtomicUsize,
    connect_failures: AtomicU64,
    /// Whether `health` has nothing to say but up, with the whole weight. Set under its lock.
    steady: AtomicBool,
    health: Mutex<Health>,
    /// How its tunnels learn that it fell.
    fall: Fall,
}

impl Member {
    /// A member that is up and carries nothing.
    pub fn new(address: Upstream, settings: Settings) -> Self {
        let state = State {
            live: AtomicUsize::new(0),
            connect_failures: AtomicU64::new(0),
            steady: AtomicBool::new(true),
            health: Mutex::new(Health::new()),
            fall: Fall::new(),
        };
        let hash = balance::hash(address.to_string().as_bytes());
        Self { address, hash, settings, state: Arc::new(state) }
    }

    /// The same member under other settings: both count the same tunnels, and are up or down together.
    pub fn renew(&self, settings: Settings) -> Self {
        let state = Arc::clone(&self.state);
        // A longer slow start may not be over yet: health is asked once more.
        state.steady.store(false, Relaxed);
        Self { address: self.address.clone(), hash: self.hash, settings, state }
    }

    /// Where it is.
    pub fn address(&self) -> &Upstream {
        &self.address
    }

    /// What is asked of it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Counts one more tunnel or request for as long as the lease lives; none when the member has as
    /// many as it may.
    pub fn lease(self: &Arc<Self>) -> Option<Lease> {
        let max = self.settings.max_connections.unwrap_or(usize::MAX);
        let one_more = |live| (live < max).then(|| live + 1);
        self.state.live.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        Some(Lease { member: Arc::clone(self) })
    }

    /// How many tunnels and requests it carries.
    pub fn live(&self) -> usize {
        self.state.live.load(Relaxed)
    }

    /// Whether both count together, as one was made of the other or both of a third.
    pub fn counts_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Requests for which it was not connected to.
    pub fn connect_failures(&self) -> u64 {
        self.state.connect_failures.load(Relaxed)
    }

    /// Counts one more of those.
    pub(super) fn count_connect_failure(&self) {
        self.state.connect_failures.fetch_add(1, Relaxed);
    }

    /// Whether it has as many as it may.
    pub fn is_full(&self) -> bool {
        self.settings.max_connections.is_some_and(|max| self.live() >= max)
    }

    /// Whether requests go there as usual. One that waits for its trial is not up.
    pub fn is_up(&self, now: Instant) -> bool {
        self.standing(now) == Standing::Up
    }

    /// What it is good for.
    pub fn standing(&self, now: Instant) -> Standing {
        self.look(now).0
    }

    /// Its weight, which during a slow start is not yet the whole.
    pub fn effective_weight(&self, now: Instant) -> f64 {
        self.look(now).1
    }

    /// Resolves for those who hold it when the member falls, a little later for each.
    pub(super) fn watch_fall(&self) -> Watch {
        self.state.fall.watch()
    }

    /// Counts how an attempt to reach it went: connecting, and what the gate said.
    pub fn report(&self, outcome: Outcome, now: Instant) -> Option<Change> {
        if outcome == Outcome::Success && self.state.steady.load(Relaxed) {
            return None;
        }
        self.update(now, |health, settings| health.report(outcome, settings, now))
    }

    /// Says what its checks found, after their [`Streak`](health::Streak).
    pub fn set_checked(&self, up: bool, now: Instant) -> Option<Change> {
        self.update(now, |health, _| health.set_checked(up, now))
    }

    /// What its checks have said last; up before they have said anything.
    pub(super) fn is_checked_up(&self) -> bool {
        self.state.health.lock().unwrap_or_else(PoisonError::into_inner).is_checked_up()
    }

    /// Says in the log, and to its tunnels, what has become of it.
    pub(super) fn changed(&self, change: Option<Change>) {
        let upstream = &self.address;
        match change {
            None => {}
            Some(Change::Returned) => tracing::info!(%upstream, "upstream is up again"),
            Some(Change::Fell) => {
                tracing::warn!(%upstream, tunnels = self.live(), "upstream is down");
                self.state.fall.tell();
            }
        }
    }

    /// [`balance::hash`] of the address as it prints.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether a request may go there now as to a healthy member. Where it is the trial of one that was
    /// out, no other is let in until that is reported, or forgotten for `fail_timeout`.
    pub(super) fn admit(&self, now: Instant) -> bool {
        self.state.steady.load(Relaxed)
            || self.update(now, |health, settings| health.admit(settings, now))
    }

    /// What it is good for, and its effective weight.
    pub(super) fn look(&self, now: Instant) -> (Standing, f64) {
        let weight = f64::from(self.settings.weight.get());
        if self.state.steady.load(Relaxed) {
            return (Standing::Up, weight);
        }
        self.update(now, |health, settings| {
            (health.standing(settings, now), weight * health.share(settings, now))
        })
    }

    fn update<T>(&self, now: Instant, act: impl FnOnce(&mut Health, &health::Settings) -> T) -> T {
        let settings = &self.settings.health;
        let mut health = self.state.health.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut health, settings);
        self.state.steady.store(health.is_steady(settings, now), Relaxed);
        result
    }
}

/// One tunnel or request that a member carries.
#[derive(Debug)]
pub struct Lease {
    member: Arc<Member>,
}

impl Lease {
    /// Who carries it.
    pub fn member(&self) -> &Arc<Member> {
        &self.member
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.state.live.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn member(settings: Settings) -> Arc<Member> {
        Arc::new(Member::new("10.0.0.1:1".parse().unwrap(), settings))
    }

    #[test]
    fn a_lease_counts_until_it_is_dropped() {
        let member = member(Settings { max_connections: Some(2), ..Settings::default() });
        let one = member.lease().unwrap();
        assert!(!member.is_full());
        let two = member.lease().unwrap();
        assert!(member.is_full());
        assert!(member.lease().is_none());
        assert_eq!(member.live(), 2);
        drop(one);
        assert!(member.lease().is_some(), "and was dropped at once");
        drop(two);
        assert_eq!(member.live(), 0);
    }

    #[test]
    fn a_panic_gives_its_lease_back() {
        let member = member(Settings::default());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _lease = member.lease();
            assert_eq!(member.live(), 0, "it is one: this panics");
        }));
        assert!(panicked.is_err());
        assert_eq!(member.live(), 0);
    }

    #[test]
    fn threads_never_exceed_the_limit() {
        let member = member(Settings { max_connections: Some(3), ..Settings::default() });
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let _lease = member.lease();
                        assert!(member.live() <= 3);
                    }
                });
            }
        });
        assert_eq!(member.live(), 0);
    }

    #[test]
    fn counts_and_health_outlive_a_reload() {
        let now = Instant::now();
        let old = member(Settings::default());
        let lease = old.lease();
        old.set_checked(false, now);
        let weight = NonZeroU16::new(5).unwrap();
        let new = Arc::new(old.renew(Settings { weight, ..Settings::default() }));
        assert_eq!((new.live(), new.is_up(now)), (1, false));
        assert_eq!(new.set_checked(true, now), Some(Change::Returned));
        assert!(old.is_up(now));
        assert_eq!((old.effective_weight(now), new.effective_weight(now)), (1.0, 5.0));
        drop(lease);
        assert_eq!(new.live(), 0);
    }

    #[test]
    fn what_is_steady_agrees_with_what_is_known() {
        let health =
            health::Settings { slow_start: Duration::from_secs(10), ..health::Settings::default() };
        let weight = NonZeroU16::new(100).unwrap();
        let member = member(Settings { weight, health, ..Settings::default() });
        let mut now = Instant::now();
        assert_eq!(member.look(now), (Standing::Up, 100.0));
        assert_eq!(member.report(Outcome::Failure, now), Some(Change::Fell));
        assert_eq!(member.standing(now), Standing::Down);
        assert!(!member.admit(now));
        now += Duration::from_secs(10);
        assert_eq!(member.standing(now), Standing::Trial);
        assert!(!member.is_up(now));
        assert!(member.admit(now) && !member.admit(now));
        assert_eq!(member.report(Outcome::Success, now), Some(Change::Returned));
        assert_eq!(member.look(now).1.round(), 10.0);
        now += Duration::from_secs(5);
        assert_eq!(member.look(now).1.round(), 55.0);
        assert!(!member.state.steady.load(Relaxed));
        now += Duration::from_secs(5);
        assert_eq!(member.look(now), (Standing::Up, 100.0));
        assert!(member.state.steady.load(Relaxed));
    }
}
