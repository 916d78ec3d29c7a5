//! Chaos on real sockets: relays on both sides of the gate delay, split, stall, half-close, reset and corrupt
//! what passes, at every stage, as a seed has it. Whatever happens: what arrives is the beginning of what was
//! sent, every connection ends and is counted once, every tunnel ends with a reason, nothing is left of any of
//! them, and those whose relays were only slow get everything.
//!
//! `CHAOS_CONNECTIONS` sets how many there are, `CHAOS_SEED` repeats what was drawn.

mod plan;
mod relay;
mod visit;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wssgate::config::Config;
use wssgate::server::raise_open_files;

use crate::support::{
    Binary, Client, Proxy, Samples, TlsOptions, Watched, build_name, echo, eventually,
    switching_response, within,
};
use plan::Plan;
use visit::{PIPE_BYTES, Seen, World};

/// Clients at once: more than there are places.
const AT_ONCE: usize = 500;

const PLACES: usize = 400;

/// Whatever stalls is ended by one of these.
const TIMEOUTS: [&str; 5] = [
    "--setup-timeout=20s",
    "--upgrade-timeout=20s",
    "--response-timeout=20s",
    "--idle-timeout=20s",
    "--half-close-timeout=20s",
];

/// The words of the log for why a tunnel ended.
const REASONS: [&str; 6] =
    ["closed", "reset", "dead", "broken", "idle_timeout", "half_close_timeout"];

/// The connections of one run.
struct Chaos {
    seed: u64,
    count: u64,
    /// Longer than every timeout of the gate.
    stall: Duration,
    world: World,
    upstream: SocketAddr,
    /// What the upstream saw of each.
    arrived: Mutex<HashMap<u64, Seen>>,
}

impl Chaos {
    /// Binds the upstream's relay and serves from then on.
    async fn start(default_count: u64, stall: Duration) -> Arc<Self> {
        let variable = |name: &str| std::env::var(name).ok().map(|value| value.parse().unwrap());
        let seed = variable("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..));
        let count = variable("CHAOS_CONNECTIONS").unwrap_or(default_count);
        eprintln!("CHAOS_SEED={seed} CHAOS_CONNECTIONS={count}, {}", build_name());
        let socket = TcpSocket::new_v4().unwrap();
        relay::narrow(&socket);
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(4096).unwrap();
        let upstream = listener.local_addr().unwrap();
        let world = World::new(seed);
        let chaos =
            Arc::new(Self { seed, count, stall, world, upstream, arrived: Mutex::default() });
        tokio::spawn(Arc::clone(&chaos).serve(listener));
        chaos
    }

    fn plan(&self, number: u64) -> Plan {
        Plan::draw(self.seed, number).stalling(self.stall)
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let chaos = Arc::clone(&self);
            tokio::spawn(async move {
                let Some(path) = path(&stream).await else { return };
                let Ok(number) = path[1..].parse() else { return echo_to(stream).await };
                let plan = chaos.plan(number);
                let (near, far) = tokio::io::duplex(PIPE_BYTES);
                tokio::spawn(relay::of_upstream(stream, far, plan.upstream_leg.clone()));
                let seen = visit::upstream(&chaos.world, &plan, near).await;
                let before = chaos.arrived.lock().unwrap().insert(number, seen);
                assert!(before.is_none(), "{plan:?} came twice");
            });
        }
    }

    /// All visits; what each client saw.
    async fn run(self: &Arc<Self>, gate: SocketAddr) -> Vec<(Plan, Seen)> {
        let (began, places) = (Instant::now(), Arc::new(Semaphore::new(AT_ONCE)));
        let mut visits = JoinSet::new();
        for number in 0..self.count {
            let place = Arc::clone(&places).acquire_owned().await.unwrap();
            let chaos = Arc::clone(self);
            visits.spawn(async move {
                let plan = chaos.plan(number);
                let seen = visit::client(&chaos.world, &plan, gate).await;
                drop(place);
                (plan, seen)
            });
        }
        let seen = visits.join_all().await;
        eprintln!("{} connections in {:.0?}", self.count, began.elapsed());
        seen
    }

