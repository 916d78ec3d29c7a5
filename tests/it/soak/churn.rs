//! The soak: 200 tunnels a second that come and go beside 3,000 that rest, through reloads of everything and
//! restarts of the upstreams. At the end memory and descriptors are flat, and nobody failed but for a restart.
//!
//! `SOAK_MINUTES` says for how long: one minute unless told otherwise. The table and the picture are written
//! to `target/soak`.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;
use wssgate::server::raise_open_files;

use super::chart::{self, Column, Row};
use super::population::{Measured, Member, Population};
use crate::certificates::Pki;
use crate::support::{
    Binary, Samples, build_name, eventually, free_port, listens, program_under_load, repository,
};

const CHURN: u32 = 200;

const RESTING: usize = 3_000;

/// The longest that these may take to come.
const GATHERING: Duration = Duration::from_secs(180);

/// Moments of the table.
const ROWS: u32 = 120;

/// Reloads and restarts of a run, at the most one each in so much time.
const RELOADS: u32 = 60;
const RESTARTS: u32 = 15;
const RELOAD_PAUSE: Duration = Duration::from_secs(5);
const RESTART_PAUSE: Duration = Duration::from_secs(20);

/// How long after a restart began clients may fail by it: the upstream is away, and found to be back.
const SORE: Duration = Duration::from_secs(6);

/// By how much memory may seem to grow in the second half: an allocator gives back in steps.
const SLACK_KIB: f64 = 6.0 * 1024.0;

const COLUMNS: [Column; 11] = [
    Column { name: "setup_p50_ms", panel: 0 },
    Column { name: "setup_p99_ms", panel: 0 },
    Column { name: "setup_max_ms", panel: 0 },
    Column { name: "echo_p50_ms", panel: 1 },
    Column { name: "echo_p99_ms", panel: 1 },
    Column { name: "rss_kib", panel: 2 },
    Column { name: "descriptors", panel: 3 },
    Column { name: "connections_open", panel: 3 },
    Column { name: "resting", panel: 3 },
    Column { name: "visits", panel: 4 },
    Column { name: "failed", panel: 5 },
];
const RSS: usize = 5;
const DESCRIPTORS: usize = 6;

struct Soak {
    folder: tempfile::TempDir,
    pki: Pki,
    binary: Binary,
    admin: String,
    members: Vec<Member>,
    population: Arc<Population>,
    restarted: Vec<Instant>,
    rows: Vec<Row>,
    failed: Vec<(Instant, String)>,
    began: Instant,
}

impl Soak {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new();
        pki.issue(&["localhost"]).write(folder.path(), "server");
        let members = vec![Member::start().await, Member::start().await];
        let (gate, admin) = (free_port(), free_port());
        let dir = folder.path().display();
        let file = format!(
            "admin = '{admin}'\nmax-handshakes = 512\nsetup-timeout = '30s'\n[[listener]]\n\
             listen = '{gate}'\ncert = '{dir}/server.pem'\nkey = '{dir}/server.key'\n\
             upstream = 'chat'\n[upstreams.chat]\nmembers = ['{}', '{}']\n\
             balance = 'least-connections'\nhealth-check = 'tcp'\nhealth-check-interval = '1s'\n\
             fail-timeout = '1s'\n",
            members[0].addr, members[1].addr
        );
        let path = folder.path().join("wssgate.toml");
        fs::write(&path, file).unwrap();
        let mut command = Binary::command(&program_under_load());
        command.arg("-c").arg(&path).args(["--log-format=json", "--log-level=error"]);
        let binary = Binary::spawn(command);
        listens(gate).await;
        binary.watches().await;
        let population = Population::new(gate, pki.client("localhost").connector());
        let (restarted, rows, failed) = (Vec::new(), Vec::new(), Vec::new());
        let (admin, began) = (admin.to_string(), Instant::now());
        Self { folder, pki, binary, admin, members, population, restarted, rows, failed, began }
    }

    async fn samples(&self) -> Samples {
        Samples::of(&self.admin).await
    }

    /// Another certificate, and all of the file read again.
    async fn reload(&self) {
        self.pki.issue(&["localhost"]).write(self.folder.path(), "server");
        let done = "wssgate_reloads_total{result=\"done\"}";
        let before = self.samples().await.sum(done);
        self.binary.signal("HUP").await;
        Samples::until(&self.admin, done, before + 1.0).await;
    }

    async fn restart(&mut self) {
        self.restarted.push(Instant::now());
        let turn = self.restarted.len() % self.members.len();
        self.members[turn].restart().await;
    }

    /// One moment of the table.
    async fn look(&mut self) {
        let open = self.samples().await.sum("wssgate_connections_open");
        let mut measured = std::mem::take(&mut *self.population.measured.lock().unwrap());
        let Measured { setups, echoes, failed } = &mut measured;
        let values = vec![
            quantile(setups, 0.5),
            quantile(setups, 0.99),
            quantile(setups, 1.0),
            quantile(echoes, 0.5),
            quantile(echoes, 0.99),
            self.binary.status_kib("VmRSS") as f64,
            self.binary.descriptors().len() as f64,
            open,
            self.population.resting.load(Relaxed) as f64,
            setups.len() as f64,
            failed.len() as f64,
        ];
        self.failed.append(failed);
        self.rows.push(Row { second: self.began.elapsed().as_secs_f64(), values });
    }

    /// All of it, for so long.
    async fn run(&mut self, span: Duration) {
        let mut clients = JoinSet::new();
        clients.spawn(Arc::clone(&self.population).rest(RESTING));
        let gathering = async {
            while self.population.resting.load(Relaxed) < RESTING as u64 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(GATHERING, gathering).await.expect("all that rest are there");
        clients.spawn(Arc::clone(&self.population).churn(CHURN));
        self.began = Instant::now();
        let reload_pause = (span / RELOADS).max(RELOAD_PAUSE);
        let restart_pause = (span / RESTARTS).max(RESTART_PAUSE);
        let (mut reloads, mut restarts) = (1, 1);
        for row in 1..=ROWS {
            let due = self.began + span * row / ROWS;
            sleep(due.saturating_duration_since(Instant::now())).await;
            self.look().await;
            let now = self.began.elapsed();
            // The last part is left in peace, so that its end can be compared.
            if now >= restart_pause * restarts && now + restart_pause / 2 < span {
                self.restart().await;
                restarts += 1;
            } else if now >= reload_pause * reloads {
                self.reload().await;
                reloads += 1;
            }
        }
        eprintln!("{} reloads, {} restarts of an upstream", reloads - 1, restarts - 1);
        clients.shutdown().await;
    }

    /// Those that failed for no restart of an upstream.
    fn failed_for_nothing(&self) -> Vec<&str> {
        // A visit may have been open for two seconds when its upstream went.
        let is_sore = |at: Instant| {
            self.restarted
                .iter()
                .any(|restart| at + Duration::from_secs(3) > *restart && at < *restart + SORE)
        };
        let for_nothing = self.failed.iter().filter(|(at, _)| !is_sore(*at));
        for_nothing.map(|(_, what)| what.as_str()).collect()
    }
}

