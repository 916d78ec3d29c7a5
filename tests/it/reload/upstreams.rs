//! Upstreams that come, go and change.

use std::num::NonZeroU16;
use std::time::Duration;

use tokio::time::Instant;
use wssgate::config::{Balance, CheckKind, Config, Goal, Member, Pool};
use wssgate::upstream;

use super::{lead_to, named, page};
use crate::support::{Client, Proxy, Upstream, echo, eventually};

/// An upstream with a name, of these members with their weights.
fn pool(config: &Config, name: &str, members: &[(&Upstream, u16)]) -> Pool {
    let listener = &config.listeners[0];
    let member = |(upstream, weight): &(&Upstream, u16)| Member {
        weight: NonZeroU16::new(*weight).unwrap(),
        ..Member::new(upstream.addr().parse().unwrap())
    };
    let unnamed = config.pool(listener, &listener.upstreams).unwrap();
    Pool { name: Some(name.into()), members: members.iter().map(member).collect(), ..unnamed }
}

/// The members of the first listener's upstream, as they are now.
fn members(proxy: &Proxy) -> Vec<std::sync::Arc<upstream::member::Member>> {
    let settings = proxy.sites[0].current();
    settings.routes.iter().next().unwrap().1.members().to_vec()
}

fn live(proxy: &Proxy) -> Vec<usize> {
    members(proxy).iter().map(|member| member.live()).collect()
}

/// Which are up.
fn up(proxy: &Proxy) -> Vec<bool> {
    let now = Instant::now();
    members(proxy).iter().map(|member| member.is_up(now)).collect()
}

async fn tunnel(proxy: &Proxy) -> Client {
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    client
}

#[tokio::test]
async fn requests_go_to_the_new_upstream_and_tunnels_stay_with_the_old_one() {
    let (a, b) = (named('A').await, named('B').await);
    let proxy = Proxy::start(&a).await;
    let mut tunnel = tunnel(&proxy).await;
    assert_eq!(page(proxy.addr).await, "A");
    proxy.reload(|config| lead_to(config, &b)).await;
    assert_eq!(page(proxy.addr).await, "B");
    echo(&mut tunnel, "by way of A").await;
}

#[tokio::test]
async fn least_connections_goes_on_counting() {
    let (a, b) = (named('A').await, named('B').await);
    let proxy = Proxy::start_with(&[a.addr()], |listener| {
        listener.balancing.balance = Balance::LeastConnections;
    })
    .await;
    let mut old = Vec::new();
    for _ in 0..4 {
        old.push(tunnel(&proxy).await);
    }
    let both: Vec<Goal> = [&a, &b].map(|upstream| upstream.addr().parse().unwrap()).into();
    proxy.reload(|config| config.listeners[0].upstreams = both.clone()).await;
    assert_eq!(live(&proxy), [4, 0]);
    let mut new = Vec::new();
    for _ in 0..4 {
        new.push(tunnel(&proxy).await);
    }
    assert_eq!(live(&proxy), [4, 4]);
    // Under a name, with weights, they are still the same.
    proxy
        .reload(|config| {
            let pool = pool(config, "app", &[(&b, 3), (&a, 1)]);
            config.pools.insert("app".into(), pool);
            config.listeners[0].upstreams = vec![Goal::Named("app".into())];
        })
        .await;
    assert_eq!(live(&proxy), [4, 4]);
    for _ in 0..8 {
        new.push(tunnel(&proxy).await);
    }
    // Four and four by weights of three and one: twelve to four.
    assert_eq!(live(&proxy), [12, 4]);
    drop(old);
    eventually("the first ones have left", || live(&proxy) == [12, 0]).await;
}

#[tokio::test]
async fn who_is_down_stays_down() {
    let (a, b) = (named('A').await, named('B').await);
    let nobody: Goal = crate::support::free_port().to_string().parse().unwrap();
    let proxy = Proxy::start_with(&[nobody.to_string(), a.addr()], |listener| {
        listener.balancing.fail_timeout = Duration::from_secs(3600);
    })
    .await;
    while up(&proxy)[0] {
        assert_eq!(page(proxy.addr).await, "A");
    }
    proxy
        .reload(|config| {
            config.listeners[0].upstreams.push(b.addr().parse().unwrap());
            config.listeners[0].balancing.max_fails = 7;
        })
        .await;
    assert_eq!(up(&proxy), [false, true, true]);
}

