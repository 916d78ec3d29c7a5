//! The files of `deploy/`: whether those who read them would take them, and whether wssgate would.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::cli::flags;
use crate::support::{Binary, Process, installed, repository};

/// Seconds that an application may take to close its WebSockets.
const GOODBYES: u64 = 50;

/// The settings of the images and manifests; scripts have variables of their own.
fn files() -> Vec<PathBuf> {
    let mut files = vec![repository("Dockerfile")];
    let mut folders = vec![repository("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "sh" => {}
                _ => files.push(path),
            }
        }
    }
    files
}

/// Every `WSSGATE_` variable in a text.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
    text.split(move |c| !is_name(c)).filter(|word| word.starts_with("WSSGATE_"))
}

/// Each place where wssgate runs.
async fn places() -> Vec<Value> {
    let deploy = repository("deploy").display().to_string();
    let facts = Process::python("deploy/facts.py", &[&deploy]).result().await;
    let places = facts.as_array().unwrap().clone();
    assert!(places.len() >= 3, "compose and Kubernetes in both ways: {places:?}");
    places
}

fn drain(place: &Value, name: &str) -> u64 {
    let time = place["variables"][name].as_str().unwrap_or("0s");
    time.strip_suffix('s').unwrap().parse().unwrap()
}

#[tokio::test]
async fn every_variable_is_a_flag() {
    let help = Binary::command(env!("CARGO_BIN_EXE_wssgate")).arg("--help").output().await.unwrap();
    let flags = flags(&String::from_utf8(help.stdout).unwrap());
    let known: BTreeSet<String> = flags.into_iter().filter_map(|(_, variable)| variable).collect();
    let mut seen = 0;
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        for variable in variables(&text) {
            assert!(known.contains(variable), "{}: {variable} is no flag", file.display());
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} variables: they are not found any more");
}

#[tokio::test]
#[ignore = "needs Python"]
async fn every_value_is_one_that_its_flag_takes() {
    for place in places().await {
        let mut check = Binary::command(env!("CARGO_BIN_EXE_wssgate"));
        for (name, value) in place["variables"].as_object().unwrap() {
            check.env(name, value.as_str().unwrap());
        }
        let output = check.arg("check").output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        // The settings are in order; the files are elsewhere.
        assert_eq!(output.status.code(), Some(1), "{place}: {output:?}");
        assert!(said.contains("/tls/tls.crt"), "{place}: {output:?}");
    }
}

#[tokio::test]
#[ignore = "needs Python"]
async fn there_is_time_for_the_whole_drain() {
    for place in places().await {
        let delay = drain(&place, "WSSGATE_DRAIN_DELAY");
        let tunnels = delay + drain(&place, "WSSGATE_DRAIN_TIMEOUT");
        assert!(tunnels > 0, "no drain: {place}");
        let grace = place["grace"].as_u64().unwrap();
        if place["native"] == true {
            // Told last, after the application's goodbyes.
            let sleep = place["sleep"].as_u64().unwrap();
            assert!(grace >= sleep + GOODBYES + tunnels + 5, "{place}");
            continue;
        }
        // Where the application is told at the same time, it has to wait for its tunnels.
        let told = place["sleep"].as_u64().unwrap_or(tunnels);
        assert!(told >= tunnels, "the application ends before its tunnels: {place}");
        assert!(grace >= told + 5, "killed {} s before the end: {place}", told + 5 - grace);
    }
}

/// Runs a program of `target/interop` on files of `deploy/`, which have to please it.
fn pass(program: &str, args: &[&str], files: &[PathBuf]) {
    let output = Command::new(installed("venv/bin/python3"))
        .args(["-m", program])
        .args(args)
        .args(files)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{files:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
#[ignore = "needs Python"]
fn the_manifests_are_as_their_schemas_say() {
    let schema = ["--builtin-schema", "vendor.compose-spec"];
    pass("check_jsonschema", &schema, &[repository("deploy/compose.yaml")]);
    let is_manifest = |file: &PathBuf| {
        file.starts_with(repository("deploy/kubernetes"))
            && file.extension().is_some_and(|extension| extension == "yaml")
    };
    let manifests: Vec<PathBuf> = files().into_iter().filter(is_manifest).collect();
    assert!(manifests.len() >= 4, "{manifests:?}");
    // The oldest that has all that is used, and the newest that is known.
    for version in ["1.30", "1.37"] {
        pass("kubernetes_validate", &["--strict", "-k", version], &manifests);
    }
}
