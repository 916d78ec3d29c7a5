//! Descriptors.

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{Binary, Client, Upstream, Watched, echo, eventually, within};

/// Far more than 256 descriptors hold.
const CROWD: usize = 600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_256_descriptors_a_crowd_is_served_one_after_the_other() {
    let upstream = Upstream::echo().await;
    let watched = Watched::start_after("ulimit -n 256", &upstream.addr(), &[]).await;
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let addr = watched.addr;
        crowd.spawn(async move {
            let mut client = Client::connect(addr).await;
            client.upgrade().await;
            echo(&mut client, "my turn").await;
            client.shutdown().await;
            client.read_to_end().await;
        });
    }
    crowd.join_all().await;
    let samples = watched.samples().await;
    assert_eq!(samples.sum("wssgate_tunnels_opened_total"), CROWD as f64);
    // Its limit follows from the descriptors: it never tries for one that is not there.
    assert_eq!(samples.sum("wssgate_accept_errors_total"), 0.0);
    assert_eq!(samples.sum("wssgate_failures_total"), 0.0);
}

#[tokio::test]
async fn without_a_descriptor_left_tunnels_live_a_reload_is_refused_and_all_recovers() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &["--max-fails=0"]).await;
    let mut tunnel = Client::connect(addr).await;
    tunnel.upgrade().await;
    binary.watches().await;
    let open = binary.descriptors();
    // Room for one: for the client's side of a connection, and not for the upstream's.
    let free = (0..).find(|number| !open.contains_key(number)).unwrap();
    binary.limit_open_files(free + 1).await;
    let mut refused = Client::connect(addr).await;
    let (head, _) = refused.ask(crate::support::upgrade_request()).await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    let line = binary.line("connection failed").await;
    assert!(line["reason"].as_str().unwrap().contains("Too many open files"), "{line}");
    drop(refused);
    eventually("it has left", || !binary.descriptors().contains_key(&free)).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(addr).await.unwrap());
    }
    binary.line("accept failed, trying again").await;
    eventually("the last one is taken", || binary.descriptors().contains_key(&free)).await;
    assert!(!binary.reload().await, "files could be read without a descriptor");
    echo(&mut tunnel, "it does not notice").await;
    binary.limit_open_files(256).await;
    drop(idle);
    assert!(binary.reload().await, "{:?}", binary.log());
    within("it serves again", async {
        let mut client = Client::connect(addr).await;
        client.upgrade().await;
        echo(&mut client, "as before").await;
    })
    .await;
    echo(&mut tunnel, "nor afterwards").await;
    eventually("none is left over", || binary.descriptors().len() <= open.len()).await;
}
