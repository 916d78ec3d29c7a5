//! Requests that wait for a place, when all members have as many as they may.

use std::time::{Duration, Instant};

use wssgate::config::Listener;

use super::member::{Member, Mode};
use super::{NEVER, finish, letters, live, open, open_many, pool, serve, serve_with, try_open, up};
use crate::support::{BlackHole, Client, Proxy, echo, eventually, upgrade_request};

/// Sends a request that finds no place, and returns when it waits as the last of so many.
async fn queue(proxy: &Proxy, place: usize) -> Client {
    let mut client = Client::connect(proxy.addr).await;
    client.send(upgrade_request().as_bytes()).await;
    eventually("it waits", || pool(proxy).queued() == place).await;
    client
}

async fn full(members: &[&Member], tweak: impl FnOnce(&mut Listener)) -> Proxy {
    serve_with(members, |config| {
        config.balancing.max_connections = Some(1);
        config.balancing.fail_timeout = NEVER;
        tweak(config);
    })
    .await
}

#[tokio::test]
async fn who_waits_gets_the_next_place_in_turn() {
    let [a, b] = Member::several().await;
    let proxy = full(&[&a, &b], |config| config.timeouts.upgrade = NEVER).await;
    let mut held = open_many(proxy.addr, 2).await;
    let first = queue(&proxy, 1).await;
    let second = queue(&proxy, 2).await;
    let third = queue(&proxy, 3).await;
    assert_eq!((a.heads().len(), b.heads().len()), (1, 1));

    drop(held.remove(1));
    let first = finish(first).await.ok().unwrap();
    assert_eq!((first.member, pool(&proxy).queued()), ('B', 2));
    drop(held.remove(0));
    let second = finish(second).await.ok().unwrap();
    assert_eq!((second.member, pool(&proxy).queued()), ('A', 1));
    drop(second);
    let mut third = finish(third).await.ok().unwrap();
    assert_eq!((third.member, pool(&proxy).queued()), ('A', 0));
    assert_eq!(live(&proxy), [1, 1]);
    echo(&mut third.client, "at last").await;
}

#[tokio::test]
async fn beyond_the_queue_it_is_a_503_at_once() {
    let a = Member::start('A').await;
    let proxy = full(&[&a], |config| {
        config.timeouts.upgrade = NEVER;
        config.balancing.max_queued = 1;
    })
    .await;
    let held = open(proxy.addr).await;
    let waiting = queue(&proxy, 1).await;
    for _ in 0..3 {
        assert_eq!(try_open(proxy.addr).await.err(), Some(503));
    }
    drop(held);
    let served = finish(waiting).await.ok().unwrap();
    assert_eq!(served.member, 'A');
    assert_eq!(a.heads().len(), 2);
}

#[tokio::test]
async fn without_a_queue_it_is_a_503_at_once() {
    let a = Member::start('A').await;
    let proxy = full(&[&a], |config| config.balancing.max_queued = 0).await;
    let _held = open(proxy.addr).await;
    assert_eq!(try_open(proxy.addr).await.err(), Some(503));
}

#[tokio::test]
async fn nobody_waits_beyond_his_deadline() {
    let a = Member::start('A').await;
    let limit = Duration::from_millis(500);
    let proxy = full(&[&a], |config| config.timeouts.upgrade = limit).await;
    let held = open(proxy.addr).await;
    let started = Instant::now();
    assert_eq!(try_open(proxy.addr).await.err(), Some(503));
    assert!(started.elapsed() >= limit);
    assert_eq!(pool(&proxy).queued(), 0);
    drop(held);
    eventually("its place is free", || live(&proxy) == [0]).await;
    assert_eq!(open(proxy.addr).await.member, 'A');
    assert_eq!(up(&proxy), [true], "to be busy is no failure");
}

