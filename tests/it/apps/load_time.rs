//! The page of sixty assets loads as fast as behind nginx.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::Mutex;

use super::delay;
use super::terminator::Terminator;
use crate::support::{Process, release_build};

/// Loads of the page through each.
const LOADS: usize = 20;

/// How much longer the median load may take than through nginx.
const LIMIT: f64 = 1.1;

/// The same without optimisation, which takes three times the work of a processor: this only shows that no
/// round trip is added.
const UNOPTIMISED_LIMIT: f64 = 1.5;

/// Whole comparisons before it fails: other work on the machine is no fault of ours.
const ATTEMPTS: usize = 5;

/// Two comparisons at once would disturb each other; `.ci/run` lets nothing else of its own run beside them.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
#[ignore = "needs nginx, Chromium and Node"]
async fn page_loads_as_fast_as_behind_nginx() {
    compare("loopback", None).await;
}

#[tokio::test]
#[ignore = "needs nginx, Chromium and Node"]
async fn page_loads_as_fast_as_behind_nginx_over_a_slow_link() {
    compare("20 ms added", Some(Duration::from_millis(10))).await;
}

async fn compare(link: &str, delay_each_way: Option<Duration>) {
    let _alone = ALONE.lock().await;
    let mut server = Process::node("apps/web_server.mjs", &[]);
    let upstream = server.listening().await;
    let (binary, build, limit) = match release_build() {
        Some(release) => (release, "release build", LIMIT),
        None => {
            let unoptimised = PathBuf::from(env!("CARGO_BIN_EXE_wssgate"));
            (unoptimised, "no release build, so the one under test", UNOPTIMISED_LIMIT)
        }
    };
    let nginx = Terminator::nginx(&upstream).await;
    let wssgate = Terminator::wssgate_of(&binary, &upstream).await;
    let mut addrs = [nginx.addr, wssgate.addr];
    if let Some(delay) = delay_each_way {
        for addr in &mut addrs {
            *addr = delay::link(*addr, delay).await;
        }
    }
    let mut ratio = f64::MAX;
    for _ in 0..ATTEMPTS {
        let [nginx, wssgate] = medians(addrs).await;
        ratio = wssgate / nginx;
        eprintln!(
            "load time of 60 assets, {link}, median of {LOADS}: nginx {nginx:.1} ms, \
             wssgate {wssgate:.1} ms ({build}), ratio {ratio:.3}"
        );
        if ratio <= limit {
            return;
        }
    }
    panic!("{link}: {ratio:.3} times the load time behind nginx, more than {limit}");
}

async fn medians(addrs: [SocketAddr; 2]) -> [f64; 2] {
    let rounds = LOADS.to_string();
    let urls = addrs.map(|addr| format!("https://{addr}/"));
    let mut driver = Process::node("apps/load_time.mjs", &[&rounds, &urls[0], &urls[1]]);
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..LOADS {
        let line = driver.line().await;
        for (index, times) in times.iter_mut().enumerate() {
            times.push(line[index].as_f64().unwrap());
        }
    }
    times.map(median)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    (times[middle - 1] + times[middle]) / 2.0
}
