//! Which keys a file may have, and where.

use anyhow::{bail, ensure};
use clap::Arg;
use wssgate::config::route;

use super::super::file::{File, Section};
use super::command;

/// Keys of the whole program, which stand at the top of a file.
const PROCESS_KEYS: [&str; 9] = [
    "drain-delay",
    "drain-timeout",
    "max-handshakes",
    "log-format",
    "log-level",
    "no-sandbox",
    "admin",
    "admin-allow-remote",
    "ready-needs-upstream",
];

/// Keys of an upstream with a name, beside its members.
const UPSTREAM_KEYS: [&str; 20] = [
    "balance",
    "max-fails",
    "fail-timeout",
    "health-check",
    "health-check-interval",
    "health-check-timeout",
    "health-check-rise",
    "health-check-fall",
    "on-upstream-down",
    "slow-start",
    "max-connections-per-upstream",
    "max-queued",
    "upstream-ca",
    "upstream-cert",
    "upstream-key",
    "upstream-insecure",
    "connect-timeout",
    "keepalive",
    "send-proxy",
    "resolver",
];

/// Keys of a member.
pub(super) const MEMBER_KEYS: [&str; 4] = ["address", "weight", "backup", "max-connections"];

/// By how much a key that is not known must be like one that is, to be taken for a slip.
const LIKENESS: f64 = 0.8;

/// Refuses keys that are not known, or not known there.
pub(super) fn verify_all(file: &File) -> anyhow::Result<()> {
    let known = command();
    let known: Vec<&str> =
        known.get_arguments().filter_map(Arg::get_long).filter(|key| *key != "config").collect();
    let of_listeners: Vec<&str> =
        known.iter().copied().filter(|key| !PROCESS_KEYS.contains(key)).collect();
    let of_upstreams = [&UPSTREAM_KEYS[..], &["members"]].concat();
    verify(&file.top, &known, &known)?;
    for section in &file.listeners {
        verify(section, &of_listeners, &known)?;
    }
    for (name, section) in &file.upstreams {
        ensure!(
            route::is_upstream_name(name),
            "{}: a name is a letter, then letters, digits, - and _",
            section.file()
        );
        verify(section, &of_upstreams, &known)?;
    }
    Ok(())
}

fn verify(section: &Section, here: &[&str], known: &[&str]) -> anyhow::Result<()> {
    for (key, entry) in &section.entries {
        if here.contains(&key.as_str()) {
            continue;
        }
        let place = section.place(entry.line);
        if PROCESS_KEYS.contains(&key.as_str()) {
            bail!("{place}: {key} is for the whole program: it stands at the top of the file");
        }
        ensure!(!known.contains(&key.as_str()), "{place}: {key} has no meaning here");
        bail!("{place}: unknown key {key}{}", slip(key, here));
    }
    Ok(())
}

/// What was meant, perhaps.
pub(super) fn slip(key: &str, known: &[&str]) -> String {
    let written = key.replace('_', "-").to_ascii_lowercase();
    let likeness = |known: &&str| strsim::jaro_winkler(&written, known);
    let nearest = known.iter().map(|known| (likeness(known), known));
    match nearest.max_by(|one, other| one.0.total_cmp(&other.0)) {
        Some((likeness, known)) if likeness >= LIKENESS => format!("; did you mean {known}?"),
        _ if known.len() <= 5 => format!("; those here are {}", known.join(", ")),
        _ => "; the keys are the flags of wssgate --help without their dashes".to_owned(),
    }
}
