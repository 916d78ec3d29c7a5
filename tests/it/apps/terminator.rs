//! What stands before an application: nginx with the usual recipe, or wssgate.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tokio::process::Command;

use crate::support::{Process, free_port, program, repository};

/// A running terminator. Killed when dropped.
pub(super) struct Terminator {
    /// Who it is, for messages.
    pub(super) name: &'static str,
    /// Where it speaks TLS.
    pub(super) addr: SocketAddr,
    process: Process,
    _dir: tempfile::TempDir,
}

impl Terminator {
    /// Both of them, before the same upstream.
    pub(super) async fn both(upstream: &str) -> [Self; 2] {
        [Self::nginx(upstream).await, Self::wssgate(upstream).await]
    }

    /// nginx.
    pub(super) async fn nginx(upstream: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let addr = free_port();
        let config = include_str!("nginx.conf")
            .replace("@DIR@", &dir.path().display().to_string())
            .replace("@PORT@", &addr.port().to_string())
            .replace("@UPSTREAM@", upstream)
            .replace("@CERTS@", &repository("certs").display().to_string());
        let file = dir.path().join("nginx.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(program("nginx"));
        command.arg("-p").arg(dir.path()).args(["-e", "stderr", "-c"]).arg(file);
        Self::start("nginx", addr, command, dir).await
    }

    /// The built program.
    pub(super) async fn wssgate(upstream: &str) -> Self {
        Self::wssgate_of(Path::new(env!("CARGO_BIN_EXE_wssgate")), upstream).await
    }

    /// Another build of it.
    pub(super) async fn wssgate_of(binary: &Path, upstream: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let addr = free_port();
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WSSGATE_")) {
            command.env_remove(name);
        }
        command.args(["--listen", &addr.to_string(), "--upstream", upstream]);
        command.arg("--cert").arg(repository("certs/localhost.pem"));
        command.arg("--key").arg(repository("certs/localhost.key"));
        Self::start("wssgate", addr, command, dir).await
    }

    async fn start(
        name: &'static str,
        addr: SocketAddr,
        command: Command,
        dir: tempfile::TempDir,
    ) -> Self {
        let mut process = Process::start(name, command);
        process.listens(addr).await;
        Self { name, addr, process, _dir: dir }
    }

    /// The page's address, by name: browsers and applications treat it as an origin like any other.
    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}", self.addr.port())
    }

    /// The most memory that was ever resident, in KiB.
    pub(super) fn peak_rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}
