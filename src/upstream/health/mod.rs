//! Whether a member is up, as far as that can be told from what happened: requests that failed
//! (passive), results of checks (active). Nothing is sent and no clock is read here.
//!
//! A member is out when its checks say so, or when `max_fails` requests failed within `fail_timeout`. In
//! the second case one request is let through after `fail_timeout`: if that goes well the member is back,
//! if not, or if nobody says how it went, the next one has to wait for another `fail_timeout`.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

/// When a member counts as failed, and how gently it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Failures that take a member out; zero: none does.
    pub max_fails: u32,
    /// The time within which they happen, and for which the member then is out; zero: the next request
    /// tries it.
    pub fail_timeout: Duration,
    /// The time in which the weight of a member that came back grows to the whole; zero: at once.
    pub slow_start: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_fails: 1, fail_timeout: Duration::from_secs(10), slow_start: Duration::ZERO }
    }
}

/// How an attempt to reach a member went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it is there for.
    Success,
    /// It was not reached, or did something else.
    Failure,
}

/// What a member is good for at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// For anything.
    Up,
    /// For one request, which shows whether it is back.
    Trial,
    /// For nothing, unless there is nothing better.
    Down,
}

/// What has become of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was up and is no more.
    Fell,
    /// It is up again.
    Returned,
}

/// The share of its weight with which a member comes back.
const FIRST_SHARE: f64 = 0.1;

/// All that is known of one member.
#[derive(Debug)]
pub(super) struct Health {
    checked_up: bool,
    /// Failures since `first_failure`.
    fails: u32,
    first_failure: Option<Instant>,
    /// The last failure, or the beginning of the last trial, of a member that failures took out.
    out_since: Option<Instant>,
    /// Set for the time of the slow start.
    returned: Option<Instant>,
}

impl Health {
    /// Up until told otherwise.
    pub(super) fn new() -> Self {
        Self { checked_up: true, fails: 0, first_failure: None, out_since: None, returned: None }
    }

    pub(super) fn standing(&self, settings: &Settings, now: Instant) -> Standing {
        match self.out_since {
            _ if !self.checked_up => Standing::Down,
            None => Standing::Up,
            Some(since) if has_passed(settings.fail_timeout, since, now) => Standing::Trial,
            Some(_) => Standing::Down,
        }
    }

    /// Whether a request may go there now as to a healthy member. A trial begins with it.
    pub(super) fn admit(&mut self, settings: &Settings, now: Instant) -> bool {
        match self.standing(settings, now) {
            Standing::Up => true,
            Standing::Trial => {
                self.out_since = Some(now);
                true
            }
            Standing::Down => false,
        }
    }

    pub(super) fn report(
        &mut self,
        outcome: Outcome,
        settings: &Settings,
        now: Instant,
    ) -> Option<Change> {
        let before = self.is_up();
        match outcome {
            // As in nginx a success makes up for no failure: the time that passes does.
            Outcome::Success if self.out_since.is_some() => self.come_back(now),
            Outcome::Success => {}
            Outcome::Failure => self.fail(settings, now),
        }
        self.change(before)
    }

    pub(super) fn is_checked_up(&self) -> bool {
        self.checked_up
    }

    pub(super) fn set_checked(&mut self, up: bool, now: Instant) -> Option<Change> {
        let before = self.is_up();
        if up && !self.checked_up {
            // What failed before the check failed says nothing of today.
            self.come_back(now);
        }
        self.checked_up = up;
        self.change(before)
    }

    /// The part of its weight that counts now.
    pub(super) fn share(&self, settings: &Settings, now: Instant) -> f64 {
        match self.returned {
            Some(since) if !has_passed(settings.slow_start, since, now) => {
                let passed = now.saturating_duration_since(since);
                FIRST_SHARE + (1.0 - FIRST_SHARE) * passed.div_duration_f64(settings.slow_start)
            }
            _ => 1.0,
        }
    }

    /// Whether it is up with its whole weight, and stays so until somebody says otherwise.
    pub(super) fn is_steady(&self, settings: &Settings, now: Instant) -> bool {
        let is_starting =
            self.returned.is_some_and(|since| !has_passed(settings.slow_start, since, now));
        self.is_up() && !is_starting
    }

    fn is_up(&self) -> bool {
        self.checked_up && self.out_since.is_none()
    }

    fn change(&self, before: bool) -> Option<Change> {
        match (before, self.is_up()) {
            (true, false) => Some(Change::Fell),
            (false, true) => Some(Change::Returned),
            _ => None,
        }
    }

    fn come_back(&mut self, now: Instant) {
        (self.fails, self.first_failure, self.out_since) = (0, None, None);
        self.returned = Some(now);
    }

    fn fail(&mut self, settings: &Settings, now: Instant) {
        if settings.max_fails == 0 {
            return;
        }
        match self.first_failure {
            Some(first) if !has_passed(settings.fail_timeout, first, now) => {
                self.fails = self.fails.saturating_add(1);
            }
            _ => (self.fails, self.first_failure) = (1, Some(now)),
        }
        if self.out_since.is_some() || self.fails >= settings.max_fails {
            self.out_since = Some(now);
        }
    }
}

/// Turns results of single checks into up and down: `rise` good ones in a row, `fall` bad ones in a row.
#[derive(Debug)]
pub struct Streak {
    rise: u32,
    fall: u32,
    up: bool,
    /// Results in a row that speak against `up`.
    against: u32,
}

impl Streak {
    /// For a member that is taken to be up, or down, before its first check. Zero counts as one.
    pub fn new(rise: u32, fall: u32, up: bool) -> Self {
        Self { rise, fall, up, against: 0 }
    }

    /// Counts one result; returns whether the member is up.
    pub fn record(&mut self, is_good: bool) -> bool {
        if is_good == self.up {
            self.against = 0;
            return self.up;
        }
        self.against += 1;
        if self.against >= if self.up { self.fall } else { self.rise } {
            (self.up, self.against) = (is_good, 0);
        }
        self.up
    }
}

fn has_passed(duration: Duration, since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) >= duration
}
