//! Upstreams behind names whose addresses change, and name servers that do not answer.

use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::RecordType;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wssgate::config::Listener;

use crate::support::{Binary, Client, Mood, NameServer, Proxy, until};

const NAME: &str = "app.example";

/// Listens at one port of each of these addresses; whoever asks there is told the address.
async fn applications(addresses: &[&str]) -> u16 {
    'again: for _ in 0..100 {
        let mut listeners = Vec::new();
        let mut port = 0;
        for address in addresses {
            // The port may be another test's at the next address.
            let Ok(listener) = TcpListener::bind((*address, port)).await else { continue 'again };
            port = listener.local_addr().unwrap().port();
            listeners.push(listener);
        }
        for (listener, address) in listeners.into_iter().zip(addresses) {
            tokio::spawn(serve(listener, (*address).to_owned()));
        }
        return port;
    }
    panic!("no port is free at all of {addresses:?}");
}

async fn serve(listener: TcpListener, address: String) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{address}",
            address.len()
        );
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let _ = stream.write_all(answer.as_bytes()).await;
        });
    }
}

async fn proxy(server: &NameServer, port: u16, tweak: impl FnOnce(&mut Listener)) -> Proxy {
    Proxy::start_with(&[format!("{NAME}:{port}")], |config| {
        config.resolvers = vec![server.addr];
        tweak(config);
    })
    .await
}

/// The status of a request, and who answered.
async fn ask(proxy: &Proxy) -> (u16, String) {
    let mut client = Client::connect(proxy.addr).await;
    let (head, body) = client.ask("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

fn answered_by(address: &str) -> (u16, String) {
    (200, address.to_owned())
}

/// Asks until the answer is this one.
async fn ask_until(what: &str, proxy: &Proxy, wanted: impl Fn(&(u16, String)) -> bool) {
    until(what, || async { wanted(&ask(proxy).await) }).await;
}

#[tokio::test]
async fn after_its_time_a_new_address_gets_everything_and_the_one_that_vanished_nothing() {
    let server = NameServer::start().await;
    let port = applications(&["127.0.0.1", "127.0.0.2"]).await;
    server.set(NAME, 1, &["127.0.0.1"]);
    let proxy = proxy(&server, port, |_| {}).await;
    assert_eq!(ask(&proxy).await, answered_by("127.0.0.1"));
    server.set(NAME, 1, &["127.0.0.2"]);
    ask_until("the new address", &proxy, |answer| *answer == answered_by("127.0.0.2")).await;
    for _ in 0..10 {
        assert_eq!(ask(&proxy).await, answered_by("127.0.0.2"));
    }
}

#[tokio::test]
async fn within_its_time_an_answer_is_not_asked_for_again() {
    let server = NameServer::start().await;
    let port = applications(&["127.0.0.1"]).await;
    server.set(NAME, 3600, &["127.0.0.1"]);
    let proxy = proxy(&server, port, |_| {}).await;
    for _ in 0..10 {
        assert_eq!(ask(&proxy).await, answered_by("127.0.0.1"));
    }
    assert_eq!(server.asked(NAME, RecordType::A), 1);
}

#[tokio::test]
async fn every_address_of_both_families_is_a_candidate_and_takes_its_turn() {
    let server = NameServer::start().await;
    let port = applications(&["::1"]).await;
    server.set(NAME, 60, &["127.0.0.1", "::1"]);
    let only_one_listens = proxy(&server, port, |_| {}).await;
    assert_eq!(ask(&only_one_listens).await, answered_by("::1"));

    let port = applications(&["127.0.0.1", "127.0.0.2"]).await;
    server.set(NAME, 60, &["127.0.0.1", "127.0.0.2"]);
    let both_listen = proxy(&server, port, |_| {}).await;
    let mut answers = [ask(&both_listen).await.1, ask(&both_listen).await.1];
    answers.sort();
    assert_eq!(answers, ["127.0.0.1", "127.0.0.2"]);
}

#[tokio::test]
async fn a_start_succeeds_while_name_servers_are_down_and_serves_when_they_are_back() {
    let server = NameServer::start().await;
    server.be(Mood::Silent);
    let port = applications(&["127.0.0.1"]).await;
    server.set(NAME, 0, &["127.0.0.1"]);
    let short = |config: &mut Listener| config.timeouts.connect = Duration::from_millis(300);
    let proxy = proxy(&server, port, short).await;
    let start = Instant::now();
    assert_eq!(ask(&proxy).await.0, 504);
    // Not by the time limits of the resolver, which would be seconds.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    server.be(Mood::Failing);
    assert_eq!(ask(&proxy).await.0, 502);
    server.be(Mood::Answering);
    ask_until("it serves", &proxy, |answer| *answer == answered_by("127.0.0.1")).await;
    // The limit is too short to see name servers fail: the next request profits.
    server.be(Mood::Silent);
    ask_until("the last address", &proxy, |answer| *answer == answered_by("127.0.0.1")).await;
}

#[tokio::test]
async fn a_dead_name_server_among_others_costs_next_to_nothing() {
    let (dead, alive) = (NameServer::start().await, NameServer::start().await);
    dead.be(Mood::Silent);
    let port = applications(&["127.0.0.1"]).await;
    alive.set(NAME, 0, &["127.0.0.1"]);
    let both = [dead.addr, alive.addr];
    let proxy = proxy(&dead, port, |config| {
        config.resolvers = both.into();
        config.timeouts.connect = Duration::from_secs(1);
    })
    .await;
    for _ in 0..3 {
        assert_eq!(ask(&proxy).await, answered_by("127.0.0.1"));
    }
}

#[tokio::test]
async fn the_last_addresses_stand_in_while_nobody_answers_and_not_when_the_name_is_gone() {
    for mood in [Mood::Silent, Mood::Failing] {
        let server = NameServer::start().await;
        let port = applications(&["127.0.0.1", "127.0.0.2"]).await;
        server.set(NAME, 0, &["127.0.0.1"]);
        let proxy = proxy(&server, port, |_| {}).await;
        assert_eq!(ask(&proxy).await, answered_by("127.0.0.1"));
        server.be(mood);
        for _ in 0..3 {
            assert_eq!(ask(&proxy).await, answered_by("127.0.0.1"));
        }
        server.set(NAME, 0, &["127.0.0.2"]);
        server.be(Mood::Answering);
        ask_until("the new address", &proxy, |answer| *answer == answered_by("127.0.0.2")).await;
        server.remove(NAME);
        ask_until("it is gone", &proxy, |answer| answer.0 == 502).await;
    }
}

#[tokio::test]
async fn a_name_that_is_none_is_502_and_the_log_names_it() {
    let server = NameServer::start().await;
    let resolver = server.addr.to_string();
    let (binary, addr) = Binary::serving("gone.example:80", &["--resolver", &resolver]).await;
    let mut client = Client::connect(addr).await;
    let (head, _) = client.ask("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    let line = binary.line("connection failed").await;
    assert_eq!(line["level"], "WARN");
    let reason = line["reason"].as_str().unwrap();
    assert!(reason.contains("gone.example has no address"), "{reason}");
}
