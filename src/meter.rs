//! Counts what passes through one connection in each direction, and remembers when the last byte did.
//!
//! Counters outlive the copying that feeds them: what a failed copy moved is not lost.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes in each direction since its making, and the time of the last one.
#[derive(Debug)]
pub struct Meter {
    made: Instant,
    /// Nanoseconds from `made` to the last byte.
    moved: AtomicU64,
    to_upstream: AtomicU64,
    to_client: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            made: Instant::now(),
            moved: AtomicU64::new(0),
            to_upstream: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
        }
    }
}

impl Meter {
    /// Counts bytes that were written to the upstream. Returns the time since the last byte either way.
    pub fn add_to_upstream(&self, bytes: usize) -> Duration {
        self.to_upstream.fetch_add(bytes as u64, Relaxed);
        self.touch()
    }

    /// Counts bytes that were written to the client. Returns the time since the last byte either way.
    pub fn add_to_client(&self, bytes: usize) -> Duration {
        self.to_client.fetch_add(bytes as u64, Relaxed);
        self.touch()
    }

    /// Marks this moment as one in which something moved. Returns the time since the last one.
    pub fn touch(&self) -> Duration {
        let elapsed = u64::try_from(self.made.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let last = self.moved.swap(elapsed, Relaxed);
        Duration::from_nanos(elapsed.saturating_sub(last))
    }

    /// When the last byte moved; the meter's making, before the first.
    pub fn moved_at(&self) -> Instant {
        self.made + Duration::from_nanos(self.moved.load(Relaxed))
    }

    /// Bytes written to the upstream.
    pub fn to_upstream(&self) -> u64 {
        self.to_upstream.load(Relaxed)
    }

    /// Bytes written to the client.
    pub fn to_client(&self) -> u64 {
        self.to_client.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_counts_each_way_and_keeps_the_time_of_the_last_byte() {
        let meter = Meter::default();
        let made = Instant::now();
        assert_eq!(meter.moved_at(), made);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(meter.moved_at(), made, "time alone moves nothing");
        assert_eq!(meter.add_to_upstream(5), Duration::from_secs(3));
        assert_eq!(meter.moved_at(), made + Duration::from_secs(3));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(meter.add_to_client(7), Duration::from_secs(1));
        assert_eq!(meter.add_to_client(1), Duration::ZERO);
        assert_eq!((meter.to_upstream(), meter.to_client()), (5, 8));
        assert_eq!(meter.moved_at(), made + Duration::from_secs(4));
        tokio::time::advance(Duration::from_secs(1)).await;
        meter.touch();
        assert_eq!((meter.to_upstream(), meter.to_client()), (5, 8));
        assert_eq!(meter.moved_at(), made + Duration::from_secs(5));
    }
}