#[tokio::test]
async fn who_goes_away_gives_his_place_in_the_queue_back() {
    let a = Member::start('A').await;
    let proxy = full(&[&a], |config| {
        config.timeouts.upgrade = NEVER;
        config.balancing.max_queued = 2;
    })
    .await;
    let held = open(proxy.addr).await;
    let closing = queue(&proxy, 1).await;
    let resetting = queue(&proxy, 2).await;
    resetting.reset();
    eventually("one went by a reset", || pool(&proxy).queued() == 1).await;
    drop(closing);
    eventually("one closed", || pool(&proxy).queued() == 0).await;
    let patient = queue(&proxy, 1).await;
    drop(held);
    assert_eq!(finish(patient).await.ok().unwrap().member, 'A');
    assert_eq!(a.heads().len(), 2, "nothing was asked for those who went");
}

#[tokio::test]
async fn what_who_waits_sends_early_is_kept_for_the_tunnel() {
    let a = Member::start('A').await;
    let proxy = full(&[&a], |config| config.timeouts.upgrade = NEVER).await;
    let held = open(proxy.addr).await;
    let mut early = queue(&proxy, 1).await;
    early.send(b"early").await;
    drop(held);
    let mut tunnel = finish(early).await.ok().unwrap();
    assert_eq!(tunnel.client.read_exact(5).await, b"early");
}

#[tokio::test]
async fn a_place_that_came_to_nothing_goes_to_the_next() {
    let hole = BlackHole::new();
    let connect_timeout = Duration::from_millis(400);
    let upgrade_timeout = Duration::from_secs(20);
    let proxy = Proxy::start_with(&[hole.addr.to_string()], |config| {
        config.timeouts.connect = connect_timeout;
        config.timeouts.upgrade = upgrade_timeout;
        config.balancing.max_connections = Some(1);
    })
    .await;
    let started = Instant::now();
    let mut first = Client::connect(proxy.addr).await;
    first.send(upgrade_request().as_bytes()).await;
    eventually("it is connecting", || live(&proxy) == [1]).await;
    let second = queue(&proxy, 1).await;
    assert_eq!(finish(first).await.err(), Some(504));
    assert_eq!(finish(second).await.err(), Some(504), "it was tried as well");
    assert!(started.elapsed() < upgrade_timeout / 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn one_waits_for_a_busy_member_rather_than_try_one_that_is_down() {
    let [a, b] = Member::several().await;
    let proxy = full(&[&a, &b], |_| {}).await;
    a.set(Mode::Close);
    assert_eq!(try_open(proxy.addr).await.err(), Some(502));
    let held = open(proxy.addr).await;
    assert_eq!((held.member, up(&proxy)), ('B', vec![false, true]));
    let waiting = queue(&proxy, 1).await;
    drop(held);
    assert_eq!(finish(waiting).await.ok().unwrap().member, 'B');
    assert_eq!(a.heads().len(), 1);
}

#[tokio::test]
async fn who_waits_is_served_though_another_member_refuses() {
    let [mut a, b] = Member::several().await;
    let proxy = full(&[&a, &b], |config| {
        config.timeouts.upgrade = NEVER;
        config.balancing.max_fails = 0;
    })
    .await;
    a.stop().await;
    let held = open(proxy.addr).await;
    let first = queue(&proxy, 1).await;
    let second = queue(&proxy, 2).await;
    drop(held);
    // Either may find the place while the other one is being refused.
    let waiting = [finish(first), finish(second)].map(Box::pin);
    let (served, _, waiting) = futures_util::future::select_all(waiting).await;
    assert_eq!(letters(&[served.ok().unwrap()]), "B");
    for last in waiting {
        assert_eq!(letters(&[last.await.ok().unwrap()]), "B");
    }
}

#[tokio::test]
async fn a_queue_may_be_as_long_as_one_likes() {
    let a = Member::start('A').await;
    let proxy = serve(&[&a], |config| config.max_queued = usize::MAX).await;
    assert_eq!(open(proxy.addr).await.member, 'A');
}