#[tokio::test]
async fn a_member_is_checked_as_the_new_file_says() {
    let upstream = named('A').await;
    let nobody: Goal = crate::support::free_port().to_string().parse().unwrap();
    let proxy = Proxy::start_with(&[upstream.addr(), nobody.to_string()], |_| {}).await;
    assert_eq!(up(&proxy), [true, true]);
    let mut check = wssgate::config::Check::new(CheckKind::Tcp);
    (check.interval, check.fall) = (Duration::from_millis(20), 1);
    proxy.reload(|config| config.listeners[0].balancing.check = Some(check.clone())).await;
    eventually("the check finds it out", || up(&proxy) == [true, false]).await;
    // Another reload forgets nothing of that, though the check begins anew.
    check.fall = 1000;
    proxy.reload(|config| config.listeners[0].balancing.check = Some(check.clone())).await;
    assert_eq!(up(&proxy), [true, false]);
    // Nobody checks any more: requests find out.
    proxy.reload(|config| config.listeners[0].balancing.check = None).await;
    assert_eq!(up(&proxy), [true, true]);
}

#[tokio::test]
async fn what_a_check_has_said_goes_with_the_check() {
    let nobody: Goal = crate::support::free_port().to_string().parse().unwrap();
    let proxy = Proxy::start_with(&[nobody.to_string()], |_| {}).await;
    // Another route leads to the same server, and has it checked.
    proxy
        .reload(|config| {
            let listener = &config.listeners[0];
            let mut pool = config.pool(listener, &listener.upstreams).unwrap();
            let mut check = wssgate::config::Check::new(CheckKind::Tcp);
            (check.interval, check.fall) = (Duration::from_millis(20), 1);
            (pool.name, pool.balancing.check) = (Some("checked".into()), Some(check));
            config.pools.insert("checked".into(), pool);
            let (pattern, goals) = ("/x".parse().unwrap(), vec![Goal::Named("checked".into())]);
            config.listeners[0].routes.push(wssgate::config::Route { pattern, goals });
        })
        .await;
    eventually("the check finds it out", || up(&proxy) == [false]).await;
    // That route goes. The first one is as it was: nothing would ever take its member for up again.
    proxy
        .reload(|config| {
            config.pools.clear();
            config.listeners[0].routes.clear();
        })
        .await;
    assert_eq!(up(&proxy), [true]);
}

#[tokio::test]
async fn tunnels_from_before_a_reload_learn_that_their_member_fell() {
    let (a, b) = (Upstream::echo().await, named('B').await);
    let proxy = Proxy::start_with(&[a.addr()], |listener| {
        listener.balancing.on_down = wssgate::config::OnDown::Close;
    })
    .await;
    let mut tunnel = tunnel(&proxy).await;
    proxy
        .reload(|config| {
            config.listeners[0].upstreams.push(b.addr().parse().unwrap());
            let mut check = wssgate::config::Check::new(CheckKind::Http("/".into()));
            (check.interval, check.fall) = (Duration::from_millis(20), 1);
            // It echoes only: to a GET it has nothing to say but 101.
            config.listeners[0].balancing.check = Some(check);
        })
        .await;
    assert_eq!(tunnel.read_to_end().await, b"", "it is closed within some seconds");
}

#[tokio::test]
async fn two_routes_to_one_address_share_its_count_and_its_health() {
    let a = named('A').await;
    let proxy = Proxy::start_with(&[a.addr()], |listener| {
        let goal: Goal = a.addr().parse().unwrap();
        let pattern = "/chat".parse().unwrap();
        listener.routes.push(wssgate::config::Route { pattern, goals: vec![goal] });
    })
    .await;
    let _tunnel = tunnel(&proxy).await;
    let settings = proxy.sites[0].current();
    for (pattern, pool) in settings.routes.iter() {
        for member in pool.members() {
            assert_eq!(member.live(), 1, "{pattern}");
        }
    }
}
