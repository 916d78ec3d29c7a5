//! What becomes of the tunnels of a member that fell.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use wssgate::config::{Check, CheckKind};

use super::member::Member;
use super::{Tunnel, live, open_many, serve, up};
use crate::support::{Binary, certificate_arguments, echo, eventually};

/// The window in which they are closed, and its part in which the first one may be: see `pool.rs` and
/// `drain.rs`.
const WINDOW: Duration = Duration::from_secs(10);
const FIRST: f64 = 0.2;

/// Those that end at B, and the others.
fn parted(tunnels: Vec<Tunnel>) -> (Vec<Tunnel>, Vec<Tunnel>) {
    tunnels.into_iter().partition(|tunnel| tunnel.member == 'B')
}

#[tokio::test]
async fn they_are_closed_within_the_window_or_kept() {
    let [a, mut b] = Member::several().await;
    let [cert, key] = certificate_arguments();
    let upstreams = format!("{},{}", a.addr, b.addr);
    let args = [
        &["--listen=127.0.0.1:0", "--log-format=json", "--upstream", &upstreams, &cert, &key][..],
        &["--health-check=tcp", "--health-check-interval=50ms", "--on-upstream-down=close"],
    ]
    .concat();
    let closing = Binary::start(&args);
    let addr = closing.listening().await;
    let keeping = serve(&[&a, &b], |config| {
        let interval = Duration::from_millis(50);
        config.check = Some(Check { interval, ..Check::new(CheckKind::Tcp) });
    })
    .await;
    let (fallen, mut others) = parted(open_many(addr, 24).await);
    let (mut kept, _of_a) = parted(open_many(keeping.addr, 8).await);
    assert_eq!((fallen.len(), others.len(), kept.len()), (12, 12, 4));

    b.stop().await;
    closing.line("upstream is down").await;
    let down_at = Instant::now();
    let mut ends: Vec<Duration> = join_all(fallen.into_iter().map(|mut tunnel| async move {
        let (rest, how) = tunnel.client.read_to_end_and_how().await;
        assert!(rest.is_empty());
        how.expect("we say goodbye with close_notify");
        down_at.elapsed()
    }))
    .await;
    ends.sort();
    let (first, last) = (ends[0], ends[11]);
    eprintln!("tunnels of a fallen member closed from {first:?} to {last:?}");
    // The log is read a little after it was written.
    assert!(first > WINDOW.mul_f64(FIRST) - Duration::from_secs(1), "{ends:?}");
    assert!(last < WINDOW + Duration::from_secs(5), "{ends:?}");
    assert!(last - first > Duration::from_millis(500), "all at once: {ends:?}");

    let of_b = || {
        let mut closed = closing.lines("tunnel closed");
        closed.retain(|line| line["upstream"] == b.addr.to_string());
        closed
    };
    eventually("their lines", || of_b().len() == 12).await;
    for line in of_b() {
        let closed = (line["closed_by"].as_str(), line["reason"].as_str());
        assert_eq!(closed, (Some("wssgate"), Some("upstream_down")));
    }
    assert_eq!(closing.lines("tunnel closed").len(), 12, "those of A live on");
    assert_eq!(closing.lines("upstream is down")[0]["tunnels"], 12);
    for tunnel in others.iter_mut().chain(&mut kept) {
        echo(&mut tunnel.client, "still here").await;
    }
    assert_eq!((up(&keeping), live(&keeping)), (vec![true, false], vec![4, 4]));

    // What is opened when it is back is not closed for what was.
    b.start_again().await;
    closing.line("upstream is up again").await;
    let (mut new, _of_a) = parted(open_many(addr, 4).await);
    assert_eq!(new.len(), 2);
    for tunnel in &mut new {
        echo(&mut tunnel.client, "here again").await;
    }
}
