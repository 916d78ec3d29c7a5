//! The command line: exit codes, the one line that says what is wrong, variables, the help.

mod client_auth;
mod completions;
mod manual;
mod variables;
mod version;

pub(crate) use variables::flags;

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs as provider};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio_rustls::rustls;

use crate::support::{Binary, Client, certificate_arguments, eventually, repository, within};

/// Runs it to its end: the exit code and what it said.
async fn run(args: &[&str]) -> (i32, Vec<String>) {
    Binary::start(args).ended().await
}

/// The last line, which begins with the program's name, and that no other one does.
fn one_line(said: &[String]) -> &str {
    let ours = said.iter().filter(|line| line.starts_with("wssgate: ")).count();
    let last = said.last().map(String::as_str).unwrap_or_default();
    assert!(ours == 1 && last.starts_with("wssgate: "), "one line at the end: {said:#?}");
    assert!(!said.iter().any(|line| line.contains("panicked")), "{said:#?}");
    last
}

/// What it says about a certificate and a key.
async fn run_with(cert: &Path, key: &Path) -> (i32, Vec<String>) {
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let fixed = ["--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1"];
    run(&[&fixed[..], &["--cert", &cert, "--key", &key]].concat()).await
}

async fn output(args: &[&str]) -> Output {
    let mut command = Binary::command(env!("CARGO_BIN_EXE_wssgate"));
    let running = command.env_remove("COLUMNS").args(args).output();
    within("the program ends", running).await.unwrap()
}

async fn help() -> String {
    let output = output(&["--help"]).await;
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn development(file: &str) -> PathBuf {
    repository("certs").join(file)
}

#[tokio::test]
async fn without_arguments_it_says_how_to_use_it_and_exits_with_2() {
    let output = output(&[]).await;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("Usage: wssgate") && said.contains("--upstream"), "{said}");
}

#[tokio::test]
async fn help_goes_to_stdout_and_exits_with_0() {
    assert!(help().await.starts_with("wss in, ws out"));
}

