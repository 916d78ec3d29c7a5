//! Every byte arrives, in order, however it is sent and however slowly it is taken; ends are passed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::rustls::{self, ProtocolVersion};

use crate::support::{
    Binary, Client, Conversation, Proxy, TlsOptions, Upstream, echo, switching_response,
    upgrade_request, within,
};

const MIB: u64 = 1024 * 1024;

/// A number of bytes that is no multiple of any buffer: a lost or doubled one shows.
const BLOCK_BYTES: usize = 1_048_573;

/// What sockets may hold between the two ends of a tunnel: four buffers of the kernel's greatest sizes.
const IN_SOCKETS: u64 = 48 * MIB;

fn block(seed: u64) -> Arc<[u8]> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..BLOCK_BYTES).map(|_| rng.u8(..)).collect()
}

/// Sends the block over and over, so many bytes in all, in pieces of many sizes.
async fn send_blocks(mut stream: impl AsyncWrite + Unpin, block: Arc<[u8]>, bytes: u64) {
    let mut sent = 0;
    while sent < bytes {
        let at = (sent % BLOCK_BYTES as u64) as usize;
        let piece = [1, 125, 4096, 16_384, 65_536, 262_144][fastrand::usize(..6)];
        let most = usize::try_from(bytes - sent).unwrap();
        let piece = piece.min(BLOCK_BYTES - at).min(most);
        stream.write_all(&block[at..at + piece]).await.unwrap();
        sent += piece as u64;
    }
    stream.shutdown().await.unwrap();
}

/// Reads to the end and compares each byte with the block; returns how many there were.
async fn compare_blocks(mut stream: impl AsyncRead + Unpin, block: Arc<[u8]>) -> u64 {
    let mut buf = vec![0; 64 * 1024];
    let mut read = 0;
    loop {
        let at = (read % BLOCK_BYTES as u64) as usize;
        let most = buf.len().min(BLOCK_BYTES - at);
        match stream.read(&mut buf[..most]).await.unwrap() {
            0 => return read,
            length => {
                assert!(buf[..length] == block[at..at + length], "changed near byte {read}");
                read += length as u64;
            }
        }
    }
}

