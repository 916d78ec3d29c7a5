//! TLS as no client speaks it: every one of these is ended, none costs more than a socket, and the good client
//! beside them is served. What is behind a handshake, too: renegotiation, keys that change without end.
//!
//! tlsfuzzer, which knows more of them, is in no package index. What it is made of is, and `bent/` does with it what tlsfuzzer's
//! scripts do: a handshake that is bent in one place, and the verdict that it must have.

use std::io::Write as _;
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConnection};

use super::{Assault, all};
use crate::support::{CAP, Client, Process, TlsOptions, echo, program, within};

/// Hellos of which some bits are others.
const MUTATIONS: usize = 2_000;

/// A record of this type with this body.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3], &length[..], body].concat()
}

/// A ClientHello that is in order, as the record that it comes in.
fn hello() -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(TlsOptions::default().config(), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// What no client sends at the begin, by name.
fn oddities() -> Vec<(&'static str, Vec<u8>)> {
    const CHANGE: &[u8] = &[20, 3, 3, 0, 1, 1];
    let hello = hello();
    let body = &hello[5..];
    let one_byte_each: Vec<u8> = body.iter().flat_map(|byte| record(22, &[*byte])).collect();
    vec![
        ("SSL 2", [&[0x80, 0x2e, 1, 0, 2, 0, 21, 0, 0, 0, 16][..], &[7; 37]].concat()),
        ("SSL 3", [&[22, 3, 0, 0, 47, 1, 0, 0, 43, 3, 0][..], &[7; 41]].concat()),
        ("empty records", record(22, b"").repeat(20_000)),
        ("a record of 65,535 bytes", [&[22, 3, 3, 255, 255][..], &[7; 65_535]].concat()),
        ("a message of 16 MiB", record(22, &[1, 255, 255, 255]).repeat(4_000)),
        (
            "hellos of 16 KiB without an end",
            record(22, &[&[1, 0, 255, 255][..], &[7; 16_000]].concat()).repeat(40),
        ),
        ("a record of no type", record(255, b"what?")),
        ("a heartbeat", record(24, &[1, 255, 255, 7])),
        ("data first", record(23, &[7; 100])),
        ("an end first", record(20, &[1])),
        ("alerts", record(21, &[1, 90]).repeat(20_000)),
        ("a finish first", record(22, &[20, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        ("a hello of a server", record(22, &[&[2, 0, 0, 38, 3, 3][..], &[7; 36]].concat())),
        ("a byte a record", one_byte_each),
        ("two hellos", [&hello[..], &hello].concat()),
        ("changes of cipher after the hello", [&hello[..], &CHANGE.repeat(20_000)].concat()),
        ("alerts after the hello", [&hello[..], &record(21, &[1, 90]).repeat(20_000)].concat()),
        ("data after the hello", [&hello[..], &record(23, &[7; 16_000]).repeat(100)].concat()),
        ("a hello cut short", hello[..hello.len() - 1].to_vec()),
        ("a hello that says it is shorter", {
            let mut short = hello.clone();
            short[8] = short[8].wrapping_sub(9);
            short
        }),
        ("zeros", vec![0; 100_000]),
    ]
}

/// Sends all that is taken, and reads until it is thrown out.
async fn thrown_out(gate: std::net::SocketAddr, what: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(gate).await.unwrap();
    let (mut read, mut write) = stream.split();
    let sending = async {
        let _ = write.write_all(bytes).await;
    };
    let reading = async {
        let mut scratch = [0; 4096];
        while read.read(&mut scratch).await.is_ok_and(|read| read > 0) {}
    };
    let both = timeout(CAP, async { tokio::join!(sending, reading) }).await;
    assert!(both.is_ok(), "{what}: it is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn what_is_no_tls_is_ended() {
    let seed =
        std::env::var("ABUSE_SEED").map_or_else(|_| fastrand::u64(..), |it| it.parse().unwrap());
    eprintln!("ABUSE_SEED={seed}");
    let assault = Assault::start(&["--setup-timeout=3s"]).await;
    let gate = assault.watched.addr;
    let (oddities, hello) = (oddities(), hello());
    let count = oddities.len() * 10 + MUTATIONS;
    all(oddities.len() * 10, |number| {
        let (what, bytes) = oddities[number % oddities.len()].clone();
        async move { thrown_out(gate, what, &bytes).await }
    })
    .await;
    all(MUTATIONS, |number| {
        let mut rng = fastrand::Rng::with_seed(seed.wrapping_add(number as u64));
        let mut bytes = hello.clone();
        for _ in 0..rng.usize(1..8) {
            let at = rng.usize(..bytes.len());
            match rng.u8(..4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, rng.u8(..)),
                _ => bytes[at] ^= 1 << rng.u8(..8),
            }
        }
        async move { thrown_out(gate, &format!("mutation {number}"), &bytes).await }
    })
    .await;
    let limits = ("the TLS library, and --setup-timeout", 64.0);
    assault.bounded("what is no TLS", count, limits).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Python"]
async fn handshakes_that_are_bent_end_as_they_should() {
    let assault = Assault::start(&["--setup-timeout=5s"]).await;
    let port = assault.watched.addr.port().to_string();
    let said = Process::python("abuse/bent/client.py", &[&port]).result().await;
    assert_eq!(said["wrong"], serde_json::json!([]));
    let cases = said["cases"].as_u64().unwrap() as usize;
    let limits = ("the TLS library, and --setup-timeout", 64.0);
    assault.bounded("bent handshakes", cases, limits).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs OpenSSL"]
async fn renegotiation_is_refused() {
    let assault = Assault::start(&["--setup-timeout=3s"]).await;
    let mut command = Command::new(program("openssl"));
    let connect = assault.watched.addr.to_string();
    command.args(["s_client", "-tls1_2", "-legacy_renegotiation", "-connect", &connect]);
    let mut client = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // At the begin of a line it means: negotiate anew.
    client.stdin.as_mut().unwrap().write_all(b"R\n").await.unwrap();
    let mut said = String::new();
    let mut errors = client.stderr.take().unwrap();
    let _ = within("OpenSSL ends", errors.read_to_string(&mut said)).await;
    assert!(said.contains("RENEGOTIATING"), "{said}");
    assert!(said.contains("no renegotiation") || said.contains("unexpected eof"), "{said}");
    assault.bounded("renegotiation", 1, ("the TLS library", 4096.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn keys_that_change_without_end_are_only_the_clients_trouble() {
    let assault = Assault::start(&[]).await;
    let versions = vec![&rustls::version::TLS13];
    let options = TlsOptions { versions, ..TlsOptions::default() };
    let mut client = Client::connect_with(assault.watched.addr, options.config()).await.unwrap();
    client.upgrade().await;
    let mut changes = 0;
    for _ in 0..5_000 {
        let (_, connection) = client.0.get_mut();
        // Refused when the one before was not answered yet.
        changes += usize::from(connection.refresh_traffic_keys().is_ok());
        echo(&mut client, "under other keys").await;
    }
    assert!(changes > 4_000, "{changes}");
    client.0.get_mut().1.writer().write_all(b"bye").unwrap();
    client.reset();
    assault.bounded("changes of keys", changes, ("the TLS library", 4.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs minutes"]
async fn records_that_are_broken_behind_a_handshake_end_it() {
    let assault = Assault::start(&[]).await;
    let gate = assault.watched.addr;
    all(500, |number| async move {
        let mut client = Client::connect(gate).await;
        client.upgrade().await;
        let kind = [20, 21, 22, 23, 24, 255][number % 6];
        let (stream, _) = client.0.get_mut();
        stream.write_all(&record(kind, &[7; 100]).repeat(64)).await.unwrap();
        client.read_to_end().await;
    })
    .await;
    assault.bounded("broken records", 500, ("the TLS library", 256.0)).await;
}
