//! The rows of SPEC's "Times and limits" that are times, each by its name.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wssgate::config::{Listener, Timeouts};
use wssgate::server::{Order, Outcome};

use crate::support::{
    BlackHole, CAP, Client, Conversation, Proxy, Upstream, echo, eventually, refused,
    upgrade_request, within,
};

/// The timeout under test: short, and yet longer than a busy machine is away.
const SHORT: Duration = Duration::from_millis(600);

/// Where a tunnel has to be kept alive by the test in time.
const LONGER: Duration = Duration::from_secs(2);

async fn proxy(upstream: &Upstream, tweak: impl FnOnce(&mut Timeouts)) -> Proxy {
    Proxy::start_with(&[upstream.addr()], |config: &mut Listener| tweak(&mut config.timeouts)).await
}

/// Reads what a raw socket still gets; a reset is an end as well.
async fn read_off(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = within("the end", stream.read_to_end(&mut bytes)).await;
    bytes
}

fn not_before(timeout: Duration, started: Instant) {
    let elapsed = started.elapsed();
    assert!(elapsed >= timeout, "ended after {elapsed:?} already");
}

#[tokio::test]
async fn setup_timeout_ends_silence_before_tls_without_an_answer() {
    let upstream = Upstream::manual().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.setup = SHORT).await;
    let started = Instant::now();
    let mut stream = TcpStream::connect(proxy.addr).await.unwrap();
    assert_eq!(read_off(&mut stream).await, b"");
    not_before(SHORT, started);
}

#[tokio::test]
async fn setup_timeout_ends_a_stalled_handshake_without_an_answer() {
    let upstream = Upstream::manual().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.setup = SHORT).await;
    let started = Instant::now();
    let mut stream = TcpStream::connect(proxy.addr).await.unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
    assert_eq!(read_off(&mut stream).await, b"");
    not_before(SHORT, started);
}

#[tokio::test]
async fn setup_timeout_ends_silence_after_the_handshake_without_an_answer() {
    let upstream = Upstream::manual().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.setup = LONGER).await;
    let started = Instant::now();
    let mut client = Client::connect(proxy.addr).await;
    assert_eq!(client.read_to_end().await, b"");
    not_before(LONGER, started);
}

#[tokio::test]
async fn setup_timeout_in_the_middle_of_the_head_is_a_408() {
    let mut upstream = Upstream::manual().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.setup = LONGER).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(b"GET /chat HTTP/1.1\r\nHost: exam").await;
    let (head, _) = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
    client.shutdown().await;
    client.read_to_end().await;
    assert!(upstream.accepted().is_none());
}

#[tokio::test]
async fn setup_timeout_is_not_extended_by_a_byte_at_a_time() {
    let upstream = Upstream::manual().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.setup = LONGER).await;
    let started = Instant::now();
    let client = Client::connect(proxy.addr).await;
    let (mut read, mut write) = tokio::io::split(client.0);
    let dripping = async {
        write.write_all(b"GET /").await.unwrap();
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if write.write_all(b"a").await.is_err() || write.flush().await.is_err() {
                std::future::pending().await
            }
        }
    };
    let mut answer = [0; 12];
    tokio::select! {
        read = within("a 408", read.read_exact(&mut answer)) => { read.unwrap(); }
        () = dripping => {}
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
    not_before(LONGER, started);
}

#[tokio::test]
async fn setup_timeout_does_not_end_a_tunnel() {
    let upstream = Upstream::echo().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.setup = LONGER).await;
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    tokio::time::sleep(LONGER + SHORT).await;
    echo(&mut client, "still here").await;
}

#[tokio::test]
async fn connect_timeout_is_a_504() {
    let hole = BlackHole::new();
    let proxy = Proxy::start_with(&[hole.addr.to_string()], |config| {
        config.timeouts.connect = SHORT;
    })
    .await;
    let mut client = Client::connect(proxy.addr).await;
    let started = Instant::now();
    client.send(upgrade_request().as_bytes()).await;
    let (head, _) = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    not_before(SHORT, started);
}

#[tokio::test]
async fn connect_timeout_of_one_upstream_gives_the_next_its_turn() {
    let hole = BlackHole::new();
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start_with(&[hole.addr.to_string(), upstream.addr()], |config| {
        config.timeouts.connect = SHORT;
    })
    .await;
    for _ in 0..2 {
        let mut client = Client::connect(proxy.addr).await;
        client.upgrade().await;
        echo(&mut client, "by the second one").await;
    }
}

#[tokio::test]
async fn upgrade_timeout_is_a_504() {
    let mut upstream = Upstream::manual().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.upgrade = SHORT).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    let (head, _) = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    client.shutdown().await;
    conversation.read_to_end().await;
}

/// Sends the beginning of a head and then a byte now and then, for ever.
async fn drip_head(mut conversation: Conversation) -> Conversation {
    conversation.read_head().await;
    conversation.send(b"HTTP/1.1 101 Switching Protocols\r\nX: ").await;
    while conversation.stream.write_all(b"a").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    conversation
}

#[tokio::test]
async fn upgrade_timeout_is_not_extended_by_a_byte_at_a_time() {
    let upstream = Upstream::serving(drip_head).await;
    let proxy = proxy(&upstream, |timeouts| timeouts.upgrade = SHORT).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let (head, _) = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
}

#[tokio::test]
async fn response_timeout_is_a_504() {
    let mut upstream = Upstream::manual().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.response = SHORT).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    let (head, _) = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
}