    /// Fails with every connection that has seen what it should not have; where there is time enough for all,
    /// with each that has not got all that it should have, too.
    fn judge(&self, clients: &[(Plan, Seen)], is_time_enough: bool) {
        let arrived = self.arrived.lock().unwrap();
        let mut wrong = Vec::new();
        let (mut calm, mut whole) = (0, 0);
        for (plan, client) in clients {
            let upstream = arrived.get(&plan.number).copied().unwrap_or_default();
            let is_whole = client.bytes == plan.to_client_bytes
                && upstream.bytes == plan.to_upstream_bytes
                && matches!(client.status, 101 | 200)
                && client.is_ended;
            calm += u64::from(plan.is_calm());
            whole += u64::from(plan.is_calm() && is_whole);
            let is_bad = [client, &upstream].iter().any(|seen| seen.is_wrong || seen.hangs);
            if is_bad || is_time_enough && plan.is_calm() && !is_whole {
                wrong.push(format!("{plan:?}\n  client: {client:?}\n  upstream: {upstream:?}"));
            }
        }
        let bytes: u64 = clients.iter().map(|(_, client)| client.bytes).sum();
        let to_upstream: u64 = arrived.values().map(|upstream| upstream.bytes).sum();
        eprintln!(
            "{} of {} reached the upstream; {to_upstream} bytes arrived there and {bytes} at the \
             clients; {calm} had calm relays, {whole} of them got everything",
            arrived.len(),
            self.count
        );
        assert!(calm > self.count / 4 && calm < self.count, "the lots are not mixed");
        let (seed, first) = (self.seed, wrong.iter().take(5).cloned().collect::<Vec<_>>());
        assert!(wrong.is_empty(), "CHAOS_SEED={seed}: {}:\n{}", wrong.len(), first.join("\n"));
    }
}

