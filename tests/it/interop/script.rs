//! The scripts of this folder, each run as a process of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::program;
use crate::support::{repository, within};

/// A running script: what it has to say comes as lines of JSON. Killed when dropped.
pub(super) struct Script {
    name: String,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Script {
    /// Starts a Python script with the packages of `requirements.txt`.
    pub(super) fn python(name: &str, args: &[&str]) -> Self {
        Self::start(&installed("venv/bin/python3"), name, args)
    }

    /// Starts a Node script; it finds the packages of `package.json` by itself.
    pub(super) fn node(name: &str, args: &[&str]) -> Self {
        installed("node_modules/ws");
        Self::start(&program("node"), name, args)
    }

    fn start(interpreter: &Path, name: &str, args: &[&str]) -> Self {
        let mut child = Command::new(interpreter)
            .arg(repository("tests/it/interop").join(name))
            .args(args)
            // Node has no option for it; Python is told by its command line.
            .env("NODE_EXTRA_CA_CERTS", repository("certs/ca.pem"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { name: name.to_owned(), child, lines }
    }

    /// Its next line. Should it end instead, the panic says what it wrote to standard error.
    pub(super) async fn line(&mut self) -> serde_json::Value {
        let line = within(&format!("a line of {}", self.name), self.lines.next_line()).await;
        match line.unwrap() {
            Some(line) => serde_json::from_str(&line).unwrap(),
            None => {
                let errors = self.errors().await;
                panic!("{} has nothing more to say: {errors}", self.name)
            }
        }
    }

    /// Its one line, once it has ended without an error.
    pub(super) async fn result(mut self) -> serde_json::Value {
        let line = self.line().await;
        let status = within(&format!("the end of {}", self.name), self.child.wait()).await.unwrap();
        let errors = self.errors().await;
        assert!(status.success(), "{}: {status}: {errors}", self.name);
        line
    }

    async fn errors(&mut self) -> String {
        let mut text = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        within("standard error", stderr.read_to_string(&mut text)).await.unwrap();
        text
    }
}

/// Something that was installed for these tests alone.
fn installed(path: &str) -> PathBuf {
    let path = repository("target/interop").join(path);
    assert!(path.exists(), "{} is missing: .ci/run installs it", path.display());
    path
}
