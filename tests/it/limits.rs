//! The rows of SPEC's "Times and limits" that are numbers, each by its name, and open files.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wssgate::config::Limits;

use crate::support::{
    Binary, Client, Proxy, TlsOptions, Upstream, echo, switching_response, until, upgrade_request,
    within,
};

/// How long something that must not happen is given to happen.
const NOT_WITHIN: Duration = Duration::from_millis(400);

async fn proxy(upstream: &Upstream, tweak: impl FnOnce(&mut Limits)) -> Proxy {
    Proxy::start_with(&[upstream.addr()], |config| tweak(&mut config.limits)).await
}

#[tokio::test]
async fn max_connections_lets_the_next_one_wait_until_one_leaves() {
    let upstream = Upstream::echo().await;
    let proxy = proxy(&upstream, |limits| limits.max_connections = Some(2)).await;
    let mut first = Client::connect(proxy.addr).await;
    first.upgrade().await;
    let mut second = Client::connect(proxy.addr).await;
    second.upgrade().await;
    // The kernel completes the connection, and nobody answers on it.
    let stream = TcpStream::connect(proxy.addr).await.unwrap();
    let mut waiting = tokio::spawn(Client::handshake(stream, TlsOptions::default().config()));
    assert!(timeout(NOT_WITHIN, &mut waiting).await.is_err(), "there was no place for it");
    echo(&mut first, "undisturbed").await;
    drop(first);
    let mut third = within("the one that waited", waiting).await.unwrap().unwrap();
    third.upgrade().await;
    echo(&mut third, "at last").await;
    echo(&mut second, "undisturbed").await;
}

#[tokio::test]
async fn max_connections_counts_what_leaves_at_every_stage() {
    let upstream = Upstream::echo().await;
    let proxy = proxy(&upstream, |limits| limits.max_connections = Some(1)).await;
    for _ in 0..3 {
        drop(TcpStream::connect(proxy.addr).await.unwrap());
        let mut broken = TcpStream::connect(proxy.addr).await.unwrap();
        broken.write_all(b"\x16\x03\x01\x00\x01\x00").await.unwrap();
        drop(broken);
        drop(Client::connect(proxy.addr).await);
        let mut client = Client::connect(proxy.addr).await;
        client.send(b"nonsense\r\n\r\n").await;
        client.read_head().await;
        drop(client);
        let mut client = Client::connect(proxy.addr).await;
        client.upgrade().await;
        echo(&mut client, "one after the other").await;
    }
}

