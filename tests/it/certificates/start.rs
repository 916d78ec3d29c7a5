//! Starting with files that cannot serve, and with those that can although something is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::broken::{Broken, broken};
use super::{Pki, shown};
use crate::support::{Binary, Issued, Leaf, Validity};

/// Arguments for the pairs of these names in a folder.
fn arguments(folder: &Path, pairs: &[&str]) -> Vec<String> {
    let fixed = ["--listen", "127.0.0.1:0", "--upstream", "1", "--log-format", "json"];
    let mut arguments = fixed.map(str::to_owned).to_vec();
    for pair in pairs {
        for (flag, ending) in [("--cert", "pem"), ("--key", "key")] {
            let path = folder.join(format!("{pair}.{ending}"));
            arguments.extend([flag.to_owned(), path.display().to_string()]);
        }
    }
    arguments
}

fn start(arguments: &[String]) -> Binary {
    Binary::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn what_cannot_serve_does_not_start() {
    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    pki.issue(&["localhost"]).write(folder.path(), "good");
    for Broken { name, chain, key, reason, file } in broken(&pki) {
        let paths = ["pem", "key"].map(|ending| folder.path().join(format!("broken.{ending}")));
        for (path, content) in paths.iter().zip([chain, key]) {
            let _ = fs::remove_file(path);
            if let Some(content) = content {
                fs::write(path, content).unwrap();
            }
        }
        for pairs in [&["broken"][..], &["good", "broken"]] {
            let (code, said) = start(&arguments(folder.path(), pairs)).ended().await;
            assert_eq!((code, said.len()), (1, 1), "{name}: {said:#?}");
            let path = &paths[usize::from(file == "tls.key")].display().to_string();
            assert!(said[0].starts_with("wssgate: "), "{name}: {said:#?}");
            assert!(said[0].contains(path) && said[0].contains(reason), "{name}: {said:#?}");
        }
    }
}

/// Starts with this pair, whose key's file has this mode, and returns the level and the text of what is wrong.
async fn problem(issued: &Issued, mode: u32) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (chain, key) = issued.write(folder.path(), "server");
    fs::set_permissions(key, fs::Permissions::from_mode(mode)).unwrap();
    let binary = start(&arguments(folder.path(), &["server"]));
    binary.listening().await;
    let mut lines: Vec<_> =
        binary.json().into_iter().filter(|line| line.get("problem").is_some()).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let line = lines.remove(0);
    assert_eq!(line["certificate"], chain.display().to_string());
    let text = |field: &str| line[field].as_str().unwrap().to_owned();
    (text("level"), text("problem"))
}

#[tokio::test]
async fn what_can_serve_starts_and_says_what_is_wrong() {
    let pki = Pki::new();
    let issue = |leaf: Leaf<'_>| pki.issuer.issue(&leaf);
    let plain = issue(Leaf::default());
    let mut disordered = plain.clone();
    disordered.chain += &pki.issue(&["a"]).chain;
    for (issued, mode, level, part) in [
        (issue(Leaf { validity: Validity::Expired, ..Leaf::default() }), 0o600, "ERROR", "expired"),
        (
            issue(Leaf { validity: Validity::NotYet, ..Leaf::default() }),
            0o600,
            "ERROR",
            "not valid",
        ),
        (issue(Leaf { names: &[], ..Leaf::default() }), 0o640, "WARN", "no names"),
        (disordered, 0o600, "WARN", "did not sign"),
        (plain, 0o644, "WARN", "chmod o-r"),
    ] {
        let (said_level, problem) = problem(&issued, mode).await;
        assert!(said_level == level && problem.contains(part), "{said_level} {problem}");
    }
}

/// An expired certificate is better than none; a good one replaces it.
#[tokio::test]
async fn who_starts_with_an_expired_one_takes_in_a_good_one() {
    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    let expired = Leaf { validity: Validity::Expired, ..Leaf::default() };
    pki.issuer.issue(&expired).write(folder.path(), "server");
    let binary = start(&arguments(folder.path(), &["server"]));
    let addr = binary.listening().await;
    let error = super::failure(addr, &pki.client("localhost")).await.to_string();
    assert!(error.contains("expired"), "{error}");
    let good = pki.issue(&["localhost"]);
    good.write(folder.path(), "server");
    binary.signal("HUP").await;
    binary.line("reload done").await;
    assert_eq!(shown(addr, &pki.client("localhost")).await, good.certificate);
}
