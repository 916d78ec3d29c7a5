//! The tunnels that are open: listed, counted while they live, and ended one by one.
//!
//! A tunnel and this list share what is known of it; nothing is copied. Bytes are not counted as they
//! pass: [`Tunnels::survey`] adds what has moved since the last one, once.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::time::Instant;

use super::record::Record;
use crate::drain::Drain;
use crate::meter::Meter;
use crate::metrics::Metrics;
use crate::status::{self, OpenTunnels};
use crate::tunnel::{End, Ending, Reason};
use crate::upstream::member::Member;

/// Every open tunnel of a server.
#[derive(Debug, Default)]
pub struct Tunnels(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    /// By the number of their connection, so that the newest come last.
    open: BTreeMap<u64, Arc<Live>>,
    /// Bytes of those that have ended.
    ended: Moved,
    /// Bytes of all that are counted already.
    counted: Moved,
}

#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    to_upstream: u64,
    to_client: u64,
}

impl Moved {
    fn add(&mut self, meter: &Meter) {
        self.to_upstream += meter.to_upstream();
        self.to_client += meter.to_client();
    }
}

impl Tunnels {
    /// Lists one more until the guard is dropped.
    pub(super) fn open(self: &Arc<Self>, live: Live) -> Open {
        let live = Arc::new(live);
        self.books().open.insert(live.record.id(), Arc::clone(&live));
        Open { tunnels: Arc::clone(self), live }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.books().open.len()
    }

    /// The newest ones, `limit` at most.
    pub fn list(&self, limit: usize) -> status::Tunnels {
        let (open, newest) = {
            let books = self.books();
            let newest: Vec<_> = books.open.values().rev().take(limit).cloned().collect();
            (books.open.len() as u64, newest)
        };
        let now = (Instant::now(), SystemTime::now());
        let tunnels = newest.iter().map(|live| live.describe(now)).collect();
        status::Tunnels { open, tunnels }
    }

    /// Ends one, [`Admin`](Reason::Admin) being the reason. Returns whether it is there.
    pub fn end(&self, id: u64) -> bool {
        let live = self.books().open.get(&id).cloned();
        if let Some(live) = &live {
            live.ending.end_at(Instant::now(), Reason::Admin);
        }
        live.is_some()
    }

    /// Ends all that are open, each in its turn, once `drain` has begun.
    pub fn drain(&self, drain: &Drain) {
        for live in self.books().open.values() {
            live.drain(drain.close_at(fastrand::f64()));
        }
    }

    /// Counts the bytes that have moved since the last time. Returns how many tunnels are open, by listener
    /// and upstream, where there are any.
    pub fn survey(&self, metrics: &Metrics) -> Vec<OpenTunnels> {
        let mut books = self.books();
        let mut moved = books.ended;
        let mut places: HashMap<_, u64> = HashMap::new();
        for live in books.open.values() {
            moved.add(&live.meter);
            *places.entry((live.record.listener(), live.member.address())).or_default() += 1;
        }
        let open = places.into_iter().map(|((listener, upstream), open)| OpenTunnels {
            listener: listener.to_owned(),
            upstream: upstream.to_string(),
            open,
        });
        let open = open.collect();
        metrics.moved(
            moved.to_upstream - books.counted.to_upstream,
            moved.to_client - books.counted.to_client,
        );
        books.counted = moved;
        open
    }

    /// A panic elsewhere cannot leave the list half changed.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of an open tunnel.
#[derive(Debug)]
pub(super) struct Live {
    record: Record,
    pub(super) meter: Meter,
    member: Arc<Member>,
    pub(super) ending: Ending,
}

impl Live {
    pub(super) fn new(record: Record, meter: Meter, member: &Arc<Member>) -> Self {
        Self { record, meter, member: Arc::clone(member), ending: Ending::default() }
    }

    /// Says and counts that it was opened.
    pub(super) fn opened(&self, metrics: &Metrics) {
        let upstream = self.member.address().to_string();
        metrics.tunnel_opened(self.record.listener(), &upstream, self.record.setup());
        self.record.tunnel_opened();
    }

    /// Ends it then, if a drain has begun.
    pub(super) fn drain(&self, close_at: Option<Instant>) {
        if let Some(at) = close_at {
            self.ending.end_at(at, Reason::Drain);
        }
    }

    fn describe(&self, (now, time): (Instant, SystemTime)) -> status::Tunnel {
        let age = now.saturating_duration_since(self.record.answered_at());
        let opened_at = (time - age).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let idle = now.saturating_duration_since(self.meter.moved_at());
        status::Tunnel {
            upstream: self.member.address().to_string(),
            opened_at: opened_at.as_secs(),
            age_seconds: age.as_secs_f64(),
            // Before its first byte it has been idle since it was opened.
            idle_seconds: idle.min(age).as_secs_f64(),
            to_upstream_bytes: self.meter.to_upstream(),
            to_client_bytes: self.meter.to_client(),
            ..self.record.describe()
        }
    }
}

/// An open tunnel; it is listed until this is dropped.
#[derive(Debug)]
pub(super) struct Open {
    tunnels: Arc<Tunnels>,
    live: Arc<Live>,
}

impl Open {
    /// Says and counts how it ended, and takes it off the list.
    pub(super) fn closed(self, end: End, metrics: &Metrics) {
        let lasted = self.record.answered_at().elapsed();
        metrics.tunnel_closed(end.closed_by.as_str(), end.reason.as_str(), lasted);
        self.record.tunnel_closed(end, &self.meter);
    }
}

impl Deref for Open {
    type Target = Live;

    fn deref(&self) -> &Live {
        &self.live
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut books = self.tunnels.books();
        if books.open.remove(&self.live.record.id()).is_some() {
            books.ended.add(&self.live.meter);
        }
    }
}
