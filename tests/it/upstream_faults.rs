//! Upstreams that misbehave, many clients to each fault at once: what clients see, what the log says of it,
//! that a good client beside them does not notice, and that nothing is left of any of them.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;

use crate::support::{
    Client, Conversation, KEY, Upstream, Watched, echo, eventually, switching_response, within,
};

/// Clients to each fault.
const CLIENTS: usize = 25;

/// Between two bytes of an upstream that is slow: a head of twenty bytes would take longer than it may.
const SLOW: Duration = Duration::from_millis(200);

/// What a flood sends at once.
const FLOOD: [u8; 16 * 1024] = [b'f'; 16 * 1024];

/// Does to a connection what its path says.
async fn misbehave(mut conversation: Conversation) {
    if path(&conversation).await == "/unread" {
        // Not a byte, and no answer.
        return gone(&conversation).await;
    }
    let head = conversation.read_head().await;
    let switching = switching_response();
    match head.split(' ').nth(1).unwrap() {
        "/silent" => conversation.read_to_end().await,
        "/slow-head" => drip(&mut conversation, switching.as_bytes()).await,
        "/slow-body" => {
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n").await;
            drip(&mut conversation, b"abcdefgh").await;
        }
        "/reset-at-once" => conversation.reset(),
        "/reset-in-head" => {
            conversation.send(&switching.as_bytes()[..30]).await;
            conversation.reset();
        }
        "/reset-in-tunnel" => {
            conversation.send(format!("{switching}some").as_bytes()).await;
            // It has come through before the reset does.
            conversation.read_until(head.len() + 4).await;
            conversation.reset();
        }
        "/switch-and-silence" => {
            conversation.send(switching.as_bytes()).await;
            conversation.read_to_end().await;
        }
        "/switch-and-unread" => {
            conversation.send(switching.as_bytes()).await;
            gone(&conversation).await;
        }
        "/after-fin" => {
            conversation.send(switching.as_bytes()).await;
            conversation.read_to_end().await;
            for _ in 0..64 {
                conversation.send(&FLOOD).await;
            }
            conversation.shutdown().await;
        }
        "/after-reset" => {
            conversation.send(switching.as_bytes()).await;
            // Until nobody takes it any more.
            while conversation.stream.write_all(&FLOOD).await.is_ok() {}
        }
        _ => conversation.echo().await,
    }
}

/// The path of the request, which is not taken off the socket.
async fn path(conversation: &Conversation) -> String {
    let mut buf = [0; 64];
    loop {
        let read = conversation.stream.peek(&mut buf).await.unwrap_or(0);
        let line = String::from_utf8_lossy(&buf[..read]).into_owned();
        match line.split(' ').nth(1) {
            Some(path) if read > 0 && line.matches(' ').count() > 1 => return path.to_owned(),
            _ if read == 0 => return String::new(),
            _ => sleep(Duration::from_millis(1)).await,
        }
    }
}

