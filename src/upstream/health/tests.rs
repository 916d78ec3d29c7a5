//! Stories of members that fail and come back, a letter an event.

use std::time::Duration;

use tokio::time::Instant;

use super::{Change, Health, Outcome, Settings, Standing, Streak};

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
