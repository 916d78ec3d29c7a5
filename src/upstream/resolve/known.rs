//! What names last resolved to, kept for the time in which no name server answers (RFC 8767).
//!
//! An application that is up must be reached while name servers are down. Names are those of the settings,
//! so there are few of them.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Addresses;

/// How long an answer is good for when there is no other.
const KEPT: Duration = Duration::from_secs(3600);

/// How long name servers that did not answer are left alone.
const RECHECK: Duration = Duration::from_secs(5);

/// The last good answers, by name.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, Answer>>);

#[derive(Debug)]
struct Answer {
    addresses: Addresses,
    kept_at: Instant,
    /// When a newer one was last asked for in vain; none: it is the newest.
    failed_at: Option<Instant>,
}

impl Known {
    /// Takes a good answer.
    pub(super) fn keep(&self, name: &str, addresses: &Addresses, now: Instant) {
        let mut answers = self.answers();
        if answers.get(name).is_some_and(|answer| answer.failed_at.is_some()) {
            tracing::info!(name, "name resolves again");
        }
        let answer = Answer { addresses: addresses.clone(), kept_at: now, failed_at: None };
        match answers.get_mut(name) {
            Some(last) => *last = answer,
            None => drop(answers.insert(name.to_owned(), answer)),
        }
    }

    /// Drops what is known: the name is not there any more.
    pub(super) fn forget(&self, name: &str) {
        self.answers().remove(name);
    }

    /// Whether there is an answer to fall back to, if need be.
    pub(super) fn has(&self, name: &str) -> bool {
        self.answers().contains_key(name)
    }

    /// The answer that stands in, since name servers were asked a moment ago and are not to be asked yet.
    pub(super) fn standing_in(&self, name: &str, now: Instant) -> Option<Addresses> {
        let answers = self.answers();
        let answer = answers.get(name)?;
        let recent = |failed_at| now.saturating_duration_since(failed_at) < RECHECK;
        (answer.failed_at.is_some_and(recent) && answer.is_good(now))
            .then(|| answer.addresses.clone())
    }

    /// The answer that stands in for the one which `error` came instead of.
    pub(super) fn fall_back(
        &self,
        name: &str,
        error: &io::Error,
        now: Instant,
    ) -> Option<Addresses> {
        let mut answers = self.answers();
        let answer = answers.get_mut(name)?;
        if !answer.is_good(now) {
            answers.remove(name);
            return None;
        }
        if answer.failed_at.replace(now).is_none() {
            tracing::warn!(name, %error, "name not resolved, its last addresses stand in");
        }
        Some(answer.addresses.clone())
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<String, Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn is_good(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.kept_at) < KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stands_in_for_an_hour_and_name_servers_have_a_pause() {
        let known = Known::default();
        let start = Instant::now();
        let silent = io::Error::from(io::ErrorKind::TimedOut);
        let there = Some(Addresses::loopback());
        assert_eq!(known.fall_back("app", &silent, start), None);
        known.keep("app", &Addresses::loopback(), start);
        assert!(known.has("app") && !known.has("other"));
        assert_eq!(known.standing_in("app", start), None, "nothing has failed");
        assert_eq!(known.fall_back("app", &silent, start), there);
        assert_eq!(known.standing_in("app", start), there);
        assert_eq!(known.standing_in("app", start + RECHECK), None);
        assert_eq!(known.fall_back("app", &silent, start + RECHECK), there);
        assert_eq!(known.fall_back("app", &silent, start + KEPT), None);
        assert!(!known.has("app"));
    }

    #[test]
    fn a_good_answer_ends_it_and_a_name_that_is_gone_is_forgotten() {
        let known = Known::default();
        let now = Instant::now();
        known.keep("app", &Addresses::default(), now);
        known.fall_back("app", &io::Error::other("refused"), now);
        known.keep("app", &Addresses::loopback(), now);
        assert_eq!(known.standing_in("app", now), None);
        known.forget("app");
        assert_eq!(known.fall_back("app", &io::Error::other("refused"), now), None);
    }
}
