//! Whether a member is up, as far as that can be told from what happened: requests that failed
//! (passive), results of checks (active). Nothing is sent and no clock is read here.
//!
//! A member is out when its checks say so, or when `max_fails` requests failed within `fail_timeout`. In
//! the second case one request is let through after `fail_timeout`: if that goes well the member is back,
//! if not, or if nobody says how it went, the next one has to wait for another `fail_timeout`.

use std::time::Duration;

use tokio::time::Instant;

/// When a member counts as failed, and how gently it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Failures that take a member out; zero: none does.
    pub max_fails: u32,
    /// The time within which they happen, and for which the member then is out.
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

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        max_fails: 3,
        fail_timeout: Duration::from_secs(10),
        slow_start: Duration::from_secs(30),
    };

    /// A member's health and a clock.
    struct Case(Health, Settings, Instant);

    impl Case {
        fn new(settings: Settings) -> Self {
            Self(Health::new(), settings, Instant::now())
        }

        /// `f`: a failure, `s`: a success, `t`: an attempt to begin a trial, `+`: a check found it up, `-`:
        /// down, a digit: so many seconds pass. What changed comes back.
        fn play(&mut self, script: &str) -> Vec<Change> {
            let Self(health, settings, now) = self;
            let step = |step| match step {
                'f' => health.report(Outcome::Failure, settings, *now),
                's' => health.report(Outcome::Success, settings, *now),
                '+' => health.set_checked(true, *now),
                '-' => health.set_checked(false, *now),
                't' => {
                    health.admit(settings, *now);
                    None
                }
                digit => {
                    *now += Duration::from_secs(digit.to_digit(10).unwrap().into());
                    None
                }
            };
            script.chars().filter_map(step).collect()
        }

        fn standing(&self) -> Standing {
            self.0.standing(&self.1, self.2)
        }

        fn share(&self) -> f64 {
            self.0.share(&self.1, self.2)
        }
    }

    #[test]
    fn failures_within_the_time_take_a_member_out() {
        let cases = [
            ("", Standing::Up),
            ("ff", Standing::Up),
            ("fff", Standing::Down),
            ("f4f4f", Standing::Down),
            // A success makes up for nothing.
            ("fsfsf", Standing::Down),
            // The time began with the first failure, and then anew with the third.
            ("f9f1f", Standing::Up),
            ("f9f1ff", Standing::Up),
            ("f9f1f9ff", Standing::Down),
            ("fff9", Standing::Down),
            ("fff91", Standing::Trial),
            // Failures while it is out (it was tried for want of a better one) prolong that.
            ("fff9f9", Standing::Down),
            ("fff9f91", Standing::Trial),
            ("fffs", Standing::Up),
            // After its return it has all its lives again.
            ("fffsff", Standing::Up),
            ("fffsfff", Standing::Down),
        ];
        for (script, standing) in cases {
            let mut case = Case::new(SETTINGS);
            case.play(script);
            assert_eq!(case.standing(), standing, "{script}");
        }
    }

    #[test]
    fn one_failure_is_enough_unless_told_otherwise_and_none_with_zero() {
        let mut case = Case::new(Settings::default());
        assert_eq!(case.play("f"), [Change::Fell]);
        let mut case = Case::new(Settings { max_fails: 0, ..SETTINGS });
        assert_eq!(case.play("ffffffffff"), []);
        assert_eq!(case.standing(), Standing::Up);
    }

    #[test]
    fn a_member_that_is_out_is_tried_once_each_time() {
        let mut case = Case::new(SETTINGS);
        case.play("fff91");
        let Case(health, settings, now) = &mut case;
        let admitted = (0..10).filter(|_| health.admit(settings, *now)).count();
        assert_eq!(admitted, 1);
        // Nobody said how it went.
        case.play("9");
        assert_eq!(case.standing(), Standing::Down);
        case.play("1");
        assert_eq!(case.standing(), Standing::Trial);
        case.play("t5f");
        case.play("9");
        assert_eq!(case.standing(), Standing::Down, "its time begins with the failure");
        case.play("1");
        assert_eq!(case.standing(), Standing::Trial);
        assert_eq!(case.play("ts"), [Change::Returned]);
        assert_eq!(case.standing(), Standing::Up);
    }

    #[test]
    fn a_fall_is_told_once_and_a_return_too() {
        use Change::{Fell, Returned};
        let cases: [(&str, &[Change]); 5] = [
            ("ffffff9f91tf91tss", &[Fell, Returned]),
            ("--++--", &[Fell, Returned, Fell]),
            ("+", &[]),
            // The failures come on top, and go with the check.
            ("-fff+", &[Fell, Returned]),
            // A request that went well, for want of a better member, overrules no check.
            ("fff-s9+", &[Fell, Returned]),
        ];
        for (script, changes) in cases {
            assert_eq!(Case::new(SETTINGS).play(script), changes, "{script}");
        }
    }

    #[test]
    fn what_checks_found_down_gets_no_trial() {
        let mut case = Case::new(SETTINGS);
        case.play("fff-9999");
        assert_eq!(case.standing(), Standing::Down);
        assert!(!case.0.admit(&case.1, case.2));
        case.play("+");
        assert_eq!(case.standing(), Standing::Up);
    }

    #[test]
    fn a_slow_start_grows_by_the_time() {
        for fall_and_return in ["-+", "fff91ts"] {
            let mut case = Case::new(SETTINGS);
            assert_eq!(case.share(), 1.0, "a new member has all its weight");
            case.play(fall_and_return);
            let shares: Vec<f64> = (0..8)
                .map(|_| {
                    let share = case.share();
                    assert_eq!(case.0.is_steady(&case.1, case.2), share == 1.0);
                    case.play("5");
                    (share * 100.0).round()
                })
                .collect();
            assert_eq!(shares, [10.0, 25.0, 40.0, 55.0, 70.0, 85.0, 100.0, 100.0]);
        }
        let mut case = Case::new(Settings { slow_start: Duration::ZERO, ..SETTINGS });
        case.play("-+");
        assert_eq!(case.share(), 1.0);
    }

    #[test]
    fn checks_count_in_a_row() {
        let verdicts = |mut streak: Streak, results: &str| -> String {
            let verdict = |result| if streak.record(result == '+') { '+' } else { '-' };
            results.chars().map(verdict).collect()
        };
        let cases = [
            (Streak::new(2, 3, true), "--+---+-++-", "+++++----++"),
            (Streak::new(2, 3, false), "+-++", "---+"),
            (Streak::new(1, 1, true), "-+-", "-+-"),
            (Streak::new(0, 0, true), "-+-", "-+-"),
        ];
        for (streak, results, expected) in cases {
            assert_eq!(verdicts(streak, results), expected, "{results}");
        }
    }
}
