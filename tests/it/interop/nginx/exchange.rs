//! One request through one terminator: what the upstream saw of it, and what the client got for it.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::cases::Case;
use crate::support::{Client, Conversation, Upstream, within};

/// Everything that is compared, by name: `status`, `upstream ...`, `answer ...`, `tunnel`.
pub(super) type Seen = BTreeMap<String, String>;

/// Headers that are not compared, each with the reason.
const NOT_COMPARED: [(&str, &str); 2] = [
    ("answer date", "nginx adds it, and it is another one each second"),
    ("answer server", "nginx says its own name"),
];

/// What goes through an opened tunnel.
const PING: &[u8; 4] = b"ping";

/// After so much of it nothing more is awaited from a tunnel.
const SILENCE: Duration = Duration::from_secs(2);

/// Sends the request of `case` to `addr` and answers it at `upstream`.
pub(super) async fn exchange(addr: SocketAddr, upstream: &mut Upstream, case: &Case) -> Seen {
    let mut seen = Seen::new();
    let mut request = Seen::new();
    let serve = async {
        let mut conversation = upstream.accept().await;
        request = receive(&mut conversation).await;
        let upgrades = request.contains_key("upstream upgrade");
        answer(conversation, case.answer, upgrades).await;
        // The client says when it is over.
        pending::<()>().await;
    };
    within(case.name, async {
        tokio::select! {
            () = ask(addr, case, &mut seen) => {}
            () = serve => {}
        }
    })
    .await;
    seen.extend(request);
    for (name, _) in NOT_COMPARED {
        seen.remove(name);
    }
    seen
}

/// The client's part.
async fn ask(addr: SocketAddr, case: &Case, seen: &mut Seen) {
    let mut client = Client::connect(addr).await;
    let head = case.head.join("\r\n") + "\r\n\r\n";
    let waits = head.contains("100-continue");
    let body = if waits { "" } else { case.body };
    client.send((head.clone() + body).as_bytes()).await;
    let mut behind = Vec::new();
    let mut statuses = Vec::new();
    let answer = loop {
        let answer = next_head(&mut client, &mut behind).await;
        let status = match answer.starts_with("HTTP/1.") {
            true => answer[9..12].to_owned(),
            false => "none".to_owned(),
        };
        let interim = status.starts_with('1') && status != "101";
        statuses.push(status);
        if !interim {
            break answer;
        }
        if waits {
            client.send(case.body.as_bytes()).await;
        }
    };
    seen.insert("status".to_owned(), statuses.join(" "));
    seen.insert("answer version".to_owned(), answer.chars().take(8).collect());
    insert_headers("answer", &answer, seen);
    if statuses == ["101"] {
        client.send(PING).await;
        let mut echo = [0; PING.len()];
        let read = tokio::time::timeout(SILENCE, client.0.read_exact(&mut echo)).await;
        let tunnel = if read.is_ok() && echo == *PING { "echoes" } else { "is dead" };
        seen.insert("tunnel".to_owned(), tunnel.to_owned());
        return;
    }
    let status = statuses.last().unwrap().as_str();
    let bodiless = head.starts_with("HEAD ") || matches!(status, "204" | "304" | "none");
    let framing = if bodiless { Framing::Length(0) } else { Framing::of(&answer) };
    while !framing.is_whole(&behind) && client.0.read_buf(&mut behind).await.unwrap_or(0) > 0 {}
    seen.insert("answer body".to_owned(), framing.body(&behind));
}

/// Takes the next head out of `buf`, reading as much as it takes; nothing when the connection ends.
async fn next_head(client: &mut Client, buf: &mut Vec<u8>) -> String {
    loop {
        if let Some(end) = buf.windows(4).position(|four| four == b"\r\n\r\n") {
            return String::from_utf8(buf.drain(..end + 4).collect()).unwrap();
        }
        if client.0.read_buf(buf).await.unwrap_or(0) == 0 {
            return String::new();
        }
    }
}

/// The upstream's part: the whole request.
async fn receive(conversation: &mut Conversation) -> Seen {
    let head = conversation.read_head().await;
    let mut seen = Seen::new();
    let line = head.lines().next().unwrap_or_default();
    seen.insert("upstream line".to_owned(), line.to_owned());
    insert_headers("upstream", &head, &mut seen);
    if seen.contains_key("upstream expect") {
        conversation.send(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    }
    let framing = match Framing::of(&head) {
        Framing::Close => Framing::Length(0),
        framing => framing,
    };
    while !framing.is_whole(&conversation.received[head.len()..]) {
        conversation.read_until(conversation.received.len() + 1).await;
    }
    let body = framing.body(&conversation.received[head.len()..]);
    seen.insert("upstream body".to_owned(), body);
    // Which port it was is of no interest, nor whether the host is its own or the client's.
    for name in ["upstream x-forwarded-host", "upstream x-forwarded-port"] {
        seen.entry(name.to_owned()).and_modify(|value| *value = "set".to_owned());
    }
    seen
}

async fn answer(mut conversation: Conversation, answer: &str, upgrades: bool) {
    conversation.send(answer.as_bytes()).await;
    if upgrades && answer.contains(" 101 ") {
        let (mut read, mut write) = conversation.stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    }
}

/// Every header of a head, several of one name together, in their order.
fn insert_headers(side: &str, head: &str, seen: &mut Seen) {
    for line in head.lines().skip(1).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        seen.entry(format!("{side} {}", name.to_lowercase()))
            .and_modify(|values| *values += &format!(" | {}", value.trim()))
            .or_insert_with(|| value.trim().to_owned());
    }
}

/// Where a body ends. Only as much of it as the cases need.
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

impl Framing {
    const LAST_CHUNK: &str = "0\r\n\r\n";

    fn of(head: &str) -> Self {
        let mut headers = Seen::new();
        insert_headers("", head, &mut headers);
        match (headers.get(" transfer-encoding"), headers.get(" content-length")) {
            (Some(_), _) => Self::Chunked,
            (_, Some(length)) => Self::Length(length.parse().unwrap()),
            (None, None) => Self::Close,
        }
    }

    fn is_whole(&self, body: &[u8]) -> bool {
        match self {
            Self::Length(length) => body.len() >= *length,
            Self::Chunked => body.ends_with(Self::LAST_CHUNK.as_bytes()),
            Self::Close => false,
        }
    }

    /// The body as text, without its chunks' lines.
    fn body(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body).into_owned();
        match self {
            Self::Chunked => text.split("\r\n").skip(1).step_by(2).collect::<Vec<_>>().concat(),
            _ => text,
        }
    }
}
