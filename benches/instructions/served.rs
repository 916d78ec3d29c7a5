//! What is counted of the built program as it serves: it runs under callgrind between a client and an origin that do not,
//! with one worker, one thing at a time, each awaited to its end, so that wake-ups gather the same every time.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Child;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use crate::callgrind;
use crate::certificate::Files;
use crate::client::{Client, Handshake};
use crate::frame::{self, Exchange};
use crate::operation::Operation;
use crate::origin::Origin;

/// Start and end take seconds under callgrind, and more on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Between looks at what has arrived: shorter than the work that is counted.
const ARRIVAL_POLL: Duration = Duration::from_millis(1);

/// The program; killed when dropped, if it still runs.
struct Server(Child);

/// Instructions of the program from its start to its end, the operation done so often in between.
pub(crate) fn count(operation: Operation, times: usize) -> Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(operation, times))
}

async fn serve(operation: Operation, times: usize) -> Result<u64> {
    let files = Files::create(Default::default())?;
    let origin = Origin::start().await?;
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let log = files.dir.path().join("callgrind");
    let mut server = Server::spawn(&files, port, origin.port, &log)?;
    let handshake = match operation {
        Operation::Resumed => Handshake::Resumed,
        _ => Handshake::Full,
    };
    let client = Client::new(port, &files.root, handshake)?;
    server.serves(&client).await?;
    match operation {
        Operation::Full | Operation::Resumed => connect(&client, handshake, times).await?,
        Operation::BlockToClient => blocks_to_client(&client, &origin, times).await?,
        Operation::BlockToUpstream => blocks_to_upstream(&client, &origin, times).await?,
        _ => echo(&client, times).await?,
    }
    server.end().await?;
    callgrind::read(&log)
}

async fn connect(client: &Client, handshake: Handshake, times: usize) -> Result<()> {
    for _ in 0..times {
        let tunnel = client.open("/echo").await?;
        tunnel.check(handshake)?;
        tunnel.close().await?;
    }
    Ok(())
}

async fn echo(client: &Client, times: usize) -> Result<()> {
    let mut tunnel = client.open("/echo").await?;
    let mut exchange = Exchange::new(frame::ECHO_BYTES);
    for _ in 0..times {
        tunnel.echo(&mut exchange).await?;
    }
    tunnel.close().await
}

async fn blocks_to_client(client: &Client, origin: &Origin, times: usize) -> Result<()> {
    let mut tunnel = client.open("/block").await?;
    let mut block = frame::from_server(&[0; frame::BULK_BYTES]);
    for _ in 0..times {
        origin.asked.add_permits(1);
        let mut length = 0;
        while length < block.len() {
            length += tunnel.read(&mut block[length..]).await?;
        }
    }
    tunnel.close().await
}

async fn blocks_to_upstream(client: &Client, origin: &Origin, times: usize) -> Result<()> {
    let mut tunnel = client.open("/sink").await?;
    let block = frame::from_client(&[0x5a; frame::BULK_BYTES]);
    for count in 1..=times {
        tunnel.write(&block).await?;
        let all = (count * block.len()) as u64;
        let deadline = Instant::now() + PATIENCE;
        while origin.sunk.load(Ordering::Relaxed) < all {
            ensure!(Instant::now() < deadline, "a block has not arrived");
            sleep(ARRIVAL_POLL).await;
        }
    }
    tunnel.close().await
}

impl Server {
    fn spawn(files: &Files, port: u16, origin: u16, log: &Path) -> Result<Self> {
        let dir = files.dir.path();
        let output = File::create(dir.join("log")).context("create the log")?;
        let mut command = callgrind::command(Path::new(env!("CARGO_BIN_EXE_wssgate")), log);
        command
            .env("TOKIO_WORKER_THREADS", "1")
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .arg("--cert")
            .arg(dir.join("chain.pem"))
            .arg("--key")
            .arg(dir.join("key.pem"))
            .arg("--upstream")
            .arg(format!("127.0.0.1:{origin}"))
            // Valgrind does not know landlock's system calls.
            .args(["--log-level", "warn", "--no-sandbox"])
            .stdout(output.try_clone()?)
            .stderr(output);
        Ok(Self(command.spawn().context("run valgrind")?))
    }

    /// Waits until a tunnel through it works.
    async fn serves(&mut self, client: &Client) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let error = match client.open("/echo").await {
                Ok(tunnel) => return tunnel.close().await,
                Err(error) => error,
            };
            if self.0.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("does not serve under callgrind: {error:#}");
            }
            sleep(POLL).await;
        }
    }

    /// Asks it to stop, and waits until callgrind has written its count.
    async fn end(&mut self) -> Result<()> {
        let process = Pid::from_raw(self.0.id().cast_signed()).context("no process")?;
        kill_process(process, Signal::TERM).context("stop the program")?;
        let deadline = Instant::now() + PATIENCE;
        while self.0.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "does not end");
            sleep(POLL).await;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.0.kill().ok();
            self.0.wait().ok();
        }
    }
}
