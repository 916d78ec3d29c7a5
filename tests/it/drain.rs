//! Stopping, as an orchestrator sees it: signals, what becomes of connections, exit codes.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::certificates::Pki;
use crate::support::{Binary, Client, Upstream, echo, refused, upgrade_request, within};

/// A timeout that no test waits for.
const FAR: &str = "10m";

/// A program with one open tunnel.
async fn with_tunnel(upstream: &Upstream, args: &[&str]) -> (Binary, Client, SocketAddr) {
    let (binary, addr) = Binary::serving(&upstream.addr(), args).await;
    let mut client = Client::connect(addr).await;
    client.upgrade().await;
    echo(&mut client, "open").await;
    (binary, client, addr)
}

#[tokio::test]
async fn without_connections_it_ends_with_0() {
    let upstream = Upstream::echo().await;
    for signal in ["TERM", "INT"] {
        let (binary, _) = Binary::serving(&upstream.addr(), &["--drain-timeout", FAR]).await;
        binary.signal(signal).await;
        let (code, log) = binary.ended().await;
        assert_eq!(code, 0, "{signal}: {log:#?}");
    }
}

#[tokio::test]
async fn a_tunnel_that_ends_in_time_is_let_end_and_the_exit_is_0() {
    let upstream = Upstream::echo().await;
    for signal in ["TERM", "INT"] {
        let (binary, mut client, addr) = with_tunnel(&upstream, &["--drain-timeout", FAR]).await;
        binary.signal(signal).await;
        refused(addr).await;
        echo(&mut client, "listeners are closed and the tunnel lives").await;
        client.shutdown().await;
        assert_eq!(client.read_to_end().await, b"");
        let (code, log) = binary.ended().await;
        assert_eq!(code, 0, "{signal}: {log:#?}");
    }
}

#[tokio::test]
async fn a_tunnel_that_does_not_end_in_time_is_cut_and_the_exit_is_1() {
    let upstream = Upstream::echo().await;
    let (binary, mut client, _) = with_tunnel(&upstream, &["--drain-timeout", "1s"]).await;
    binary.signal("TERM").await;
    let (rest, how) = client.read_to_end_and_how().await;
    assert_eq!(rest, b"");
    how.expect("we say goodbye with close_notify");
    assert_eq!(binary.ended().await.0, 1);
}

#[tokio::test]
async fn a_drain_timeout_of_zero_cuts_at_once() {
    let upstream = Upstream::echo().await;
    let (binary, mut client, _) = with_tunnel(&upstream, &["--drain-timeout", "0"]).await;
    binary.signal("TERM").await;
    client.read_to_end().await;
    assert_eq!(binary.ended().await.0, 1);
}

#[tokio::test]
async fn a_second_signal_ends_everything_now() {
    let upstream = Upstream::echo().await;
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let (binary, mut client, _) = with_tunnel(&upstream, &["--drain-timeout", FAR]).await;
        binary.signal(first).await;
        binary.line("draining").await;
        binary.signal(second).await;
        assert_eq!(client.read_to_end().await, b"");
        assert_eq!(binary.ended().await.0, 1);
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_drain_delay_too() {
    let upstream = Upstream::echo().await;
    let (binary, _) = Binary::serving(&upstream.addr(), &["--drain-delay", FAR]).await;
    binary.signal("TERM").await;
    binary.line("draining").await;
    binary.signal("TERM").await;
    assert_eq!(binary.ended().await.0, 0);
}

#[tokio::test]
async fn set_up_under_way_may_finish() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &["--drain-timeout", FAR]).await;
    let request = upgrade_request();
    let (begin, rest) = request.split_at(20);
    let mut client = Client::connect(addr).await;
    client.send(begin.as_bytes()).await;
    binary.signal("TERM").await;
    refused(addr).await;
    client.send(rest.as_bytes()).await;
    let (head, _) = client.read_head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    echo(&mut client, "a tunnel since the drain").await;
    client.shutdown().await;
    assert_eq!(binary.ended().await.0, 0);
}

