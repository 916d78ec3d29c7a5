//! Making families of metrics in a registry, and reading them back.

use prometheus::core::Collector as _;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    Result,
};

/// What every name begins with.
const NAMESPACE: &str = "wssgate";

/// Makes families that the registry knows.
pub(super) struct Maker<'a>(pub(super) &'a Registry);

impl Maker<'_> {
    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter> {
        let counter = IntCounter::with_opts(opts(name, help))?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    pub(super) fn counters(
        &self,
        name: &str,
        labels: &[&str],
        help: &str,
    ) -> Result<IntCounterVec> {
        let counters = IntCounterVec::new(opts(name, help), labels)?;
        self.0.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge> {
        let gauge = IntGauge::with_opts(opts(name, help))?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    pub(super) fn gauges(&self, name: &str, labels: &[&str], help: &str) -> Result<IntGaugeVec> {
        let gauges = IntGaugeVec::new(opts(name, help), labels)?;
        self.0.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    pub(super) fn histogram(&self, name: &str, buckets: &[f64], help: &str) -> Result<Histogram> {
        let opts = HistogramOpts { common_opts: opts(name, help), buckets: buckets.to_vec() };
        let histogram = Histogram::with_opts(opts)?;
        self.0.register(Box::new(histogram.clone()))?;
        Ok(histogram)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}

/// Every series of a family: the values of these labels, and the count.
pub(super) fn read<const N: usize>(
    family: &IntCounterVec,
    labels: [&str; N],
) -> Vec<([String; N], u64)> {
    let mut series = Vec::new();
    for metric in family.collect().iter().flat_map(|family| family.get_metric()) {
        let value = |name: &str| {
            let label = metric.get_label().iter().find(|label| label.name() == name);
            label.map(|label| label.value().to_owned()).unwrap_or_default()
        };
        // Counts are whole.
        series.push((labels.map(value), metric.get_counter().get_value() as u64));
    }
    series.sort();
    series
}

/// The sum of a family.
pub(super) fn sum(family: &IntCounterVec) -> u64 {
    read(family, []).iter().map(|(_, count)| count).sum()
}
