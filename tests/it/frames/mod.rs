//! WebSocket frames (RFC 6455, 5) of every kind, size class and fragmentation, those that break the rules among them:
//! they pass byte for byte, and a server judges them as if nobody stood between.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::support::{Client, Process, Proxy, Upstream, repository, within};

/// On both sides of each border of the three ways to write a length (RFC 6455, 5.2).
const SIZES: [usize; 9] = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 300_000];

/// One frame. A length may be written longer than it has to be, which the RFC forbids and we do not judge.
fn frame(first: u8, mask: Option<[u8; 4]>, payload: usize, wide: bool) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload {
        0..126 if !wide => bytes.push(bit | u8::try_from(payload).unwrap()),
        0..65_536 if !wide || payload < 126 => {
            bytes.push(bit | 126);
            bytes.extend(u16::try_from(payload).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(bit | 127);
            bytes.extend((payload as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.into_iter().flatten());
    let mask = mask.unwrap_or_default();
    bytes.extend((0..payload).map(|at| (at * 31 % 251) as u8 ^ mask[at % 4]));
    bytes
}

/// Every first byte there is; every size, in both ways to write it; messages of two to a hundred fragments with a ping
/// between them.
fn frames(mask: Option<[u8; 4]>) -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = (0..=255).map(|first| frame(first, mask, 5, false)).collect();
    for size in SIZES {
        for wide in [false, true] {
            frames.extend([0x81, 0x82].map(|first| frame(first, mask, size, wide)));
        }
    }
    for count in [2, 3, 10, 100] {
        for size in [0, 1, 125, 126, 1000] {
            frames.push(frame(0x01, mask, size, false));
            for _ in 2..count {
                frames.push(frame(0x89, mask, size.min(125), false));
                frames.push(frame(0x00, mask, size, false));
            }
            frames.push(frame(0x80, mask, size, false));
        }
    }
    frames
}

/// How a side writes its frames.
#[derive(Clone, Copy, Debug)]
enum Writes {
    /// Each at once.
    Frames,
    /// In pieces of so many bytes, whatever they hold.
    Pieces(usize),
    /// The header a byte at a time, what follows at once.
    Headers,
}

impl Writes {
    fn cut(self, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
        match self {
            Self::Frames => frames.to_vec(),
            Self::Pieces(size) => frames.concat().chunks(size).map(<[u8]>::to_vec).collect(),
            Self::Headers => {
                let mut pieces = Vec::new();
                for frame in frames {
                    let (header, rest) = frame.split_at(frame.len().min(14));
                    pieces.extend(header.iter().map(|byte| vec![*byte]));
                    pieces.push(rest.to_vec());
                }
                pieces
            }
        }
    }
}

/// Sends all of it, then ends its side.
async fn send(mut stream: impl AsyncWrite + Unpin, pieces: Vec<Vec<u8>>) {
    for piece in pieces {
        stream.write_all(&piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    stream.shutdown().await.unwrap();
}

/// What comes until the end is exactly this.
async fn compare(mut stream: impl AsyncRead + Unpin, expected: Arc<Vec<u8>>, way: &str) {
    let mut found = Vec::new();
    stream.read_to_end(&mut found).await.unwrap();
    let same = found.iter().zip(expected.iter()).take_while(|(one, other)| one == other).count();
    assert_eq!(same, expected.len(), "{way}: another byte at {same}");
    assert_eq!(found.len(), expected.len(), "{way}: more than was sent");
}

#[tokio::test]
async fn frames_of_every_kind_and_size_pass_byte_for_byte() {
    let [masked, plain] = [frames(Some([1, 0, 0xff, 0x80])), frames(None)];
    for writes in [Writes::Frames, Writes::Headers, Writes::Pieces(1021), Writes::Pieces(100_000)] {
        let mut upstream = Upstream::manual().await;
        let proxy = Proxy::start(&upstream).await;
        let mut client = Client::connect(proxy.addr).await;
        client.send(crate::support::upgrade_request().as_bytes()).await;
        let mut conversation = upstream.accept().await;
        conversation.agree().await;
        client.read_head().await;

        let [to_upstream, to_client] = [&masked, &plain].map(|frames| Arc::new(frames.concat()));
        let (client_read, client_write) = tokio::io::split(client.0);
        let (upstream_read, upstream_write) = conversation.stream.into_split();
        let tasks = [
            tokio::spawn(send(client_write, writes.cut(&masked))),
            tokio::spawn(send(upstream_write, writes.cut(&plain))),
            tokio::spawn(compare(upstream_read, to_upstream, "to the upstream")),
            tokio::spawn(compare(client_read, to_client, "to the client")),
        ];
        for task in tasks {
            within(&format!("{writes:?}"), task).await.unwrap();
        }
    }
}

/// Autobahn's fuzzing client is Python 2; `suite.py` has cases of its sections, and asks the same server directly and
/// through wssgate.
#[tokio::test]
#[ignore = "needs Python"]
async fn a_server_judges_frames_as_if_nobody_stood_between() {
    let mut server = Process::python("frames/server.py", &[]);
    let direct = server.listening().await;
    let proxy = Proxy::start_with(std::slice::from_ref(&direct), |_| {}).await;
    let ca = repository("certs/ca.pem").display().to_string();
    let through = proxy.addr.to_string();
    let report = Process::python("frames/suite.py", &[&direct, &through, &ca]).result().await;
    assert_eq!(report["differing"], serde_json::json!([]), "judged otherwise through wssgate");
    assert_eq!(report["unexpected"], serde_json::json!([]), "not what the RFC asks for");
    let count = report["cases"].as_u64().unwrap();
    assert!(count >= 250, "only {count} cases");
    eprintln!("{count} cases, verdicts {}", report["verdicts"]);
}
