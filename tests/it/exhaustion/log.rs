//! Room for the log: what cannot be written is lost, and nothing else.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::{
    Binary, Client, Samples, Upstream, certificate_arguments, echo, free_port, listens, within,
};

/// How long after its last line a log is taken to say nothing more for now.
const QUIET: Duration = Duration::from_millis(200);

/// A program whose log goes elsewhere.
struct Unheard {
    child: Child,
    addr: SocketAddr,
    admin: String,
}

impl Unheard {
    /// Starts it by a command whose standard error is set.
    async fn start(mut command: Command, upstream: &Upstream) -> Self {
        let (addr, admin) = (free_port(), free_port().to_string());
        command.args(["--listen", &addr.to_string(), "--upstream", &upstream.addr()]);
        command.args(["--admin", &admin]).args(certificate_arguments());
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        listens(addr).await;
        Self { child, addr, admin }
    }

    /// Five tunnels, from their first line to their last.
    async fn visit(&self) {
        let before = Samples::of(&self.admin).await;
        for _ in 0..5 {
            let mut client = Client::connect(self.addr).await;
            client.upgrade().await;
            echo(&mut client, "nobody hears of it").await;
            client.shutdown().await;
            assert_eq!(client.read_to_end().await, b"");
        }
        within("each is counted as ended", async {
            let closed = "wssgate_tunnels_closed_total";
            while Samples::of(&self.admin).await.sum(closed) != before.sum(closed) + 5.0 {}
        })
        .await;
    }

    fn pid(&self) -> String {
        self.child.id().unwrap().to_string()
    }

    async fn ends(mut self) {
        let killed = Command::new("kill").args(["-s", "TERM", &self.pid()]).status().await;
        assert!(killed.unwrap().success());
        let status = within("the program ends", self.child.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0));
    }
}

fn program_under_test() -> Command {
    Binary::command(env!("CARGO_BIN_EXE_wssgate"))
}

#[tokio::test]
async fn a_log_on_a_full_disk_costs_no_connection() {
    let upstream = Upstream::echo().await;
    let mut command = program_under_test();
    command.stderr(File::options().write(true).open("/dev/full").unwrap());
    let unheard = Unheard::start(command, &upstream).await;
    unheard.visit().await;
    unheard.ends().await;
}

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_costs_no_connection() {
    let upstream = Upstream::echo().await;
    let mut command = program_under_test();
    command.stderr(Stdio::piped());
    let mut unheard = Unheard::start(command, &upstream).await;
    drop(unheard.child.stderr.take());
    unheard.visit().await;
    unheard.ends().await;
}

#[tokio::test]
async fn a_log_whose_reader_hangs_costs_no_connection_and_says_what_was_lost() {
    let upstream = Upstream::echo().await;
    let mut command = program_under_test();
    command.stderr(Stdio::piped());
    let mut unheard = Unheard::start(command, &upstream).await;
    // More than the pipe holds.
    for _ in 0..60 {
        unheard.visit().await;
    }
    let mut reader = BufReader::new(unheard.child.stderr.take().unwrap()).lines();
    let mut lines = Vec::new();
    within("a line that says so", async {
        let lost = |line: &String| line.contains("log lines lost, nobody read them");
        while !lines.last().is_some_and(lost) {
            // Something that is logged: until then nobody knows that there is a reader again.
            drop(Client::connect(unheard.addr).await.upgrade().await);
            while let Ok(Ok(Some(line))) = timeout(QUIET, reader.next_line()).await {
                lines.push(line);
                if lines.last().is_some_and(lost) {
                    break;
                }
            }
        }
    })
    .await;
    assert!(lines.len() > 50, "{lines:#?}");
    let is_whole = |line: &&String| line.starts_with("20") || line.is_empty();
    let broken = lines.iter().filter(|line| !is_whole(line)).count();
    assert_eq!(broken, 0, "{lines:#?}");
    tokio::spawn(async move { while let Ok(Some(_)) = reader.next_line().await {} });
    unheard.visit().await;
    unheard.ends().await;
}

/// A disk of 16 KiB, in a mount namespace of the program's own.
#[tokio::test]
#[ignore = "needs root"]
async fn when_the_disk_has_room_again_the_log_goes_on() {
    let upstream = Upstream::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().display().to_string();
    let words = format!(
        "mount -t tmpfs -o size=16k wssgate {disk} && head -c 16384 /dev/zero >{disk}/ballast && \
         exec \"$0\" \"$@\" 2>>{disk}/log"
    );
    let mut command = Binary::command("unshare");
    command.args(["--mount", "sh", "-c", &words, env!("CARGO_BIN_EXE_wssgate")]);
    let unheard = Unheard::start(command, &upstream).await;
    let root = PathBuf::from(format!("/proc/{}/root", unheard.pid()));
    let inside = |name: &str| root.join(disk.trim_start_matches('/')).join(name);
    unheard.visit().await;
    assert_eq!(fs::read_to_string(inside("log")).unwrap(), "", "the disk was not full");
    fs::remove_file(inside("ballast")).unwrap();
    unheard.visit().await;
    let log = fs::read_to_string(inside("log")).unwrap();
    assert_eq!(log.matches("tunnel closed").count(), 5, "{log}");
    unheard.ends().await;
}
