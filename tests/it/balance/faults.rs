//! Members that are killed, frozen, cut off or come and go: how long new tunnels fail then, and that none
//! is lost which could have gone elsewhere.
//!
//! Each of these prints what was measured. What is asserted follows from the times that were configured, and
//! [`SLACK`] for a machine that is busy.

use std::time::{Duration, Instant};

use tokio::process::Command;
use wssgate::config::{Check, CheckKind, Listener};

use super::member::Member;
use super::namespace::Namespace;
use super::probe::Probe;
use super::{NEVER, open, serve_with, up};
use crate::support::{Process, Proxy, eventually, program, repository};

const SLACK: Duration = Duration::from_secs(2);

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(1);

/// How often the clock of the upgrade timeout is looked at, at worst (`exchange.rs`).
const TICK: Duration = Duration::from_millis(250);

fn short(config: &mut Listener) {
    config.timeouts.connect = CONNECT_TIMEOUT;
    config.timeouts.upgrade = UPGRADE_TIMEOUT;
    config.balancing.fail_timeout = NEVER;
}

/// With a look at every member, which is what brings one back.
fn checked(config: &mut Listener) {
    short(config);
    let kind = CheckKind::Ws("/".into());
    let (interval, timeout) = (Duration::from_millis(200), Duration::from_millis(600));
    config.balancing.check = Some(Check { kind, interval, timeout, rise: 1, fall: 1 });
}

/// A member that is a process, which says `P` at the begin of its tunnels.
struct Child {
    process: Process,
    addr: String,
}

impl Child {
    async fn start(addr: &str) -> Self {
        Self::start_by(Command::new(program("python3")), addr).await
    }

    /// The same by a command that takes the script and its arguments.
    async fn start_by(mut command: Command, addr: &str) -> Self {
        let (host, port) = addr.rsplit_once(':').unwrap();
        command.arg(repository("tests/it/balance/member.py")).args([host, port]);
        let mut process = Process::start("member.py", command);
        let addr = process.listening().await;
        Self { process, addr }
    }

    async fn signal(&self, name: &str) {
        let pid = self.process.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().await;
        assert!(status.unwrap().success());
    }
}

async fn before(child: &Child, other: &Member, tweak: impl FnOnce(&mut Listener)) -> Proxy {
    Proxy::start_with(&[child.addr.clone(), other.addr.to_string()], tweak).await
}

#[tokio::test]
#[ignore = "needs Python"]
async fn kill() {
    let b = Member::start('B').await;
    let child = Child::start("127.0.3.1:0").await;
    let addr = child.addr.clone();
    let proxy = before(&child, &b, checked).await;
    let mut of_child = open(proxy.addr).await;
    assert_eq!(of_child.member, 'P');
    let probe = Probe::start(&proxy);
    probe.served_by('P', Instant::now()).await;
    let fault = Instant::now();
    child.signal("KILL").await;
    // What was under way may have sent its head: what begins when it is dead has not.
    let dead = Instant::now();
    of_child.client.read_to_end().await;
    let damage = probe.damage("kill, from its death on", dead, Duration::from_secs(2)).await;
    probe.damage("kill, from the signal on", fault, Duration::from_secs(2)).await;
    // The kernel closes a dead process's sockets one after the other.
    assert!(damage.failing.is_none_or(|(_, last)| last < SLACK), "{damage:?}");
    assert!(damage.failed <= 1 && damage.served > 20, "{damage:?}");
    assert!(damage.slowest < SLACK, "{damage:?}");
    assert_eq!(up(&proxy), [false, true]);

    drop(child);
    let back = Instant::now();
    let _child = Child::start(&addr).await;
    probe.served_by('P', back).await;
    eprintln!("kill: back after {:?}", back.elapsed());
}

#[tokio::test]
#[ignore = "needs Python"]
async fn freeze_without_checks() {
    let b = Member::start('B').await;
    let child = Child::start("127.0.3.2:0").await;
    let proxy = before(&child, &b, short).await;
    let probe = Probe::start(&proxy);
    probe.served_by('P', Instant::now()).await;
    let fault = Instant::now();
    child.signal("STOP").await;
    let damage = probe.damage("freeze, without checks", fault, Duration::from_secs(5)).await;
    child.signal("CONT").await;
    // Until the first of them has waited for as long as it may, it accepts, and nobody knows.
    let (first, last) = damage.failing.expect("a frozen member takes some with it");
    assert!(last < UPGRADE_TIMEOUT + TICK + SLACK, "{first:?} to {last:?}");
    assert!(probe.since(fault).iter().all(|one| one.result.err().is_none_or(|it| it == 504)));
    assert!(damage.slowest < SLACK, "those of the other do not wait: {damage:?}");
    assert_eq!(up(&proxy), [false, true]);
}