#[tokio::test]
async fn response_timeout_counts_from_the_bodys_last_byte() {
    let mut slow = Upstream::manual().await;
    let proxy = proxy(&slow, |timeouts| timeouts.response = LONGER).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 20\r\n\r\n").await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        client.send(b"x").await;
    }
    let mut conversation = slow.accept().await;
    let head = conversation.read_head().await;
    conversation.read_until(head.len() + 20).await;
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let (head, _) = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

#[tokio::test]
async fn idle_timeout_ends_a_silent_tunnel() {
    let mut upstream = Upstream::manual().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.idle = Some(SHORT)).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.agree().await;
    client.read_head().await;
    let (rest, how) = client.read_to_end_and_how().await;
    assert_eq!(rest, b"");
    how.expect("we say goodbye with close_notify");
    conversation.read_to_end().await;
}

#[tokio::test]
async fn idle_timeout_counts_from_the_tunnels_begin() {
    let mut upstream = Upstream::manual().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.idle = Some(LONGER)).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    // It takes its time to agree, more than a tunnel may be idle.
    tokio::time::sleep(LONGER + SHORT).await;
    tokio::spawn(async move { conversation.echo().await });
    client.read_head().await;
    echo(&mut client, "the first word").await;
}

#[tokio::test]
async fn idle_timeout_does_not_end_a_tunnel_that_speaks() {
    let upstream = Upstream::echo().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.idle = Some(LONGER)).await;
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    let started = Instant::now();
    while started.elapsed() < LONGER * 2 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        echo(&mut client, "ping").await;
    }
}

#[tokio::test]
async fn half_close_timeout_ends_a_tunnel_of_one_silent_half() {
    for first in ["client", "upstream"] {
        let mut upstream = Upstream::manual().await;
        let proxy = proxy(&upstream, |timeouts| timeouts.half_close = Some(SHORT)).await;
        let mut client = Client::connect(proxy.addr).await;
        client.send(upgrade_request().as_bytes()).await;
        let mut conversation = upstream.accept().await;
        conversation.agree().await;
        client.read_head().await;
        let started = Instant::now();
        match first {
            "client" => client.shutdown().await,
            _ => conversation.shutdown().await,
        }
        conversation.read_to_end().await;
        assert_eq!(client.read_to_end().await, b"");
        not_before(SHORT, started);
    }
}

#[tokio::test]
async fn max_lifetime_ends_a_tunnel_that_speaks_between_nine_tenths_of_it_and_all() {
    let upstream = Upstream::echo().await;
    let proxy = proxy(&upstream, |timeouts| timeouts.max_lifetime = Some(LONGER)).await;
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    // It began no later than this.
    let started = Instant::now();
    within("the end of its life", async {
        let mut heard = [0; 1];
        while client.try_send(b"x").await.is_ok()
            && matches!(client.0.read(&mut heard).await, Ok(1))
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let slack = Duration::from_millis(200);
    not_before(LONGER.mul_f64(0.9) - slack, started);
    assert!(started.elapsed() < LONGER + CAP / 2);
}

#[tokio::test]
async fn drain_delay_accepts_until_it_is_over_and_then_no_more() {
    let upstream = Upstream::echo().await;
    let delay = Duration::from_secs(4);
    let proxy = Proxy::start_all(&[upstream.addr()], |config| config.drain.delay = delay).await;
    let started = Instant::now();
    proxy.order(Order::Drain).await;
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    refused(proxy.addr).await;
    not_before(delay, started);
    echo(&mut client, "still here").await;
    client.shutdown().await;
    client.read_to_end().await;
    assert_eq!(proxy.outcome().await, Outcome::Drained);
}

#[tokio::test]
async fn drain_timeout_ends_what_is_left() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start_all(&[upstream.addr()], |config| config.drain.timeout = SHORT).await;
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    proxy.order(Order::Drain).await;
    let (rest, how) = client.read_to_end_and_how().await;
    assert_eq!(rest, b"");
    how.expect("we say goodbye with close_notify");
    assert_eq!(proxy.outcome().await, Outcome::Cut);
}

/// Whether the kernel runs a keepalive timer (2) for the proxy's two legs, by /proc/net/tcp: the one at
/// its own port, and the one that goes to the upstream's.
fn keepalive_timers(proxy: &Proxy, upstream: &Upstream) -> [bool; 2] {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let upstream: SocketAddr = upstream.addr().parse().unwrap();
    let mine = format!(":{:04X}", proxy.addr.port());
    let theirs = format!(":{:04X}", upstream.port());
    let timer = |column: usize, port: &str| {
        let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        let mut established = rows.filter(|row| row[3] == "01");
        let row = established.find(|row| row[column].ends_with(port)).expect("an open leg");
        row[5].starts_with("02:")
    };
    [timer(1, &mine), timer(2, &theirs)]
}

#[tokio::test]
async fn keepalive_is_on_for_both_legs_and_zero_turns_it_off() {
    for (keepalive, expected) in [(Timeouts::default().keepalive, true), (None, false)] {
        let upstream = Upstream::echo().await;
        let proxy = proxy(&upstream, |timeouts| timeouts.keepalive = keepalive).await;
        let mut client = Client::connect(proxy.addr).await;
        client.upgrade().await;
        echo(&mut client, "sent and acknowledged").await;
        // A socket with unacknowledged bytes shows another timer for a moment.
        eventually("both timers", || keepalive_timers(&proxy, &upstream) == [expected; 2]).await;
    }
}
