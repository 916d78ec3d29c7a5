//! Stopping: "no more set-ups", "this long for what runs" and "everyone has left", in one watch channel.
//!
//! The [`Drain`] is the server's; every connection holds a [`Watch`]. The channel's receivers are the
//! count of those still here, so that nobody can be forgotten: a task that ends has left.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The last part of the drain window, over which tunnels that are left are closed: most of it, as the more slowly
/// clients come back the less they are a storm, and the first part lets those go that are about to.
const SPREAD: f64 = 0.8;

/// How long set-ups that a drain has found under way may go on: enough for a handshake and a head.
const SET_UP_GRACE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
enum Phase {
    Running,
    Draining { from: Instant, until: Instant },
    Now,
}

impl Phase {
    /// When one has to close who drew `share` (0 to 1).
    fn close_at(self, share: f64) -> Option<Instant> {
        match self {
            Self::Running => None,
            Self::Draining { from, until } => Some(until - (until - from).mul_f64(SPREAD * share)),
            Self::Now => Some(Instant::now()),
        }
    }
}

/// The side that stops.
#[derive(Debug)]
pub struct Drain(watch::Sender<Phase>);

/// The side that is stopped; cheap to clone.
#[derive(Clone, Debug)]
pub struct Watch(watch::Receiver<Phase>);

/// A new drain, running, and its first watch.
pub fn channel() -> (Drain, Watch) {
    let (sender, receiver) = watch::channel(Phase::Running);
    (Drain(sender), Watch(receiver))
}

impl Drain {
    /// Begins the drain: set-ups end soon, tunnels within `window`.
    pub fn start(&self, window: Duration) {
        let from = Instant::now();
        self.0.send_replace(Phase::Draining { from, until: from + window });
    }

    /// Ends everything at once.
    pub fn cut(&self) {
        self.0.send_replace(Phase::Now);
    }

    /// When a holder has to close, as [`Watch::close_at`].
    pub fn close_at(&self, share: f64) -> Option<Instant> {
        self.0.borrow().close_at(share)
    }

    /// Whether the last watch was dropped.
    pub fn is_left(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until the last watch was dropped.
    pub async fn left(&self) {
        self.0.closed().await;
    }
}

impl Watch {
    /// Whether a drain has begun.
    pub fn is_stopping(&self) -> bool {
        !matches!(*self.0.borrow(), Phase::Running)
    }

    /// Waits for the drain's begin: nothing new begins from here on. Cancel safe.
    pub async fn stopping(&mut self) {
        // An error means that the server is gone, which is a stop as well.
        let _ = self.0.wait_for(|phase| !matches!(phase, Phase::Running)).await;
    }

    /// Waits for the moment at which set-ups end. It is a little after the drain's begin: who was accepted just before
    /// it would have been served, had he come to the next process on the same socket. Cancel safe.
    pub async fn set_ups_end(&mut self) {
        self.stopping().await;
        let Phase::Draining { from, until } = *self.0.borrow() else { return };
        tokio::select! {
            () = sleep_until(until.min(from + SET_UP_GRACE)) => {}
            _ = self.0.wait_for(|phase| matches!(phase, Phase::Now)) => {}
        }
    }

    /// When this holder has to close, once a drain has begun: at a point of the window's last part that
    /// `share` (0 to 1, drawn by the caller) picks, so that clients do not all come back in the same second.
    pub fn close_at(&self, share: f64) -> Option<Instant> {
        self.0.borrow().close_at(share)
    }

    /// Waits for the moment at which this holder has to close, as [`Self::close_at`]. Cancel safe.
    pub async fn cut(mut self, share: f64) {
        loop {
            let phase = *self.0.borrow_and_update();
            let close_at = match phase {
                Phase::Now => return,
                phase => phase.close_at(share),
            };
            let changed = self.0.changed();
            match close_at {
                None => {
                    if changed.await.is_err() {
                        return;
                    }
                }
                Some(instant) => tokio::select! {
                    changed = changed => if changed.is_err() { return },
                    () = sleep_until(instant) => return,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn cuts_are_spread_over_the_last_part_of_the_window() {
        let (drain, watch) = channel();
        let start = Instant::now();
        drain.start(Duration::from_secs(10));
        watch.clone().cut(0.0).await;
        assert_eq!(start.elapsed().as_secs(), 10);

        drain.start(Duration::from_secs(10));
        let start = Instant::now();
        watch.cut(1.0).await;
        assert_eq!(start.elapsed().as_secs(), 2);
        drain.left().await;
    }

    #[tokio::test(start_paused = true)]
    async fn set_ups_end_a_little_after_the_begin_and_within_the_window() {
        for (window, end) in [(25, 2), (1, 1), (0, 0)] {
            let (drain, mut watch) = channel();
            let start = Instant::now();
            drain.start(Duration::from_secs(window));
            watch.set_ups_end().await;
            assert_eq!(start.elapsed().as_secs(), end, "{window}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_word_cuts_at_once() {
        let (drain, mut watch) = channel();
        drain.start(Duration::from_secs(10));
        watch.stopping().await;
        let start = Instant::now();
        drain.cut();
        watch.set_ups_end().await;
        watch.cut(0.0).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
