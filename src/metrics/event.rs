//! What happens: the families that only ever rise, and the connections that are open.

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, Result};

use super::family::Maker;

/// From some cycles of the CPU to the longest set-up.
const HANDSHAKE_BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0];

/// The same, and an upstream that takes its time.
const UPGRADE_BUCKETS: [f64; 12] =
    [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 25.0];

/// From a page that is left at once to one that is never closed.
const TUNNEL_BUCKETS: [f64; 11] =
    [0.1, 1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 604_800.0];

/// Connections, from accept to whatever they became.
#[derive(Debug)]
pub(super) struct Connections {
    pub(super) accepted: IntCounterVec,
    pub(super) open: IntGauge,
    pub(super) probes: IntCounter,
    pub(super) accept_errors: IntCounter,
    pub(super) heads_refused: IntCounterVec,
    pub(super) failures: IntCounterVec,
    pub(super) requests: IntCounterVec,
}

impl Connections {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self> {
        let requests = make.counters("requests_total", &["code"], "Plain requests answered.")?;
        for code in ["2xx", "3xx", "4xx", "5xx"] {
            requests.with_label_values(&[code]);
        }
        Ok(Self {
            accepted: make.counters(
                "connections_accepted_total",
                &["listener"],
                "Connections accepted.",
            )?,
            open: make.gauge("connections_open", "Connections open now.")?,
            probes: make
                .counter("probes_total", "Connections that ended before asking for anything.")?,
            accept_errors: make.counter("accept_errors_total", "Errors of accept(2).")?,
            heads_refused: make.counters(
                "heads_refused_total",
                &["reason"],
                "Request heads that were refused.",
            )?,
            failures: make.counters(
                "failures_total",
                &["stage", "side"],
                "Connections that failed before their request was served.",
            )?,
            requests,
        })
    }
}

/// Handshakes with clients.
#[derive(Debug)]
pub(super) struct Handshakes {
    pub(super) made: IntCounterVec,
    pub(super) queued: IntCounter,
    pub(super) failed: IntCounterVec,
    pub(super) seconds: Histogram,
}

impl Handshakes {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self> {
        let made = make.counters(
            "handshakes_total",
            &["version", "resumed"],
            "TLS handshakes made with clients.",
        )?;
        for labels in [["1.2", "no"], ["1.2", "yes"], ["1.3", "no"], ["1.3", "yes"]] {
            made.with_label_values(&labels);
        }
        Ok(Self {
            made,
            queued: make.counter(
                "handshakes_queued_total",
                "TLS handshakes that had to wait, as too many were under way.",
            )?,
            failed: make.counters(
                "handshakes_failed_total",
                &["kind"],
                "TLS handshakes with clients that failed.",
            )?,
            seconds: make.histogram(
                "handshake_seconds",
                &HANDSHAKE_BUCKETS,
                "Time of TLS handshakes with clients.",
            )?,
        })
    }
}

/// Tunnels, and bytes.
#[derive(Debug)]
pub(super) struct Tunnels {
    pub(super) opened: IntCounterVec,
    pub(super) closed: IntCounterVec,
    pub(super) to_upstream_bytes: IntCounter,
    pub(super) to_client_bytes: IntCounter,
    pub(super) upgrade_seconds: Histogram,
    pub(super) seconds: Histogram,
}

impl Tunnels {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self> {
        let bytes = make.counters("bytes_total", &["direction"], "Bytes of tunnels and bodies.")?;
        Ok(Self {
            opened: make.counters(
                "tunnels_opened_total",
                &["listener", "upstream"],
                "Tunnels opened.",
            )?,
            closed: make.counters(
                "tunnels_closed_total",
                &["side", "reason"],
                "Tunnels closed, by whom and why.",
            )?,
            to_upstream_bytes: bytes.with_label_values(&["to_upstream"]),
            to_client_bytes: bytes.with_label_values(&["to_client"]),
            upgrade_seconds: make.histogram(
                "upgrade_seconds",
                &UPGRADE_BUCKETS,
                "Time from accept to the upstream's 101.",
            )?,
            seconds: make.histogram(
                "tunnel_seconds",
                &TUNNEL_BUCKETS,
                "Time that tunnels were open.",
            )?,
        })
    }
}
