//! Name servers that are dead, and a crowd that comes meanwhile. `resolve.rs` has what each one gets.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::{
    CAP, Client, Mood, NameServer, Upstream, Watched, echo, upgrade_request, within,
};

const CROWD: usize = 200;

async fn ask(watched: &Watched) -> Vec<String> {
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        let addr = watched.addr;
        crowd.spawn(async move {
            let mut client = Client::connect(addr).await;
            client.send(upgrade_request().as_bytes()).await;
            let (head, _) = client.read_head().await;
            head.split(' ').nth(1).unwrap().to_owned()
        });
    }
    crowd.join_all().await
}

#[tokio::test]
async fn while_name_servers_are_dead_a_crowd_is_answered_and_then_served() {
    let server = NameServer::start().await;
    server.be(Mood::Silent);
    let upstream = Upstream::echo().await;
    let port = upstream.addr().rsplit_once(':').unwrap().1.to_owned();
    server.set("app.example", 0, &["127.0.0.1"]);
    let resolver = format!("--resolver={}", server.addr);
    let args = [&resolver, "--connect-timeout=4s", "--max-fails=0"];
    let watched = Watched::start(&format!("app.example:{port}"), &args).await;
    let descriptors = watched.descriptors();
    let began = Instant::now();
    let statuses = ask(&watched).await;
    assert!(statuses.iter().all(|status| status == "504"), "{statuses:?}");
    assert!(began.elapsed() < CAP);
    eprintln!("{CROWD} clients without a name server: all 504 after {:?}", began.elapsed());
    server.be(Mood::Answering);
    let opened = within("a tunnel", async {
        loop {
            let mut client = Client::connect(watched.addr).await;
            client.send(upgrade_request().as_bytes()).await;
            if client.read_head().await.0.starts_with("HTTP/1.1 101 ") {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut tunnel = opened.await;
    // What was known stands in from now on.
    server.be(Mood::Failing);
    let statuses = ask(&watched).await;
    assert!(statuses.iter().all(|status| status == "101"), "{statuses:?}");
    echo(&mut tunnel, "undisturbed").await;
    drop(tunnel);
    watched.until("wssgate_connections_open", 0.0).await;
    // A query or two may be under way.
    assert!(watched.descriptors() <= descriptors + 4, "{}", watched.descriptors());
}
