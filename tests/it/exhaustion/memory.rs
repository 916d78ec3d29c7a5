//! Memory: where it is limited, a limit of connections keeps the program within it.

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::{Client, TlsOptions, Upstream, Watched, echo};

/// What it may take on top of what it has at the start.
const ROOM_BYTES: u64 = 96 * 1024 * 1024;

/// Connections that each fill their head's buffer.
const CROWD: usize = 1_500;

/// As many of them as fit with room to spare: each takes its head, twice that while the buffer grows, and TLS.
const PLACES: &str = "--max-connections=300";

/// All of a head that may be 64 KiB but for its end.
fn endless_head() -> String {
    format!("GET / HTTP/1.1\r\nHost: example.com\r\nX-Padding: {}", "p".repeat(60 * 1024))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_little_memory_a_limit_of_connections_keeps_it_alive() {
    let upstream = Upstream::echo().await;
    let args = [PLACES, "--setup-timeout=3s"];
    let watched = Watched::start(&upstream.addr(), &args).await;
    limit_memory(&watched).await;
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
    let peak = watched.peak_kib();
    eprintln!("{CROWD} heads without an end, 300 at once: resident at most {peak} KiB");
    let answered = watched.samples().await.sum("wssgate_heads_refused_total");
    assert!(answered > 300.0, "only {answered} heads were there to fill the memory");
    let mut client = Client::connect(watched.addr).await;
    client.upgrade().await;
    echo(&mut client, "it lives").await;
}

/// Limits its address space to what it has now and some more (prlimit(1)).
async fn limit_memory(watched: &Watched) {
    let limit = watched.binary.status_kib("VmSize") * 1024 + ROOM_BYTES;
    let pid = watched.binary.pid().to_string();
    let limit = format!("--as={limit}:{limit}");
    let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    assert!(status.await.unwrap().success());
}
