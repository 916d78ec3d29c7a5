//! A histogram of times that many tasks fill at once: 64 steps to each power of two of nanoseconds, so that what is
//! read from it is at most 1/64 too long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const STEP_BITS: u32 = 6;
const STEPS: usize = 1 << STEP_BITS;
const BUCKETS: usize = (u64::BITS - STEP_BITS + 1) as usize * STEPS;

/// Times, counted by their length.
pub(crate) struct Histogram {
    counts: Vec<AtomicU64>,
}

/// The counts of one moment.
pub(crate) struct Counts(Vec<u64>);

impl Histogram {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self { counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Counts one.
    pub(crate) fn add(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanoseconds)].fetch_add(1, Ordering::Relaxed);
    }

    /// What has been counted so far.
    pub(crate) fn read(&self) -> Counts {
        Counts(self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect())
    }
}

impl Counts {
    /// The time that this share of those counted since `earlier` did not exceed.
    pub(crate) fn quantile(&self, earlier: &Self, share: f64) -> Option<Duration> {
        let since = || self.0.iter().zip(&earlier.0).map(|(now, then)| now - then);
        let wanted = (since().sum::<u64>() as f64 * share).ceil();
        let mut seen = 0;
        let (index, _) = since().enumerate().find(|(_, count)| {
            seen += count;
            seen > 0 && seen as f64 >= wanted
        })?;
        Some(Duration::from_nanos(longest(index)))
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let shift = (u64::BITS - nanoseconds.leading_zeros()).saturating_sub(STEP_BITS + 1);
    // Below the first power of two that has all its steps, a step is a nanosecond.
    shift as usize * STEPS + (nanoseconds >> shift) as usize
}

fn longest(bucket: usize) -> u64 {
    let shift = (bucket / STEPS).saturating_sub(1);
    let step = (bucket - shift * STEPS) as u64;
    ((step + 1) << shift) - 1
}