/// Waits until the other side is gone, without reading.
async fn gone(conversation: &Conversation) {
    let stream = &conversation.stream;
    within("the end of the connection", async {
        while !stream.ready(tokio::io::Interest::READABLE).await.unwrap().is_read_closed() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn drip(conversation: &mut Conversation, bytes: &[u8]) {
    for byte in bytes {
        if conversation.stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        sleep(SLOW).await;
    }
}

/// A program with times that are short, and how long at most it may keep a client of a bad upstream.
async fn watched(upstream: &Upstream) -> Watched {
    let args = [
        "--upgrade-timeout=6s",
        "--response-timeout=6s",
        "--idle-timeout=6s",
        "--half-close-timeout=6s",
        "--max-fails=0",
        "--log-level=debug",
    ];
    Watched::start(&upstream.addr(), &args).await
}

/// What a client sees.
enum Sees {
    /// An answer of the gate's own.
    Status(u16),
    /// A whole answer to a plain request.
    Page(&'static str),
    /// A tunnel that gives so many bytes and ends, after the client has ended its side or has not.
    Tunnel { ends_first: bool, bytes: usize },
    /// A tunnel into which it sends without end, until that is taken from it.
    Flood,
    /// A tunnel that it leaves with a reset.
    Leaves,
}

/// A fault by its path, what a client sees of it, and what the log says of the connection.
const FAULTS: [(&str, Sees, &str); 11] = [
    ("/unread", Sees::Status(504), "upstream did not answer in time"),
    ("/silent", Sees::Status(504), "upstream did not answer in time"),
    ("/slow-head", Sees::Status(504), "upstream did not answer in time"),
    ("/slow-body", Sees::Page("abcdefgh"), "closed"),
    ("/reset-at-once", Sees::Status(502), "upstream connection failed"),
    ("/reset-in-head", Sees::Status(502), "upstream connection failed"),
    ("/reset-in-tunnel", Sees::Tunnel { ends_first: false, bytes: 4 }, "reset"),
    ("/switch-and-silence", Sees::Tunnel { ends_first: false, bytes: 0 }, "idle_timeout"),
    ("/switch-and-unread", Sees::Flood, "idle_timeout"),
    ("/after-fin", Sees::Tunnel { ends_first: true, bytes: 64 * FLOOD.len() }, "closed"),
    ("/after-reset", Sees::Leaves, "reset"),
];

fn request(path: &str, is_plain: bool) -> String {
    let upgrade = format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n"
    );
    let more = if is_plain { "Connection: close\r\n" } else { &upgrade };
    format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n{more}\r\n")
}

async fn visit(watched: &Watched, path: &str, sees: &Sees) {
    let mut client = Client::connect(watched.addr).await;
    client.send(request(path, matches!(sees, Sees::Page(_))).as_bytes()).await;
    let expected = match sees {
        Sees::Status(status) => *status,
        Sees::Page(_) => 200,
        _ => 101,
    };
    let (head, mut behind) = client.read_head().await;
    assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{path}: {head}");
    match sees {
        Sees::Status(_) => {
            client.read_to_end().await;
        }
        Sees::Page(text) => {
            let (rest, how) = client.read_to_end_and_how().await;
            behind.extend(rest);
            assert_eq!(behind, text.as_bytes());
            how.expect("the last answer ends with close_notify");
        }
        Sees::Tunnel { ends_first, bytes } => {
            client.send(b"ping").await;
            if *ends_first {
                client.shutdown().await;
            }
            behind.extend(client.read_to_end().await);
            assert_eq!(behind.len(), *bytes, "{path}");
        }
        Sees::Flood => {
            within("the end of the flood", async {
                while client.try_send(&FLOOD).await.is_ok() {}
            })
            .await;
        }
        Sees::Leaves => client.reset(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_ends_as_it_should_and_leaves_nothing() {
    let mut upstream = Upstream::manual().await;
    let watched = watched(&upstream).await;
    tokio::spawn(async move {
        while let Some(conversation) = upstream.next().await {
            tokio::spawn(misbehave(conversation));
        }
    });
    let mut good = Client::connect(watched.addr).await;
    good.upgrade().await;
    echo(&mut good, "before").await;
    let (descriptors, rss) = (watched.descriptors(), watched.rss_kib());
    let mut slowest = Duration::ZERO;
    {
        let visits = FAULTS.iter().flat_map(|(path, sees, _)| {
            let watched = &watched;
            (0..CLIENTS).map(move |_| visit(watched, path, sees))
        });
        let over = Cell::new(false);
        let visiting = async {
            futures_util::future::join_all(visits).await;
            over.set(true);
        };
        // It hears its last echo, too.
        let beside = async {
            while !over.get() {
                let asked = Instant::now();
                echo(&mut good, "beside them").await;
                slowest = slowest.max(asked.elapsed());
                sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::join!(visiting, beside);
    }
    watched.until("wssgate_connections_open", 1.0).await;
    eventually("nothing is left", || watched.descriptors() <= descriptors).await;
    eprintln!(
        "{} clients of bad upstreams: the good one waited {slowest:?} at most; resident {rss} KiB \
         before, {} KiB at most",
        FAULTS.len() * CLIENTS,
        watched.peak_kib()
    );
    let ends = || {
        let lines = watched.binary.json().into_iter().filter(|line| line["reason"].is_string());
        lines.filter(|line| line["path"] != "/chat").collect::<Vec<_>>()
    };
    eventually("all ends are said", || ends().len() >= FAULTS.len() * CLIENTS).await;
    let ends = ends();
    for (path, _, reason) in &FAULTS {
        let of_it = ends.iter().filter(|line| line["path"] == *path);
        let said: Vec<_> = of_it.map(|line| line["reason"].as_str().unwrap()).collect();
        assert_eq!(said.len(), CLIENTS, "{path}: {said:?}");
        assert!(said.iter().all(|said| said.starts_with(reason)), "{path}: {said:?}");
    }
    echo(&mut good, "after").await;
}
