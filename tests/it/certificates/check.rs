//! `wssgate check`: everything that a start would find in the files, told and not served.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Pki;
use crate::support::{Binary, Issued, Key, Leaf, Validity, within};

/// Runs it with these arguments: the exit code and the lines of its report.
async fn check(arguments: &[&str]) -> (i32, Vec<String>) {
    // A port that somebody has: a start would fail.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let mut command = Binary::command(env!("CARGO_BIN_EXE_wssgate"));
    command.args(["check", "--listen", &listen, "--upstream", "1"]).args(arguments);
    let output = within("the program ends", command.output()).await.unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let report = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), report.lines().map(str::to_owned).collect())
}

/// `--cert` and `--key` of a pair that is written for it, its key readable by its owner.
fn pair(folder: &Path, name: &str, issued: &Issued) -> [String; 4] {
    let (chain, key) = issued.write(folder, name);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let [chain, key] = [chain, key].map(|path| path.display().to_string());
    ["--cert".to_owned(), chain, "--key".to_owned(), key]
}

fn strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// The report's lines with this label.
fn labelled<'r>(report: &'r [String], label: &str) -> Vec<&'r str> {
    let texts = report.iter().filter_map(|line| line.strip_prefix("  ")?.strip_prefix(label));
    texts.map(str::trim).collect()
}

#[tokio::test]
async fn good_pairs_are_shown_with_names_dates_and_keys() {
    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    let names = &["a.example", "*.b.example", "192.0.2.1"];
    let one = pki.issue(names);
    let two = pki.issuer.issue(&Leaf { key: Key::Rsa, ..Leaf::default() });
    let arguments = [pair(folder.path(), "one", &one), pair(folder.path(), "two", &two)].concat();
    let (code, report) = check(&strs(&arguments)).await;
    assert_eq!(code, 0, "{report:#?}");
    assert_eq!(report[0], format!("certificate {}", arguments[1]));
    assert_eq!(report[5], format!("certificate {}", arguments[5]));
    assert_eq!(labelled(&report, "names"), ["a.example, *.b.example, 192.0.2.1", "localhost"]);
    assert_eq!(labelled(&report, "key"), ["ECDSA P-256", "RSA 2048"]);
    for valid in labelled(&report, "valid") {
        assert!(valid.contains("Z to 2") && valid.contains(", 88 days left"), "{valid}");
    }
    assert_eq!(labelled(&report, "sha256").len(), 2);
    assert_eq!(report.len(), 10, "{report:#?}");
}

#[tokio::test]
async fn every_broken_pair_is_told_of() {
    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    let mut mismatched = pki.issue(&["a.example"]);
    mismatched.key = pki.issue(&["b.example"]).key;
    let mut empty = pki.issue(&["c.example"]);
    empty.chain.clear();
    let arguments = [
        pair(folder.path(), "mismatched", &mismatched),
        pair(folder.path(), "good", &pki.issue(&["good.example"])),
        pair(folder.path(), "empty", &empty),
    ]
    .concat();
    let (code, report) = check(&strs(&arguments)).await;
    assert_eq!(code, 1, "{report:#?}");
    let errors = labelled(&report, "error");
    assert_eq!(errors.len(), 2, "{report:#?}");
    assert!(errors[0].contains(&arguments[1]) && errors[0].contains("does not fit"));
    assert!(errors[1].contains(&arguments[9]) && errors[1].contains("no certificate in"));
    assert_eq!(labelled(&report, "names"), ["good.example"]);
}

#[tokio::test]
async fn dates_that_clients_refuse_are_an_error() {
    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    for (validity, error, left) in [
        (Validity::Expired, "expired on 20", "over"),
        (Validity::NotYet, "not valid before 20", "days left"),
    ] {
        let issued = pki.issuer.issue(&Leaf { validity, ..Leaf::default() });
        let (code, report) = check(&strs(&pair(folder.path(), "server", &issued))).await;
        assert_eq!(code, 1, "{report:#?}");
        let errors = labelled(&report, "error");
        assert!(errors.len() == 1 && errors[0].starts_with(error), "{report:#?}");
        assert!(labelled(&report, "valid")[0].ends_with(left), "{report:#?}");
    }
}

#[tokio::test]
async fn warnings_are_told_and_forgiven() {
    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    let mut disordered = pki.issue(&["localhost"]);
    disordered.chain += &pki.issue(&["a"]).chain;
    let nameless = pki.issue(&[]);
    let readable = pki.issue(&["localhost"]);
    for (issued, mode, warning) in [
        (disordered, 0o600, "certificate 3 of the chain did not sign certificate 2"),
        (nameless, 0o600, "no names"),
        (readable, 0o644, "chmod o-r"),
    ] {
        let arguments = pair(folder.path(), "server", &issued);
        fs::set_permissions(&arguments[3], fs::Permissions::from_mode(mode)).unwrap();
        let (code, report) = check(&strs(&arguments)).await;
        assert_eq!(code, 0, "{report:#?}");
        let warnings = labelled(&report, "warning");
        assert!(warnings.len() == 1 && warnings[0].contains(warning), "{report:#?}");
        assert!(labelled(&report, "error").is_empty(), "{report:#?}");
    }
}

#[tokio::test]
async fn the_other_files_are_judged_too() {
    let pki = Pki::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (ca, secret) = (path("ca.pem"), path("ticket.key"));
    let mut arguments = pair(folder.path(), "server", &pki.issue(&["localhost"])).to_vec();
    arguments.extend(["--client-ca", &ca, "--ticket-key-file", &secret].map(str::to_owned));

    fs::write(&ca, pki.root.pem()).unwrap();
    fs::write(&secret, "x".repeat(32)).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, report) = check(&strs(&arguments)).await;
    assert_eq!(code, 0, "{report:#?}");
    assert!(report.contains(&format!("client authorities {ca}")), "{report:#?}");
    assert!(report.contains(&format!("ticket key {secret}")), "{report:#?}");
    assert_eq!(labelled(&report, "subject"), ["CN=root"]);
    let warnings = labelled(&report, "warning");
    assert!(warnings.len() == 1 && warnings[0].contains("chmod o-r"), "{report:#?}");

    fs::write(&ca, "nobody\n").unwrap();
    fs::write(&secret, "x".repeat(31)).unwrap();
    let (code, report) = check(&strs(&arguments)).await;
    assert_eq!(code, 1, "{report:#?}");
    let errors = labelled(&report, "error");
    assert_eq!(errors.len(), 2, "{report:#?}");
    assert!(errors[0].contains(&ca) && errors[0].contains("no certificate in"), "{report:#?}");
    assert!(errors[1].contains(&secret) && errors[1].contains("31 bytes"), "{report:#?}");
}
