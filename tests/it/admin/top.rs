//! `wssgate top` in a terminal that is not ours: tmux.

use std::net::SocketAddr;
use std::process::Output;

use tokio::process::Command;

use crate::support::{Binary, Client, Upstream, program, repository, upgrade_request, within};

/// A terminal with a program in it; ended when dropped.
struct Terminal {
    socket: String,
}

impl Terminal {
    async fn start(name: &str, command: &str) -> Self {
        let terminal = Self { socket: format!("wssgate-{name}-{}", std::process::id()) };
        let size = ["-x", "100", "-y", "30"];
        let begin = ["-f", "/dev/null", "new-session", "-d"];
        terminal.tmux(&[&begin[..], &size, &[command]].concat()).await;
        terminal
    }

    async fn tmux(&self, args: &[&str]) -> Output {
        let mut command = Command::new(program("tmux"));
        command.args(["-L", &self.socket]).args(args).env_remove("TMUX");
        within("tmux", command.output()).await.unwrap()
    }

    /// What is on its screen.
    async fn screen(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p"]).await.stdout).unwrap()
    }

    /// Waits until that has this part.
    async fn shows(&self, part: &str) -> String {
        within(&format!("{part:?} on the screen"), async {
            loop {
                let screen = self.screen().await;
                if screen.contains(part) {
                    return screen;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await
    }

    async fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat()).await;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut command = std::process::Command::new(program("tmux"));
        let _ = command.args(["-L", &self.socket, "kill-server"]).output();
    }
}

async fn open(addr: SocketAddr, path: &str) -> Client {
    let mut client = Client::connect(addr).await;
    client.send(upgrade_request().replace("/chat", path).as_bytes()).await;
    client.read_head().await;
    client
}

#[tokio::test]
#[ignore = "needs tmux"]
async fn top_shows_what_happens_takes_keys_and_gives_the_terminal_back() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &["--admin", "127.0.0.1:0"]).await;
    let admin = binary.line("admin listening").await["listener"].as_str().unwrap().to_owned();
    let mut first = open(addr, "/first").await;
    let program = env!("CARGO_BIN_EXE_wssgate");
    let command = format!("{program} top --admin {admin} --interval 100ms; echo left with $?; cat");
    let terminal = Terminal::start("top", &command).await;
    terminal.shows("tunnels 1 open, 1 opened").await;
    let screen = terminal.shows("example.com/first").await;
    for part in ["serving", &upstream.addr(), "up", "days left", "q quit"] {
        assert!(screen.contains(part), "{part:?} in\n{screen}");
    }
    let _second = open(addr, "/second").await;
    terminal.shows("tunnels 2 open").await;
    let screen = terminal.shows("example.com/second").await;
    std::fs::write(repository("target/interop/top.txt"), &screen).unwrap();
    eprintln!("{screen}");
    let before = |screen: &str| screen.find("/second") < screen.find("/first");
    assert!(before(&screen), "the newest first:\n{screen}");
    terminal.press(&["s"]).await;
    let screen = terminal.shows("order: oldest").await;
    assert!(!before(&screen), "{screen}");
    terminal.press(&["/", "f", "i", "r", "Enter"]).await;
    let screen = terminal.shows("TUNNEL (1 of 1)").await;
    assert!(!screen.contains("/second"), "{screen}");
    first.shutdown().await;
    terminal.shows("tunnels 1 open").await;
    binary.signal("TERM").await;
    terminal.shows("not reachable").await;
    terminal.press(&["q"]).await;
    let screen = terminal.shows("left with 0").await;
    assert!(!screen.contains("q quit"), "the screen is as it was:\n{screen}");
}

#[tokio::test]
async fn without_a_terminal_top_says_where_else_to_look() {
    let output = crate::support::Binary::command(env!("CARGO_BIN_EXE_wssgate"))
        .args(["top", "--admin", "127.0.0.1:1"])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("top draws on a terminal"), "{said}");
}
