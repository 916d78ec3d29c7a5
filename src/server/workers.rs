//! The threads that serve connections, a core each.
//!
//! Each has a runtime of its own, and a connection stays where it was begun: nobody looks for work at another
//! thread, and nothing is moved between their caches. What one runtime for all would do about a load that is
//! not even, the choice of a thread does here: who has the fewest connections gets the next. The first one
//! accepts for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Shorter than what any connection waits for.
const TICK: Duration = Duration::from_millis(40);

/// The same without connections.
const IDLE_TICK: Duration = Duration::from_secs(1);

/// Whom connections can be given to; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Workers(Arc<[Worker]>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
}

/// Their threads; they end when this is dropped, and what they were at with them.
#[derive(Debug)]
pub(super) struct Threads {
    _each: Vec<Thread>,
}

#[derive(Debug)]
struct Thread {
    stop: Option<oneshot::Sender<()>>,
    handle: Option<JoinHandle<()>>,
}

/// The choice of a worker.
#[derive(Debug)]
pub(super) struct Pick<'a> {
    pub(super) runtime: &'a Handle,
    /// Whether it is the one that accepts.
    pub(super) is_acceptor: bool,
    pub(super) load: Load,
}

/// One connection of a worker, until dropped.
#[derive(Debug)]
pub(super) struct Load(Arc<AtomicUsize>);

/// Starts a thread for each core that the process may use.
pub(super) fn start() -> anyhow::Result<(Workers, Threads)> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let started = (0..cores).map(|_| start_one()).collect::<anyhow::Result<Vec<_>>>()?;
    let (workers, threads): (Vec<_>, Vec<_>) = started.into_iter().unzip();
    Ok((Workers(workers.into()), Threads { _each: threads }))
}

fn start_one() -> anyhow::Result<(Worker, Thread)> {
    let runtime = Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    let worker = Worker { runtime: runtime.handle().clone(), connections: Arc::default() };
    let (stop, stopped) = oneshot::channel::<()>();
    let connections = Arc::clone(&worker.connections);
    let serve = move || runtime.block_on(tick(stopped, &connections));
    let handle = thread::Builder::new().name("connections".into()).spawn(serve);
    let handle = handle.context("start a thread")?;
    Ok((worker, Thread { stop: Some(stop), handle: Some(handle) }))
}

/// Keeps a timer pending until told to stop, while there are connections. tokio's driver is woken, by a write to an
/// eventfd and an epoll_wait in vain, for each timer that is due before all others; with this one, none of theirs is.
async fn tick(mut stopped: oneshot::Receiver<()>, connections: &AtomicUsize) {
    loop {
        let pause = if connections.load(Relaxed) > 0 { TICK } else { IDLE_TICK };
        if timeout(pause, &mut stopped).await.is_ok() {
            return;
        }
    }
}

impl Workers {
    /// The runtime of the one that accepts.
    pub(super) fn acceptor(&self) -> &Handle {
        &self.0[0].runtime
    }

    /// Where the next connection is served. That is where it was accepted unless that one has more than others have and
    /// an eighth: what stays there need not be passed on.
    pub(super) fn pick(&self) -> Pick<'_> {
        let connections = |worker: &Worker| worker.connections.load(Relaxed);
        let own = connections(&self.0[0]);
        let least = self.0[1..].iter().min_by_key(|worker| connections(worker));
        let other = least.filter(|worker| own > connections(worker) + connections(worker) / 8);
        let worker = other.unwrap_or(&self.0[0]);
        worker.connections.fetch_add(1, Relaxed);
        let load = Load(Arc::clone(&worker.connections));
        Pick { runtime: &worker.runtime, is_acceptor: other.is_none(), load }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(count: usize) -> Workers {
        let worker = |_| Worker { runtime: Handle::current(), connections: Arc::default() };
        Workers((0..count).map(worker).collect())
    }

    fn counts(workers: &Workers) -> Vec<usize> {
        workers.0.iter().map(|worker| worker.connections.load(Relaxed)).collect()
    }

    #[tokio::test]
    async fn connections_are_spread_evenly_and_counted_until_they_end() {
        for count in [1, 2, 3] {
            let workers = workers(count);
            let few: Vec<_> = (0..count * 2).map(|_| workers.pick().load).collect();
            assert_eq!(counts(&workers), vec![2; count]);
            let many: Vec<_> = (0..count * 998).map(|_| workers.pick().load).collect();
            let counts_then = counts(&workers);
            let (most, fewest) = (counts_then.iter().max(), counts_then.iter().min());
            assert!(most.unwrap() * 8 <= fewest.unwrap() * 9 + 8, "{counts_then:?}");
            drop((few, many));
            assert_eq!(counts(&workers), vec![0; count]);
        }
    }

    #[tokio::test]
    async fn who_is_left_with_fewer_gets_the_next() {
        let workers = workers(2);
        let mut loads: Vec<_> = (0..100).map(|_| workers.pick().load).collect();
        loads.retain(|load| !Arc::ptr_eq(&load.0, &workers.0[1].connections));
        let before = counts(&workers)[0];
        loads.extend((0..before / 2).map(|_| workers.pick().load));
        assert_eq!(counts(&workers)[0], before);
    }
}
