//! What is so at a moment: set anew each time that somebody asks.

use std::collections::{BTreeMap, BTreeSet};

use prometheus::process_collector::ProcessCollector;
use prometheus::{IntCounterVec, IntGaugeVec, Result};

use super::family::Maker;
use crate::status::Status;

/// The families whose series come and go.
#[derive(Debug)]
pub(super) struct State {
    tunnels_open: IntGaugeVec,
    upstream_up: IntGaugeVec,
    upstream_connect_failures: IntCounterVec,
    /// Of each upstream: what it had counted when somebody asked last. One that goes and comes back counts anew.
    last_connect_failures: BTreeMap<String, u64>,
    certificate_expiry: IntGaugeVec,
}

impl State {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self> {
        let build =
            make.gauges("build_info", &["version"], "1; the version that runs is the label.")?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        make.0.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Self {
            tunnels_open: make.gauges(
                "tunnels_open",
                &["listener", "upstream"],
                "Tunnels open now.",
            )?,
            upstream_up: make.gauges(
                "upstream_up",
                &["upstream"],
                "Whether requests go to an upstream as usual.",
            )?,
            upstream_connect_failures: make.counters(
                "upstream_connect_failures_total",
                &["upstream"],
                "Connections to upstreams that were not made.",
            )?,
            last_connect_failures: BTreeMap::new(),
            certificate_expiry: make.gauges(
                "certificate_expiry_timestamp_seconds",
                &["certificate"],
                "When a certificate expires.",
            )?,
        })
    }

    pub(super) fn set(&mut self, status: &Status) {
        self.set_upstreams(status);
        self.tunnels_open.reset();
        for tunnels in &status.tunnels {
            let open = i64::try_from(tunnels.open).unwrap_or(i64::MAX);
            let labels = [&tunnels.listener, &tunnels.upstream];
            self.tunnels_open.with_label_values(&labels).set(open);
        }
        self.certificate_expiry.reset();
        for certificate in &status.certificates {
            let expiry = i64::try_from(certificate.not_after).unwrap_or(i64::MAX);
            self.certificate_expiry.with_label_values(&[&certificate.name]).set(expiry);
        }
    }

    /// A server in several pools is up when it is up in all of them.
    fn set_upstreams(&mut self, status: &Status) {
        let mut upstreams = BTreeMap::new();
        for member in status.upstreams.iter().flat_map(|pool| &pool.members) {
            let (up, failures) = upstreams.entry(&member.address).or_insert((true, 0));
            *up &= member.up;
            *failures += member.connect_failures;
        }
        let known: BTreeSet<String> = upstreams.keys().map(|address| (*address).clone()).collect();
        self.upstream_up.reset();
        for (address, (up, failures)) in upstreams {
            self.upstream_up.with_label_values(&[address]).set(i64::from(up));
            let last = self.last_connect_failures.insert(address.clone(), failures);
            let more = failures.checked_sub(last.unwrap_or_default()).unwrap_or(failures);
            self.upstream_connect_failures.with_label_values(&[address]).inc_by(more);
        }
        self.last_connect_failures.retain(|address, _| known.contains(address));
    }
}
