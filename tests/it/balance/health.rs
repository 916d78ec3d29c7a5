//! Members judged by the requests that they get.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::Instant as Clock;
use wssgate::config::Listener;
use wssgate::upstream::health::Standing;

use super::member::{Member, Mode};
use super::{NEVER, letters, open, open_many, pool, serve, serve_with, try_open, up};
use crate::support::{Client, Proxy, Upstream, eventually};

/// The time for which a member is out, where it comes back.
const FAIL_TIMEOUT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn one_that_refuses_is_left_out_and_comes_back() {
    let [mut a, b] = Member::several().await;
    let proxy = serve(&[&a, &b], |config| config.fail_timeout = FAIL_TIMEOUT).await;
    a.stop().await;
    let tunnels = open_many(proxy.addr, 4).await;
    assert_eq!(letters(&tunnels), "BBBB", "no request is lost");
    a.start_again().await;
    let started = Instant::now();
    while open(proxy.addr).await.member != 'A' {}
    eprintln!("back after {:?}", started.elapsed());
    eventually("it is up", || up(&proxy) == [true, true]).await;
    let letters = letters(&open_many(proxy.addr, 4).await);
    assert!(letters == "ABAB" || letters == "BABA", "{letters}");
}

#[tokio::test]
async fn one_request_tries_it_again_and_the_others_do_not_wait_for_that() {
    let [mut a, b] = Member::several().await;
    // Long enough for all that is asked within one trial.
    let fail_timeout = Duration::from_secs(4);
    let proxy = serve(&[&a, &b], |config| config.fail_timeout = fail_timeout).await;
    a.stop().await;
    assert_eq!(open(proxy.addr).await.member, 'B');
    a.start_again().await;
    a.set(Mode::Silence);
    assert_eq!(letters(&open_many(proxy.addr, 3).await), "BBB", "too early");
    let first = &pool(&proxy).members()[0];
    eventually("it may be tried", || first.standing(Clock::now()) == Standing::Trial).await;
    let asked = join_all((0..6).map(|_| async {
        let opening = try_open(proxy.addr);
        tokio::time::timeout(Duration::from_secs(2), opening)
            .await
            .ok()
            .map(|tunnel| tunnel.map(|tunnel| tunnel.member))
    }))
    .await;
    let served = asked.iter().filter(|asked| **asked == Some(Ok('B'))).count();
    assert_eq!((served, a.heads().len()), (5, 1), "{asked:?}");
}

/// A first request that fails in this mode with this status, after which its member is out.
async fn takes_it_out(mode: Mode, status: u16) {
    let [a, b] = Member::several().await;
    let proxy = serve_with(&[&a, &b], |config: &mut Listener| {
        config.timeouts.upgrade = Duration::from_millis(500);
        config.balancing.fail_timeout = NEVER;
    })
    .await;
    a.set(mode);
    assert_eq!(try_open(proxy.addr).await.err(), Some(status), "{mode:?}");
    eventually("it is out", || up(&proxy) == [false, true]).await;
    a.set(Mode::Good);
    assert_eq!(letters(&open_many(proxy.addr, 4).await), "BBBB", "{mode:?}");
    assert_eq!(a.heads().len(), 1);
}

#[tokio::test]
async fn garbage_takes_a_member_out() {
    takes_it_out(Mode::Garbage, 502).await;
}

#[tokio::test]
async fn a_close_without_an_answer_takes_a_member_out() {
    takes_it_out(Mode::Close, 502).await;
}

#[tokio::test]
async fn silence_takes_a_member_out() {
    takes_it_out(Mode::Silence, 504).await;
}

#[tokio::test]
async fn a_101_that_was_not_asked_for_takes_a_member_out() {
    let [a, b] = Member::several().await;
    let proxy = serve(&[&a, &b], |config| config.fail_timeout = NEVER).await;
    a.set(Mode::Status(101));
    let (head, _) =
        Client::connect(proxy.addr).await.ask("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    eventually("it is out", || up(&proxy) == [false, true]).await;
}

#[tokio::test]
async fn an_applications_500_takes_nobody_out() {
    let [a, b] = Member::several().await;
    let proxy = serve(&[&a, &b], |config| config.fail_timeout = NEVER).await;
    a.set(Mode::Status(500));
    for _ in 0..3 {
        assert_eq!(try_open(proxy.addr).await.err(), Some(500));
        assert_eq!(open(proxy.addr).await.member, 'B');
    }
    assert_eq!(up(&proxy), [true, true]);
}

#[tokio::test]
async fn max_fails_is_how_many_it_takes() {
    let [a, b] = Member::several().await;
    let proxy = serve(&[&a, &b], |config| {
        (config.max_fails, config.fail_timeout) = (3, NEVER);
    })
    .await;
    a.set(Mode::Close);
    for fails in 1..=3 {
        assert_eq!(up(&proxy), [true, true], "after {} of them", fails - 1);
        assert_eq!(try_open(proxy.addr).await.err(), Some(502));
        assert_eq!(open(proxy.addr).await.member, 'B');
    }
    assert_eq!(up(&proxy), [false, true]);
}

#[tokio::test]
async fn without_max_fails_nobody_is_taken_out() {
    let [a, b] = Member::several().await;
    let proxy = serve(&[&a, &b], |config| config.max_fails = 0).await;
    a.set(Mode::Close);
    for _ in 0..3 {
        assert_eq!(try_open(proxy.addr).await.err(), Some(502));
        assert_eq!(open(proxy.addr).await.member, 'B');
    }
    assert_eq!(up(&proxy), [true, true]);
}

#[tokio::test]
async fn when_all_are_down_all_are_tried() {
    let [mut a, mut b] = Member::several().await;
    let proxy = serve(&[&a, &b], |config| config.fail_timeout = NEVER).await;
    a.stop().await;
    b.stop().await;
    for _ in 0..3 {
        assert_eq!(try_open(proxy.addr).await.err(), Some(502));
    }
    assert_eq!(up(&proxy), [false, false]);
    b.start_again().await;
    assert_eq!(letters(&open_many(proxy.addr, 3).await), "BBB");
    assert_eq!(up(&proxy), [false, true], "which shows that it is back");
}

#[tokio::test]
async fn an_answer_that_has_begun_shows_that_it_is_back() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start_with(&[upstream.addr()], |config| {
        config.balancing.fail_timeout = NEVER;
    })
    .await;
    let ask = async || {
        let mut client = Client::connect(proxy.addr).await;
        client.send(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        client
    };
    let _refused = ask().await;
    drop(upstream.accept().await);
    eventually("it is down", || up(&proxy) == [false]).await;
    let _client = ask().await;
    let mut answering = upstream.accept().await;
    answering.read_head().await;
    answering.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").await;
    eventually("it is up", || up(&proxy) == [true]).await;
}

#[tokio::test]
async fn a_black_hole_is_taken_out_though_the_upgrade_timeout_is_the_shorter() {
    let hole = crate::support::BlackHole::new();
    let b = Member::start('B').await;
    let proxy =
        crate::support::Proxy::start_with(&[hole.addr.to_string(), b.addr.to_string()], |config| {
            config.timeouts.upgrade = Duration::from_millis(400);
            config.balancing.fail_timeout = NEVER;
        })
        .await;
    assert_eq!(try_open(proxy.addr).await.err(), Some(504));
    assert_eq!(letters(&open_many(proxy.addr, 3).await), "BBB");
    assert_eq!(pool(&proxy).members()[0].live(), 0);
}
