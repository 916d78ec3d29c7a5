//! A new binary without a refused connection: one process drains, the next one serves, and the socket, which belongs to
//! neither, never closes.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::{Binary, Client, Upstream, certificate_arguments, echo, eventually, within};

/// Processes, one after the other.
const GENERATIONS: usize = 5;

/// Clients that come again and again.
const VISITORS: usize = 8;

/// Visits to each process.
const VISITS: usize = 100;

/// Tunnels that stay, of each process.
const STAYING: usize = 10;

/// A steady load of clients: each connects, shakes hands, opens a tunnel, sees an echo and goes.
struct Load {
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    visitors: JoinSet<Duration>,
}

impl Load {
    fn start(addr: SocketAddr) -> Self {
        let (done, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut visitors = JoinSet::new();
        for _ in 0..VISITORS {
            let (done, stop) = (Arc::clone(&done), Arc::clone(&stop));
            visitors.spawn(async move {
                let mut slowest = Duration::ZERO;
                while !stop.load(Relaxed) {
                    let began = Instant::now();
                    // Panics, and so ends the test, if anything is refused or fails.
                    let mut client = Client::connect(addr).await;
                    client.upgrade().await;
                    echo(&mut client, "a visit").await;
                    slowest = slowest.max(began.elapsed());
                    client.shutdown().await;
                    client.read_to_end().await;
                    done.fetch_add(1, Relaxed);
                }
                slowest
            });
        }
        Self { done, stop, visitors }
    }

    /// Waits for so many more visits.
    async fn visits(&mut self, count: usize) {
        let until = self.done.load(Relaxed) + count;
        eventually("visits go on", || {
            if let Some(ended) = self.visitors.try_join_next() {
                panic!("a visit failed: {ended:?}");
            }
            self.done.load(Relaxed) >= until
        })
        .await;
    }

    /// Ends it: the number of visits, and how long the slowest one took from connect to echo.
    async fn end(self) -> (usize, Duration) {
        self.stop.store(true, Relaxed);
        let slowest = within("the visits end", self.visitors.join_all()).await;
        (self.done.load(Relaxed), slowest.into_iter().max().unwrap())
    }
}

fn start(listener: &TcpListener, upstream: &str) -> Binary {
    let socket = listener.try_clone().unwrap().into();
    let [cert, key] = certificate_arguments();
    let fixed = ["--listen=fd:https", "--drain-timeout=10m", "--log-format=json"];
    let args = [&fixed[..], &["--upstream", upstream, &cert, &key]].concat();
    Binary::passed(vec![("https", socket)], &args)
}

async fn stay(addr: SocketAddr) -> Vec<Client> {
    let mut tunnels = Vec::new();
    for _ in 0..STAYING {
        let mut client = Client::connect(addr).await;
        client.upgrade().await;
        tunnels.push(client);
    }
    tunnels
}

async fn live(tunnels: &mut [Client]) {
    for tunnel in tunnels {
        echo(tunnel, "still here").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_binary_takes_over_and_not_one_connection_fails() {
    let upstream = Upstream::echo().await.addr();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mut binaries = vec![start(&listener, &upstream)];
    let mut load = Load::start(addr);
    let mut tunnels = stay(addr).await;
    load.visits(VISITS).await;
    for _ in 1..GENERATIONS {
        let last = binaries.last().unwrap();
        last.signal("TERM").await;
        last.line("draining").await;
        binaries.push(start(&listener, &upstream));
        load.visits(VISITS).await;
        tunnels.extend(stay(addr).await);
        live(&mut tunnels).await;
    }
    let (visits, slowest) = load.end().await;

    live(&mut tunnels).await;
    let staying = tunnels.len();
    assert_eq!(staying, GENERATIONS * STAYING);
    drop(tunnels);
    binaries.last().unwrap().signal("TERM").await;
    let mut served = Vec::new();
    for binary in binaries {
        let (code, log) = binary.ended().await;
        assert_eq!(code, 0, "{log:#?}");
        served.push(log.iter().filter(|line| line.contains("\"tunnel opened\"")).count());
    }
    assert_eq!(served.iter().sum::<usize>(), visits + staying);
    assert!(served.iter().all(|count| *count >= VISITS), "{served:?}");
    eprintln!(
        "{GENERATIONS} processes in turn on one socket opened {served:?} tunnels; {} tunnels lived on in processes \
         that were told to stop; 0 of {visits} visits failed, the slowest took {slowest:?}",
        staying - STAYING
    );
}
