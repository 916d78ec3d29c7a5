//! nginx and HAProxy, each before an application that writes down what it gets.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use super::verdict::{Verdict, status};
use crate::support::{Process, free_port, program, within};

/// What an answer begins with behind which the real one comes.
const INTERIM: &[u8] = b"HTTP/1.1 1";

/// A running proxy. Killed when dropped.
pub(super) struct Server {
    addr: SocketAddr,
    application: Application,
    _process: Process,
    _dir: tempfile::TempDir,
}

impl Server {
    pub(super) async fn nginx() -> Self {
        let arguments = |dir: &str| ["-p", dir, "-e", "stderr", "-c"].map(str::to_owned).to_vec();
        Self::start("nginx", include_str!("nginx.conf"), arguments).await
    }

    pub(super) async fn haproxy() -> Self {
        let arguments = |_: &str| ["-db", "-f"].map(str::to_owned).to_vec();
        Self::start("haproxy", include_str!("haproxy.cfg"), arguments).await
    }

    /// The configuration's file is the last argument.
    async fn start(name: &str, config: &str, arguments: fn(&str) -> Vec<String>) -> Self {
        let application = Application::start().await;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().display().to_string();
        let addr = free_port();
        let config = config
            .replace("@DIR@", &path)
            .replace("@ADDR@", &addr.to_string())
            .replace("@UPSTREAM@", &application.addr.to_string());
        let file = dir.path().join("config");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(program(name));
        command.args(arguments(&path)).arg(file);
        let mut process = Process::start(name, command);
        process.listens(addr).await;
        Self { addr, application, _process: process, _dir: dir }
    }

    /// What becomes of a head through it.
    pub(super) async fn judge(&self, head: &[u8]) -> Verdict {
        let answer = within("an answer through a proxy", async {
            let mut stream = TcpStream::connect(self.addr).await.unwrap();
            // Who refuses may close in the middle of it.
            let _ = stream.write_all(head).await;
            let mut answer = Vec::new();
            // Bodies that do not come keep connections open; an answer to HTTP/0.9 has no head.
            while !answer.ends_with(b";") && head_end(&answer).is_none() {
                if stream.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                    break;
                }
                while let Some(end) = head_end(&answer).filter(|_| answer.starts_with(INTERIM)) {
                    answer.drain(..end);
                }
            }
            answer
        })
        .await;
        match self.application.got(&answer) {
            Some(sent) => Verdict::Sent(sent),
            None => Verdict::Refused(status(&answer)),
        }
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Answers each head with the number under which it keeps it.
struct Application {
    addr: SocketAddr,
    kept: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Application {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&kept);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&keep)));
            }
        });
        Self { addr, kept }
    }

    /// The head that an answer was for, if it comes from here: the number is in a header, which an answer to
    /// HTTP/0.9 has none of, and in the body, which one to HEAD has none of.
    fn got(&self, answer: &[u8]) -> Option<Vec<u8>> {
        let text = String::from_utf8_lossy(answer).to_lowercase();
        let number = text.split("kept=").nth(1)?.split(';').next()?;
        let number: usize = number.parse().unwrap();
        Some(self.kept.lock().unwrap()[number].clone())
    }
}

async fn serve(mut stream: TcpStream, kept: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut head = Vec::new();
    let end = loop {
        if let Some(end) = head_end(&head) {
            break end;
        }
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    };
    head.truncate(end);
    let number = {
        let mut kept = kept.lock().unwrap();
        kept.push(head);
        kept.len() - 1
    };
    let body = format!("kept={number};");
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nX-Kept: {body}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}
