//! What is counted of one server, and told in Prometheus' words. Handed in, never global.
//!
//! What happens is counted when it happens. What is so at a moment (whether an upstream is up, when a
//! certificate expires, which tunnels are open) is set from a [`Status`] when somebody asks, so that what
//! is gone is not told any more. Nothing here is touched by a message in a tunnel.

mod event;
mod family;
mod state;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry, Result, TextEncoder};

use crate::status::{FailedHandshakes, Failures, Handshakes, Reload, Reloads, Status, Totals};
use family::{Maker, read, sum};
use state::State;

/// All that is counted since the start.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    started_at: SystemTime,
    connections: event::Connections,
    handshakes: event::Handshakes,
    tunnels: event::Tunnels,
    reloads: IntCounterVec,
    last_reload: Mutex<Option<Reload>>,
    /// Not told: it is among the tunnels closed and the failures.
    cut: IntCounter,
    state: Mutex<State>,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Result<Self> {
        let registry = Registry::new();
        let make = Maker(&registry);
        let reloads = make.counters("reloads_total", &["result"], "Reloads, by result.")?;
        for result in ["done", "refused"] {
            // What is not there cannot be seen to rise.
            reloads.with_label_values(&[result]);
        }
        Ok(Self {
            started_at: SystemTime::now(),
            connections: event::Connections::new(&make)?,
            handshakes: event::Handshakes::new(&make)?,
            tunnels: event::Tunnels::new(&make)?,
            reloads,
            last_reload: Mutex::default(),
            cut: IntCounter::new("cut", "Tunnels and requests cut by the end of the server.")?,
            state: Mutex::new(State::new(&make)?),
            registry,
        })
    }

    /// Counts a connection that a listener accepted.
    pub fn connection_accepted(&self, listener: &str) {
        self.connections.accepted.with_label_values(&[listener]).inc();
    }

    /// Counts a connection as open until the guard is dropped.
    pub fn hold_connection(&self) -> Held {
        self.connections.open.inc();
        Held(self.connections.open.clone())
    }

    /// Counts a connection that ended before it asked for anything: probes of load balancers, port scans,
    /// connections that browsers open ahead.
    pub fn probe(&self) {
        self.connections.probes.inc();
    }

    /// Counts an accept error, by descriptors run out and the like.
    pub fn accept_error(&self) {
        self.connections.accept_errors.inc();
    }

    /// Counts a handshake with a client.
    pub fn handshake(&self, version: &str, resumed: bool, took: Duration) {
        let resumed = if resumed { "yes" } else { "no" };
        self.handshakes.made.with_label_values(&[version, resumed]).inc();
        self.handshakes.seconds.observe(took.as_secs_f64());
    }

    /// Counts a handshake with a client that has to wait for others.
    pub fn handshake_queued(&self) {
        self.handshakes.queued.inc();
    }

    /// Counts a handshake with a client that failed.
    pub fn handshake_failed(&self, kind: &'static str) {
        self.handshakes.failed.with_label_values(&[kind]).inc();
    }

    /// Counts a request head that was refused.
    pub fn head_refused(&self, reason: &'static str) {
        self.connections.heads_refused.with_label_values(&[reason]).inc();
    }

    /// Counts a connection that failed before its request was served.
    pub fn failure(&self, stage: &'static str, side: &'static str) {
        self.connections.failures.with_label_values(&[stage, side]).inc();
    }

    /// Counts a plain request that was answered.
    pub fn request(&self, status: u16) {
        let code = match status {
            ..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        self.connections.requests.with_label_values(&[code]).inc();
    }

    /// Counts a tunnel that was opened, some time after its connection was accepted.
    pub fn tunnel_opened(&self, listener: &str, upstream: &str, after: Duration) {
        self.tunnels.opened.with_label_values(&[listener, upstream]).inc();
        self.tunnels.upgrade_seconds.observe(after.as_secs_f64());
    }

    /// Counts a tunnel that was closed.
    pub fn tunnel_closed(&self, side: &'static str, reason: &'static str, lasted: Duration) {
        self.tunnels.closed.with_label_values(&[side, reason]).inc();
        self.tunnels.seconds.observe(lasted.as_secs_f64());
    }

    /// Counts a tunnel or a request that was cut because the server stops.
    pub fn cut(&self) {
        self.cut.inc();
    }

    /// Counts bytes that were moved.
    pub fn moved(&self, to_upstream: u64, to_client: u64) {
        self.tunnels.to_upstream_bytes.inc_by(to_upstream);
        self.tunnels.to_client_bytes.inc_by(to_client);
    }

    /// Counts a reload, or what of it was refused.
    pub fn reloaded(&self, result: std::result::Result<(), String>) {
        let word = if result.is_ok() { "done" } else { "refused" };
        self.reloads.with_label_values(&[word]).inc();
        let reload = Reload {
            at: unix_seconds(SystemTime::now()),
            done: result.is_ok(),
            reason: result.err(),
        };
        *lock(&self.last_reload) = Some(reload);
    }

    /// Writes all that was counted into a status that has its tunnels.
    pub fn fill(&self, status: &mut Status) {
        status.started_at = unix_seconds(self.started_at);
        status.uptime_seconds = self.started_at.elapsed().unwrap_or_default().as_secs();
        status.totals = Totals {
            connections_accepted: sum(&self.connections.accepted),
            connections_open: u64::try_from(self.connections.open.get()).unwrap_or_default(),
            probes: self.connections.probes.get(),
            failed: sum(&self.connections.failures),
            requests: sum(&self.connections.requests),
            tunnels_opened: sum(&self.tunnels.opened),
            tunnels_open: status.tunnels.iter().map(|tunnels| tunnels.open).sum(),
            cut: self.cut.get(),
            to_upstream_bytes: self.tunnels.to_upstream_bytes.get(),
            to_client_bytes: self.tunnels.to_client_bytes.get(),
            accept_errors: self.connections.accept_errors.get(),
        };
        let handshakes = read(&self.handshakes.made, ["version", "resumed"]).into_iter();
        status.handshakes = handshakes
            .map(|([version, resumed], count)| Handshakes {
                version,
                resumed: resumed == "yes",
                count,
            })
            .collect();
        let failed = read(&self.handshakes.failed, ["kind"]).into_iter();
        status.handshakes_failed =
            failed.map(|([kind], count)| FailedHandshakes { kind, count }).collect();
        let failures = read(&self.connections.failures, ["stage", "side"]).into_iter();
        status.failures =
            failures.map(|([stage, side], count)| Failures { stage, side, count }).collect();
        let results: BTreeMap<_, _> = read(&self.reloads, ["result"]).into_iter().collect();
        let count = |word: &str| results.get(&[word.to_owned()]).copied().unwrap_or_default();
        status.reloads = Reloads {
            done: count("done"),
            refused: count("refused"),
            last: lock(&self.last_reload).clone(),
        };
    }

    /// All of it as Prometheus reads it; what is so now is taken from `status`.
    pub fn render(&self, status: &Status) -> Result<String> {
        // Two who ask at once must not mix their states.
        let mut state = lock(&self.state);
        state.set(status);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// A connection that is counted as open, until dropped.
#[derive(Debug)]
pub struct Held(IntGauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Seconds since 1970; zero before.
fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A panic elsewhere cannot leave these half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
