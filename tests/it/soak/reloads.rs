//! Two minutes of echoes through fifty reloads of everything that can be reloaded: nobody notices.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use wssgate::server::raise_open_files;

use crate::certificates::Pki;
use crate::support::{
    Binary, Client, Connector, Samples, Upstream, echo, eventually, free_port, refused,
};

const TUNNELS: usize = 1000;

const RELOADS: u32 = 50;

/// Between two reloads: fifty of them in two minutes.
const PACE: Duration = Duration::from_millis(2400);

/// After which memory is compared with what it is at the end: caches and pools have their size by then.
const WARM: u32 = 10;

/// By how much it may differ: an allocator gives back in steps.
const SLACK_KIB: u64 = 4 * 1024;

/// A program with a file that changes.
struct Soak {
    folder: tempfile::TempDir,
    pki: Pki,
    upstreams: [Upstream; 2],
    /// The listener that stays, and the one that comes and goes.
    ports: [SocketAddr; 2],
    binary: Binary,
    admin: String,
}

/// What is in the file, as numbers that are counted up.
#[derive(Clone, Copy, Default)]
struct Content {
    limits: u32,
    upstreams: u32,
    listeners: u32,
}

impl Soak {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new();
        pki.issue(&["localhost"]).write(folder.path(), "server");
        let upstreams = [Upstream::echo().await, Upstream::echo().await];
        let ports = [free_port(), free_port()];
        let path = folder.path().join("wssgate.toml").display().to_string();
        fs::write(&path, file(&folder, &upstreams, ports, Content::default())).unwrap();
        let binary = Binary::start(&["-c", &path, "--log-format=json", "--log-level=info"]);
        binary.line("listening").await;
        let admin = binary.line("admin listening").await;
        let admin = admin["listener"].as_str().unwrap().to_owned();
        Self { folder, pki, upstreams, ports, binary, admin }
    }

    /// Writes the file anew and has it taken in.
    async fn become_(&self, content: Content) {
        let text = file(&self.folder, &self.upstreams, self.ports, content);
        fs::write(self.folder.path().join("wssgate.toml"), text).unwrap();
        assert!(self.binary.reload().await, "{:#?}", self.binary.log().last());
        match content.listeners % 2 {
            0 => refused(self.ports[1]).await,
            _ => self.visit(self.ports[1]).await,
        }
        self.visit(self.ports[0]).await;
    }

    /// A tunnel of a moment.
    async fn visit(&self, addr: SocketAddr) {
        let mut client = Client::connect_with(addr, self.connector()).await.unwrap();
        client.upgrade().await;
        echo(&mut client, "a visit").await;
        client.shutdown().await;
        assert_eq!(client.read_to_end().await, b"");
    }

    fn connector(&self) -> Connector {
        self.pki.client("localhost").connector()
    }

    async fn samples(&self) -> Samples {
        Samples::of(&self.admin).await
    }
}

fn file(
    folder: &tempfile::TempDir,
    upstreams: &[Upstream; 2],
    [stays, comes]: [SocketAddr; 2],
    content: Content,
) -> String {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let pair = format!("cert = '{}'\nkey = '{}'\n", path("server.pem"), path("server.key"));
    let [a, b] = upstreams.each_ref().map(Upstream::addr);
    let members = match content.upstreams % 3 {
        0 => format!("'{a}'"),
        1 => format!("'{a}', {{ address = '{b}', weight = {} }}", content.upstreams),
        _ => format!("'{b}', {{ address = '{a}', backup = true }}"),
    };
    let balance = ["least-connections", "round-robin"][content.upstreams as usize % 2];
    let listeners = match content.listeners % 2 {
        0 => vec![stays],
        _ => vec![comes, stays],
    };
    let table = |addr: &SocketAddr| {
        let (limits, max) = (content.limits, 2000 + content.limits);
        format!(
            "[[listener]]\nlisten = '{addr}'\n{pair}upstream = 'chat'\nmax-connections = {max}\n\
             max-connections-per-ip = {max}\nkeepalive = '{}s'\nhsts = '{}s'\n\
             max-head-size = '{}KiB'\n",
            60 + limits,
            1 + limits,
            8 + limits
        )
    };
    let listeners: String = listeners.iter().map(table).collect();
    format!(
        "admin = '127.0.0.1:0'\nmax-handshakes = {}\n{listeners}\
         [upstreams.chat]\nmembers = [{members}]\nbalance = '{balance}'\nhealth-check = 'tcp'\n\
         health-check-interval = '1s'\n",
        100 + content.limits
    )
}

