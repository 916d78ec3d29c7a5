//! Open tunnels: listed, and ended one by one.

use std::net::SocketAddr;

use super::{ask, start, tunnel};
use crate::support::{Binary, Client, Upstream, echo, eventually};

#[tokio::test]
async fn they_are_listed_newest_first() {
    let upstream = Upstream::echo().await;
    let (proxy, admin) = start(&upstream, |_| {}).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(tunnel(&proxy).await);
    }
    let counted = || proxy.reporter.status().totals.to_client_bytes == 15;
    // A client has its bytes a moment before they are counted.
    eventually("all bytes are counted", counted).await;
    let listed = ask(admin, "GET /tunnels").await.json();
    assert_eq!(listed["open"], 3);
    let tunnels = listed["tunnels"].as_array().unwrap();
    let ids: Vec<u64> = tunnels.iter().map(|tunnel| tunnel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [3, 2, 1]);
    let newest = &tunnels[0];
    let client = clients[2].0.get_ref().0.local_addr().unwrap().to_string();
    for (key, value) in [
        ("listener", proxy.addr.to_string()),
        ("client", client),
        ("server_name", "localhost".into()),
        ("tls_version", "1.3".into()),
        ("host", "example.com".into()),
        ("path", "/chat".into()),
        ("upstream", upstream.addr()),
    ] {
        assert_eq!(newest[key], value, "{key}");
    }
    assert_eq!((&newest["to_upstream_bytes"], &newest["to_client_bytes"]), (&5.into(), &5.into()));
    assert!(newest["cipher"].as_str().unwrap().starts_with("TLS_"), "{newest}");
    assert!(newest["opened_at"].as_u64().unwrap() > 1_700_000_000, "{newest}");
    let age = newest["age_seconds"].as_f64().unwrap();
    assert!(age > 0.0 && newest["idle_seconds"].as_f64().unwrap() <= age, "{newest}");

    let listed = ask(admin, "GET /tunnels?limit=2").await.json();
    assert_eq!((&listed["open"], listed["tunnels"].as_array().unwrap().len()), (&3.into(), 2));
    assert_eq!(ask(admin, "GET /tunnels?limit=x").await.status, 400);
    clients.pop().unwrap().reset();
    let tunnels = proxy.shared.tunnels.clone();
    eventually("the one that is gone is not listed", || tunnels.count() == 2).await;
    assert_eq!(ask(admin, "GET /tunnels").await.json()["tunnels"][0]["id"], 2);
}

#[tokio::test]
async fn one_is_ended_and_the_others_live() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &["--admin", "127.0.0.1:0"]).await;
    let line = binary.line("admin listening").await;
    let admin: SocketAddr = line["listener"].as_str().unwrap().parse().unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(addr).await;
        client.upgrade().await;
        echo(&mut client, "hello").await;
        clients.push(client);
    }
    let answer = ask(admin, "DELETE /tunnels/2").await;
    assert_eq!((answer.status, &*answer.body), (204, ""));
    let (rest, how) = clients[1].read_to_end_and_how().await;
    assert_eq!(rest, b"");
    how.expect("we say goodbye with close_notify");
    let closed = binary.line("tunnel closed").await;
    assert_eq!((&closed["id"], &closed["reason"]), (&2.into(), &"admin".into()));
    assert_eq!((&closed["closed_by"], &closed["to_client_bytes"]), (&"wssgate".into(), &5.into()));
    for index in [0, 2] {
        echo(&mut clients[index], "it lives").await;
    }
    assert_eq!(binary.lines("tunnel closed").len(), 1);
    for id in ["2", "9", "x", "", "-1", "1/2"] {
        assert_eq!(ask(admin, &format!("DELETE /tunnels/{id}")).await.status, 404, "{id}");
    }
    // No drain has cut it.
    drop(clients);
    eventually("all have ended", || binary.lines("tunnel closed").len() == 3).await;
    binary.signal("TERM").await;
    let stopped = binary.line("stopped").await;
    assert_eq!((&stopped["cut"], &stopped["tunnels"]), (&0.into(), &3.into()));
    assert_eq!(stopped["to_upstream_bytes"], 5 * 3 + 8 * 2);
    assert_eq!(binary.ended().await.0, 0);
}
