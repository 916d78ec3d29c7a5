//! How many connections a listener has, and those of them that wait for their client's next request:
//! when a place is needed, one of these goes first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use futures_util::FutureExt as _;
use tokio::sync::Notify;

/// The places of a listener's connections. They outlive a reload, which may change how many there are.
#[derive(Debug)]
pub struct Places {
    taken: AtomicUsize,
    /// Whether the accept loop has passed by for want of a place.
    is_awaited: AtomicBool,
    freed: Arc<Notify>,
    give_way: Notify,
}

/// One of them, until dropped.
#[derive(Debug)]
pub struct Place(Arc<Places>);

impl Places {
    /// None is taken. `freed` is told when there is one again that was waited for.
    pub fn new(freed: Arc<Notify>) -> Self {
        Self {
            taken: AtomicUsize::new(0),
            is_awaited: AtomicBool::new(false),
            freed,
            give_way: Notify::new(),
        }
    }

    /// Whether one of `limit` is left; none: there is no limit. Who is told no will be woken.
    pub fn has_one(&self, limit: Option<usize>) -> bool {
        let Some(limit) = limit else { return true };
        if self.taken.load(SeqCst) < limit {
            return true;
        }
        self.is_awaited.store(true, SeqCst);
        // One may have left before it could know that it is waited for.
        self.taken.load(SeqCst) < limit
    }

    /// Takes one; there must be one. With the last of `limit`, a connection that waits is ended.
    pub fn take(self: &Arc<Self>, limit: Option<usize>) -> Place {
        let taken = self.taken.fetch_add(1, SeqCst) + 1;
        if limit.is_some_and(|limit| taken >= limit) {
            self.end_one();
        }
        Place(Arc::clone(self))
    }

    /// Ends the connection that has waited longest; when none waits, the next one that would.
    pub fn end_one(&self) {
        self.give_way.notify_one();
    }

    /// Takes back the word that nobody has heeded yet: a place was found otherwise.
    pub fn end_none(&self) {
        let _ = self.give_way.notified().now_or_never();
    }

    /// Waits until the caller, who waits for a request, has to give way. Cancel safe.
    pub(super) async fn give_way(&self) {
        self.give_way.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self(places) = self;
        places.taken.fetch_sub(1, SeqCst);
        places.end_none();
        if places.is_awaited.swap(false, SeqCst) {
            places.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_was_waited_for_is_told_of() {
        let freed = Arc::new(Notify::new());
        let places = Arc::new(Places::new(Arc::clone(&freed)));
        let is_told = || freed.notified().now_or_never().is_some();
        let one = places.take(Some(2));
        let two = places.take(Some(2));
        drop(two);
        assert!(!is_told(), "nobody waited");
        let two = places.take(Some(2));
        assert!(!places.has_one(Some(2)) && places.has_one(Some(3)) && places.has_one(None));
        drop(one);
        assert!(is_told());
        assert!(places.has_one(Some(2)));
        drop(two);
        assert!(!is_told());
    }

    #[test]
    fn the_last_place_ends_one_that_waits_unless_another_leaves() {
        let places = Arc::new(Places::new(Arc::default()));
        let ends = || places.give_way().now_or_never().is_some();
        let one = places.take(Some(1));
        assert!(ends() && !ends(), "one, and no other");
        drop(one);
        let one = places.take(Some(1));
        drop(one);
        assert!(!ends());
    }
}
