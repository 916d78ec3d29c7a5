//! A member that says who it is, and that misbehaves when it is told to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::switching_response;
use wssgate::http::{request, websocket};

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Agrees to an upgrade, says its letter and echoes; anything else gets a 200.
    Good,
    /// This status.
    Status(u16),
    /// Something that is no HTTP.
    Garbage,
    /// Nothing, and closes.
    Close,
    /// Nothing, for ever.
    Silence,
}

/// A member of a pool. It stops accepting when it is dropped; its tunnels go on.
pub(super) struct Member {
    pub(super) addr: SocketAddr,
    letter: char,
    inside: Arc<Inside>,
    accepting: Option<JoinHandle<()>>,
}

struct Inside {
    mode: Mutex<Mode>,
    heads: Mutex<Vec<String>>,
}

impl Member {
    /// A good one, at an IP address of its own: nobody takes its port while it has stopped.
    pub(super) async fn start(letter: char) -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(1);
        let [high, low] = COUNT.fetch_add(1, Relaxed).to_be_bytes();
        let host = [127, 1, high, low];
        let listener = TcpListener::bind(SocketAddr::from((host, 0))).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let inside = Inside { mode: Mutex::new(Mode::Good), heads: Mutex::default() };
        let mut member = Self { addr, letter, inside: Arc::new(inside), accepting: None };
        member.accept(listener);
        member
    }

    /// As many as there are letters in `A` to this one.
    pub(super) async fn several<const N: usize>() -> [Self; N] {
        let mut members = Vec::new();
        for letter in ('A'..='Z').take(N) {
            members.push(Self::start(letter).await);
        }
        members.try_into().unwrap_or_else(|_| unreachable!())
    }

    /// What it does from now on.
    pub(super) fn set(&self, mode: Mode) {
        *self.inside.mode.lock().unwrap() = mode;
    }

    /// Refuses connections from now on.
    pub(super) async fn stop(&mut self) {
        let accepting = self.accepting.take().expect("it accepts");
        accepting.abort();
        let _ = accepting.await;
    }

    /// Accepts them again.
    pub(super) async fn start_again(&mut self) {
        self.accept(TcpListener::bind(self.addr).await.unwrap());
    }

    /// Every head that it got.
    pub(super) fn heads(&self) -> Vec<String> {
        self.inside.heads.lock().unwrap().clone()
    }

    fn accept(&mut self, listener: TcpListener) {
        let (letter, inside) = (self.letter, Arc::clone(&self.inside));
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, letter, Arc::clone(&inside)));
            }
        }));
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

async fn serve(mut stream: TcpStream, letter: char, inside: Arc<Inside>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read_buf(&mut head).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    inside.heads.lock().unwrap().push(head.clone());
    let mode = *inside.mode.lock().unwrap();
    match mode {
        Mode::Good if head.contains("\r\nUpgrade: websocket\r\n") => {
            let _ = stream.write_all(format!("{}{letter}", accepting(&head)).as_bytes()).await;
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        }
        Mode::Good => answer(&mut stream, 200).await,
        Mode::Status(status) => answer(&mut stream, status).await,
        Mode::Garbage => {
            let _ = stream.write_all(b"220 mail.example.com ESMTP\r\n\r\n").await;
        }
        Mode::Close => {}
        // Until the other side has enough.
        Mode::Silence => drop(stream.read(&mut [0; 64]).await),
    }
}

async fn answer(stream: &mut TcpStream, status: u16) {
    let head = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 2\r\n\r\nok");
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.shutdown().await;
    let _ = stream.read(&mut [0; 64]).await;
}

/// The 101 for this request's key.
fn accepting(head: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    debug_assert!(request::parse(head.as_bytes()).is_ok(), "{head}");
    let ours = websocket::accept(crate::support::KEY.as_bytes());
    switching_response().replace(&ours, &websocket::accept(key.as_bytes()))
}
