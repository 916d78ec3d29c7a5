//! Places of a pool, without a server around it.

use std::future::pending;
use std::pin::pin;

use tokio::net::TcpListener;
use tokio::task::yield_now;

use super::*;
use crate::config::{Certificates, CheckKind, Config, Listener};

/// A pool of one member at this address, with one place.
fn pool(address: &str) -> Arc<Pool> {
    let goal = address.parse().unwrap();
    let mut settings = Listener::new(vec![], vec![goal], Certificates::SelfSigned(vec![]));
    settings.balancing.max_connections = Some(1);
    let config = Config::new(settings);
    let pool = config.pool(&config.listeners[0], &config.listeners[0].upstreams).unwrap();
    let connector = Connector { timeout: Duration::from_secs(30), ..Connector::default() };
    Arc::new(Pool::new(&pool, connector, |_| None))
}

/// Whether the one member is up when a check, which nobody answers, has found that out.
async fn is_up_after_checks(pool: &Arc<Pool>) -> bool {
    let mut check = Check::new(CheckKind::Tcp);
    (check.interval, check.fall) = (Duration::from_millis(1), 1);
    let checking = timeout(Duration::from_millis(200), Arc::clone(pool).check(check));
    checking.await.unwrap_err();
    pool.members()[0].is_up(Instant::now())
}

#[tokio::test]
async fn what_a_check_finds_after_it_was_called_off_does_not_count() {
    let pools = [(); 2].map(|()| pool("unix:/nowhere.sock"));
    pools[1].call_off_checks();
    assert!(!is_up_after_checks(&pools[0]).await);
    assert!(is_up_after_checks(&pools[1]).await);
}

async fn connect(pool: Arc<Pool>) -> Connected {
    let deadline = Instant::now() + Duration::from_secs(60);
    pool.connect(None, b"", deadline, pending()).await.unwrap()
}

#[tokio::test]
async fn who_comes_later_does_not_overtake_who_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let pool = pool(&listener.local_addr().unwrap().to_string());
    let held = connect(Arc::clone(&pool)).await;
    let mut waiting = tokio::spawn(connect(Arc::clone(&pool)));
    while pool.queued() == 0 {
        yield_now().await;
    }
    drop(held);
    // There is a place, and who waits for it has not heard of that yet.
    let mut late = pin!(connect(Arc::clone(&pool)));
    let first = tokio::select! {
        biased;
        _ = &mut late => panic!("the place went to who came last"),
        first = &mut waiting => first.unwrap(),
    };
    assert_eq!(pool.queued(), 1);
    drop(first);
    late.await;
    assert_eq!(pool.queued(), 0);
}
