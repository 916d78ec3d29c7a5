//! What a run measures, and its sizes.

use std::path::PathBuf;
use std::time::Duration;

use crate::figure::Figure;

/// What a run measures, and its sizes.
pub(crate) struct Plan {
    /// The rows of the report.
    pub(crate) figures: Vec<Figure>,
    /// How often each program is started and measured.
    pub(crate) rounds: usize,
    /// The same for memory, which differs little from round to round and takes long.
    pub(crate) memory_rounds: usize,
    /// How long the CPU time of one load is counted.
    pub(crate) window: Duration,
    /// Idle tunnels for the memory figures.
    pub(crate) tunnels: usize,
    /// Open tunnels for the cost of a message among few, and among many.
    pub(crate) few: usize,
    pub(crate) many: usize,
    /// How long a load runs before it counts.
    pub(crate) warm_up: Duration,
    /// How long the tunnels are left alone, open or closed, before the memory is read.
    pub(crate) rest: Duration,
    /// How often a start and `--version` are timed in a round.
    pub(crate) starts: usize,
    /// The file of wssgate as it is handed out; none: what this bench has built, stripped.
    pub(crate) dist: Option<PathBuf>,
}

impl Plan {
    /// The run whose figures are published.
    pub(crate) fn full() -> Self {
        Self {
            figures: Figure::ALL.to_vec(),
            rounds: 5,
            memory_rounds: 3,
            window: Duration::from_secs(3),
            tunnels: 4000,
            few: 500,
            many: 9000,
            warm_up: Duration::from_millis(500),
            rest: Duration::from_secs(10),
            starts: 9,
            dist: None,
        }
    }

    /// A run that only shows that everything works.
    pub(crate) fn quick() -> Self {
        Self {
            rounds: 1,
            memory_rounds: 1,
            window: Duration::from_millis(300),
            tunnels: 100,
            few: 64,
            many: 200,
            warm_up: Duration::from_millis(200),
            rest: Duration::from_millis(500),
            starts: 1,
            ..Self::full()
        }
    }

    /// Open files that one process needs: a tunnel is two sockets here (client and origin) and two in the proxy.
    pub(crate) fn open_files(&self) -> u64 {
        let asks = |figures: &[Figure]| self.figures.iter().any(|figure| figures.contains(figure));
        let many = if asks(&[Figure::FewTunnels, Figure::ManyTunnels, Figure::FewOfMany]) {
            self.many
        } else {
            0
        };
        2 * self.tunnels.max(many) as u64 + 500
    }
}
