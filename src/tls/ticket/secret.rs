//! The secrets that tickets are sealed under: the newest, and those before it until their time is up.
//! Changes are made on a clone, which its owner puts in place when all has gone well.

use std::collections::VecDeque;
use std::iter;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hkdf, rand};

use super::key::{Key, Ring};

/// Replaced secrets that are remembered: with more, the oldest tickets are lost before their time.
const MAX_RETIRED: usize = 4;

#[derive(Clone)]
pub(super) struct Secrets {
    newest: Secret,
    /// Those before it, the latest first.
    pub(super) retired: VecDeque<Secret>,
}

impl Secrets {
    pub(super) fn new(newest: Secret) -> Self {
        Self { newest, retired: VecDeque::new() }
    }

    /// The one that seals.
    pub(super) fn newest(&self) -> &Secret {
        &self.newest
    }

    /// Another one seals; the one before opens until then, unless it is the same.
    pub(super) fn replace(&mut self, newest: Secret, until: u64) -> Result<(), Unspecified> {
        let name = newest.key(0)?.name;
        if name == self.newest.key(0)?.name {
            return Ok(());
        }
        let before = Secret { until, ..std::mem::replace(&mut self.newest, newest) };
        self.retired.push_front(before);
        // One that comes back seals again: what it opens ends with it no more.
        let mut kept = VecDeque::new();
        for secret in self.retired.drain(..) {
            if secret.key(0)?.name != name {
                kept.push_back(secret);
            }
        }
        kept.truncate(MAX_RETIRED);
        self.retired = kept;
        Ok(())
    }

    /// A secret drawn by lot serves for one period: nobody can open its tickets once it is forgotten.
    pub(super) fn redraw(&mut self, period: u64, until: u64) -> Result<(), Unspecified> {
        match self.newest.drawn {
            // Not when time goes back: at a period's end a late thread would throw away the next one's.
            Some(drawn) if drawn < period => self.replace(Secret::draw(period)?, until),
            _ => Ok(()),
        }
    }

    /// Drops those whose time is up.
    pub(super) fn forget(&mut self, now: u64) {
        self.retired.retain(|secret| now < secret.until);
    }

    /// The keys of a period and its neighbours: the one before, whose tickets have half of their time
    /// left, and the one after, as a replica's clock may be ahead of ours.
    pub(super) fn ring(&self, period: u64) -> Result<Ring, Unspecified> {
        let around = [period.saturating_sub(1), period.saturating_add(1)];
        let mut others = Vec::new();
        for other in around {
            others.push(self.newest.key(other)?);
        }
        for secret in &self.retired {
            for other in iter::once(period).chain(around) {
                others.push(secret.key(other)?);
            }
        }
        Ok(Ring { period, sealing: self.newest.key(period)?, others })
    }
}

#[derive(Clone)]
pub(super) struct Secret {
    /// Keeps the secret, and wipes it when the last clone is dropped.
    prk: hkdf::Prk,
    /// The period in which it was drawn by lot, if it was.
    drawn: Option<u64>,
    /// When it is forgotten, in unix seconds.
    until: u64,
}

impl Secret {
    pub(super) fn shared(secret: &[u8]) -> Self {
        Self::new(secret, None)
    }

    pub(super) fn draw(period: u64) -> Result<Self, Unspecified> {
        let mut secret = [0; super::MIN_SECRET_BYTES];
        rand::fill(&mut secret)?;
        Ok(Self::new(&secret, Some(period)))
    }

    fn new(secret: &[u8], drawn: Option<u64>) -> Self {
        let prk = hkdf::Salt::none(hkdf::HKDF_SHA256).extract(secret);
        Self { prk, drawn, until: u64::MAX }
    }

    fn key(&self, period: u64) -> Result<Key, Unspecified> {
        Key::derive(&self.prk, period, self.until)
    }
}
