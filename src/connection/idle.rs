//! Connections between two requests: when a place is needed, one of them goes first.

use futures_util::FutureExt as _;
use tokio::sync::Notify;

/// The connections that wait for their client's next request.
#[derive(Debug, Default)]
pub struct Idle {
    give_way: Notify,
}

impl Idle {
    /// Ends the one that has waited longest; when none waits, the next one that would.
    pub fn end_one(&self) {
        self.give_way.notify_one();
    }

    /// Takes back the word that nobody has heeded yet: a place was found otherwise.
    pub fn end_none(&self) {
        let _ = self.give_way.notified().now_or_never();
    }

    /// Waits until the caller has to give way. Cancel safe.
    pub(super) async fn give_way(&self) {
        self.give_way.notified().await;
    }
}