#[tokio::test]
async fn set_up_that_does_not_finish_soon_is_cancelled() {
    let upstream = Upstream::echo().await;
    let args = ["--drain-timeout", FAR, "--setup-timeout", FAR];
    let (binary, addr) = Binary::serving(&upstream.addr(), &args).await;
    let mut silent = TcpStream::connect(addr).await.unwrap();
    let mut stalled = TcpStream::connect(addr).await.unwrap();
    stalled.write_all(b"\x16\x03\x01\x02\x00\x01\x00").await.unwrap();
    let mut halfway = Client::connect(addr).await;
    halfway.send(b"GET / HTTP/1.1\r\nHost: ").await;
    binary.signal("TERM").await;
    let (code, log) = binary.ended().await;
    assert_eq!(code, 0, "{log:#?}");
    for stream in [&mut silent, &mut stalled] {
        assert!(!matches!(stream.read(&mut [0; 1]).await, Ok(1..)));
    }
    assert_eq!(halfway.read_to_end().await, b"");
}

#[tokio::test]
async fn a_plain_request_in_flight_is_completed() {
    let mut upstream = Upstream::manual().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &["--drain-timeout", FAR]).await;
    let mut client = Client::connect(addr).await;
    client.send(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    binary.signal("TERM").await;
    refused(addr).await;
    conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwh").await;
    conversation.send(b"ole").await;
    let answer = String::from_utf8(client.read_to_end().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nwhole"));
    client.shutdown().await;
    assert_eq!(binary.ended().await.0, 0);
}

#[tokio::test]
async fn what_was_answered_is_logged_as_such_when_the_drain_cuts_its_lingering() {
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let upstream = Upstream::answering(page).await;
    let broken = Upstream::answering("what?\r\n\r\n").await;
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let [served, failed] = ["request", "connection failed"];
    for (upstream, request, message, status, reason) in [
        (&upstream, get, served, 200, "closed"),
        (&upstream, "GET / HTTP/1.1\r\n\r\n", failed, 400, "no host"),
        (&upstream, "GET /\n", failed, 400, "bare CR or LF in the request head"),
        (&broken, get, failed, 502, "malformed response head"),
    ] {
        let args = ["--drain-timeout", "0", "--log-level", "debug"];
        let (binary, addr) = Binary::serving(&upstream.addr(), &args).await;
        let mut client = Client::connect(addr).await;
        client.send(request.as_bytes()).await;
        // It does not end its side: for two seconds it would be waited for.
        let (head, _) = client.read_answer().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        binary.signal("TERM").await;
        binary.line("stopped").await;
        let line = binary.line(message).await;
        assert_eq!((&line["status"], &line["reason"]), (&status.into(), &reason.into()), "{line}");
        assert_eq!(binary.ended().await.0, 0, "nobody was cut off");
    }
}

#[tokio::test]
async fn an_upgrade_in_flight_is_completed() {
    let mut upstream = Upstream::manual().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &["--drain-timeout", FAR]).await;
    let mut client = Client::connect(addr).await;
    client.send(upgrade_request().as_bytes()).await;
    let mut conversation = upstream.accept().await;
    conversation.read_head().await;
    binary.signal("TERM").await;
    refused(addr).await;
    conversation.agree().await;
    client.read_head().await;
    conversation.send(b"hello").await;
    assert_eq!(client.read_exact(5).await, b"hello");
    drop(conversation);
    client.read_to_end().await;
    client.shutdown().await;
    assert_eq!(binary.ended().await.0, 0);
}

#[tokio::test]
async fn sighup_does_not_end_it() {
    let upstream = Upstream::echo().await;
    let (binary, mut client, addr) = with_tunnel(&upstream, &[]).await;
    for _ in 0..3 {
        binary.signal("HUP").await;
    }
    echo(&mut client, "after the first hangups").await;
    binary.signal("HUP").await;
    Client::connect(addr).await.upgrade().await;
    echo(&mut client, "live tunnels never notice").await;
    client.shutdown().await;
    client.read_to_end().await;
    binary.signal("TERM").await;
    assert_eq!(binary.ended().await.0, 0);
}

/// Opens so many tunnels, from several addresses.
async fn open_many(addr: SocketAddr, count: usize) -> Vec<Client> {
    let mut clients = Vec::with_capacity(count);
    for number in 0..count {
        let source = SocketAddr::from(([127, 0, 1, (number % 200) as u8 + 1], 0));
        let mut client = Client::connect_from(source, addr).await.unwrap();
        client.upgrade().await;
        clients.push(client);
    }
    clients
}

/// The numbers of the last log line.
async fn stopped(binary: &Binary) -> [u64; 3] {
    let line = binary.line("stopped").await;
    ["tunnels", "cut", "failed"].map(|field| line[field].as_u64().unwrap())
}

const MANY: usize = 500;

