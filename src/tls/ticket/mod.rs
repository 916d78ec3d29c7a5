//! Session tickets (RFC 5077, RFC 8446 section 4.6.1) under keys that are derived, not stored: from a
//! secret and the number of a period of six hours. Replicas that share the secret resume each other's
//! sessions and never talk. `secret.rs` says which secrets count, `key.rs` what a ticket looks like.
//!
//! A key seals during its own period and opens until the end of the next. rustls asks no ticket for its
//! age: that its key ends is all that ends it. Secrets come as bytes; no file is read here.

mod key;
mod secret;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use aws_lc_rs::error::Unspecified;
use tokio_rustls::rustls::server::ProducesTickets;

use key::{OVERHEAD_BYTES, Ring};
use secret::{Secret, Secrets};

/// Bytes that a shared secret has at least. They are to be random: what people make up is guessed.
pub(super) const MIN_SECRET_BYTES: usize = 32;

/// Seconds for which a key seals.
const PERIOD: u64 = 6 * 60 * 60;

/// Seconds for which a key is in use: its own period and the next.
const LIFETIME: u32 = 12 * 60 * 60;

/// Longer ones are neither made nor opened. Only a long client certificate makes one long, and it comes
/// back in every hello of that client. Of more than 64 KiB rustls would write a wrong length.
const MAX_TICKET_BYTES: usize = 16 * 1024;

/// Seals and opens tickets. Meant to outlive whatever is reloaded; shared by all threads.
pub(super) struct Tickets {
    state: RwLock<State>,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Tickets {
    /// Under a secret drawn by lot, and drawn anew for each period: tickets end with the process, and a
    /// key that has had its time is nowhere any more from the next handshake on.
    pub(super) fn random() -> anyhow::Result<Self> {
        Self::random_at(SystemTime::now())
    }

    /// Under a secret of at least [`MIN_SECRET_BYTES`], which replicas share. Every byte counts, a line
    /// end too.
    pub(super) fn shared(secret: &[u8]) -> anyhow::Result<Self> {
        Self::new(shared(secret)?, SystemTime::now())
    }

    /// Seals under this secret from now on. What was sealed under the one before stays good for its time;
    /// tickets of replicas that learn of the change later do for twelve hours. The same secret again
    /// changes nothing. On an error all stays as it was.
    pub(super) fn replace(&self, secret: &[u8]) -> anyhow::Result<()> {
        self.replace_at(secret, SystemTime::now())
    }

    /// The same with the secret of other tickets.
    pub(super) fn adopt(&self, other: &Self) -> anyhow::Result<()> {
        let secret = {
            let state = other.state.read().unwrap_or_else(PoisonError::into_inner);
            state.secrets.newest().clone()
        };
        self.replace_with(secret, SystemTime::now())
    }

    /// What rustls asks. `context` says under which trust sessions are made: a ticket opens only in the
    /// context that it was sealed in. It has to change with all that a full handshake checks of a client:
    /// a resumed one has the certificate that it showed once, and nobody looks at it again.
    pub(super) fn producer(self: &Arc<Self>, context: &[u8]) -> Arc<dyn ProducesTickets> {
        Arc::new(Producer { tickets: Arc::clone(self), context: context.into() })
    }

    fn random_at(now: SystemTime) -> anyhow::Result<Self> {
        let secret = Secret::draw(period(unix_seconds(now)));
        Self::new(secret.map_err(|_| anyhow::anyhow!("draw a ticket secret"))?, now)
    }

    fn new(secret: Secret, now: SystemTime) -> anyhow::Result<Self> {
        let secrets = Secrets::new(secret);
        let ring = secrets.ring(period(unix_seconds(now))).map_err(|_| cannot_derive())?;
        Ok(Self { state: RwLock::new(State { secrets, ring: Arc::new(ring) }) })
    }

    fn replace_at(&self, secret: &[u8], now: SystemTime) -> anyhow::Result<()> {
        self.replace_with(shared(secret)?, now)
    }

    fn replace_with(&self, secret: Secret, now: SystemTime) -> anyhow::Result<()> {
        let now = unix_seconds(now);
        let until = now.saturating_add(LIFETIME.into());
        let replaced = self.write().change(now, |secrets| secrets.replace(secret, until));
        replaced.map(drop).map_err(|_| cannot_derive())
    }

    fn seal_at(&self, plain: &[u8], context: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        if plain.len() > MAX_TICKET_BYTES - OVERHEAD_BYTES {
            return None;
        }
        self.ring(unix_seconds(now))?.sealing.seal(plain, context)
    }

    fn open_at(&self, ticket: &[u8], context: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        if ticket.len() > MAX_TICKET_BYTES {
            return None;
        }
        let (name, sealed) = ticket.split_first_chunk()?;
        let now = unix_seconds(now);
        self.ring(now)?.find(name, now)?.open(sealed, context)
    }

    /// The keys of this moment, to be used with no lock held. Time alone makes new ones, never a peer.
    fn ring(&self, now: u64) -> Option<Arc<Ring>> {
        let period = period(now);
        let ring = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&state.ring)
        };
        if ring.period == period {
            return Some(ring);
        }
        let mut state = self.write();
        if state.ring.period == period {
            // Another thread was first.
            return Some(Arc::clone(&state.ring));
        }
        state.change(now, |secrets| secrets.redraw(period, now.saturating_add(PERIOD))).ok()
    }

    /// The state changes in one assignment: a panic elsewhere cannot leave it half changed.
    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Producer {
    tickets: Arc<Tickets>,
    context: Box<[u8]>,
}

impl ProducesTickets for Producer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.tickets.seal_at(plain, &self.context, SystemTime::now())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.tickets.open_at(ticket, &self.context, SystemTime::now())
    }
}

/// The secrets, and the keys that follow from them in one period.
struct State {
    secrets: Secrets,
    ring: Arc<Ring>,
}

impl State {
    /// Changes the secrets and derives the keys anew; on an error, neither.
    fn change(
        &mut self,
        now: u64,
        change: impl FnOnce(&mut Secrets) -> Result<(), Unspecified>,
    ) -> Result<Arc<Ring>, Unspecified> {
        let mut secrets = self.secrets.clone();
        secrets.forget(now);
        change(&mut secrets)?;
        let ring = Arc::new(secrets.ring(period(now))?);
        *self = Self { secrets, ring: Arc::clone(&ring) };
        Ok(ring)
    }
}

fn shared(secret: &[u8]) -> anyhow::Result<Secret> {
    ensure!(
        secret.len() >= MIN_SECRET_BYTES,
        "a ticket secret of {} bytes is too short, {MIN_SECRET_BYTES} are the least; \
         make one with: openssl rand 48",
        secret.len()
    );
    Ok(Secret::shared(secret))
}

fn period(unix_seconds: u64) -> u64 {
    unix_seconds / PERIOD
}

/// A clock before 1970 stands still at its beginning.
fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn cannot_derive() -> anyhow::Error {
    anyhow::anyhow!("derive session ticket keys")
}
