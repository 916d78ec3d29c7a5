//! Connections between two requests: who they are is not known, how many is, and they go first.

use tokio::sync::Notify;

use crate::metrics::{Gauge, GaugeGuard};

/// The connections that wait for their client's next request.
#[derive(Debug, Default)]
pub struct Idle {
    waiting: Gauge,
    give_way: Notify,
}

impl Idle {
    /// Ends the one that has waited longest, if there is one: its place is needed.
    pub fn end_one(&self) {
        // A word that nobody waits for would be kept for the next one.
        if self.waiting.value() > 0 {
            self.give_way.notify_one();
        }
    }

    /// Counts the caller among them until the guard is dropped.
    pub(super) fn enter(&self) -> GaugeGuard {
        self.waiting.hold()
    }

    /// Waits until the caller has to give way. Cancel safe.
    pub(super) async fn give_way(&self) {
        self.give_way.notified().await;
    }
}
