//! Counters of one server, and guards that keep its gauges true. Handed in, never global.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What was counted since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections that ended before they asked for anything: probes of load balancers, port scans,
    /// connections that browsers open ahead.
    pub probes: Counter,
    /// Connections that failed before their request was served.
    pub failed: Counter,
    /// Requests answered by an upstream with anything but a tunnel.
    pub requests: Counter,
    /// Tunnels opened.
    pub tunnels_opened: Counter,
    /// Tunnels and requests cut because the server stopped.
    pub cut: Counter,
    /// Bytes of tunnels and bodies to upstreams.
    pub to_upstream_bytes: Counter,
    /// Bytes of tunnels and bodies to clients.
    pub to_client_bytes: Counter,
    /// Accept errors, by descriptors run out and the like.
    pub accept_errors: Counter,
    /// Tunnels open now.
    pub tunnels_open: Gauge,
}

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts `amount` more.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// The count.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number of things that are there now, each held by a guard.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Counts one until the guard is dropped.
    pub fn hold(&self) -> GaugeGuard {
        self.0.fetch_add(1, Relaxed);
        GaugeGuard(Arc::clone(&self.0))
    }

    /// How many there are.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One of the things that a [`Gauge`] counts.
#[derive(Debug)]
pub struct GaugeGuard(Arc<AtomicU64>);

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_counts_its_guards() {
        let gauge = Gauge::default();
        let (one, two) = (gauge.hold(), gauge.hold());
        assert_eq!(gauge.value(), 2);
        drop(one);
        assert_eq!(gauge.value(), 1);
        drop(two);
        assert_eq!(gauge.value(), 0);
    }
}
