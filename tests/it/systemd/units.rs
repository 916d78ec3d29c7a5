//! The units of `deploy/systemd`, as systemd itself judges them. They are only read, never started.

use std::fs;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{program, repository, within};

/// The exposure that is let pass; systemd says "ok" up to 5.
const MAX_EXPOSURE: f64 = 2.0;

/// What systemd before 253 says of a type that it does not know; there is another one for it.
const OLD: &str = "Failed to parse service type, ignoring: notify-reload";

/// The units, with the program where it is here.
fn units() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["wssgate.service", "wssgate.socket"] {
        let unit = fs::read_to_string(repository("deploy/systemd").join(name)).unwrap();
        let unit = unit.replace("/usr/local/bin/wssgate", env!("CARGO_BIN_EXE_wssgate"));
        fs::write(folder.path().join(name), unit).unwrap();
    }
    folder
}

/// Its standard output; it has to succeed, and to find nothing wrong.
async fn analyze(args: &[&str], units: &TempDir, names: &[&str]) -> String {
    let files = names.iter().map(|name| units.path().join(name));
    let running = Command::new(program("systemd-analyze")).args(args).args(files).output();
    let output = within("systemd-analyze", running).await.unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    let wrong: Vec<&str> = errors.lines().filter(|line| !line.ends_with(OLD)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
#[ignore = "needs systemd"]
async fn systemd_finds_nothing_wrong_with_them() {
    analyze(&["verify"], &units(), &["wssgate.service", "wssgate.socket"]).await;
}

#[tokio::test]
#[ignore = "needs systemd"]
async fn the_service_is_hardly_exposed() {
    let args = ["security", "--offline=true", "--no-pager"];
    let said = analyze(&args, &units(), &["wssgate.service"]).await;
    let line = said.lines().find(|line| line.contains("Overall exposure level")).expect(&said);
    let (_, score) = line.split_once(": ").unwrap();
    let score: f64 = score.split(' ').next().unwrap().parse().unwrap();
    eprintln!("exposure of wssgate.service: {score}");
    assert!(score < MAX_EXPOSURE, "{said}");
}
