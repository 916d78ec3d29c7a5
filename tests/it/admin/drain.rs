//! Readiness, and the end.

use std::time::Duration;

use wssgate::server::{Order, Outcome};

use super::{ask, start, tunnel};
use crate::support::{Client, Proxy, Upstream, echo, eventually, free_port, refused};

/// A timeout that no test waits for.
const FAR: Duration = Duration::from_secs(600);

#[tokio::test]
async fn while_it_drains_it_is_well_and_not_ready_and_it_ends_last() {
    let upstream = Upstream::echo().await;
    let (proxy, admin) = start(&upstream, |config| config.drain.timeout = FAR).await;
    let mut client = tunnel(&proxy).await;
    assert_eq!(ask(admin, "GET /readyz").await.status, 200);
    proxy.order(Order::Drain).await;
    refused(proxy.addr).await;
    let ready = ask(admin, "GET /readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (503, "draining\n"));
    assert_eq!(ask(admin, "GET /healthz").await.status, 200);
    let status = ask(admin, "GET /status").await.json();
    assert_eq!(
        (&status["state"], &status["totals"]["tunnels_open"]),
        (&"draining".into(), &1.into())
    );
    echo(&mut client, "it lives").await;
    client.shutdown().await;
    client.read_to_end().await;
    assert_eq!(proxy.outcome().await, Outcome::Drained);
    refused(admin).await;
}

#[tokio::test]
async fn in_the_drain_delay_it_takes_clients_and_asks_for_none() {
    let upstream = Upstream::echo().await;
    let (proxy, admin) = start(&upstream, |config| config.drain.delay = FAR).await;
    proxy.order(Order::Drain).await;
    let reporter = proxy.reporter.clone();
    eventually("it drains", || reporter.status().state == wssgate::status::State::Draining).await;
    assert_eq!(ask(admin, "GET /readyz").await.status, 503);
    let mut late = Client::connect(proxy.addr).await;
    late.upgrade().await;
}

#[tokio::test]
async fn without_an_upstream_that_is_up_it_is_ready_unless_that_matters() {
    let nobody = free_port();
    for needs_upstream in [false, true] {
        let proxy = Proxy::start_all(&[nobody.to_string()], |config| {
            super::with_admin(config);
            config.admin.ready_needs_upstream = needs_upstream;
            config.listeners[0].balancing.fail_timeout = FAR;
        })
        .await;
        let admin = proxy.admin.unwrap();
        assert_eq!(ask(admin, "GET /readyz").await.status, 200, "nothing is known of it yet");
        let mut client = Client::connect(proxy.addr).await;
        client.ask("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
        let ready = ask(admin, "GET /readyz").await;
        match needs_upstream {
            true => assert_eq!((ready.status, &*ready.body), (503, "no upstream is up\n")),
            false => assert_eq!(ready.status, 200),
        }
        assert_eq!(ask(admin, "GET /healthz").await.status, 200);
    }
}
