//! Tells the program what it was built from and how, for `--version`.
//!
//! Nothing here may fail a build: a package or an archive has no repository, and not every machine has git.

#![allow(clippy::print_stdout, reason = "this is how cargo is told")]

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=WSSGATE_COMMIT");
    let told = Some(variable("WSSGATE_COMMIT")).filter(|commit| !commit.is_empty());
    let commit = told.or_else(commit).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=WSSGATE_COMMIT={commit}");
    println!("cargo::rustc-env=WSSGATE_BUILD={}", build());
    println!("cargo::rustc-env=WSSGATE_FEATURES={}", features());
}

/// The commit that is checked out, and a word to cargo of the files that change when another one is.
fn commit() -> Option<String> {
    // Not that of a repository further up, in whose folder a package was unpacked.
    if !Path::new(".git").exists() {
        return None;
    }
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    // The log of HEAD grows with every commit, also where branches are packed into one file.
    for file in ["HEAD", "logs/HEAD"].into_iter().chain(branch.as_deref()) {
        let path = git(&["rev-parse", "--git-path", file]);
        // A file that is not there would count as changed every time.
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// What git says in one line, if it can say it.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

/// Profile, target and how C is linked, which decides where the file runs.
fn build() -> String {
    let features = variable("CARGO_CFG_TARGET_FEATURE");
    let is_static = features.split(',').any(|feature| feature == "crt-static");
    let linked = if is_static { "static" } else { "dynamic" };
    format!("{}, {}, {linked}", variable("PROFILE"), variable("TARGET"))
}

/// The features of Cargo.toml that are on: cargo names each in a variable of its own.
fn features() -> String {
    let mut names: Vec<String> = env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter_map(|name| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase()))
        .filter(|name| name != "default")
        .map(|name| name.replace('_', "-"))
        .collect();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