/// The path of the request that comes, which stays where it is; none when it ends before.
async fn path(stream: &TcpStream) -> Option<String> {
    let mut buf = [0; 64];
    loop {
        let read = stream.peek(&mut buf).await.ok().filter(|read| *read > 0)?;
        let line = String::from_utf8_lossy(&buf[..read]);
        let mut words = line.split(' ');
        if let (Some(_), Some(path), Some(_)) = (words.next(), words.next(), words.next()) {
            return Some(path.to_owned());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The upstream for those without a plan.
async fn echo_to(mut stream: TcpStream) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(switching_response().as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

/// A program whose every limit would show what is left behind.
async fn watched(upstream: SocketAddr) -> Watched {
    let places = PLACES.to_string();
    // Who leaves frees his place a moment before that of his address.
    let places_of_ip = (PLACES + 1).to_string();
    let limits = [
        "--max-handshakes=32",
        "--max-fails=0",
        "--max-connections",
        &places,
        "--max-connections-per-ip",
        &places_of_ip,
        "--max-connections-per-upstream",
        &places,
    ];
    Watched::start(&upstream.to_string(), &[&limits[..], &TIMEOUTS].concat()).await
}

/// A tunnel that stays.
async fn tunnel(gate: SocketAddr) -> Client {
    let mut client = Client::connect(gate).await;
    client.upgrade().await;
    echo(&mut client, "here").await;
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn whatever_happens_to_connections_nothing_is_left_of_them() {
    raise_open_files();
    let chaos = Chaos::start(20_000, Duration::from_secs(45)).await;
    let watched = watched(chaos.upstream).await;
    drop(tunnel(watched.addr).await);
    watched.until("wssgate_connections_open", 0.0).await;
    let (before, descriptors) = (watched.samples().await, watched.descriptors());
    let threads = watched.binary.status_of_threads("State").len();

    let clients = chaos.run(watched.addr).await;
    watched.until("wssgate_connections_open", 0.0).await;
    chaos.judge(&clients, true);
    eventually("no descriptor is left", || watched.descriptors() <= descriptors).await;
    // Those that look at the certificates come and go.
    let more = watched.binary.status_of_threads("State").len().saturating_sub(threads);
    assert!(more <= 2, "{more} more threads than before");
    let after = watched.samples().await;
    each_is_counted_once(&before, &after);
    let rose = |name: &str| after.sum(name) - before.sum(name);
    let opened = rose("wssgate_tunnels_opened_total");
    let closed = after.sum("wssgate_tunnels_closed_total");
    let said = || {
        let log = watched.binary.log();
        log.into_iter().filter(|line| line.contains("tunnel closed")).count() as f64
    };
    eventually("all ends are said", || said() >= closed).await;
    let reasons = reasons(&watched.binary);
    eprintln!("why {opened} tunnels ended: {reasons:#?}");
    assert_eq!(reasons.values().sum::<usize>() as f64, closed);
    eprintln!(
        "resident: {} KiB, at most {} KiB; {descriptors} descriptors before and after",
        watched.rss_kib(),
        watched.peak_kib()
    );
    every_place_is_free(&watched).await;
    watched.binary.signal("TERM").await;
    let panics =
        |log: Vec<String>| log.into_iter().filter(|line| line.contains("panicked")).count();
    assert_eq!(panics(watched.binary.log()), 0);
}

/// What came in is what has ended, in one way each.
fn each_is_counted_once(before: &Samples, after: &Samples) {
    let rose =
        |name: &str| after.sum(&format!("wssgate_{name}")) - before.sum(&format!("wssgate_{name}"));
    let ends = ["probes_total", "failures_total", "requests_total", "tunnels_closed_total"];
    let ends = ends.map(|name| (name, rose(name)));
    let accepted = rose("connections_accepted_total");
    for (name, count) in after.0.iter().filter(|(name, _)| name.contains("_failures_total{")) {
        eprintln!("{name} {count}");
    }
    eprintln!("{accepted} accepted: {ends:?}");
    assert_eq!(ends.iter().map(|(_, count)| count).sum::<f64>(), accepted);
    assert_eq!(rose("tunnels_opened_total"), rose("tunnels_closed_total"));
    assert_eq!(after.sum("wssgate_tunnels_open{"), 0.0);
    assert!(ends.iter().all(|(_, count)| *count > 0.0), "the lots are not mixed");
}

/// How often tunnels ended for which reason, by whom; fails when one has not exactly one end.
fn reasons(binary: &Binary) -> BTreeMap<String, usize> {
    let mut open = HashMap::new();
    let mut reasons = BTreeMap::new();
    for line in binary.json() {
        match line["message"].as_str().unwrap() {
            "tunnel opened" => *open.entry(line["id"].as_u64().unwrap()).or_insert(0) += 1,
            "tunnel closed" => {
                *open.entry(line["id"].as_u64().unwrap()).or_insert(0) -= 1;
                let reason = line["reason"].as_str().unwrap();
                assert!(REASONS.contains(&reason), "{line}");
                let side = line["closed_by"].as_str().unwrap();
                *reasons.entry(format!("{reason} by {side}")).or_insert(0) += 1;
            }
            _ => {}
        }
    }
    assert!(open.values().all(|left| *left == 0), "opened and not closed, or the other way round");
    reasons
}

/// As many tunnels at once as there are places, and not one more.
async fn every_place_is_free(watched: &Watched) {
    let mut opening = JoinSet::new();
    for _ in 0..PLACES {
        opening.spawn(tunnel(watched.addr));
    }
    let mut tunnels = within("as many as there are places", opening.join_all()).await;
    let stream = TcpStream::connect(watched.addr).await.unwrap();
    let mut waiting = tokio::spawn(Client::handshake(stream, TlsOptions::default().config()));
    let waits = tokio::time::timeout(Duration::from_millis(400), &mut waiting).await.is_err();
    assert!(waits, "there was one place too many");
    drop(tunnels.pop());
    within("the one that waited", waiting).await.unwrap().unwrap();
}

/// Some that take the same way within this process, where tasks can be counted.
#[test]
fn whatever_happens_no_task_is_left() {
    const COUNT: u64 = 1_000;
    let runtime = |threads| -> Runtime {
        Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
    };
    let (clients, server) = (runtime(1), runtime(1));
    clients.block_on(async {
        raise_open_files();
        let chaos = Chaos::start(COUNT, Duration::from_secs(8)).await;
        let upstream = chaos.upstream.to_string();
        let proxy = server.spawn(async move { Proxy::start_all(&[upstream], shorten).await });
        let proxy = proxy.await.unwrap();
        drop(tunnel(proxy.addr).await);
        let open = || proxy.reporter.status().totals.connections_open;
        eventually("the first has left", || open() == 0).await;
        let tasks = || server.metrics().num_alive_tasks();
        let before = tasks();
        assert!(before > 0, "the server is not among those that are counted");
        let seen = chaos.run(proxy.addr).await;
        chaos.judge(&seen, false);
        eventually("no connection is left", || open() == 0).await;
        eventually("no task is left", || tasks() <= before).await;
        let status = proxy.reporter.status();
        assert_eq!(status.totals.tunnels_open, 0);
        assert!(status.upstreams.iter().all(|pool| pool.members.iter().all(|one| one.live == 0)));
        eprintln!("{before} tasks before and {} after", tasks());
    });
    server.shutdown_background();
}

fn shorten(config: &mut Config) {
    let listener = &mut config.listeners[0];
    let timeouts = &mut listener.timeouts;
    let short = Duration::from_secs(3);
    timeouts.setup = short;
    timeouts.upgrade = short;
    timeouts.response = short;
    timeouts.idle = Some(short);
    timeouts.half_close = Some(short);
    listener.balancing.max_fails = 0;
    config.max_handshakes = Some(32);
}