/// In milliseconds; zero when there is nothing. Sorts.
fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let index = ((times.len() as f64 * share).ceil() as usize).max(1) - 1;
    times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

fn minutes() -> f64 {
    std::env::var("SOAK_MINUTES").map_or(1.0, |minutes| minutes.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn churn_beside_resting_tunnels_leaves_nothing_behind() {
    raise_open_files();
    let mut soak = Soak::start().await;
    let span = Duration::from_secs_f64(minutes() * 60.0);
    let before = soak.binary.descriptors();
    eprintln!("a soak of {span:.0?}, {}", build_name());
    soak.run(span).await;
    let dir = repository("target/soak");
    chart::write(&dir, &COLUMNS, &soak.rows);
    // Restarts end before the last of these, and what they cost must be paid back by then.
    let half = &soak.rows[soak.rows.len() / 2..];
    let minute = |column| chart::slope(half, column) * 60.0;
    let (memory, descriptors) = (minute(RSS), minute(DESCRIPTORS));
    let (first, last) = (&soak.rows[ROWS as usize / 10], soak.rows.last().unwrap());
    eprintln!(
        "{} visits; {} of those that rest came back; {} failed in restarts; memory {:.0} KiB after a \
         tenth, {:.0} KiB at the end; slopes in the second half: {memory:+.1} KiB and {descriptors:+.2} \
         descriptors a minute; {}",
        soak.population.visits.load(Relaxed),
        soak.population.returned.load(Relaxed),
        soak.failed.len(),
        first.values[RSS],
        last.values[RSS],
        dir.join("soak.svg").display()
    );
    for (index, name) in [(0, "set-up p50"), (1, "set-up p99"), (3, "echo p50"), (4, "echo p99")] {
        let mut values: Vec<_> = soak.rows.iter().map(|row| row.values[index]).collect();
        values.sort_by(f64::total_cmp);
        let most = values.last().unwrap();
        eprintln!("{name}: median {:.2} ms, worst {most:.2} ms", values[values.len() / 2]);
    }
    let for_nothing = soak.failed_for_nothing();
    assert!(for_nothing.is_empty(), "{}: {:?}", for_nothing.len(), for_nothing.first());
    let half_minutes = span.as_secs_f64() / 120.0;
    assert!(memory * half_minutes < SLACK_KIB, "{memory} KiB a minute");
    eventually("nothing is left", || soak.binary.descriptors().len() <= before.len()).await;
    Samples::until(&soak.admin, "wssgate_tunnels_open{", 0.0).await;
    let after = soak.samples().await;
    let [opened, closed] = ["opened", "closed"].map(|what| format!("wssgate_tunnels_{what}_total"));
    assert_eq!(after.sum(&opened), after.sum(&closed));
    eprintln!("{} KiB when all have left", soak.binary.status_kib("VmRSS"));
    soak.binary.signal("TERM").await;
    assert_eq!(soak.binary.ended().await.0, 0);
}
