//! Sockets that are held and not used.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::{Assault, all, sockets};
use crate::support::{CAP, Client, Connector, KEY, TlsOptions};

/// All of set-up, in these tests.
const SETUP: &str = "--setup-timeout=8s";

/// The begin of a ClientHello of 512 bytes.
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// Reads until it is thrown out.
async fn until_thrown_out(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut scratch = [0; 512];
    let ended = timeout(2 * CAP, async {
        while stream.read(&mut scratch).await.is_ok_and(|read| read > 0) {}
    });
    ended.await.expect("it is thrown out");
}

/// Shakes hands, not more than some at once: they are not the attack.
async fn connected(gate: SocketAddr, connector: Connector, turns: &Semaphore) -> Client {
    let _turn = turns.acquire().await.unwrap();
    let stream = TcpStream::connect(gate).await.unwrap();
    Client::handshake(stream, connector).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn those_who_never_finish_tls() {
    let assault = Assault::start(&[SETUP]).await;
    let gate = assault.watched.addr;
    all(sockets(), |_| async move {
        let mut stream = TcpStream::connect(gate).await.unwrap();
        stream.write_all(HALF_A_HELLO).await.unwrap();
        until_thrown_out(&mut stream).await;
    })
    .await;
    assault.bounded("never finish TLS", sockets(), ("--setup-timeout", 40.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn those_who_keep_coming_and_never_finish_tls() {
    let assault = Assault::start(&[SETUP]).await;
    let (gate, until) = (assault.watched.addr, Instant::now() + Duration::from_secs(12));
    let came = Arc::new(AtomicUsize::new(0));
    // A thousand a second.
    all(sockets() / 5, |_| {
        let came = Arc::clone(&came);
        async move {
            while Instant::now() < until {
                let mut stream = TcpStream::connect(gate).await.unwrap();
                stream.write_all(HALF_A_HELLO).await.unwrap();
                came.fetch_add(1, Relaxed);
                let _ = timeout(Duration::from_secs(1), until_thrown_out(&mut stream)).await;
            }
        }
    })
    .await;
    let limits = ("--setup-timeout, and the time for which a handshake keeps its place", 64.0);
    assault.bounded("keep coming", came.load(Relaxed), limits).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn those_who_send_a_byte_a_second() {
    let assault = Assault::start(&[SETUP]).await;
    let gate = assault.watched.addr;
    all(sockets(), |_| async move {
        let mut stream = TcpStream::connect(gate).await.unwrap();
        for byte in HALF_A_HELLO.iter().chain([0; 64].iter()) {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
        panic!("it was never thrown out");
    })
    .await;
    assault.bounded("a byte a second", sockets(), ("--setup-timeout", 40.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn those_who_finish_tls_and_send_nothing_or_a_byte_a_second() {
    let assault = Assault::start(&[SETUP]).await;
    let (gate, turns) = (assault.watched.addr, Arc::new(Semaphore::new(64)));
    let connector = Connector::from(TlsOptions::default().config());
    all(sockets(), |number| {
        let (turns, connector) = (Arc::clone(&turns), connector.clone());
        async move {
            let mut client = connected(gate, connector, &turns).await;
            if number % 2 == 0 {
                return until_thrown_out(&mut client.0).await;
            }
            let (mut read, mut write) = tokio::io::split(client.0);
            let drip = async {
                loop {
                    let _ = write.write_all(b"G").await;
                    let _ = write.flush().await;
                    sleep(Duration::from_secs(1)).await;
                }
            };
            tokio::select! {
                () = until_thrown_out(&mut read) => {}
                () = drip => {}
            }
        }
    })
    .await;
    assault.bounded("silent after TLS", sockets(), ("--setup-timeout", 64.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn upgrades_that_upstreams_never_answer() {
    let assault = Assault::start(&["--upgrade-timeout=8s", "--setup-timeout=30s"]).await;
    let (gate, turns) = (assault.watched.addr, Arc::new(Semaphore::new(64)));
    let connector = Connector::from(TlsOptions::default().config());
    let request = format!(
        "GET /never HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    all(sockets(), |_| {
        let (turns, connector, request) = (Arc::clone(&turns), connector.clone(), request.clone());
        async move {
            let mut client = connected(gate, connector, &turns).await;
            client.send(request.as_bytes()).await;
            let (head, _) = client.read_head().await;
            assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
        }
    })
    .await;
    assault.bounded("never answered", sockets(), ("--upgrade-timeout", 64.0)).await;
}
