//! A sequence of requests on one connection, sent twice: one at a time, each after the last one's
//! answer, and all together in arbitrary pieces. The upstream must get the same.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use arbitrary::Arbitrary;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use wssgate::addr::Upstream;
use wssgate::config::{Certificates, Config, Listener};
use wssgate::connection::{Accepted, Site, run_decrypted};
use wssgate::drain;
use wssgate::server::Server;
use wssgate::tunnel::ReadReady;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const AGREED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A hang is a finding.
const CAP: Duration = Duration::from_secs(10);

/// Requests, what comes behind the last, and where to cut.
#[derive(Arbitrary, Debug)]
pub struct Sequence {
    requests: Vec<Request>,
    behind: Vec<u8>,
    cuts: Vec<u8>,
}

/// One request.
#[derive(Arbitrary, Debug)]
enum Request {
    Get,
    Head,
    Length(Vec<u8>),
    /// Chunks, an extension, and whether there is a trailer.
    Chunked(Vec<Vec<u8>>, bool, bool),
    Old,
    Close,
    NoHost,
    Ambiguous,
    Upgrade,
}

impl Request {
    fn bytes(&self) -> Vec<u8> {
        let text = match self {
            Self::Get => "GET /get HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            Self::Head => "HEAD /head HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n".to_owned(),
            Self::Length(body) => {
                let length = body.len();
                let head = format!("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
                return [head.as_bytes(), body].concat();
            }
            Self::Chunked(chunks, extension, trailer) => {
                let mut bytes =
                    b"PUT /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
                for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                    let extension = if *extension { ";a=b" } else { "" };
                    bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n");
                bytes.extend(if *trailer { b"X-Real-IP: 6.6.6.6\r\n\r\n".as_slice() } else { b"\r\n" });
                return bytes;
            }
            Self::Old => "GET /old HTTP/1.0\r\n\r\n".to_owned(),
            Self::Close => "GET /close HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
            Self::NoHost => "GET /nohost HTTP/1.1\r\n\r\n".to_owned(),
            Self::Ambiguous => {
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
            }
            Self::Upgrade => format!(
                "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Key: {KEY}\r\n\r\n"
            ),
        };
        text.into_bytes()
    }
}

/// Sends `sequence` in both ways and panics when the upstream, or the client, got something else.
pub fn compare(sequence: &Sequence) {
    // What follows an upgrade that was agreed to is no request any more.
    let upgrade = sequence.requests.iter().position(|request| matches!(request, Request::Upgrade));
    let count = upgrade.map_or(8, |index| index + 1).min(8);
    let requests: Vec<Vec<u8>> = sequence.requests.iter().take(count).map(Request::bytes).collect();
    let whole = [requests.concat(), sequence.behind.clone()].concat();
    let mut one_at_a_time = requests;
    one_at_a_time.push(sequence.behind.clone());
    let pieces = cut(&whole, &sequence.cuts);
    WORLD.with_borrow_mut(|world| {
        let slow = world.run(&one_at_a_time, true);
        let fast = world.run(&pieces, false);
        assert_eq!(show(&slow.0), show(&fast.0), "the upstream got something else: {sequence:?}");
        assert_eq!(show(&[slow.1]), show(&[fast.1]), "the client got something else: {sequence:?}");
    });
}

fn show(bytes: &[Vec<u8>]) -> Vec<String> {
    bytes.iter().map(|bytes| bytes.escape_ascii().to_string()).collect()
}

fn cut(mut whole: &[u8], cuts: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    for length in cuts.iter().map(|cut| usize::from(*cut) + 1) {
        if length >= whole.len() {
            break;
        }
        let (piece, rest) = whole.split_at(length);
        pieces.push(piece.to_vec());
        whole = rest;
    }
    pieces.push(whole.to_vec());
    pieces
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

/// A runtime, and an upstream on a unix socket in it that reports what each connection brought.
struct World {
    runtime: tokio::runtime::Runtime,
    site: Arc<Site>,
    accepted: Arc<AtomicUsize>,
    received: mpsc::UnboundedReceiver<Vec<u8>>,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("upstream.sock");
        let (sender, received) = mpsc::unbounded_channel();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let site = runtime.block_on(async {
            let listener = UnixListener::bind(&path).unwrap();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    count.fetch_add(1, Relaxed);
                    tokio::spawn(serve(stream, sender.clone()));
                }
            });
            site(format!("unix:{}", path.display()).parse().unwrap())
        });
        Self { runtime, site, accepted, received, _folder: folder }
    }

    /// What the upstream got on each connection, and what the client got.
    fn run(&mut self, pieces: &[Vec<u8>], await_answers: bool) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (client, server) = tokio::io::duplex(1 << 20);
        let accepted = Accepted {
            id: 1,
            stream: Ready(server),
            client: None,
            site: Arc::clone(&self.site),
            proxied: false,
        };
        let (_drain, watch) = drain::channel();
        let exchange = async {
            let serving = run_decrypted(accepted, watch);
            tokio::join!(serving, talk(client, pieces, await_answers)).1
        };
        let reports = &mut self.received;
        let accepted = &self.accepted;
        let run = async {
            let answers = exchange.await;
            let mut received = Vec::new();
            while accepted.load(Relaxed) > 0 {
                accepted.fetch_sub(1, Relaxed);
                received.extend(reports.recv().await);
            }
            // A connection that was opened and not used.
            received.retain(|bytes| !bytes.is_empty());
            (received, answers)
        };
        self.runtime.block_on(async { timeout(CAP, run).await.expect("a hang") })
    }
}

