//! The accept loop: one for all listeners, so that a place waited for is never held by an idle one.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::connection::{self, Accepted, Shared, Speaks};
use crate::drain::Watch;
use crate::net::{Listener, Stream};

/// The pause after an accept error; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// What accepting needs.
#[derive(Debug)]
pub(super) struct Accepting {
    pub(super) shared: Arc<Shared>,
    pub(super) permits: Arc<Semaphore>,
}

impl Accepting {
    /// Accepts and spawns until a drain begins, then closes the listeners.
    pub(super) async fn run(self, listeners: Vec<(Listener, Speaks)>, mut watch: Watch) {
        let connections = watch.clone();
        tokio::select! {
            biased;
            () = watch.stopping() => {}
            () = self.accept_all(&listeners, connections) => {}
        }
    }

    async fn accept_all(&self, listeners: &[(Listener, Speaks)], watch: Watch) {
        let mut turn = 0;
        let mut id = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            // The place comes first: without one, connections wait in the kernel's queue.
            let Some(permit) = self.place().await else { return };
            let (index, accepted) = accept_any(listeners, turn).await;
            turn = index + 1;
            let (stream, client) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.pause_after(&error, &mut pause).await;
                    continue;
                }
            };
            pause = FIRST_PAUSE;
            self.shared.metrics.accepted.increment();
            // Of a client behind a proxy nothing is known yet.
            let proxied = self.shared.expects_proxy_header(client);
            let place = match proxied {
                true => None,
                false => match self.shared.per_ip.enter(client.map(|client| client.ip())) {
                    Some(place) => Some(place),
                    None => {
                        self.too_many(client);
                        continue;
                    }
                },
            };
            id += 1;
            let (listener, speaks) = &listeners[index];
            let accepted = Accepted {
                id,
                stream,
                client,
                listener: Arc::clone(listener.name()),
                port: listener.port(),
                speaks: *speaks,
                proxied,
            };
            let shared = Arc::clone(&self.shared);
            let watch = watch.clone();
            tokio::spawn(async move {
                connection::run(accepted, shared, watch).await;
                drop((permit, place));
            });
        }
    }

    fn too_many(&self, client: Option<SocketAddr>) {
        self.shared.metrics.failed.increment();
        let client = client.map(tracing::field::display);
        tracing::debug!(client, "too many from this address");
    }

    /// A place for one more connection. Who waits for its client's next request gives its own away, be
    /// it now or as soon as it begins to wait.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(permit);
        }
        self.shared.idle.end_one();
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        self.shared.idle.end_none();
        permit
    }

    /// Descriptors run out under load: a loop that did not pause would burn a core and fill the log.
    async fn pause_after(&self, error: &io::Error, pause: &mut Duration) {
        // The client was gone before we came: nothing is wrong here. See accept(2).
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        self.shared.metrics.accept_errors.increment();
        if *pause == FIRST_PAUSE {
            tracing::error!(%error, "accept failed, trying again");
        }
        sleep(*pause).await;
        *pause = (*pause * 2).min(LAST_PAUSE);
    }
}

/// The next connection of any listener, beginning with the one whose turn it is.
async fn accept_any(
    listeners: &[(Listener, Speaks)],
    turn: usize,
) -> (usize, io::Result<(Stream, Option<SocketAddr>)>) {
    poll_fn(|cx| {
        for offset in 0..listeners.len() {
            let index = (turn + offset) % listeners.len();
            if let Poll::Ready(accepted) = listeners[index].0.poll_accept(cx) {
                return Poll::Ready((index, accepted));
            }
        }
        Poll::Pending
    })
    .await
}
