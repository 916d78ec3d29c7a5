//! Each way of balancing on real sockets, tunnels held open, and a reload in the middle.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wssgate::config::Balance;

use super::member::Member;
use super::{Tunnel, begin, counts, letters, live, open_many, serve, up};
use crate::support::{Client, Proxy, echo, eventually};

async fn say(tunnels: &mut [Tunnel]) {
    for tunnel in tunnels {
        echo(&mut tunnel.client, "still here").await;
    }
}

#[tokio::test]
async fn round_robin_is_exact() {
    let [a, b, c] = Member::several().await;
    let proxy = serve(&[&a, &b, &c], |config| config.balance = Balance::RoundRobin).await;
    let mut tunnels = open_many(proxy.addr, 7).await;
    proxy.reload(|_| {}).await;
    tunnels.extend(open_many(proxy.addr, 8).await);
    assert_eq!(letters(&tunnels), "ABCABCABCABCABC");
    assert_eq!(live(&proxy), [5, 5, 5]);
    say(&mut tunnels).await;
}

#[tokio::test]
async fn least_connections_fills_up_what_was_left_empty() {
    let [a, b, c] = Member::several().await;
    let proxy = serve(&[&a, &b, &c], |config| config.balance = Balance::LeastConnections).await;
    let mut tunnels = open_many(proxy.addr, 12).await;
    assert_eq!(counts(&tunnels, 3), [4, 4, 4]);
    tunnels.retain(|tunnel| tunnel.member != 'B');
    eventually("the tunnels of B are over", || live(&proxy) == [4, 0, 4]).await;
    proxy.reload(|_| {}).await;
    assert_eq!(live(&proxy), [4, 0, 4], "the counts survive the reload");
    let mut new = open_many(proxy.addr, 4).await;
    assert_eq!(letters(&new), "BBBB");
    new.extend(open_many(proxy.addr, 3).await);
    assert_eq!(counts(&new[4..], 3), [1, 1, 1]);
    say(&mut tunnels).await;
    say(&mut new).await;
}

#[tokio::test]
async fn random_two_is_never_far_from_equal() {
    let [a, b, c, d] = Member::several().await;
    let members = [&a, &b, &c, &d];
    let proxy = serve(&members, |config| config.balance = Balance::RandomTwo).await;
    let mut tunnels = open_many(proxy.addr, 20).await;
    proxy.reload(|_| {}).await;
    tunnels.extend(open_many(proxy.addr, 20).await);
    let counts = counts(&tunnels, 4);
    assert!(counts.iter().all(|count| (5..=15).contains(count)), "{counts:?}");
    assert_eq!(live(&proxy), counts);
    // Those of one member go: new ones make up for it, though two by lot are not always with it.
    tunnels.retain(|tunnel| tunnel.member != 'A');
    eventually("the tunnels of A are over", || live(&proxy)[0] == 0).await;
    tunnels.extend(open_many(proxy.addr, counts[0] * 3).await);
    let now = live(&proxy);
    assert!(now[0] >= counts[0] / 2, "{now:?}");
    say(&mut tunnels).await;
}

/// Opens a tunnel from each of these addresses; at which member each ends.
async fn from_each(proxy: &Proxy, held: &mut Vec<Tunnel>) -> HashMap<IpAddr, char> {
    let mut members = HashMap::new();
    for last in 1..=40 {
        let ip = IpAddr::from([127, 0, 2, last]);
        let client = Client::connect_from(SocketAddr::new(ip, 0), proxy.addr).await.unwrap();
        let tunnel = begin(client).await.map_err(|status| format!("{status} for {ip}")).unwrap();
        members.insert(ip, tunnel.member);
        held.push(tunnel);
    }
    members
}

#[tokio::test]
async fn source_hash_keeps_a_clients_member_and_moves_only_those_of_one_that_went() {
    let [a, mut b, c] = Member::several().await;
    let fail_timeout = Duration::from_millis(200);
    let proxy = serve(&[&a, &b, &c], |config| {
        config.balance = Balance::SourceHash;
        config.fail_timeout = fail_timeout;
    })
    .await;
    let mut held = Vec::new();
    let first = from_each(&proxy, &mut held).await;
    let counts = counts(&held, 3);
    assert!(counts.iter().all(|count| *count > 0), "not spread at all: {counts:?}");
    proxy.reload(|_| {}).await;
    assert_eq!(from_each(&proxy, &mut held).await, first);

    b.stop().await;
    let without = from_each(&proxy, &mut held).await;
    for (ip, member) in &first {
        match member {
            'B' => assert_ne!(without[ip], 'B'),
            other => assert_eq!(without[ip], *other, "{ip} was moved without need"),
        }
    }
    b.start_again().await;
    // Its clients try it again, and are back with it when it has answered one of them.
    let back =
        async { while from_each(&proxy, &mut held).await != first || up(&proxy) != [true; 3] {} };
    crate::support::within("all are where they were", back).await;
    say(&mut held).await;
}
