//! What a listening socket leads to: settings that a reload replaces, under the feet of connections.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use super::Shared;

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// TLS, and HTTP within.
    Tls,
    /// Plain HTTP, which is sent on to https.
    Plain,
}

/// One listening socket, as its connections see it.
#[derive(Debug)]
pub struct Site {
    /// The listener's address, as it is logged.
    pub listener: Arc<str>,
    /// Its port; none of a unix socket.
    pub port: Option<u16>,
    /// What it speaks.
    pub speaks: Speaks,
    current: RwLock<Arc<Shared>>,
    is_closed: AtomicBool,
}

impl Site {
    /// A site with these settings.
    pub fn new(
        listener: Arc<str>,
        port: Option<u16>,
        speaks: Speaks,
        settings: Arc<Shared>,
    ) -> Self {
        let (current, is_closed) = (RwLock::new(settings), AtomicBool::new(false));
        Self { listener, port, speaks, current, is_closed }
    }

    /// The settings of this moment. A request keeps those that it began with, and so does a tunnel.
    pub fn current(&self) -> Arc<Shared> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the settings for what is to come.
    pub fn replace(&self, settings: Arc<Shared>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Says that nobody listens here any more: connections end with the request that they serve.
    pub fn close(&self) {
        self.is_closed.store(true, Relaxed);
    }

    /// Whether nobody listens here any more.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Relaxed)
    }
}
