//! A program that is running as proxy before an origin of its own. Starting waits until a tunnel through it works;
//! dropping it kills it with all its children.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::sleep;

use crate::certificate::Files;
use crate::client::{Client, Handshake};
use crate::origin::Origin;
use crate::peers::{Installed, Place, Program, Room};

const START_DEADLINE: Duration = Duration::from_secs(10);
const START_POLL: Duration = Duration::from_millis(20);
/// Fine enough to tell milliseconds apart, and no load to speak of.
const LISTENING_POLL: Duration = Duration::from_micros(100);

/// A running proxy with its origin.
pub(crate) struct Proxy {
    /// What the probe has negotiated with it: version, cipher suite, key exchange; none without TLS.
    pub(crate) negotiated: Option<String>,
    pub(crate) origin: Origin,
    port: u16,
    has_tls: bool,
    group: Group,
}

/// A child process that leads a process group, so that its own children end with it.
struct Group(Child);

impl Proxy {
    /// Starts `installed`, and waits until it serves.
    pub(crate) async fn start(installed: &Installed, files: &Files, room: Room) -> Result<Self> {
        let origin = Origin::start().await?;
        let port = free_port()?;
        let group = Group::spawn(installed, files, (port, origin.port), room)?;
        let has_tls = installed.program != Program::Floor;
        let mut proxy = Self { negotiated: None, origin, port, has_tls, group };
        let client = proxy.client(files, Handshake::Full)?;
        proxy.negotiated = probe(&client, &mut proxy.group.0, &log(files)).await?;
        Ok(proxy)
    }

    /// A client of it.
    pub(crate) fn client(&self, files: &Files, handshake: Handshake) -> Result<Client> {
        match self.has_tls {
            true => Client::new(self.port, &files.root, handshake),
            false => Ok(Client::plain(self.port)),
        }
    }

    /// The process that all others of this proxy descend from.
    pub(crate) fn root_process(&self) -> u32 {
        self.group.0.id()
    }
}

/// Starts `installed`, waits until it can be connected to and ends it. Returns how long the first took.
pub(crate) fn time_to_listen(installed: &Installed, files: &Files, room: Room) -> Result<Duration> {
    let port = free_port()?;
    // Nothing is sent, so no origin is needed.
    let ports = (port, free_port()?);
    let began = Instant::now();
    let mut group = Group::spawn(installed, files, ports, room)?;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if group.0.try_wait()?.is_some() || began.elapsed() > START_DEADLINE {
            bail!("does not listen:\n{}", fs::read_to_string(log(files)).unwrap_or_default());
        }
        thread::sleep(LISTENING_POLL);
    }
    Ok(began.elapsed())
}

/// What the program that was started last has to say.
fn log(files: &Files) -> PathBuf {
    files.dir.path().join("log")
}

impl Group {
    /// Starts `installed`, which is to listen on the first port for the origin at the second.
    fn spawn(
        installed: &Installed,
        files: &Files,
        (port, origin): (u16, u16),
        room: Room,
    ) -> Result<Self> {
        let place = Place { peers: &files.peers, dir: files.dir.path(), port, origin, room };
        let output = File::create(log(files)).context("create the log")?;
        let child = installed
            .command(&place)?
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {}", installed.name()))?;
        Ok(Self(child))
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
async fn probe(client: &Client, child: &mut Child, log: &Path) -> Result<Option<String>> {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        let error = match client.open("/echo").await {
            Ok(tunnel) => {
                tunnel.check(Handshake::Full).context("the very first connection")?;
                let negotiated = tunnel.negotiated().map(str::to_owned);
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
