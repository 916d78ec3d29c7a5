//! Session tickets between programs: those with the same `--ticket-key-file` resume each other's sessions,
//! after a restart and a change of the secret too. `interop/resumption.rs` has the change of the period.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::{ALL_VERSIONS, ClientConfig};

use crate::support::{Replica, TlsOptions, eventually};

#[tokio::test]
async fn replicas_with_the_same_file_resume_each_others_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let [same, other] = ["same", "other"].map(|name| flag(&dir.path().join(name), name));
    let (one, two) = (Replica::start(&[&same]).await, Replica::start(&[&same]).await);
    let strangers = [Replica::start(&[&other]).await, Replica::start(&[]).await];
    for config in clients() {
        assert!(!one.resumes(&config).await);
        for replica in [&two, &one, &one] {
            assert!(replica.resumes(&config).await);
        }
        for stranger in &strangers {
            assert!(!stranger.resumes(&config).await);
            assert!(stranger.resumes(&config).await, "its own");
            assert!(!one.resumes(&config).await, "a stranger's");
        }
    }
}

#[tokio::test]
async fn sessions_outlive_a_restart_with_a_file_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let file = flag(&dir.path().join("secret"), "secret");
    for (args, outlive) in [(vec![&*file], true), (vec![], false)] {
        let before = Replica::start(&args).await;
        let mut configs = Vec::new();
        for config in clients() {
            assert!(!before.resumes(&config).await);
            configs.push(config);
        }
        drop(before);
        let after = Replica::start(&args).await;
        for config in configs {
            assert_eq!(after.resumes(&config).await, outlive);
        }
    }
}

#[tokio::test]
async fn sessions_outlive_another_secret_on_all_replicas() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let file = flag(&path, "first");
    let replicas = [Replica::start(&[&file]).await, Replica::start(&[&file]).await];
    let [one, two] = &replicas;
    for (times, secret) in [(1, "second"), (2, "third")] {
        // A session of each version and replica, as the next visit ends the one before.
        let (mut at_one, mut at_two) = (Vec::new(), Vec::new());
        for (mine, replica) in [(&mut at_one, one), (&mut at_two, two)] {
            for config in clients() {
                assert!(!replica.resumes(&config).await);
                mine.push(config);
            }
        }
        replace(&path, secret);
        for replica in &replicas {
            if times == 2 {
                replica.binary.signal("HUP").await;
            }
            eventually("the new ticket key", || replica.reloads() == times).await;
        }
        for (configs, first, then) in [(&at_one, two, one), (&at_two, two, one)] {
            for config in configs {
                assert!(first.resumes(config).await, "sealed under the secret before");
                assert!(then.resumes(config).await, "sealed under the new one");
            }
        }
    }
}

#[tokio::test]
async fn replica_that_learns_of_a_secret_later_loses_nobody_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let paths = ["early", "late"].map(|name| dir.path().join(name));
    let [early, late] = paths.each_ref().map(|path| flag(path, "first"));
    let (early, late) = (Replica::start(&[&early]).await, Replica::start(&[&late]).await);
    replace(&paths[0], "second");
    eventually("the new ticket key", || early.reloads() == 1).await;
    let mut configs = Vec::new();
    for config in clients() {
        assert!(!late.resumes(&config).await);
        assert!(early.resumes(&config).await, "sealed under the secret before");
        assert!(
            !late.resumes(&config).await,
            "a secret that it cannot know of is a full handshake"
        );
        configs.push(config);
    }
    replace(&paths[1], "second");
    eventually("the new ticket key", || late.reloads() == 1).await;
    for config in configs {
        assert!(early.resumes(&config).await && late.resumes(&config).await);
    }
}

/// A client for each version of TLS, each with its own memory of sessions.
fn clients() -> impl Iterator<Item = Arc<ClientConfig>> {
    ALL_VERSIONS
        .iter()
        .map(|version| TlsOptions { versions: vec![version], ..TlsOptions::default() }.config())
}

/// The flag for a file, which is written.
fn flag(path: &Path, secret: &str) -> String {
    replace(path, secret);
    format!("--ticket-key-file={}", path.display())
}

/// At once, as everybody should.
fn replace(path: &Path, secret: &str) {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, secret.repeat(48)).unwrap();
    fs::rename(&fresh, path).unwrap();
}