/// So many bytes each way, both ways at once.
async fn transfer(bytes: u64) {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.agree().await;
    client.read_head().await;
    let (up, down) = (block(1), block(2));
    let (client_read, client_write) = tokio::io::split(client.0);
    let (upstream_read, upstream_write) = conversation.stream.into_split();
    let sending = tokio::spawn(send_blocks(client_write, Arc::clone(&up), bytes));
    let answering = tokio::spawn(send_blocks(upstream_write, Arc::clone(&down), bytes));
    let received = tokio::spawn(compare_blocks(upstream_read, up));
    let answered = tokio::spawn(compare_blocks(client_read, down));
    let all = async {
        sending.await.unwrap();
        answering.await.unwrap();
        (received.await.unwrap(), answered.await.unwrap())
    };
    let arrived = tokio::time::timeout(Duration::from_secs(300), all).await;
    assert_eq!(arrived.expect("not within five minutes"), (bytes, bytes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_bytes_arrive_unchanged_both_ways_at_once() {
    transfer(256 * MIB + 7).await;
}

#[tokio::test]
async fn single_bytes_arrive_each_and_all() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start(&upstream).await;
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    let text: Vec<u8> = (0..5_000_u32).map(|at| (at % 251) as u8).collect();
    for byte in &text {
        client.send(&[*byte]).await;
    }
    assert_eq!(client.read_exact(text.len()).await, text);
    for byte in &text[..200] {
        client.send(&[*byte]).await;
        assert_eq!(client.read_exact(1).await, [*byte]);
    }
}

/// Sends without end and counts what was taken, until the other side is gone.
async fn flood(mut stream: impl AsyncWrite + Unpin, taken: Arc<AtomicU64>) {
    let bytes = vec![0x5a; 64 * 1024];
    while let Ok(length @ 1..) = stream.write(&bytes).await {
        taken.fetch_add(length as u64, Relaxed);
        if stream.flush().await.is_err() {
            return;
        }
    }
}

/// Waits until nothing more is taken, and says how much was.
async fn standstill(taken: &AtomicU64) -> u64 {
    within("the flood stands still", async {
        let mut last = (0, Instant::now());
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = taken.load(Relaxed);
            assert!(now < 4 * IN_SOCKETS, "{now} bytes were taken, and nobody reads");
            if now != last.0 {
                last = (now, Instant::now());
            } else if now > 0 && last.1.elapsed() > Duration::from_secs(1) {
                return now;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_stops_the_upstream_and_costs_no_memory() {
    let mut upstream = Upstream::manual().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &[]).await;
    let mut client = Client::connect(addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.agree().await;
    client.read_head().await;
    let before = binary.status_kib("VmRSS");
    let taken = Arc::new(AtomicU64::new(0));
    tokio::spawn(flood(conversation.stream, Arc::clone(&taken)));
    let stopped_at = standstill(&taken).await;
    assert!(stopped_at < IN_SOCKETS, "{stopped_at} bytes are under way");
    let more = binary.status_kib("VmRSS").saturating_sub(before);
    assert!(more < 8 * 1024, "{more} KiB more memory for one tunnel");
    // It goes on where it stood.
    client.read_exact(usize::try_from(stopped_at).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_does_not_read_stops_the_client_and_costs_no_memory() {
    let mut upstream = Upstream::manual().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &[]).await;
    let mut client = Client::connect(addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let mut conversation = upstream.accept().await;
    let head_bytes = conversation.agree().await.len();
    client.read_head().await;
    let before = binary.status_kib("VmRSS");
    let taken = Arc::new(AtomicU64::new(0));
    tokio::spawn(flood(client.0, Arc::clone(&taken)));
    let stopped_at = standstill(&taken).await;
    assert!(stopped_at < IN_SOCKETS, "{stopped_at} bytes are under way");
    let more = binary.status_kib("VmRSS").saturating_sub(before);
    assert!(more < 8 * 1024, "{more} KiB more memory for one tunnel");
    conversation.read_until(head_bytes + usize::try_from(stopped_at).unwrap()).await;
}

/// A tunnel, and the test at both of its ends.
async fn tunnel() -> (Proxy, Upstream, Client, Conversation) {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.agree().await;
    client.read_head().await;
    conversation.received.clear();
    (proxy, upstream, client, conversation)
}

#[tokio::test]
async fn after_the_clients_end_the_upstream_may_still_speak() {
    let (_proxy, _upstream, mut client, mut conversation) = tunnel().await;
    client.send(b"that is all").await;
    client.shutdown().await;
    conversation.read_to_end().await;
    assert_eq!(conversation.received, b"that is all");
    conversation.send(b"understood").await;
    assert_eq!(client.read_exact(10).await, b"understood");
    conversation.shutdown().await;
    let (rest, how) = client.read_to_end_and_how().await;
    assert_eq!(rest, b"");
    how.expect("the upstream's end is passed on as close_notify");
}

#[tokio::test]
async fn after_a_clients_end_without_close_notify_the_upstream_may_still_speak() {
    let (_proxy, _upstream, mut client, mut conversation) = tunnel().await;
    client.send(b"that is all").await;
    client.0.get_mut().0.shutdown().await.unwrap();
    conversation.read_to_end().await;
    assert_eq!(conversation.received, b"that is all");
    conversation.send(b"understood").await;
    assert_eq!(client.read_exact(10).await, b"understood");
    drop(conversation);
    assert_eq!(client.read_to_end().await, b"");
}

#[tokio::test]
async fn after_the_upstreams_end_the_client_may_still_speak() {
    let (_proxy, _upstream, mut client, mut conversation) = tunnel().await;
    conversation.send(b"that is all").await;
    conversation.shutdown().await;
    let (heard, how) = client.read_to_end_and_how().await;
    assert_eq!(heard, b"that is all");
    how.expect("the upstream's end is passed on as close_notify");
    client.send(b"understood").await;
    conversation.read_until(10).await;
    client.shutdown().await;
    conversation.read_to_end().await;
    assert_eq!(conversation.received, b"understood");
}

#[tokio::test]
async fn a_clients_reset_ends_the_upstreams_side() {
    let (_proxy, _upstream, client, mut conversation) = tunnel().await;
    client.reset();
    conversation.read_to_end().await;
    assert_eq!(conversation.received, b"");
}

#[tokio::test]
async fn an_upstreams_reset_ends_the_clients_side() {
    let (_proxy, _upstream, mut client, conversation) = tunnel().await;
    conversation.reset();
    assert_eq!(client.read_to_end().await, b"");
}

#[tokio::test]
async fn resets_wake_a_tunnel_at_rest() {
    let (_proxy, _upstream, mut client, mut conversation) = tunnel().await;
    let (_other_proxy, _other_upstream, mut other_client, mut other_conversation) = tunnel().await;
    // It rests whenever nothing is under way.
    for (client, conversation) in
        [(&mut client, &mut conversation), (&mut other_client, &mut other_conversation)]
    {
        conversation.send(b"one").await;
        assert_eq!(client.read_exact(3).await, b"one");
    }
    client.reset();
    conversation.read_to_end().await;
    other_conversation.reset();
    assert_eq!(other_client.read_to_end().await, b"");
}

#[tokio::test]
async fn a_frame_in_the_same_write_as_the_head_arrives_behind_the_101() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(format!("{}first frame", upgrade_request()).as_bytes()).await;
    let mut conversation = upstream.accept().await;
    let head = conversation.read_head().await;
    assert_eq!(conversation.received.len(), head.len(), "nothing may come before the 101");
    conversation.send(switching_response().as_bytes()).await;
    client.read_head().await;
    conversation.read_until(head.len() + 11).await;
    assert_eq!(&conversation.received[head.len()..], b"first frame");
}

#[tokio::test]
async fn a_frame_in_the_same_write_as_the_101_arrives() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    for length in [1, 5, 3_000, 20_000, 100_000] {
        let frame = vec![b'f'; length];
        let mut client = Client::connect(proxy.addr).await;
        client.send(upgrade_request().as_bytes()).await;
        let mut conversation = upstream.accept().await;
        conversation.read_head().await;
        conversation.send(&[switching_response().as_bytes(), &frame].concat()).await;
        let (_, mut heard) = client.read_head().await;
        heard.extend(client.read_exact(length - heard.len()).await);
        assert!(heard == frame, "{length} bytes behind the 101");
    }
}

#[tokio::test]
async fn both_tls_versions_are_spoken() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start(&upstream).await;
    for (version, expected) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let options = TlsOptions { versions: vec![version], ..TlsOptions::default() };
        let mut client = Client::connect_with(proxy.addr, options.config()).await.unwrap();
        assert_eq!(client.0.get_ref().1.protocol_version(), Some(expected));
        client.upgrade().await;
        echo(&mut client, "over this version").await;
        client.shutdown().await;
        assert_eq!(client.read_to_end().await, b"");
    }
}

/// Tunnels at once; each takes four descriptors of this process.
const TUNNELS: usize = 2_000;

/// Set-ups at once.
const HANDS: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_tunnels_echo_at_once() {
    let open_files = wssgate::server::raise_open_files();
    assert!(open_files >= 9_000, "the hard limit of open files is {open_files}");
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start(&upstream).await;
    let config = TlsOptions::default().config();
    let mut hands = JoinSet::new();
    for hand in 0..HANDS {
        let (addr, config) = (proxy.addr, Arc::clone(&config));
        hands.spawn(async move {
            let mut clients = Vec::new();
            for number in (hand..TUNNELS).step_by(HANDS) {
                let stream = TcpStream::connect(addr).await.unwrap();
                let mut client = Client::handshake(stream, Arc::clone(&config)).await.unwrap();
                client.upgrade().await;
                clients.push((number, client));
            }
            clients
        });
    }
    let opened = tokio::time::timeout(Duration::from_secs(300), hands.join_all()).await;
    let mut clients: Vec<_> =
        opened.expect("not within five minutes").into_iter().flatten().collect();
    assert_eq!(clients.len(), TUNNELS);
    for round in 0..2 {
        for (number, client) in &mut clients {
            client.send(format!("{round}: tunnel {number:06}").as_bytes()).await;
        }
        for (number, client) in &mut clients {
            let expected = format!("{round}: tunnel {number:06}");
            assert_eq!(client.read_exact(expected.len()).await, expected.as_bytes());
        }
    }
}
