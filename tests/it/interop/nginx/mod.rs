//! nginx with the usual recipe is the reference: the same requests through it and through wssgate, before
//! one recording upstream. What differs is listed in `differences.rs`, each with its reason; what is not
//! listed must be the same.

mod cases;
mod differences;
mod exchange;
mod upstream;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

use tokio::process::Command;

use wssgate::config::Timeouts;

use crate::support::{Process, Proxy, Upstream, free_port, program, repository};
use cases::CASES;
use differences::DIFFERENCES;
use exchange::{Seen, exchange};

#[tokio::test]
#[ignore = "needs nginx"]
async fn requests_arrive_as_through_nginx() {
    let mut upstream = Upstream::manual().await;
    let nginx = Nginx::start(&upstream).await;
    let proxy = Proxy::start_with(&[upstream.addr()], |config| {
        config.timeouts.keepalive_timeout = Timeouts::default().keepalive_timeout;
    })
    .await;
    let mut unlisted = Vec::new();
    let mut seen_in = vec![Vec::new(); DIFFERENCES.len()];
    for case in CASES {
        let by_nginx = exchange(nginx.addr, &mut upstream, case).await;
        let by_wssgate = exchange(proxy.addr, &mut upstream, case).await;
        for (what, nginx, wssgate) in differing(&by_nginx, &by_wssgate) {
            let listed = DIFFERENCES.iter().position(|difference| {
                (difference.what, difference.nginx, difference.wssgate) == (what, nginx, wssgate)
                    && difference.is_of(case.name)
            });
            match listed {
                Some(index) => seen_in[index].push(case.name),
                None => unlisted
                    .push(format!("{}: {what}: nginx {nginx:?}, wssgate {wssgate:?}", case.name)),
            }
        }
    }
    assert!(unlisted.is_empty(), "differences that are not listed:\n{}", unlisted.join("\n"));
    for (difference, seen_in) in DIFFERENCES.iter().zip(&seen_in) {
        let missing = difference.missing(seen_in);
        assert!(missing.is_empty(), "not different any more in {missing:?}: {difference:#?}");
    }
}

/// What is not the same: its name, and both values.
fn differing<'a>(nginx: &'a Seen, wssgate: &'a Seen) -> Vec<(&'a str, &'a str, &'a str)> {
    const ABSENT: &str = "-";
    let value = |seen: &'a Seen, what: &str| seen.get(what).map_or(ABSENT, String::as_str);
    let names: BTreeSet<&str> = nginx.keys().chain(wssgate.keys()).map(String::as_str).collect();
    // What one of them did not pass on has nothing to be compared with.
    let both = |prefix: &str| {
        [nginx, wssgate].iter().all(|seen| seen.keys().any(|what| what.starts_with(prefix)))
    };
    let same_status = value(nginx, "status") == value(wssgate, "status");
    let comparable = |what: &str| match what.split_once(' ') {
        Some(("upstream", rest)) => rest == "line" || both("upstream"),
        Some(("answer", _)) => same_status && both("upstream"),
        _ => true,
    };
    names
        .into_iter()
        .filter(|what| comparable(what))
        .map(|what| (what, value(nginx, what), value(wssgate, what)))
        .filter(|(_, nginx, wssgate)| nginx != wssgate)
        .collect()
}

/// A running nginx. Killed when dropped.
struct Nginx {
    addr: SocketAddr,
    _process: Process,
    _dir: tempfile::TempDir,
}

impl Nginx {
    async fn start(upstream: &Upstream) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let addr = free_port();
        let config = include_str!("../nginx.conf")
            .replace("@DIR@", &dir.path().display().to_string())
            .replace("@PORT@", &addr.port().to_string())
            .replace("@UPSTREAM@", &upstream.addr())
            .replace("@CERTS@", &repository("certs").display().to_string());
        let file = dir.path().join("nginx.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(program("nginx"));
        command.arg("-p").arg(dir.path()).args(["-e", "stderr", "-c"]).arg(file);
        let mut process = Process::start("nginx", command);
        process.listens(addr).await;
        Self { addr, _process: process, _dir: dir }
    }
}
