//! What the flags of TLS decide: versions, cipher suites, key exchange groups, and who may read along.
//! ALPN is in `interop/openssl.rs`, tickets are in `tickets.rs`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustls::{CipherSuite, ClientConnection, HandshakeKind, NamedGroup, SupportedProtocolVersion};
use tokio_rustls::rustls;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::support::{Binary, Client, Replica, TlsOptions, certificate_arguments, within};

const KEY_LOG: &str = "SSLKEYLOGFILE";

#[tokio::test]
async fn versions_before_the_oldest_one_are_refused() {
    for (flag, speaks_1_2) in [("1.2", true), ("1.3", false)] {
        let server = Replica::start(&[&format!("--tls-min={flag}")]).await;
        assert!(connect(server.addr, &only(&TLS13)).await.is_ok());
        let older = connect(server.addr, &only(&TLS12)).await;
        match speaks_1_2 {
            true => assert!(older.is_ok()),
            false => assert_eq!(older.unwrap_err(), alert("ProtocolVersion")),
        }
        let both = connect(server.addr, &TlsOptions::default()).await.unwrap();
        assert_eq!(both.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    }
}

#[tokio::test]
async fn cipher_suites_are_those_of_the_flag() {
    const TLS_1_2: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
    const TLS_1_3: CipherSuite = CipherSuite::TLS13_AES_256_GCM_SHA384;
    const ALSO: CipherSuite = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;
    let names = "TLS_AES_256_GCM_SHA384,ECDHE-ECDSA-AES128-GCM-SHA256,TLS_CHACHA20_POLY1305_SHA256";
    let server = Replica::start(&[&format!("--tls-ciphers={names}")]).await;
    for (version, ciphers, picked) in [
        (&TLS12, vec![], Some(TLS_1_2)),
        (&TLS13, vec![TLS_1_3, ALSO], Some(TLS_1_3)),
        (&TLS13, vec![ALSO, TLS_1_3], Some(ALSO)),
        (&TLS13, vec![CipherSuite::TLS13_AES_128_GCM_SHA256, ALSO], Some(ALSO)),
        (&TLS12, vec![CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384], None),
        (&TLS13, vec![CipherSuite::TLS13_AES_128_GCM_SHA256], None),
    ] {
        let options = TlsOptions { ciphers: ciphers.clone(), ..only(version) };
        let suite = connect(server.addr, &options).await;
        let suite = suite.map(|tls| tls.negotiated_cipher_suite().unwrap().suite());
        assert_eq!(suite, picked.ok_or_else(|| alert("HandshakeFailure")), "{ciphers:?}");
    }
}

#[tokio::test]
async fn cipher_suites_are_taken_in_our_order_but_by_clients_that_prefer_chacha20() {
    const AES_128: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;
    const AES_256: CipherSuite = CipherSuite::TLS13_AES_256_GCM_SHA384;
    const CHACHA20: CipherSuite = CipherSuite::TLS13_CHACHA20_POLY1305_SHA256;
    let by_default = Replica::start(&[]).await;
    let names = "TLS_AES_256_GCM_SHA384,TLS_CHACHA20_POLY1305_SHA256,TLS_AES_128_GCM_SHA256";
    let by_flag = Replica::start(&[&format!("--tls-ciphers={names}")]).await;
    for (ciphers, expected) in [
        (vec![AES_256, CHACHA20, AES_128], [AES_128, AES_256]),
        (vec![AES_128, CHACHA20, AES_256], [AES_128, AES_256]),
        (vec![AES_128, CHACHA20], [AES_128, CHACHA20]),
        (vec![CHACHA20, AES_256, AES_128], [CHACHA20, CHACHA20]),
    ] {
        let options = TlsOptions { ciphers: ciphers.clone(), ..only(&TLS13) };
        for (server, expected) in [&by_default, &by_flag].into_iter().zip(expected) {
            let tls = connect(server.addr, &options).await.unwrap();
            let suite = tls.negotiated_cipher_suite().unwrap().suite();
            assert_eq!(suite, expected, "{ciphers:?}");
        }
    }
}

#[tokio::test]
async fn version_without_a_cipher_suite_is_not_spoken() {
    let server = Replica::start(&["--tls-ciphers=TLS_AES_128_GCM_SHA256"]).await;
    assert!(connect(server.addr, &only(&TLS13)).await.is_ok());
    let older = connect(server.addr, &only(&TLS12)).await;
    assert_eq!(older.unwrap_err(), alert("ProtocolVersion"));

    let args = ["--tls-min=1.3", "--tls-ciphers=ECDHE-ECDSA-AES128-GCM-SHA256"];
    let (code, said) = start(&args, None).ended().await;
    assert_eq!(code, 1);
    let line = said.last().unwrap();
    assert!(line.starts_with("wssgate: ") && line.contains("no cipher suite"), "{line}");
}

#[tokio::test]
async fn client_picks_the_group_and_the_post_quantum_one_is_there() {
    use NamedGroup::{X25519, X25519MLKEM768, secp256r1, secp384r1};
    let by_default = Replica::start(&[]).await;
    let restricted = Replica::start(&["--tls-groups=P-256,X25519MLKEM768"]).await;
    let other = HandshakeKind::FullWithHelloRetryRequest;
    for (server, groups, picked, kind) in [
        (&by_default, vec![X25519MLKEM768, X25519], Ok(X25519MLKEM768), HandshakeKind::Full),
        (&by_default, vec![X25519, X25519MLKEM768], Ok(X25519), HandshakeKind::Full),
        (&by_default, vec![secp256r1, X25519], Ok(secp256r1), HandshakeKind::Full),
        (&by_default, vec![secp384r1], Ok(secp384r1), HandshakeKind::Full),
        (&restricted, vec![X25519MLKEM768, X25519], Ok(X25519MLKEM768), HandshakeKind::Full),
        // The share that came was of a group that is not spoken.
        (&restricted, vec![X25519, secp256r1], Ok(secp256r1), other),
        (&restricted, vec![X25519, secp384r1], Err(alert("HandshakeFailure")), other),
    ] {
        let options = TlsOptions { groups: groups.clone(), ..only(&TLS13) };
        match connect(server.addr, &options).await {
            Ok(tls) => {
                let group = tls.negotiated_key_exchange_group().unwrap().name();
                assert_eq!(Ok(group), picked, "{groups:?}");
                assert_eq!(tls.handshake_kind(), Some(kind), "{groups:?}");
            }
            Err(error) => assert_eq!(Err(error), picked, "{groups:?}"),
        }
    }
    let options = TlsOptions { groups: vec![X25519], ..only(&TLS12) };
    assert!(connect(by_default.addr, &options).await.is_ok());
    assert_eq!(connect(restricted.addr, &options).await.unwrap_err(), alert("HandshakeFailure"));
}

#[tokio::test]
async fn key_log_needs_the_variable_and_a_file_that_can_be_written() {
    for file in [None, Some("")] {
        let (code, said) = start(&["--key-log"], file).ended().await;
        assert_eq!(code, 1);
        let line =
            "wssgate: --key-log writes to the file that the variable SSLKEYLOGFILE names; set it";
        assert_eq!(said.last().unwrap(), line);
    }
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing/keys").display().to_string();
    let (code, said) = start(&["--key-log"], Some(&missing)).ended().await;
    assert_eq!(code, 1);
    let line = said.last().unwrap();
    assert!(line.starts_with(&format!("wssgate: open the key log {missing}: ")), "{line}");
}

#[tokio::test]
async fn key_log_is_written_for_its_owner_alone_and_said_loudly() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys");
    let server = start(&["--key-log"], file.to_str());
    let addr = server.listening().await;
    let warned = server.json().into_iter().find(|line| line["file"] == file.to_str().unwrap());
    let warned = warned.expect("a line that names the file");
    assert_eq!(warned["level"], "WARN");
    assert!(warned["message"].as_str().unwrap().contains("can read the traffic"), "{warned}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(labels(&file), Vec::<String>::new());

    ask(addr, &TLS13).await;
    let seen = labels(&file);
    for label in ["CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"] {
        assert!(seen.iter().any(|seen| seen == label), "{seen:?}");
    }
    ask(addr, &TLS12).await;
    assert_eq!(labels(&file).last().unwrap(), "CLIENT_RANDOM");
}

#[tokio::test]
async fn variable_alone_writes_no_keys() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys");
    for exists in [false, true] {
        if exists {
            fs::write(&file, "").unwrap();
        }
        let server = start(&[], file.to_str());
        let addr = server.listening().await;
        for version in [&TLS12, &TLS13] {
            ask(addr, version).await;
        }
        assert_eq!(file.exists(), exists);
        assert!(!exists || fs::read(&file).unwrap().is_empty());
    }
}

