//! What the program says it is.

use std::process::Command;

use super::output;
use crate::support::repository;

const SHORT: &str = concat!("wssgate ", env!("CARGO_PKG_VERSION"));

/// What it says to this flag, with exit code 0.
async fn said(flag: &str) -> String {
    let output = output(&[flag]).await;
    assert_eq!(output.status.code(), Some(0), "{flag}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_short_flag_says_the_version_in_one_line() {
    assert_eq!(said("-V").await, format!("{SHORT}\n"));
}

#[tokio::test]
async fn the_long_flag_says_the_commit_how_it_was_built_and_its_features() {
    let said = said("--version").await;
    let lines: Vec<&str> = said.lines().collect();
    let [first, commit, build, features] = lines[..] else { panic!("four lines: {said}") };
    assert_eq!(first, SHORT);
    let commit = commit.strip_prefix("commit: ").unwrap();
    assert!(commit == "unknown" || is_commit(commit), "{said}");
    assert!(build.starts_with("build: ") && build.contains(std::env::consts::ARCH), "{said}");
    assert!(features.strip_prefix("features: ").is_some_and(|names| !names.is_empty()), "{said}");
}

/// Whether the repository has it. It need not be the last one: somebody may just have made one more.
fn is_commit(name: &str) -> bool {
    let mut git = Command::new("git");
    git.current_dir(repository("")).args(["cat-file", "-e", &format!("{name}^{{commit}}")]);
    git.status().unwrap().success()
}
