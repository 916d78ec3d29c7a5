//! Work and bytes without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::client::Resumption;

use super::{Assault, all, sockets};
use crate::support::{Client, Connector, TlsOptions};

/// For how long a flood lasts.
const FLOOD: Duration = Duration::from_secs(8);

/// A client that never resumes.
fn full() -> Connector {
    let mut config = ClientConfig::clone(&TlsOptions::default().config());
    config.resumption = Resumption::disabled();
    Connector::from(Arc::new(config))
}

/// Has so many clients shake hands without end, and returns how often they have.
async fn shake_hands(assault: &Assault, clients: usize) -> usize {
    let (gate, until) = (assault.watched.addr, Instant::now() + FLOOD);
    let (made, connector) = (Arc::new(AtomicUsize::new(0)), full());
    all(clients, |_| {
        let (made, connector) = (Arc::clone(&made), connector.clone());
        async move {
            while Instant::now() < until {
                let stream = TcpStream::connect(gate).await.unwrap();
                let client = Client::handshake(stream, connector.clone()).await.unwrap();
                made.fetch_add(1, Relaxed);
                client.reset();
            }
        }
    })
    .await;
    let made = made.load(Relaxed);
    assert!(made > 200, "{made} handshakes are no flood");
    made
}

/// How many of them had to wait for others.
async fn queued(assault: &Assault) -> f64 {
    let queued = assault.watched.samples().await.sum("wssgate_handshakes_queued_total");
    eprintln!("handshakes that had to wait for a place: {queued}");
    queued
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn full_handshakes() {
    let assault = Assault::start(&[]).await;
    let made = shake_hands(&assault, 64).await;
    assert_eq!(queued(&assault).await, 0.0, "64 fit into the places that there are by default");
    assault.bounded("full handshakes of 64", made, ("the CPU", 64.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn full_handshakes_of_more_than_have_a_place() {
    for (clients, places) in [(64, "--max-handshakes=4"), (1_000, "--max-handshakes=16")] {
        let assault = Assault::start(&[places]).await;
        let made = shake_hands(&assault, clients).await;
        assert!(queued(&assault).await > 200.0, "{places} does not limit {clients}");
        let what = format!("full handshakes of {clients}");
        assault.bounded(&what, made, (places, 64.0)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn heads_without_an_end() {
    let assault = Assault::start(&[]).await;
    let (gate, connector) = (assault.watched.addr, Connector::from(TlsOptions::default().config()));
    let (until, refused) = (Instant::now() + FLOOD, Arc::new(AtomicUsize::new(0)));
    all(64, |_| {
        let (connector, refused) = (connector.clone(), Arc::clone(&refused));
        async move {
            while Instant::now() < until {
                let mut client = Client::connect_with(gate, connector.clone()).await.unwrap();
                client.send(b"GET / HTTP/1.1\r\nHost: example.com\r\n").await;
                let lines = b"X-Padding: pppppppppppppppppppppppppppppppppppp\r\n".repeat(100);
                let (mut read, mut write) = tokio::io::split(client.0);
                let pouring = async {
                    use tokio::io::AsyncWriteExt as _;
                    while write.write_all(&lines).await.is_ok() && write.flush().await.is_ok() {}
                    std::future::pending().await
                };
                let mut status = [0; 12];
                let answer = tokio::io::AsyncReadExt::read_exact(&mut read, &mut status);
                let answered: std::io::Result<usize> = tokio::select! {
                    answered = answer => answered,
                    never = pouring => never,
                };
                answered.unwrap();
                assert_eq!(&status, b"HTTP/1.1 431");
                refused.fetch_add(1, Relaxed);
            }
        }
    })
    .await;
    let refused = refused.load(Relaxed);
    assert!(refused > 64, "{refused} heads are no flood");
    assault.bounded("heads without an end", refused, ("--max-head-size", 400.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn heads_of_64_kib_by_the_thousand() {
    let assault = Assault::start(&["--setup-timeout=10s"]).await;
    let (gate, connector) = (assault.watched.addr, Connector::from(TlsOptions::default().config()));
    let count = sockets() * 2 / 5;
    let head = format!("GET / HTTP/1.1\r\nHost: example.com\r\nX: {}", "p".repeat(64 * 1024 - 64));
    let (head, turns) = (Arc::new(head), Arc::new(tokio::sync::Semaphore::new(64)));
    all(count, |_| {
        let (connector, head, turns) = (connector.clone(), Arc::clone(&head), Arc::clone(&turns));
        async move {
            let turn = turns.acquire_owned().await.unwrap();
            let mut client = Client::connect_with(gate, connector).await.unwrap();
            client.send(head.as_bytes()).await;
            drop(turn);
            let (head, _) = client.read_head().await;
            assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
        }
    })
    .await;
    let limits = "--max-head-size, --max-connections and --setup-timeout";
    assault.bounded("heads of 64 KiB", count, (limits, 256.0)).await;
}