#[tokio::test]
async fn check_tells_of_the_key_log_and_writes_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys");
    let mut command = Binary::command(env!("CARGO_BIN_EXE_wssgate"));
    command.args(["check", "--self-signed", "--upstream=127.0.0.1:1", "--key-log"]);
    let output = within("check", command.env(KEY_LOG, &file).output()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let told =
        format!("key log {}\n  warning  who reads it can read the traffic\n", file.display());
    assert!(output.status.success() && said.ends_with(&told), "{said}");
    // A start would say that it writes.
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(fs::read(&file).unwrap().is_empty());
}

/// The program with this variable, or without it whatever the environment says. Its upstream is not there.
fn start(args: &[&str], key_log: Option<&str>) -> Binary {
    let mut command = Binary::command(env!("CARGO_BIN_EXE_wssgate"));
    command.args(["--listen=127.0.0.1:0", "--upstream=127.0.0.1:1", "--log-format=json"]);
    command.args(certificate_arguments()).args(args).env_remove(KEY_LOG);
    if let Some(file) = key_log {
        command.env(KEY_LOG, file);
    }
    Binary::spawn(command)
}

/// What was agreed on, or the alert.
async fn connect(addr: SocketAddr, options: &TlsOptions) -> Result<ClientConnection, String> {
    match Client::connect_with(addr, options.config()).await {
        Ok(client) => Ok(client.0.into_inner().1),
        Err(error) => Err(error.to_string()),
    }
}

/// One request to its answer: the server has long finished its side of the handshake by then.
async fn ask(addr: SocketAddr, version: &'static SupportedProtocolVersion) {
    let mut client = Client::connect_with(addr, only(version).config()).await.unwrap();
    let (head, _) =
        client.ask("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
}

fn only(version: &'static SupportedProtocolVersion) -> TlsOptions {
    TlsOptions { versions: vec![version], ..TlsOptions::default() }
}

/// What the client says when the server has sent this alert.
fn alert(name: &str) -> String {
    format!("received fatal alert: {name}")
}

/// The first word of each line.
fn labels(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}
