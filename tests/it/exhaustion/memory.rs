//! Memory: where it is limited, a limit of connections keeps the program within it.

use std::path::{Path, PathBuf};
use std::{fs, process};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::{Client, TlsOptions, Upstream, Watched, echo};

/// Address space that it may take on top of what it has at the start.
const ROOM_BYTES: u64 = 96 * 1024 * 1024;

/// All memory of its group.
const GROUP_BYTES: u64 = 48 * 1024 * 1024;

/// Connections that each fill their head's buffer.
const CROWD: usize = 1_500;

/// As many of them as fit with room to spare: each takes its head, twice that while the buffer grows, and TLS.
const PLACES: &str = "--max-connections=300";

/// The same in the group, [`RESTING`] among them.
const PLACES_IN_GROUP: &str = "--max-connections=250";

/// Tunnels that are there before the crowd comes.
const RESTING: usize = 50;

/// All of a head that may be 64 KiB but for its end.
fn endless_head() -> String {
    format!("GET / HTTP/1.1\r\nHost: example.com\r\nX-Padding: {}", "p".repeat(60 * 1024))
}

/// The crowd comes, and is gone.
async fn crowd(watched: &Watched) {
    let connector = TlsOptions::default().connector();
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..CROWD {
        let (addr, connector) = (watched.addr, connector.clone());
        crowd.spawn(async move {
            let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
            // Most wait in the kernel's queue for longer than they have patience.
            if let Ok(mut client) = Client::handshake(stream, connector).await {
                let _ = client.try_send(endless_head().as_bytes()).await;
                client.read_to_end().await;
                let _ = client.0.shutdown().await;
            }
        });
    }
    crowd.join_all().await;
    let (peak, answered) = (watched.peak_kib(), watched.samples().await);
    let answered = answered.sum("wssgate_heads_refused_total");
    eprintln!("{CROWD} heads without an end, {answered} refused: resident at most {peak} KiB");
    assert!(answered > 300.0, "only {answered} heads were there to fill the memory");
}

async fn serves(watched: &Watched) {
    let mut client = Client::connect(watched.addr).await;
    client.upgrade().await;
    echo(&mut client, "it lives").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_little_memory_a_limit_of_connections_keeps_it_alive() {
    let upstream = Upstream::echo().await;
    let args = [PLACES, "--setup-timeout=3s"];
    let watched = Watched::start(&upstream.addr(), &args).await;
    limit_memory(&watched).await;
    crowd(&watched).await;
    serves(&watched).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_group_with_little_memory_it_lives_and_so_do_its_tunnels() {
    let group = match Group::limited(GROUP_BYTES) {
        Ok(group) => group,
        Err(why) => return eprintln!("NOT CHECKED: no group of processes to be had here: {why}"),
    };
    let upstream = Upstream::echo().await;
    let enter = format!("echo $$ >{}", group.0.join("cgroup.procs").display());
    let args = [PLACES_IN_GROUP, "--setup-timeout=3s"];
    let watched = Watched::start_after(&enter, &upstream.addr(), &args).await;
    let mut tunnels = Vec::new();
    for _ in 0..RESTING {
        let mut client = Client::connect(watched.addr).await;
        client.upgrade().await;
        tunnels.push(client);
    }
    crowd(&watched).await;
    eprintln!("in a group of {GROUP_BYTES} bytes; {}", group.told());
    for client in &mut tunnels {
        echo(client, "still here").await;
    }
    drop(tunnels);
    serves(&watched).await;
    watched.binary.signal("KILL").await;
    let Watched { mut binary, .. } = watched;
    binary.exit().await;
}

/// Limits its address space to what it has now and some more (prlimit(1)).
async fn limit_memory(watched: &Watched) {
    let limit = watched.binary.status_kib("VmSize") * 1024 + ROOM_BYTES;
    let pid = watched.binary.pid().to_string();
    let limit = format!("--as={limit}:{limit}");
    let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    assert!(status.await.unwrap().success());
}

/// A group of processes within that of this one (cgroups(7)), until dropped; its processes have to be gone then.
struct Group(PathBuf);

impl Group {
    /// One whose memory is limited; or why there is none.
    fn limited(bytes: u64) -> Result<Self, String> {
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let within = |controller: &str| own.lines().find_map(|line| line.split_once(controller));
        let (root, (_, own), file) = match (within(":memory:"), within("0::")) {
            (Some(own), _) => ("/sys/fs/cgroup/memory", own, "memory.limit_in_bytes"),
            (None, Some(own)) => ("/sys/fs/cgroup", own, "memory.max"),
            (None, None) => return Err("not in /proc/self/cgroup".to_owned()),
        };
        let own = Path::new(root).join(own.trim_start_matches('/'));
        // In a container its own group is the root of what it sees.
        let own = if own.is_dir() { own } else { root.into() };
        let group = Self(own.join(format!("wssgate-{}", process::id())));
        let made = fs::create_dir(&group.0);
        let limited = made.and_then(|()| fs::write(group.0.join(file), bytes.to_string()));
        limited.map_err(|error| format!("{}: {error}", group.0.join(file).display()))?;
        Ok(group)
    }

    /// How much it took at most, and how often it had to give back memory or lost a process.
    fn told(&self) -> String {
        let files = ["memory.max_usage_in_bytes", "memory.failcnt", "memory.peak", "memory.events"];
        let said = |file| Some((file, fs::read_to_string(self.0.join(file)).ok()?));
        let said = files.into_iter().filter_map(said);
        said.map(|(file, said)| format!("{file}: {}; ", said.trim().replace('\n', ", "))).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
