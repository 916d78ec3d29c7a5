//! The accept loop: one for all listeners, so that a place waited for is never held by an idle one.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

use crate::connection::{self, Accepted, Site};
use crate::drain::Watch;
use crate::metrics::Metrics;
use crate::net::{Listener, Stream};

/// The pause after an accept error; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// A listening socket, and what it leads to.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) listener: Arc<Listener>,
    pub(super) site: Arc<Site>,
}

/// What accepting needs.
#[derive(Debug)]
pub(super) struct Accepting {
    pub(super) metrics: Arc<Metrics>,
    /// Told when a listener that was full has a place again.
    pub(super) freed: Arc<Notify>,
    /// Places for connections of all listeners.
    pub(super) permits: Arc<Semaphore>,
}

impl Accepting {
    /// Accepts and spawns until a drain begins, then closes the listeners. `doors` may change.
    pub(super) async fn run(self, doors: watch::Receiver<Vec<Door>>, mut watch: Watch) {
        let connections = watch.clone();
        tokio::select! {
            biased;
            () = watch.stopping() => {}
            () = self.accept_all(doors, connections) => {}
        }
    }

    async fn accept_all(&self, mut changes: watch::Receiver<Vec<Door>>, watch: Watch) {
        let mut doors = changes.borrow_and_update().clone();
        let mut turn = 0;
        let mut id = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            // The place comes first: without one, connections wait in the kernel's queue.
            let Some(permit) = self.place(&doors).await else { return };
            let (index, accepted) = tokio::select! {
                biased;
                Ok(()) = changes.changed() => {
                    doors = changes.borrow_and_update().clone();
                    continue;
                }
                () = self.freed.notified() => continue,
                accepted = accept_any(&doors, turn) => accepted,
            };
            turn = index + 1;
            match accepted {
                Ok((stream, client)) => {
                    pause = FIRST_PAUSE;
                    id += 1;
                    self.serve((id, stream, client), &doors[index].site, permit, &watch);
                }
                Err(error) => self.pause_after(&error, &mut pause).await,
            }
        }
    }

    /// Gives a connection its places and a task of its own.
    fn serve(
        &self,
        (id, stream, client): (u64, Stream, Option<SocketAddr>),
        site: &Arc<Site>,
        permit: OwnedSemaphorePermit,
        watch: &Watch,
    ) {
        self.metrics.connection_accepted(&site.listener);
        let settings = site.current();
        let place = settings.places.take(settings.max_connections);
        // Of a client behind a proxy nothing is known yet.
        let proxied = settings.expects_proxy_header(client);
        let place_of_ip = match proxied {
            true => None,
            false => match settings.per_ip.enter(client.map(|client| client.ip())) {
                Some(place) => Some(place),
                None => return settings.too_many(client),
            },
        };
        let accepted = Accepted { id, stream, client, site: Arc::clone(site), proxied };
        let (held, watch) = (self.metrics.hold_connection(), watch.clone());
        // Dropped in this order: who gets the permit finds all other places free.
        let places = Box::new((place_of_ip, place, held, permit));
        tokio::spawn(async move {
            if let Some(upgraded) = connection::run(accepted, watch).await {
                tokio::spawn(async move {
                    upgraded.run().await;
                    drop(places);
                });
            }
        });
    }

    /// A place for one more connection. Who waits for its client's next request gives its own away, be
    /// it now or as soon as it begins to wait.
    async fn place(&self, doors: &[Door]) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(permit);
        }
        let places: Vec<_> =
            doors.iter().map(|door| Arc::clone(&door.site.current().places)).collect();
        places.iter().for_each(|places| places.end_one());
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        places.iter().for_each(|places| places.end_none());
        permit
    }

    /// Descriptors run out under load: a loop that did not pause would burn a core and fill the log.
    async fn pause_after(&self, error: &io::Error, pause: &mut Duration) {
        // The client was gone before we came: nothing is wrong here. See accept(2).
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        self.metrics.accept_error();
        if *pause == FIRST_PAUSE {
            tracing::error!(%error, "accept failed, trying again");
        }
        sleep(*pause).await;
        *pause = (*pause * 2).min(LAST_PAUSE);
    }
}

/// The next connection of any listener that has a place for it, beginning with the one whose turn it is.
async fn accept_any(
    doors: &[Door],
    turn: usize,
) -> (usize, io::Result<(Stream, Option<SocketAddr>)>) {
    poll_fn(|cx| {
        for offset in 0..doors.len() {
            let index = (turn + offset) % doors.len();
            let settings = doors[index].site.current();
            if !settings.places.has_one(settings.max_connections) {
                continue;
            }
            if let Poll::Ready(accepted) = doors[index].listener.poll_accept(cx) {
                return Poll::Ready((index, accepted));
            }
        }
        Poll::Pending
    })
    .await
}
