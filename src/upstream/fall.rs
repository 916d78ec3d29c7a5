//! How the tunnels of a member learn that it fell.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::drain::{self, Drain, Watch};

/// The window in whose last part the tunnels of a member that fell are closed.
const WINDOW: Duration = Duration::from_secs(10);

/// The falls of one member.
#[derive(Debug)]
pub(super) struct Fall(Mutex<State>);

#[derive(Debug)]
struct State {
    next: (Drain, Watch),
    /// Those under way. Who watches takes a drain that is gone for a word to end at once.
    past: Vec<Drain>,
}

impl Fall {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { next: drain::channel(), past: Vec::new() }))
    }

    /// Learns of the next fall.
    pub(super) fn watch(&self) -> Watch {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next.1.clone()
    }

    /// Tells those who watch, and begins anew for those who will.
    pub(super) fn tell(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (drain, _) = std::mem::replace(&mut state.next, drain::channel());
        drain.start(WINDOW);
        state.past.push(drain);
        state.past.retain(|drain| !drain.is_left());
    }
}
