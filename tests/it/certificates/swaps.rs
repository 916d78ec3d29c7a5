//! The promise of a reload, under load: no tunnel ends, no handshake fails, and no client sees anything
//! but one whole pair, never an older one than somebody saw before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::rustls;
use wssgate::server::{Order, Outcome};

use super::layout::Kubernetes;
use super::{Pki, serve};
use crate::support::{Client, Issued, TlsOptions, echo, within};

const SWAPS: usize = 200;
const TUNNELS: usize = 500;

/// Tasks that share the tunnels.
const ECHOERS: usize = 10;

/// Between two echoes of one task: each tunnel speaks about twice a second.
const PACE: Duration = Duration::from_millis(10);

/// What all handshakes hold each other to.
struct Watched {
    addr: SocketAddr,
    client: TlsOptions,
    certificates: Vec<Issued>,
    /// The newest one that is in the files.
    newest: AtomicUsize,
    /// The newest one that a handshake has seen.
    seen: AtomicUsize,
    handshakes: AtomicUsize,
    done: AtomicBool,
}

impl Watched {
    /// Opens a tunnel after a full handshake, with TLS 1.2 every other time.
    async fn open(&self) -> Client {
        let count = self.handshakes.fetch_add(1, SeqCst);
        let version = rustls::ALL_VERSIONS[count % rustls::ALL_VERSIONS.len()];
        let options = TlsOptions { versions: vec![version], ..self.client.clone() };
        let before = self.seen.load(SeqCst);
        let mut client = Client::connect_with(self.addr, options.connector()).await.unwrap();
        assert!(!client.resumed());
        let shown = client.server_certificate();
        let index = self.certificates.iter().position(|one| one.certificate == *shown);
        let index = index.expect("one of the certificates");
        assert!(index >= before, "certificate {index} after {before} had been seen");
        assert!(index <= self.newest.load(SeqCst));
        self.seen.fetch_max(index, SeqCst);
        client.upgrade().await;
        client
    }

    /// Opens tunnels, one after the other, until all is done.
    async fn open_and_close(self: Arc<Self>) {
        while !self.done.load(SeqCst) {
            let mut client = self.open().await;
            echo(&mut client, "a new one").await;
            close(client).await;
        }
    }

    /// Echoes over these tunnels in turn until all is done, and closes them.
    async fn echo(self: Arc<Self>, mut tunnels: Vec<Client>) -> usize {
        let mut echoes = 0;
        while !self.done.load(SeqCst) {
            for tunnel in &mut tunnels {
                echo(tunnel, &format!("echo {echoes}")).await;
                echoes += 1;
                sleep(PACE).await;
            }
        }
        for mut tunnel in tunnels {
            echo(&mut tunnel, "the last one").await;
            close(tunnel).await;
        }
        echoes
    }
}

/// Ends a tunnel: nothing is left in it, and the other side says goodbye.
async fn close(mut client: Client) {
    client.shutdown().await;
    let (rest, how) = client.read_to_end_and_how().await;
    assert!(rest.is_empty() && how.is_ok(), "{how:?} {:?}", rest.escape_ascii().to_string());
}

/// Every other swap is announced, as by SIGHUP: the watcher alone needs half a second for each, since it
/// believes only what it has seen twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_swaps_are_noticed_by_nobody() {
    let pki = Pki::new();
    let certificates: Vec<Issued> = (0..=SWAPS).map(|_| pki.issue(&["localhost"])).collect();
    let folder = tempfile::tempdir().unwrap();
    let mut mount = Kubernetes::new(folder.path(), &certificates[0]);
    let proxy = serve(vec![mount.files()], |_| {}).await;
    let watched = Arc::new(Watched {
        addr: proxy.addr,
        client: pki.client("localhost"),
        certificates,
        newest: AtomicUsize::new(0),
        seen: AtomicUsize::new(0),
        handshakes: AtomicUsize::new(0),
        done: AtomicBool::new(false),
    });

    let mut echoers = JoinSet::new();
    for _ in 0..ECHOERS {
        let mut tunnels = Vec::new();
        for _ in 0..TUNNELS / ECHOERS {
            tunnels.push(watched.open().await);
        }
        echoers.spawn(Arc::clone(&watched).echo(tunnels));
    }
    let mut openers = JoinSet::new();
    openers.spawn(Arc::clone(&watched).open_and_close());

    for version in 1..=SWAPS {
        watched.newest.store(version, SeqCst);
        mount.swap(&watched.certificates[version]);
        if version % 2 == 0 {
            proxy.order(Order::Reload).await;
        }
        let seen = async {
            while watched.seen.load(SeqCst) < version {
                sleep(Duration::from_millis(5)).await;
                assert!(echoers.try_join_next().is_none(), "an echo has ended");
                assert!(openers.try_join_next().is_none(), "a handshake has failed");
            }
        };
        within(&format!("a handshake sees version {version}"), seen).await;
    }
    watched.done.store(true, SeqCst);
    while let Some(opened) = within("the last new tunnel closes", openers.join_next()).await {
        opened.unwrap();
    }
    while let Some(echoes) = within("all tunnels close", echoers.join_next()).await {
        assert!(echoes.unwrap() >= TUNNELS / ECHOERS, "each has echoed");
    }
    proxy.order(Order::Drain).await;
    assert_eq!(proxy.outcome().await, Outcome::Drained);
}