#[tokio::test]
async fn usage_errors_exit_with_2_and_name_what_is_wrong() {
    for (args, part) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["--upstrem", "127.0.0.1:1"], "--upstream"),
        (&["extra"], "extra"),
        (&["--listen", "localhost", "--upstream", "1"], "is not an address"),
        (&["--listen", "127.0.0.1:70000", "--upstream", "1"], "up to 65535"),
        (&["--listen", "https://:8443", "--upstream", "1"], "not a URL"),
        (&["--upstream", "ws://app:9000/chat"], "no path"),
        (&["--upstream", "wss://app:9000/chat"], "no path"),
        (&["--upstream", "1", "--self-signed", "--tls-min", "1.1"], "1.2 and 1.3"),
        (
            &["--upstream", "1", "--self-signed", "--tls-ciphers", "RC4-SHA"],
            "TLS_AES_128_GCM_SHA256",
        ),
        (&["--upstream", "1", "--self-signed", "--tls-groups", "P-192"], "X25519MLKEM768"),
        (&["--upstream", "1", "--idle-timeout", "15"], "as in 15s"),
        (&["--upstream", "1", "--setup-timeout", "0"], "silent peer"),
        (&["--upstream", "1", "--max-connections", "0"], "--max-connections"),
        (&["--upstream", "1", "--max-head-size", "10"], "512 bytes"),
        (&["--upstream", "1", "--trusted-proxy", "10.0.0.0/33"], "is not a network"),
        (&["--upstream", "1", "--send-proxy", "v3"], "v1, v2"),
        (&["--upstream", "1", "--log-level", "loud"], "--log-level"),
        (&["--upstream", "1", "--log-format", "xml"], "--log-format"),
    ] {
        let (code, said) = run(args).await;
        assert_eq!(code, 2, "{args:?}: {said:#?}");
        let said = said.join("\n");
        assert!(said.starts_with("error: ") && said.contains(part), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn what_is_missing_is_said_in_one_line_with_exit_code_2() {
    let (code, said) = run(&["--self-signed"]).await;
    assert_eq!((code, said.len()), (2, 1), "{said:#?}");
    assert!(one_line(&said).contains("no upstream") && said[0].contains("--upstream "));

    let (code, said) = run(&["--upstream", "127.0.0.1:1"]).await;
    assert_eq!((code, said.len()), (2, 1), "{said:#?}");
    assert!(one_line(&said).contains("no certificate") && said[0].contains("--self-signed"));

    let (code, said) = run(&["--upstream", "1", "--cert", "a,b", "--key", "c"]).await;
    assert_eq!((code, said.len()), (2, 1), "{said:#?}");
    assert!(one_line(&said).contains("2 --cert and 1 --key"), "{said:#?}");

    let (code, said) = run(&["--upstream", "1", "--self-signed", "--accept-proxy"]).await;
    assert_eq!((code, said.len()), (2, 1), "{said:#?}");
    assert!(one_line(&said).contains("--accept-proxy without --trusted-proxy"), "{said:#?}");

    for (args, part) in [
        (&["--self-signed", "--cert", "a.pem"][..], "--self-signed beside --cert"),
        (&["--key", "a.pem"], "--key without --cert"),
        (&["--self-signed", "--acme-webroot", "/srv"], "--acme-webroot without --redirect-http"),
        (&["--self-signed", "--upstream-key", "a.pem"], "--upstream-key without --upstream-cert"),
        (&["--self-signed", "--route", "/a=chat"], "\"chat\" is not an address"),
    ] {
        let (code, said) = run(&[&["--upstream", "1"], args].concat()).await;
        assert_eq!(code, 2, "{said:#?}");
        assert!(one_line(&said).contains(part), "{said:#?}");
    }
}

#[tokio::test]
async fn times_that_no_clock_can_hold_are_refused_at_the_start() {
    for args in [
        ["--idle-timeout", "400000000000years"],
        ["--setup-timeout", "18446744073709551615s"],
        ["--drain-timeout", "18446744073709551615s"],
        // tcp(7) takes whole seconds up to 32767.
        ["--keepalive", "10h"],
        ["--keepalive", "500ms"],
    ] {
        let (code, said) = run(&[&["--self-signed", "--upstream", "1"], &args[..]].concat()).await;
        let said = said.join("\n");
        assert_eq!(code, 2, "{args:?}: {said}");
        assert!(said.contains(args[0]), "{args:?}: {said}");
    }
}

#[tokio::test]
async fn a_certificate_file_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let (code, said) = run_with(&missing, &development("localhost.key")).await;
    assert_eq!((code, said.len()), (1, 1), "{said:#?}");
    assert!(one_line(&said).contains(&missing.display().to_string()), "{said:#?}");
    assert!(said[0].contains("No such file"), "{said:#?}");

    let (code, said) = run_with(&development("localhost.pem"), &missing).await;
    assert_eq!((code, said.len()), (1, 1), "{said:#?}");
    assert!(one_line(&said).contains(&missing.display().to_string()), "{said:#?}");
}

#[tokio::test]
async fn files_that_do_not_hold_what_they_should_are_named() {
    let (cert, key) = (development("localhost.pem"), development("localhost.key"));
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    for (cert, key, part) in [
        (&key, &key, "no certificate in"),
        (&empty, &key, "no certificate in"),
        (&cert, &cert, "no private key in"),
        (&cert, &empty, "no private key in"),
    ] {
        let (code, said) = run_with(cert, key).await;
        assert_eq!((code, said.len()), (1, 1), "{said:#?}");
        assert!(one_line(&said).contains(part), "{said:#?}");
    }
}

#[tokio::test]
async fn a_key_that_does_not_fit_its_certificate_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.key");
    fs::write(&other, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let (code, said) = run_with(&development("localhost.pem"), &other).await;
    assert_eq!((code, said.len()), (1, 1), "{said:#?}");
    assert!(one_line(&said).contains("does not fit"), "{said:#?}");
}

/// An encrypted key in PKCS#8: `openssl genpkey -algorithm ED25519 -aes-256-cbc -pass pass:secret`.
const ENCRYPTED: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjF1GPGFQZQFgICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEFPDfonGUuoMPK0Fv3kWEzEEQNXG
0wHwzRqqww2+kT8utgDIhBAC8nCI2FkgdwYDCzizHWe7NUN6/0fqqwSzITSFOBDZ
bw+xTCwgJlO23MUm0Io=
-----END ENCRYPTED PRIVATE KEY-----
";

/// One in the older form: `openssl ecparam -name prime256v1 -genkey | openssl ec -aes256 -passout ...`.
const ENCRYPTED_LEGACY: &str = "\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,3F6B8EEE616E023FEFEF01D8ABA6C497

ooKpjog6YzLNtSejFBvz7q34Y7/GZaPGsuHJ8T2PgtiInG7ROJAbHIKf08qUnPb0
YftSwVKeh+YO4WZFojV6T3Y24xyy+oICAu5Y7Q1MaGVuuuWsqmvfEfNnzclLZrET
94NtP4Jjnv/sf+epLVdxq2UTtZuQ6EvMDvp8E6CcLqI=
-----END EC PRIVATE KEY-----
";

#[tokio::test]
async fn an_encrypted_key_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    for (number, text) in [ENCRYPTED, ENCRYPTED_LEGACY].into_iter().enumerate() {
        let key = folder.path().join(format!("{number}.key"));
        fs::write(&key, text).unwrap();
        let (code, said) = run_with(&development("localhost.pem"), &key).await;
        assert_eq!((code, said.len()), (1, 1), "{said:#?}");
        assert!(one_line(&said).contains("is encrypted"), "{said:#?}");
        assert!(said[0].contains("openssl pkey"), "{said:#?}");
    }
}