/// Tunnels that echo, each about once a second, until they are told to stop.
struct Echoing {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
    echoes: Arc<AtomicU64>,
}

impl Echoing {
    async fn open(soak: &Soak) -> Self {
        let (stop, echoes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = JoinSet::new();
        for number in 0..TUNNELS {
            let mut client = Client::connect_with(soak.ports[0], soak.connector()).await.unwrap();
            client.upgrade().await;
            let (stop, echoes) = (Arc::clone(&stop), Arc::clone(&echoes));
            tasks.spawn(async move {
                for round in 0_u32.. {
                    if stop.load(Relaxed) {
                        break;
                    }
                    echo(&mut client, &format!("{number} in round {round}")).await;
                    echoes.fetch_add(1, Relaxed);
                    sleep(Duration::from_millis(900 + number as u64 % 200)).await;
                }
                client.shutdown().await;
                assert_eq!(client.read_to_end().await, b"");
            });
        }
        Self { tasks, stop, echoes }
    }

    /// Fails when any has ended before its time.
    fn assert_all(&mut self) {
        let ended = self.tasks.try_join_next();
        assert!(ended.is_none(), "a tunnel ended: {ended:?}");
        assert_eq!(self.tasks.len(), TUNNELS);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs two minutes"]
async fn a_thousand_tunnels_echo_through_fifty_reloads() {
    raise_open_files();
    let soak = Soak::start().await;
    let mut echoing = Echoing::open(&soak).await;
    let mut content = Content::default();
    let mut samples = soak.samples().await;
    let mut warm_kib = 0;
    let mut next = Instant::now();
    for number in 1..=RELOADS {
        match number % 4 {
            0 => drop(soak.pki.issue(&["localhost"]).write(soak.folder.path(), "server")),
            1 => content.limits += 1,
            2 => content.upstreams += 1,
            _ => content.listeners += 1,
        }
        soak.become_(content).await;
        echoing.assert_all();
        let now = soak.samples().await;
        now.assert_risen_since(&samples);
        samples = now;
        if number == WARM {
            warm_kib = soak.binary.status_kib("VmRSS");
        }
        next += PACE;
        sleep_until(next).await;
    }
    let before = echoing.echoes.load(Relaxed);
    let all_again = || echoing.echoes.load(Relaxed) >= before + TUNNELS as u64;
    eventually("as many echoes as there are tunnels", all_again).await;
    echoing.assert_all();
    let end_kib = soak.binary.status_kib("VmRSS");
    let echoes = echoing.echoes.load(Relaxed);
    eprintln!(
        "{echoes} echoes, {RELOADS} reloads, resident {warm_kib} KiB after {WARM} reloads and \
         {end_kib} KiB at the end"
    );
    // The last visit may be over for its client and not yet for the program.
    Samples::until(&soak.admin, "wssgate_tunnels_open{", TUNNELS as f64).await;
    assert_eq!(samples.sum("wssgate_reloads_total{result=\"done\"}"), f64::from(RELOADS));
    assert!(end_kib <= warm_kib + SLACK_KIB, "from {warm_kib} KiB to {end_kib} KiB");
    echoing.stop.store(true, Relaxed);
    while let Some(ended) = echoing.tasks.join_next().await {
        ended.unwrap();
    }
    soak.binary.signal("TERM").await;
    assert_eq!(soak.binary.ended().await.0, 0);
}
