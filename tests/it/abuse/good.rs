//! A client that means well, and how it fares beside others: on a thread of its own, so that what it waits for
//! is the gate.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::support::{Client, Connector, TlsOptions, echo};

/// Between two of its visits.
const PAUSE: Duration = Duration::from_millis(20);

/// One visit.
#[derive(Clone, Copy)]
struct Visit {
    ended: Instant,
    /// From the connect to the 101.
    setup: Duration,
    /// Of a message, in a tunnel that was there before.
    echo: Duration,
}

/// A running client. It fails the test when it is not served.
pub(super) struct Good {
    visits: Arc<Mutex<Vec<Visit>>>,
    stop: Arc<AtomicBool>,
    running: Option<JoinHandle<()>>,
}

/// How it fared for a while, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fared {
    pub(super) visits: usize,
    pub(super) setup_p50: f64,
    pub(super) setup_p99: f64,
    pub(super) echo_p99: f64,
}

impl Good {
    pub(super) fn start(gate: SocketAddr) -> Self {
        let (visits, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (sink, stopping) = (Arc::clone(&visits), Arc::clone(&stop));
        let running = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(visit(gate, &sink, &stopping));
        });
        Self { visits, stop, running: Some(running) }
    }

    /// What it has seen since then.
    pub(super) fn since(&self, moment: Instant) -> Fared {
        let visits = self.visits.lock().unwrap();
        let of_it: Vec<_> = visits.iter().filter(|visit| visit.ended >= moment).copied().collect();
        let setups: Vec<_> = of_it.iter().map(|visit| visit.setup).collect();
        let echoes: Vec<_> = of_it.iter().map(|visit| visit.echo).collect();
        Fared {
            visits: of_it.len(),
            setup_p50: quantile(setups.clone(), 0.5),
            setup_p99: quantile(setups, 0.99),
            echo_p99: quantile(echoes, 0.99),
        }
    }

    /// Waits until it has made so many visits since then.
    pub(super) async fn visits(&self, count: usize, since: Instant) {
        crate::support::eventually("the good client is served", || {
            assert!(self.running.as_ref().is_some_and(|it| !it.is_finished()), "it has failed");
            self.since(since).visits >= count
        })
        .await;
    }

    /// Ends it; fails if it has.
    pub(super) fn end(mut self) {
        self.stop.store(true, Relaxed);
        self.running.take().unwrap().join().expect("the good client was served throughout");
    }
}

async fn visit(gate: SocketAddr, visits: &Mutex<Vec<Visit>>, stop: &AtomicBool) {
    let connector = Connector::from(TlsOptions::default().config());
    let mut lasting = Client::connect_with(gate, connector.clone()).await.unwrap();
    lasting.upgrade().await;
    while !stop.load(Relaxed) {
        let began = Instant::now();
        let mut client = Client::connect_with(gate, connector.clone()).await.unwrap();
        client.upgrade().await;
        let setup = began.elapsed();
        client.shutdown().await;
        let asked = Instant::now();
        echo(&mut lasting, "in good order").await;
        let (ended, echo) = (Instant::now(), asked.elapsed());
        visits.lock().unwrap().push(Visit { ended, setup, echo });
        tokio::time::sleep(PAUSE).await;
    }
}

fn quantile(mut times: Vec<Duration>, share: f64) -> f64 {
    times.sort_unstable();
    let index = ((times.len() as f64 * share).ceil() as usize).max(1) - 1;
    times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
