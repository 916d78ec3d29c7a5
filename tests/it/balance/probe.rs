//! Clients that come all the time, so that it can be told for how long they fail.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::try_open;
use crate::support::{Proxy, within};

/// Between two clients.
const INTERVAL: Duration = Duration::from_millis(20);

/// How one client fared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    began: Instant,
    took: Duration,
    pub(super) result: Result<char, u16>,
}

/// Asks for a tunnel every now and then, and lets it go at once. Stops when it is dropped.
pub(super) struct Probe {
    tries: Arc<Mutex<Vec<Try>>>,
    _asking: JoinSet<()>,
}

/// What a fault came to, from the moment of it.
#[derive(Debug)]
pub(super) struct Damage {
    /// The first and the last failure: when these requests began.
    pub(super) failing: Option<(Duration, Duration)>,
    pub(super) failed: usize,
    pub(super) served: usize,
    /// The longest time that one took to be served.
    pub(super) slowest: Duration,
}

impl Probe {
    pub(super) fn start(proxy: &Proxy) -> Self {
        let tries = Arc::new(Mutex::new(Vec::new()));
        let (addr, sink) = (proxy.addr, Arc::clone(&tries));
        let mut asking = JoinSet::new();
        asking.spawn(async move {
            // They go when the set goes, which goes with this.
            let mut clients = JoinSet::new();
            loop {
                let sink = Arc::clone(&sink);
                clients.spawn(async move {
                    let began = Instant::now();
                    let result = try_open(addr).await.map(|tunnel| tunnel.member);
                    sink.lock().unwrap().push(Try { began, took: began.elapsed(), result });
                });
                tokio::time::sleep(INTERVAL).await;
                while clients.try_join_next().is_some() {}
            }
        });
        Self { tries, _asking: asking }
    }

    /// Every try so far that began at or after this moment.
    pub(super) fn since(&self, moment: Instant) -> Vec<Try> {
        let tries = self.tries.lock().unwrap();
        tries.iter().filter(|one| one.began >= moment).copied().collect()
    }

    /// Waits until one has been served by this member that began after this moment.
    pub(super) async fn served_by(&self, member: char, moment: Instant) {
        let served =
            || self.since(moment).iter().any(|one| one.result.is_ok_and(|by| by == member));
        crate::support::eventually(&format!("{member} serves"), served).await;
    }

    /// Waits until so much time has passed since the fault, and every client of it knows how he fares.
    pub(super) async fn damage(&self, fault: &str, since: Instant, span: Duration) -> Damage {
        let until = since + span;
        within("clients of later", async {
            while self.since(until).len() < 3 {
                tokio::time::sleep(INTERVAL).await;
            }
        })
        .await;
        let tries = self.since(since);
        let failures: Vec<&Try> = tries.iter().filter(|one| one.result.is_err()).collect();
        let at = |one: &&&Try| one.began - since;
        let first = failures.iter().min_by_key(at).map(|one| one.began - since);
        let last = failures.iter().max_by_key(at).map(|one| one.began - since);
        let served = tries.iter().filter(|one| one.result.is_ok());
        let damage = Damage {
            failing: first.zip(last),
            failed: failures.len(),
            served: served.clone().count(),
            slowest: served.map(|one| one.took).max().unwrap_or_default(),
        };
        eprintln!("{fault}: {damage:?}");
        damage
    }
}