fn site(upstream: Upstream) -> Arc<Site> {
    let certificate = Certificates::SelfSigned(vec!["localhost".to_owned()]);
    // Nobody comes that way.
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let listener = Listener::new(listen, vec![upstream.into()], certificate);
    Server::bind(Config::new(listener), 1024).unwrap().sites().remove(0)
}

/// The client: sends the pieces, ends its side, and returns what it got.
async fn talk(mut client: DuplexStream, pieces: &[Vec<u8>], await_answers: bool) -> Vec<u8> {
    let mut got = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        if client.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
        // What stands behind the last request is not a request, and has no answer.
        if await_answers && index + 1 < pieces.len() {
            while heads(&got) <= index {
                if client.read_buf(&mut got).await.unwrap_or(0) == 0 {
                    return got;
                }
            }
        }
    }
    let _ = client.shutdown().await;
    let _ = client.read_to_end(&mut got).await;
    got
}

fn heads(bytes: &[u8]) -> usize {
    bytes.windows(4).filter(|four| four == b"\r\n\r\n").count()
}

/// The upstream: answers a request when it is whole, agrees to every upgrade.
async fn serve(mut stream: UnixStream, sender: mpsc::UnboundedSender<Vec<u8>>) {
    let mut received = Vec::new();
    while !is_whole(&received) {
        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
            break;
        }
    }
    let answer = if received.starts_with(b"GET /ws ") { AGREED } else { ANSWER };
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
    let _ = stream.read_to_end(&mut received).await;
    let _ = sender.send(received);
}

fn is_whole(received: &[u8]) -> bool {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let (head, body) = received.split_at(end + 4);
    let head = String::from_utf8_lossy(head);
    if head.contains("chunked") {
        return chunks_end(body);
    }
    let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.split('\r').next());
    length.map_or(0, |digits| digits.parse().unwrap()) <= body.len()
}

fn chunks_end(mut body: &[u8]) -> bool {
    loop {
        let Some(end) = body.windows(2).position(|two| two == b"\r\n") else { return false };
        let line = String::from_utf8_lossy(&body[..end]);
        let size = usize::from_str_radix(line.split(';').next().unwrap(), 16).unwrap();
        let taken = end + 2 + size + 2;
        if body.len() < taken {
            return false;
        }
        if size == 0 {
            return true;
        }
        body = &body[taken..];
    }
}

/// A stream in memory is always worth a look.
struct Ready(DuplexStream);

impl ReadReady for Ready {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Ready {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Ready {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The harness itself: sequences that once taught something.
    #[test]
    fn known_sequences_agree() {
        for cuts in [vec![], vec![0; 2000], vec![16; 200], vec![255; 20]] {
            compare(&Sequence {
                requests: vec![
                    Request::Get,
                    Request::Length(b"GET / HTTP/1.1\r\n\r\n".to_vec()),
                    Request::Chunked(vec![b"a".to_vec(), b"0\r\n\r\n".to_vec()], true, true),
                    Request::Head,
                    Request::Upgrade,
                    Request::Get,
                ],
                behind: b"frames".to_vec(),
                cuts,
            });
        }
    }
}
