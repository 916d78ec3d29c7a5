//! The end of a tunnel that somebody outside of it wants.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::Reason;

/// When a tunnel has to end, and why, as far as that is known from outside.
#[derive(Debug, Default)]
pub struct Ending {
    /// Whether there is one: it is asked for with every message.
    is_set: AtomicBool,
    at: Mutex<Option<(Instant, Reason)>>,
    waker: AtomicWaker,
}

impl Ending {
    /// Ends the tunnel then; what was said before does not count any more.
    pub fn end_at(&self, at: Instant, reason: Reason) {
        *self.lock() = Some((at, reason));
        self.is_set.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// What was said last. Has `waker` woken by what is said from now on.
    pub(super) fn poll(&self, waker: &Waker) -> Option<(Instant, Reason)> {
        self.waker.register(waker);
        self.get()
    }

    /// What was said last.
    pub(super) fn get(&self) -> Option<(Instant, Reason)> {
        if self.is_set.load(Ordering::Acquire) { *self.lock() } else { None }
    }

    /// A panic elsewhere cannot leave it half changed.
    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Reason)>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
