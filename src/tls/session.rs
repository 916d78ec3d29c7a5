//! Sessions that clients come back to: in tickets, and remembered for clients of TLS 1.2 that take none
//! (curl is one); and those that are not resumed any more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memchr::memmem;
use tokio::time::Instant;
use tokio_rustls::rustls::server::{
    ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
};

use super::ticket::Tickets;

/// Sessions remembered at once, of some hundred bytes each; the oldest goes first.
const REMEMBERED: usize = 512;

/// Clients whose sessions are not resumed, at once; the oldest goes first.
const MAX_REFUSED: usize = 64;

/// How long a session may be come back to; tickets end by their keys.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// All sessions of a server; they outlive every reload.
#[derive(Debug)]
pub(super) struct Sessions {
    began_at: Instant,
    tickets: Arc<Tickets>,
    remembered: Arc<ServerSessionMemoryCache>,
    /// The certificates of clients, in DER, and until when.
    refused: Mutex<VecDeque<(Instant, Vec<u8>)>>,
}

impl Sessions {
    pub(super) fn new(tickets: Arc<Tickets>) -> Self {
        let remembered = ServerSessionMemoryCache::new(REMEMBERED);
        Self { began_at: Instant::now(), tickets, remembered, refused: Mutex::default() }
    }

    /// Resumes no session with this certificate any more. Its client makes a full handshake instead: it
    /// learns by an alert what is wrong, or has a better certificate by now.
    pub(super) fn refuse(&self, certificate: &[u8]) {
        let mut refused = self.refused();
        if refused.iter().any(|(_, other)| other == certificate) {
            return;
        }
        if refused.len() == MAX_REFUSED {
            refused.pop_front();
        }
        refused.push_back((Instant::now() + LIFETIME, certificate.to_vec()));
    }

    /// What rustls asks. `context` says under which trust sessions are made: they are resumed in no other.
    pub(super) fn in_context(self: &Arc<Self>, context: &[u8]) -> Arc<InContext> {
        Arc::new(InContext {
            sessions: Arc::clone(self),
            producer: self.tickets.producer(context),
            context: context.to_vec(),
        })
    }

    pub(super) fn tickets(&self) -> &Arc<Tickets> {
        &self.tickets
    }

    /// The session itself, unless it is one of those who are refused. It holds the client's certificate
    /// as it came.
    fn admit(&self, session: Vec<u8>) -> Option<Vec<u8>> {
        let mut refused = self.refused();
        let now = Instant::now();
        while refused.front().is_some_and(|(until, _)| *until < now) {
            refused.pop_front();
        }
        let is_refused =
            |(_, certificate): &(_, Vec<u8>)| memmem::find(&session, certificate).is_some();
        (!refused.iter().any(is_refused)).then_some(session)
    }

    /// Seconds since the start.
    fn seconds(&self) -> u64 {
        self.began_at.elapsed().as_secs()
    }

    /// A panic elsewhere cannot leave the list half changed.
    fn refused(&self) -> MutexGuard<'_, VecDeque<(Instant, Vec<u8>)>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sessions made under one trust.
#[derive(Debug)]
pub(super) struct InContext {
    sessions: Arc<Sessions>,
    producer: Arc<dyn ProducesTickets>,
    context: Vec<u8>,
}

impl InContext {
    fn key(&self, id: &[u8]) -> Vec<u8> {
        [&self.context, id].concat()
    }

    /// What was remembered, without the time in front of it, unless that is too long ago.
    fn recall(&self, dated: &[u8]) -> Option<Vec<u8>> {
        let (seconds, session) = dated.split_first_chunk()?;
        let age = self.sessions.seconds().saturating_sub(u64::from_be_bytes(*seconds));
        (age <= LIFETIME.as_secs()).then(|| session.to_vec()).and_then(|it| self.sessions.admit(it))
    }
}

impl ProducesTickets for InContext {
    fn enabled(&self) -> bool {
        self.producer.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.producer.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.producer.encrypt(plain)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.producer.decrypt(ticket).and_then(|session| self.sessions.admit(session))
    }
}

impl StoresServerSessions for InContext {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        let seconds = self.sessions.seconds().to_be_bytes();
        self.sessions.remembered.put(self.key(&id), [&seconds[..], &session].concat())
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.recall(&self.sessions.remembered.get(&self.key(id))?)
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.recall(&self.sessions.remembered.take(&self.key(id))?)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Arc<Sessions> {
        Arc::new(Sessions::new(Arc::new(Tickets::random().unwrap())))
    }

    #[test]
    fn a_session_is_resumed_in_its_context_alone() {
        let sessions = sessions();
        let (one, other) = (sessions.in_context(b"one"), sessions.in_context(b"other"));
        let ticket = one.encrypt(b"session").unwrap();
        assert_eq!(one.decrypt(&ticket).unwrap(), b"session");
        assert_eq!(other.decrypt(&ticket), None);
        one.put(b"id".to_vec(), b"session".to_vec());
        assert_eq!(one.get(b"id").unwrap(), b"session");
        assert_eq!(other.get(b"id"), None);
        let after_a_reload = sessions.in_context(b"one");
        assert_eq!(after_a_reload.get(b"id").unwrap(), b"session");
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_with_a_refused_certificate_are_not_resumed() {
        let sessions = sessions();
        let context = sessions.in_context(b"");
        let plain = b"a session of mallory, really";
        let ticket = context.encrypt(plain).unwrap();
        context.put(b"id".to_vec(), plain.to_vec());
        sessions.refuse(b"mallory");
        assert_eq!(
            (context.decrypt(&ticket), context.get(b"id"), context.take(b"id")),
            (None, None, None)
        );
        let ticket_of_another = context.encrypt(b"a session of alice").unwrap();
        assert!(context.decrypt(&ticket_of_another).is_some());

        tokio::time::advance(LIFETIME + Duration::from_secs(1)).await;
        assert!(context.decrypt(&ticket).is_some(), "the list does not grow for ever");
        context.put(b"id".to_vec(), plain.to_vec());
        assert!(context.get(b"id").is_some());
        tokio::time::advance(LIFETIME + Duration::from_secs(1)).await;
        assert_eq!(context.get(b"id"), None, "it is not remembered for ever");
        for number in 0..=MAX_REFUSED {
            sessions.refuse(format!("client {number}").as_bytes());
        }
        assert_eq!(sessions.refused().len(), MAX_REFUSED);
    }
}