#[tokio::test]
async fn five_hundred_tunnels_that_are_left_are_closed_spread_over_the_window() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &["--drain-timeout", "10s"]).await;
    let mut ends = JoinSet::new();
    for mut client in open_many(addr, MANY).await {
        ends.spawn(async move {
            let (rest, how) = client.read_to_end_and_how().await;
            (Instant::now(), rest.is_empty() && how.is_ok())
        });
    }
    let started = Instant::now();
    binary.signal("TERM").await;
    let ends = within("all tunnels end", ends.join_all()).await;
    assert!(ends.iter().all(|(_, is_proper)| *is_proper), "each by close_notify");
    // Drawn by lot from the last eight of ten seconds.
    let mut seconds: Vec<f64> = ends.iter().map(|(at, _)| (*at - started).as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let (first, last) = (seconds[0], seconds[MANY - 1]);
    assert!(first >= 1.9, "the first after {first} s");
    let quartiles = [1, 2, 3].map(|quarter| seconds[MANY * quarter / 4]);
    eprintln!("closed after {first:.2} s to {last:.2} s, quartiles {quartiles:.2?}");
    for (quartile, expected) in quartiles.iter().zip([4.0, 6.0, 8.0]) {
        assert!((quartile - expected).abs() < 1.0, "{quartiles:?}");
    }
    // No second has many more than its eighth.
    let in_second = |from: f64| seconds.iter().filter(|at| (from..from + 1.0).contains(at)).count();
    let most = (2..10).map(|second| in_second(f64::from(second))).max().unwrap();
    assert!(most < MANY / 4, "{most} in one second");
    assert_eq!(stopped(&binary).await, [MANY as u64, MANY as u64, 0]);
    assert_eq!(binary.ended().await.0, 1);
}

#[tokio::test]
async fn five_hundred_tunnels_that_end_by_themselves_are_not_cut() {
    let upstream = Upstream::echo().await;
    let (binary, addr) = Binary::serving(&upstream.addr(), &["--drain-timeout", FAR]).await;
    let clients = open_many(addr, MANY).await;
    binary.signal("TERM").await;
    refused(addr).await;
    for mut client in clients {
        echo(&mut client, "until I go").await;
        client.shutdown().await;
        assert_eq!(client.read_to_end().await, b"");
    }
    assert_eq!(stopped(&binary).await, [MANY as u64, 0, 0]);
    assert_eq!(binary.ended().await.0, 0);
}

#[tokio::test]
async fn a_unix_socket_is_removed_at_the_end() {
    let upstream = Upstream::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("front.sock");
    let listen = format!("unix:{}", path.display());
    let (binary, _) = Binary::serving(&upstream.addr(), &["--listen", &listen]).await;
    assert!(path.exists());
    binary.signal("TERM").await;
    assert_eq!(binary.ended().await.0, 0);
    assert!(!path.exists());
}

/// Puts an empty pipe in the place of a file: who reads it waits. Resolves, with the pipe's other end, when it is read.
fn hang(path: &Path) -> oneshot::Receiver<fs::File> {
    let pipe = path.with_extension("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::rename(&pipe, path).unwrap();
    let (sender, receiver) = oneshot::channel();
    let path = path.to_owned();
    std::thread::spawn(move || sender.send(fs::OpenOptions::new().write(true).open(path).unwrap()));
    receiver
}

#[tokio::test]
async fn files_that_hang_when_they_are_read_do_not_keep_it_from_ending() {
    let upstream = Upstream::echo().await;
    for hangs in ["wssgate.toml", "server.pem"] {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new();
        pki.issue(&["localhost"]).write(folder.path(), "server");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let text = format!("cert = '{}'\nkey = '{}'\n", path("server.pem"), path("server.key"));
        fs::write(path("wssgate.toml"), text).unwrap();
        let (config, upstream) = (path("wssgate.toml"), upstream.addr());
        let listen = ["--listen=127.0.0.1:0", "--log-format=json"];
        let args = [&listen[..], &["--config", &config, "--upstream", &upstream]].concat();
        let binary = Binary::start(&args);
        let addr = binary.listening().await;
        let is_read = hang(&folder.path().join(hangs));
        if hangs == "wssgate.toml" {
            binary.signal("HUP").await;
        }
        let _pipe = within("the file is read", is_read).await.unwrap();
        let connector = pki.client("localhost").connector();
        let mut client = Client::connect_with(addr, connector).await.unwrap();
        client.upgrade().await;
        echo(&mut client, "served meanwhile").await;
        drop(client);
        binary.signal("TERM").await;
        let (code, log) = binary.ended().await;
        assert_eq!(code, 0, "{hangs}: {log:#?}");
    }
}
