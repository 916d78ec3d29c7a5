//! A program that is running as proxy before an origin of its own. Starting waits until a tunnel through it works;
//! dropping it kills it with all its children.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::{Instant, sleep};

use crate::certificate::Files;
use crate::client::{Client, Handshake};
use crate::origin::Origin;
use crate::peers::{Installed, Place};

const START_DEADLINE: Duration = Duration::from_secs(10);
const START_POLL: Duration = Duration::from_millis(20);

/// A running proxy with its origin.
pub(crate) struct Proxy {
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    /// What the probe has negotiated with it: version, cipher suite, key exchange.
    pub(crate) negotiated: String,
    pub(crate) origin: Origin,
    group: Group,
}

/// A child process that leads a process group, so that its own children end with it.
struct Group(Child);

impl Proxy {
    /// Starts `installed` with room for `tunnels`, and waits until it serves.
    pub(crate) async fn start(
        installed: &Installed,
        files: &Files,
        tunnels: usize,
    ) -> Result<Self> {
        let origin = Origin::start().await?;
        let port = free_port()?;
        let dir = files.dir.path();
        let log = dir.join("log");
        let place = Place { dir, port, origin: origin.port, tunnels };
        let output = File::create(&log).context("create the log")?;
        let child = installed
            .command(&place)?
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {}", installed.name()))?;
        let mut group = Group(child);
        let client = Client::new(port, &files.root, Handshake::Full)?;
        let negotiated = probe(&client, &mut group.0, &log).await?;
        Ok(Self { port, negotiated, origin, group })
    }

    /// The process that all others of this proxy descend from.
    pub(crate) fn root_process(&self) -> u32 {
        self.group.0.id()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The leader has not been waited for yet, so its number, and the group's, cannot belong to anybody else.
        if let Some(group) = Pid::from_raw(self.0.id().cast_signed()) {
            kill_process_group(group, Signal::KILL).ok();
        }
        self.0.wait().ok();
    }
}

/// Tries until a tunnel opens; returns what was negotiated.
async fn probe(client: &Client, child: &mut Child, log: &Path) -> Result<String> {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        let error = match client.open("/echo").await {
            Ok(tunnel) => {
                tunnel.check(Handshake::Full).context("the very first connection")?;
                let negotiated = tunnel.negotiated();
                tunnel.close().await?;
                return Ok(negotiated);
            }
            Err(error) => error,
        };
        let ended = child.try_wait()?.is_some();
        if ended || Instant::now() > deadline {
            let log = fs::read_to_string(log).unwrap_or_default();
            bail!("does not serve (ended: {ended}): {error:#}\n{log}");
        }
        sleep(START_POLL).await;
    }
}

/// A port that was free a moment ago: not every program can bind port 0 and say what it got.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr()?.port())
}