#[tokio::test]
#[ignore = "needs Python"]
async fn freeze_costs_no_more_than_one_request_for_each_fail_timeout() {
    let b = Member::start('B').await;
    let child = Child::start("127.0.3.4:0").await;
    let fail_timeout = Duration::from_secs(1);
    let proxy = before(&child, &b, |config| {
        short(config);
        config.balancing.fail_timeout = fail_timeout;
    })
    .await;
    let probe = Probe::start(&proxy);
    probe.served_by('P', Instant::now()).await;
    child.signal("STOP").await;
    eventually("it is out", || !up(&proxy)[0]).await;
    let (out, span) = (Instant::now(), fail_timeout * 4);
    let damage = probe.damage("freeze, trials", out, span).await;
    child.signal("CONT").await;
    assert!((1..=5).contains(&damage.failed), "{damage:?}");
    assert!(damage.slowest < SLACK, "{damage:?}");
}

#[tokio::test]
#[ignore = "needs Python"]
async fn freeze_with_checks() {
    let b = Member::start('B').await;
    let child = Child::start("127.0.3.3:0").await;
    let proxy = before(&child, &b, |config| {
        checked(config);
        config.timeouts.upgrade = Duration::from_secs(6);
    })
    .await;
    let probe = Probe::start(&proxy);
    probe.served_by('P', Instant::now()).await;
    let fault = Instant::now();
    child.signal("STOP").await;
    eventually("it is out", || !up(&proxy)[0]).await;
    eprintln!("freeze: out after {:?}", fault.elapsed());
    // Interval with its jitter, then the look's timeout.
    let bound = Duration::from_millis(220 + 600);
    assert!(fault.elapsed() < bound + SLACK);
    let out = Instant::now();
    let damage = probe.damage("freeze, once out", out, Duration::from_secs(2)).await;
    assert_eq!(damage.failed, 0, "{damage:?}");
    // Those that are with it are served when it thaws in time.
    let thawed = Instant::now();
    child.signal("CONT").await;
    probe.served_by('P', thawed).await;
    eprintln!("freeze: serves again {:?} after it thawed", thawed.elapsed());
    let damage = probe.damage("freeze, all of it", fault, Duration::from_secs(4)).await;
    assert_eq!(damage.failed, 0, "{damage:?}");
}

#[tokio::test]
async fn refuse() {
    let [mut a, b] = Member::several().await;
    let proxy = serve_with(&[&a, &b], short).await;
    let probe = Probe::start(&proxy);
    probe.served_by('A', Instant::now()).await;
    a.stop().await;
    let fault = Instant::now();
    let damage = probe.damage("refuse", fault, Duration::from_secs(2)).await;
    assert_eq!(damage.failed, 0, "{damage:?}");
    assert!(damage.served > 20 && damage.slowest < SLACK, "{damage:?}");
}

#[tokio::test]
async fn flap() {
    let [mut a, b] = Member::several().await;
    let proxy = serve_with(&[&a, &b], |config| {
        short(config);
        config.balancing.fail_timeout = Duration::from_millis(100);
    })
    .await;
    let probe = Probe::start(&proxy);
    let fault = Instant::now();
    let turns = 10;
    for _ in 0..turns {
        let now = Instant::now();
        probe.served_by('A', now).await;
        a.stop().await;
        probe.served_by('B', Instant::now()).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        a.start_again().await;
    }
    let span = fault.elapsed();
    let damage = probe.damage("flap, ten times", fault, span).await;
    // A listener that closes resets what it has not accepted yet: their heads may have been sent.
    assert!(damage.failed <= turns, "{damage:?}");
    assert!(damage.slowest < SLACK, "{damage:?}");
}

#[tokio::test]
#[ignore = "needs root, ip and Python"]
async fn black_hole() {
    let b = Member::start('B').await;
    let namespace = Namespace::new();
    let child = Child::start_by(namespace.command("python3"), &namespace.addr()).await;
    let proxy = before(&child, &b, short).await;
    let of_child = open(proxy.addr).await;
    assert_eq!(of_child.member, 'P');
    let probe = Probe::start(&proxy);
    probe.served_by('P', Instant::now()).await;
    let fault = Instant::now();
    namespace.cut();
    let damage = probe.damage("black hole", fault, Duration::from_secs(5)).await;
    // One whose head was on its way when the link went has to wait for its end.
    let (lost, last) = (damage.failed, damage.failing.map(|(_, last)| last).unwrap_or_default());
    assert!(lost <= 2 && last < SLACK, "{damage:?}");
    assert!(damage.slowest > CONNECT_TIMEOUT / 2, "it was no black hole: {damage:?}");
    assert!(damage.slowest < CONNECT_TIMEOUT + SLACK, "{damage:?}");
    assert_eq!(up(&proxy), [false, true]);
}
