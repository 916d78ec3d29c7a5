//! Configuration files: each in `broken/` with the message that its first line gives, each in `valid/` as it is
//! meant (which `src/cli/settings/tests.rs` says), and what comes before what.

use std::fs;
use std::path::PathBuf;

use crate::support::{Binary, certificate_arguments, repository};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = repository("tests/it/config").join(folder);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn each_broken_file_is_refused_with_its_message() {
    let files = files("broken");
    assert!(files.len() >= 30, "{files:?}");
    for path in files {
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().unwrap().strip_prefix("# error: ").unwrap();
        let expected = format!("wssgate: {}", expected.replacen("FILE", &name, 1));
        for args in [&["-c", &name][..], &["check", "--config", &name]] {
            let (code, said) = Binary::start(args).ended().await;
            assert_eq!(said.join("\n"), expected, "{args:?}");
            assert_eq!(code, 2);
        }
    }
}

#[tokio::test]
async fn a_file_that_is_missing_is_named() {
    let (code, said) = Binary::start(&["-c", "/nowhere/wssgate.toml"]).ended().await;
    assert_eq!(code, 2);
    let expected = "wssgate: read configuration /nowhere/wssgate.toml: No such file or directory";
    assert!(said.len() == 1 && said[0].starts_with(expected), "{said:?}");
}

/// Starts with this file, these arguments and variables; the upstream that the log tells of.
async fn upstream(file: &str, args: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wssgate.toml");
    fs::write(&path, format!("listen = '127.0.0.1:0'\nself-signed = true\n{file}")).unwrap();
    let path = path.display().to_string();
    let binary =
        Binary::start_with(&[&["-c", &path, "--log-format=json"], args].concat(), variables);
    binary.line("listening").await["upstream"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn flags_come_before_variables_and_those_before_the_file() {
    let file = "upstream = '127.0.0.1:1'";
    let variable = [("WSSGATE_UPSTREAM", "127.0.0.1:2")];
    let flag = ["--upstream", "127.0.0.1:3"];
    assert_eq!(upstream(file, &[], &[]).await, "127.0.0.1:1");
    assert_eq!(upstream(file, &[], &variable).await, "127.0.0.1:2");
    assert_eq!(upstream(file, &flag, &variable).await, "127.0.0.1:3");
    assert_eq!(upstream("", &flag, &[("WSSGATE_LOG_LEVEL", "info")]).await, "127.0.0.1:3");
}

#[tokio::test]
async fn the_file_may_be_named_by_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wssgate.toml");
    let [cert, key] = certificate_arguments();
    let [cert, key] = [cert, key].map(|arg| arg.split_once('=').unwrap().1.to_owned());
    let text = format!(
        "listen = '127.0.0.1:0'\nupstream = '127.0.0.1:1'\ncert = '{cert}'\nkey = '{key}'\n\
         log-format = 'json'\n"
    );
    fs::write(&path, text).unwrap();
    let variable = [("WSSGATE_CONFIG", path.to_str().unwrap())];
    let binary = Binary::start_with(&[], &variable);
    assert_eq!(binary.line("listening").await["upstream"], "127.0.0.1:1");
    let args = ["check", "-c", path.to_str().unwrap()];
    let checked = Binary::command(env!("CARGO_BIN_EXE_wssgate")).args(args).output().await.unwrap();
    assert!(checked.status.success());
    assert!(String::from_utf8(checked.stdout).unwrap().contains("localhost"));
}

/// Whoever gives a certificate by a flag does not want the file's.
#[tokio::test]
async fn a_certificate_is_given_as_a_whole() {
    let file = "upstream = '127.0.0.1:1'";
    let [cert, key] = certificate_arguments();
    assert_eq!(upstream(file, &[&cert, &key], &[]).await, "127.0.0.1:1");
}