/// Runs it with this listener, to its end.
async fn run_listening(listen: &str) -> (i32, Vec<String>) {
    let [cert, key] = certificate_arguments();
    let log = ["--log-level", "off"];
    run(&[&["--listen", listen, "--upstream", "127.0.0.1:1", &cert, &key], &log[..]].concat()).await
}

#[tokio::test]
async fn a_port_in_use_is_said_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, said) = run_listening(&addr).await;
    assert_eq!((code, said.len()), (1, 1), "{said:#?}");
    let line = one_line(&said);
    assert!(line.contains(&addr) && line.contains("in use"), "{line}");
}

#[tokio::test]
async fn an_address_that_is_not_ours_is_said_so() {
    // RFC 5737: no machine has it.
    let (code, said) = run_listening("192.0.2.1:0").await;
    assert_eq!((code, said.len()), (1, 1), "{said:#?}");
    assert!(one_line(&said).contains("no such address"), "{said:#?}");
}

#[tokio::test]
async fn a_stale_unix_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stale.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listen = format!("unix:{}", path.display());
    let [cert, key] = certificate_arguments();
    let args = ["--listen", &listen, "--upstream", "127.0.0.1:1", &cert, &key];
    let _binary = Binary::start(&args);
    eventually("somebody listens again", || UnixStream::connect(&path).is_ok()).await;
}

#[tokio::test]
async fn a_unix_socket_that_is_listened_on_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.sock");
    let live = UnixListener::bind(&path).unwrap();
    let (code, said) = run_listening(&format!("unix:{}", path.display())).await;
    assert_eq!((code, said.len()), (1, 1), "{said:#?}");
    let line = one_line(&said);
    assert!(line.contains(&path.display().to_string()) && line.contains("in use"), "{line}");
    let _client = UnixStream::connect(&path).unwrap();
    live.accept().unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious.txt");
    fs::write(&path, "precious").unwrap();
    let (code, said) = run_listening(&format!("unix:{}", path.display())).await;
    assert_eq!((code, said.len()), (1, 1), "{said:#?}");
    assert!(one_line(&said).contains("no socket"), "{said:#?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

/// Takes any certificate.
#[derive(Debug)]
struct Anything(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[tokio::test]
async fn the_self_signed_certificate_is_the_one_whose_fingerprint_is_printed() {
    let args = ["--listen", "127.0.0.1:0", "--upstream", "1", "--self-signed", "--log-format=json"];
    let binary = Binary::start(&args);
    let line = binary.line("serving certificate").await;
    assert_eq!(line["names"], "localhost,127.0.0.1,::1");
    let algorithms = provider::default_provider().signature_verification_algorithms;
    let config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything(algorithms)))
        .with_no_client_auth();
    let addr = binary.listening().await;
    let client = Client::connect_with(addr, Arc::new(config)).await.unwrap();
    let digest = digest::digest(&digest::SHA256, client.server_certificate());
    let bytes: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(line["sha256"], bytes.join(":"));
}

#[tokio::test]
async fn serving_with_the_development_key_warns_loudly() {
    let (binary, _) = Binary::serving("127.0.0.1:1", &[]).await;
    let mut warned = binary.json().into_iter().filter(|line| line["level"] == "WARN");
    let is_loud = |line: serde_json::Value| {
        let message = line["message"].to_string();
        message.contains("development key") && message.contains("production")
    };
    assert!(warned.any(is_loud), "{:#?}", binary.log());

    let args = ["--listen", "127.0.0.1:0", "--upstream", "1", "--self-signed", "--log-format=json"];
    let binary = Binary::start(&args);
    binary.line("listening").await;
    assert!(binary.json().iter().all(|line| line["level"] != "WARN"), "a key of one's own");
}

#[tokio::test]
async fn the_readme_shows_the_help_as_it_is() {
    let readme = fs::read_to_string(repository("README.md")).expect("README.md");
    let (_, after) = readme.split_once("<!-- help -->").expect("<!-- help --> in README.md");
    let (_, block) = after.split_once("```text\n").expect("a ```text block behind it");
    let (block, _) = block.split_once("\n```").expect("its end");
    let help = help().await;
    assert_eq!(block.trim_end(), help.trim_end(), "README.md (left) and --help (right) differ");
}
