//! The built program, as a user runs it.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{eventually, repository, within};

/// A running `wssgate`. Killed when dropped.
pub(crate) struct Binary {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Binary {
    /// Starts it with these arguments and without `WSSGATE_` variables.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    /// The same, with these variables.
    pub(crate) fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wssgate"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WSSGATE_")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(args)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&log);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sink.lock().unwrap().push(line);
            }
        });
        Self { child, log }
    }

    /// Starts it on a free port of 127.0.0.1 with the development certificate, logging JSON, and
    /// waits until it listens.
    pub(crate) async fn serving(upstream: &str, args: &[&str]) -> (Self, SocketAddr) {
        let cert = repository("certs/localhost.pem").display().to_string();
        let key = repository("certs/localhost.key").display().to_string();
        let fixed =
            ["--listen", "127.0.0.1:0", "--upstream", upstream, "--log-format", "json", "--cert"];
        let all = [&fixed, [cert.as_str(), "--key", key.as_str()].as_slice(), args].concat();
        let binary = Self::start(&all);
        let addr = binary.listening().await;
        (binary, addr)
    }

    /// Waits for the line that says where it listens (JSON).
    pub(crate) async fn listening(&self) -> SocketAddr {
        let line = self.line("listening").await;
        line["listener"].as_str().unwrap().parse().unwrap()
    }

    /// Waits for a JSON line with this message and returns the first one.
    pub(crate) async fn line(&self, message: &str) -> serde_json::Value {
        let find = || self.json().into_iter().find(|line| line["message"] == message);
        eventually(&format!("a log line {message:?}"), || find().is_some()).await;
        find().unwrap()
    }

    /// Every line so far that is JSON.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.log().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Every line so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The process.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id().unwrap()).unwrap()
    }

    /// Sends a signal, `"TERM"` for one, by kill(1).
    pub(crate) async fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.await.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        within("the program ends", self.child.wait()).await.unwrap()
    }
}
