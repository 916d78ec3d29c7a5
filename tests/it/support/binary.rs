//! The built program, as a user runs it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::{eventually, repository, within};

/// A running `wssgate`. Killed when dropped, and no task of it may have panicked.
pub(crate) struct Binary {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    logging: JoinHandle<()>,
}

impl Drop for Binary {
    fn drop(&mut self) {
        let panics: Vec<_> = self.log().into_iter().filter(|it| it.contains("panicked")).collect();
        assert!(panics.is_empty() || std::thread::panicking(), "{panics:#?}");
    }
}

impl Binary {
    /// Starts it with these arguments and without `WSSGATE_` variables.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    /// The same, with these variables.
    pub(crate) fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Self::command(env!("CARGO_BIN_EXE_wssgate"));
        command.args(args).envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// A command without `WSSGATE_` variables.
    pub(crate) fn command(program: &str) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WSSGATE_")) {
            command.env_remove(name);
        }
        command
    }

    /// Starts a command that is the program, or becomes it (exec).
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        Self::spawn_over(command)
    }

    /// Starts it with these sockets passed to it as systemd does, each under a name. There may be two of them: they
    /// go the way of standard input and output, which no other process inherits.
    pub(crate) fn passed(sockets: Vec<(&str, OwnedFd)>, args: &[&str]) -> Self {
        const SCRIPT: &str =
            "exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=$$; exec \"$0\" \"$@\"";
        let mut command = Self::command("sh");
        command.args(["-c", SCRIPT, env!("CARGO_BIN_EXE_wssgate")]).args(args);
        let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
        command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        let mut sockets = sockets.into_iter().map(|(_, socket)| Stdio::from(socket));
        command.stdin(sockets.next().unwrap_or_else(Stdio::null));
        command.stdout(sockets.next().unwrap_or_else(Stdio::null));
        assert!(sockets.next().is_none(), "two at most");
        Self::spawn_over(command)
    }

    fn spawn_over(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&log);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let logging = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sink.lock().unwrap().push(line);
            }
        });
        Self { child, log, logging }
    }

    /// Starts it on a free port of 127.0.0.1 with the development certificate, logging JSON, and
    /// waits until it listens.
    pub(crate) async fn serving(upstream: &str, args: &[&str]) -> (Self, SocketAddr) {
        let fixed = ["--listen", "127.0.0.1:0", "--upstream", upstream, "--log-format", "json"];
        let [cert, key] = certificate_arguments();
        let binary = Self::start(&[&fixed, [&*cert, &*key].as_slice(), args].concat());
        let addr = binary.listening().await;
        (binary, addr)
    }

    /// The same under limits of the shell: what [`Binary::serving`] starts, after `ulimit LIMIT`.
    pub(crate) async fn serving_limited(
        limit: &str,
        upstream: &str,
        args: &[&str],
    ) -> (Self, SocketAddr) {
        let script = format!("ulimit {limit} && exec \"$0\" \"$@\"");
        let mut command = Self::command("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_wssgate")]);
        command.args(["--listen", "127.0.0.1:0", "--upstream", upstream, "--log-format", "json"]);
        command.args(certificate_arguments()).args(args);
        let binary = Self::spawn(command);
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

    /// Every JSON line so far with this message.
    pub(crate) fn lines(&self, message: &str) -> Vec<serde_json::Value> {
        self.json().into_iter().filter(|line| line["message"] == message).collect()
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

    /// Makes it read its configuration again and waits until it has. Whether that serves now.
    pub(crate) async fn reload(&self) -> bool {
        let said = |message| self.lines(message).len();
        let refused = "reload refused, everything is as before";
        let before = (said("reload done"), said(refused));
        self.signal("HUP").await;
        let now = || (said("reload done"), said(refused));
        eventually("an end of the reload", || now() != before).await;
        now().0 > before.0
    }

    /// Changes the limit of its open files, the soft one (prlimit(1)).
    pub(crate) async fn limit_open_files(&self, limit: u32) {
        let pid = self.pid().to_string();
        let limit = format!("--nofile={limit}:");
        let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
        assert!(status.await.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        within("the program ends", self.child.wait()).await.unwrap()
    }

    /// Waits for its end; the exit code, and all that it logged.
    pub(crate) async fn ended(mut self) -> (i32, Vec<String>) {
        let status = self.exit().await;
        within("the end of the log", &mut self.logging).await.unwrap();
        (status.code().expect("ended by a signal"), self.log())
    }

    /// What `/proc/PID/task/*/status` says under this name, of each thread.
    pub(crate) fn status_of_threads(&self, name: &str) -> Vec<String> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let value = |thread: std::fs::DirEntry| {
            // One that ends meanwhile has none.
            let status = std::fs::read_to_string(thread.path().join("status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            Some(line?.trim().to_owned())
        };
        threads.filter_map(|thread| value(thread.unwrap())).collect()
    }

    /// Waits until it watches the files of its certificates: it listens before, and what it opens for that
    /// stays open.
    pub(crate) async fn watches(&self) {
        // The thread that notify starts when it has opened all that it needs.
        let is_there =
            || self.status_of_threads("Name").iter().any(|it| it.starts_with("notify-rs"));
        eventually("it watches its files", is_there).await;
    }

    /// Its open descriptors, and what each of them is.
    pub(crate) fn descriptors(&self) -> BTreeMap<u32, String> {
        let names = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let descriptor = |name: std::fs::DirEntry| {
            let number = name.file_name().to_str().unwrap().parse().unwrap();
            // One that is closed meanwhile is none.
            Some((number, std::fs::read_link(name.path()).ok()?.display().to_string()))
        };
        names.filter_map(|name| descriptor(name.unwrap())).collect()
    }

    /// What `/proc/PID/status` says under this name, in KiB: `VmRSS` for one.
    pub(crate) fn status_kib(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// `--cert` and `--key` of the development certificate.
pub(crate) fn certificate_arguments() -> [String; 2] {
    [("--cert", "localhost.pem"), ("--key", "localhost.key")]
        .map(|(flag, file)| format!("{flag}={}", repository("certs").join(file).display()))
}