#[tokio::test]
async fn max_connections_per_ip_turns_away_only_that_address() {
    let upstream = Upstream::echo().await;
    let proxy = proxy(&upstream, |limits| limits.max_connections_per_ip = Some(2)).await;
    let from = |last: u8| ([127, 0, 0, last], 0).into();
    let mut first = Client::connect_from(from(7), proxy.addr).await.unwrap();
    first.upgrade().await;
    let _second = Client::connect_from(from(7), proxy.addr).await.unwrap();
    assert!(Client::connect_from(from(7), proxy.addr).await.is_err(), "one too many");
    let mut other = Client::connect_from(from(8), proxy.addr).await.unwrap();
    other.upgrade().await;
    echo(&mut other, "another address").await;
    echo(&mut first, "undisturbed").await;
    drop(first);
    until("the place is free again", || async {
        Client::connect_from(from(7), proxy.addr).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn max_handshakes_lets_the_rest_wait_for_their_turn() {
    let upstream = Upstream::echo().await;
    let proxy =
        Proxy::start_all(&[upstream.addr()], |config| config.max_handshakes = Some(1)).await;
    let mut clients = JoinSet::new();
    for number in 0..20 {
        let addr = proxy.addr;
        clients.spawn(async move {
            let mut client = Client::connect(addr).await;
            client.upgrade().await;
            echo(&mut client, &format!("client {number}")).await;
        });
    }
    clients.join_all().await;
}

#[tokio::test]
async fn max_handshakes_is_not_used_up_by_stalled_ones() {
    let upstream = Upstream::echo().await;
    let proxy =
        Proxy::start_all(&[upstream.addr()], |config| config.max_handshakes = Some(1)).await;
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(proxy.addr).await.unwrap();
        stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
        stalled.push(stream);
    }
    let started = Instant::now();
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    echo(&mut client, "in its turn").await;
    // Each of them keeps its place for a moment: for a second each it would be fifty. Set-up's own limit is 15 s.
    assert!(started.elapsed() < Duration::from_secs(12));
    let mut scratch = [0; 1];
    let ended = timeout(NOT_WITHIN, stalled[0].read(&mut scratch)).await;
    assert!(ended.is_err(), "it loses its place and not its connection");
    let told = proxy.shared.metrics.render(&proxy.reporter.status()).unwrap();
    assert!(told.contains("wssgate_handshakes_queued_total "), "{told}");
    assert!(!told.contains("wssgate_handshakes_queued_total 0"), "they had to wait");
}

/// A request whose head has exactly so many bytes.
fn request_of(bytes: usize) -> String {
    let request = upgrade_request();
    let (lines, end) = request.split_at(request.len() - 2);
    let padding = bytes - request.len() - "X-Padding: \r\n".len();
    format!("{lines}X-Padding: {}\r\n{end}", "p".repeat(padding))
}

#[tokio::test]
async fn max_head_size_is_the_last_that_passes() {
    const LIMIT: usize = 2048;
    let upstream = Upstream::echo().await;
    let proxy = proxy(&upstream, |limits| limits.max_head_bytes = LIMIT).await;
    for (bytes, expected) in [(LIMIT, "101"), (LIMIT + 1, "431"), (50 * LIMIT, "431")] {
        let mut client = Client::connect(proxy.addr).await;
        client.send(request_of(bytes).as_bytes()).await;
        let (head, _) = client.read_head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{bytes} bytes: {head}");
    }
    let mut client = Client::connect(proxy.addr).await;
    client.send(format!("GET /{} HTTP/1.1\r\n", "p".repeat(LIMIT)).as_bytes()).await;
    let (head, _) = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 414 "), "{head}");
}

#[tokio::test]
async fn max_head_size_holds_for_the_upstream_too() {
    const LIMIT: usize = 2048;
    let response = switching_response();
    let (lines, end) = response.split_at(response.len() - 2);
    let padding = LIMIT + 1 - response.len() - "X-Padding: \r\n".len();
    for (extra, expected) in [(0, "101"), (1, "502")] {
        let padding = "p".repeat(padding - 1 + extra);
        let response = format!("{lines}X-Padding: {padding}\r\n{end}");
        let upstream = Upstream::answering(response).await;
        let proxy = proxy(&upstream, |limits| limits.max_head_bytes = LIMIT).await;
        let mut client = Client::connect(proxy.addr).await;
        client.send(upgrade_request().as_bytes()).await;
        let (head, _) = client.read_head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{head}");
    }
}

#[tokio::test]
async fn open_files_are_raised_to_the_hard_limit_at_start() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving_limited("-Sn 256", &upstream.addr(), &[]).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", binary.pid())).unwrap();
    let row = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let values: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(values[0], values[1], "{row}");
    assert!(values[0].parse::<NonZeroU64>().unwrap().get() > 256, "{row}");
    let mut client = Client::connect(addr).await;
    client.upgrade().await;
}

#[tokio::test]
async fn max_connections_follows_from_the_open_files_by_default() {
    let upstream = Upstream::echo().await;
    // (70 - 64) / 2
    let (_binary, addr) = Binary::serving_limited("-n 70", &upstream.addr(), &[]).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(addr).await;
        client.upgrade().await;
        clients.push(client);
    }
    let stream = TcpStream::connect(addr).await.unwrap();
    let mut waiting = tokio::spawn(Client::handshake(stream, TlsOptions::default().config()));
    assert!(timeout(NOT_WITHIN, &mut waiting).await.is_err(), "there was no place for it");
    drop(clients.pop());
    let mut client = within("the one that waited", waiting).await.unwrap().unwrap();
    client.upgrade().await;
}

#[tokio::test]
async fn running_out_of_open_files_is_survived_without_flooding_the_log() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &[]).await;
    // Behind its back: a limit that it knows of is kept.
    binary.limit_open_files(64).await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(addr).await.unwrap());
    }
    let line = binary.line("accept failed, trying again").await;
    assert_eq!(line["level"], "ERROR");
    // While it lasts: neither a busy loop nor a line for each try.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(binary.lines("accept failed, trying again").len() < 5, "{:?}", binary.log());
    drop(idle);
    let mut client = Client::connect(addr).await;
    client.upgrade().await;
    echo(&mut client, "recovered").await;
    drop(client);
    binary.signal("TERM").await;
    let stopped = binary.line("stopped").await;
    let errors = stopped["accept_errors"].as_u64().unwrap();
    assert!((1..100).contains(&errors), "{errors} accept errors");
    assert!(binary.log().len() < 50, "{:?}", binary.log());
}
