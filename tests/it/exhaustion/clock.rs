//! The time of day jumps, by years, both ways; the steady clock goes on as it does then.

use std::fs;

use crate::support::{Binary, Client, TlsOptions, Upstream, Watched, clock_of, echo};

/// By how many days the clock is ahead.
const JUMPS: [i64; 4] = [400, -400, 9_000, 0];

#[tokio::test]
async fn when_the_clock_jumps_nobody_notices() {
    let upstream = Upstream::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    fs::write(&clock, "0").unwrap();
    let mut command = Binary::command(env!("CARGO_BIN_EXE_wssgate"));
    command.envs(clock_of(&clock).await);
    let args = ["--idle-timeout=1h", "--max-lifetime=2h"];
    let watched = Watched::start_by(command, &upstream.addr(), &args).await;
    let mut tunnel = Client::connect(watched.addr).await;
    tunnel.upgrade().await;
    let config = TlsOptions::default().config();
    for jump in JUMPS {
        fs::write(&clock, (jump * 24 * 3600).to_string()).unwrap();
        let jump = &format!("{jump} days ahead");
        echo(&mut tunnel, jump).await;
        // With a ticket of before the jump, and with one of after it.
        for _ in 0..2 {
            let mut client = Client::connect_with(watched.addr, config.clone()).await.unwrap();
            client.upgrade().await;
            echo(&mut client, jump).await;
        }
        assert!(watched.binary.reload().await, "{jump}: {:?}", watched.binary.log());
        watched.until("wssgate_connections_open", 1.0).await;
    }
    let years = watched.binary.json().into_iter();
    let years = years.map(|line| line["timestamp"].as_str().unwrap()[..4].to_owned());
    let years: std::collections::BTreeSet<_> = years.collect();
    assert!(years.len() >= 3, "the clock did not jump: {years:?}");
    let closed = watched.binary.lines("tunnel closed");
    assert!(closed.iter().all(|line| line["reason"] == "closed" || line["reason"] == "reset"));
    watched.binary.signal("TERM").await;
}
