//! Servers that are not well: at which step it shows, and in which words.

use super::{assert_failed, development_ca, output, probe, text, url, websockets};
use crate::support::{
    Authority, Binary, BlackHole, Issued, Leaf, Upstream, Validity, free_port, within,
};

/// A wssgate with this certificate, and the file of its authority.
struct Served {
    upstream: Upstream,
    url: String,
    ca: String,
    _binary: Binary,
    _folder: tempfile::TempDir,
}

async fn serving(authority: &Authority, issued: &Issued) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let (chain, key) = issued.write(folder.path(), "server");
    let upstream = websockets("").await;
    let binary = Binary::start(&[
        "--listen=127.0.0.1:0",
        "--log-format=json",
        &format!("--upstream={}", upstream.addr()),
        &format!("--cert={}", chain.display()),
        &format!("--key={}", key.display()),
    ]);
    let url = url(binary.listening().await);
    let ca = format!("--ca={}", ca.display());
    Served { upstream, url, ca, _binary: binary, _folder: folder }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_the_end_and_the_server_gets_no_request() {
    let authority = Authority::new("probed");
    let leaf = Leaf { names: &["localhost", "b.example"], ..Leaf::default() };
    let mut served = serving(&authority, &authority.issue(&leaf)).await;
    let result = probe(&[&served.url, &development_ca()]).await;
    assert_failed(&result, "trust", "its certificate is of an unknown authority");
    let certificate = text(&result.1, "certificate");
    assert_eq!(certificate, "for localhost, b.example; by CN=probed; 88 days left");
    assert!(served.upstream.accepted().is_none(), "a request to a stranger");
}

#[tokio::test]
async fn insecure_goes_on_but_says_so_and_is_not_well() {
    let authority = Authority::new("probed");
    let served = serving(&authority, &authority.issue(&Leaf::default())).await;
    let (code, report) = probe(&[&served.url, &development_ca(), "--insecure"]).await;
    assert_eq!(code, 1, "{report:#?}");
    let trust = text(&report, "trust");
    assert!(trust.starts_with("none") && trust.contains("unknown authority"), "{trust}");
    assert_eq!(text(&report, "ping"), "pong");
    assert!(report.last().unwrap().contains("not trusted"), "{report:#?}");

    // Where there is nothing to forgive it changes nothing.
    let (code, report) = probe(&[&served.url, &served.ca, "--insecure"]).await;
    assert_eq!((code, &**report.last().unwrap()), (0, "all is well"), "{report:#?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_or_another_time_is_said_so() {
    let authority = Authority::new("probed");
    for (leaf, why, days) in [
        (
            Leaf { names: &["a.example", "*.b.example", "192.0.2.1"], ..Leaf::default() },
            "its certificate is not for localhost but for a.example, *.b.example, 192.0.2.1",
            "88 days left",
        ),
        (
            Leaf { validity: Validity::Expired, ..Leaf::default() },
            "its certificate has expired",
            "expired 30 days ago",
        ),
        (
            Leaf { validity: Validity::NotYet, ..Leaf::default() },
            "its certificate is not valid yet",
            "valid in 29 days",
        ),
    ] {
        let served = serving(&authority, &authority.issue(&leaf)).await;
        let result = probe(&[&served.url, &served.ca]).await;
        assert_failed(&result, "trust", why);
        let certificate = text(&result.1, "certificate");
        assert!(certificate.ends_with(days), "{certificate}");
    }
}

#[tokio::test]
async fn of_many_names_some_are_told() {
    let authority = Authority::new("probed");
    let names = ["a", "b", "c", "d", "e", "f", "localhost"];
    let issued = authority.issue(&Leaf { names: &names, ..Leaf::default() });
    let served = serving(&authority, &issued).await;
    let (code, report) = probe(&[&served.url, &served.ca]).await;
    assert_eq!(code, 0, "{report:#?}");
    let certificate = text(&report, "certificate");
    assert!(certificate.starts_with("for a, b, c, d, e, 2 more; by "), "{certificate}");
}

#[tokio::test]
async fn an_answer_that_is_no_101_is_told() {
    for (answer, why) in [
        ("404 Not Found", "answered 404 Not Found, which is no WebSocket"),
        ("500 Internal Server Error", "answered 500 Internal Server Error, which is no"),
        (
            "302 Found\r\nLocation: https://login.example/",
            "answered 302 Found, which is no WebSocket (Location: https://login.example/)",
        ),
    ] {
        let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        let upstream = Upstream::answering(answer).await;
        let (_binary, addr) = Binary::serving(&upstream.addr(), &[]).await;
        let result = probe(&[&url(addr), &development_ca()]).await;
        assert_failed(&result, "upgrade", why);
    }
}

#[tokio::test]
async fn nobody_there_is_told() {
    let result = probe(&[&url(free_port()), &development_ca()]).await;
    assert_failed(&result, "connect", "Connection refused");

    let result = probe(&["wss://nobody.invalid/", &development_ca()]).await;
    assert_failed(&result, "name", "nobody.invalid");
}

#[tokio::test]
async fn silence_is_cut_at_the_time_limit_of_its_step() {
    let hole = tokio::task::spawn_blocking(BlackHole::new).await.unwrap();
    let connect = format!("--connect={}", hole.addr);
    let late = "--timeout=300ms";
    let ca = development_ca();
    let result = probe(&["wss://localhost/", &ca, &connect, late]).await;
    assert_failed(&result, "connect", &format!("{}: no answer", hole.addr));

    let silent = Upstream::manual().await;
    let connect = format!("--connect={}", silent.addr());
    let result = probe(&["wss://localhost/", &ca, &connect, late]).await;
    assert_failed(&result, "handshake", "not done within 300ms");

    let (_binary, addr) = Binary::serving(&silent.addr(), &[]).await;
    let result = probe(&[&url(addr), &ca, "--timeout=2s"]).await;
    assert_failed(&result, "upgrade", "not done within 2s");
}

#[tokio::test]
async fn what_is_not_tls_is_said_so() {
    for (garbage, why) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "it does not speak TLS"),
        (b"\x16\x03\x03\xff\xff", "message"),
        (b"", "closed within the TLS handshake"),
    ] {
        let plain = Upstream::serving(move |mut conversation| async move {
            conversation.read_until(1).await;
            conversation.send(garbage).await;
            conversation.finish().await;
            conversation
        })
        .await;
        let connect = format!("--connect={}", plain.addr());
        let result = probe(&["wss://localhost/", &development_ca(), &connect]).await;
        assert_failed(&result, "handshake", why);
    }
}

#[tokio::test]
async fn what_it_cannot_begin_with_is_said_in_one_line() {
    for (args, code, part) in [
        (&["ws://localhost/"][..], 2, "probe is for wss://"),
        (&["localhost"], 2, "wss://HOST[:PORT]/PATH"),
        (&[], 2, "<URL>"),
        (&["wss://localhost/", "--connect", "wss://localhost"], 2, "not a URL"),
        (&["wss://localhost/", "--protocol", "a, b"], 2, "not the name of a subprotocol"),
        (&["wss://localhost/", "--origin", "a\r\nCookie: b"], 2, "is not an origin"),
        (&["wss://localhost/", "--key", "a.key"], 2, "--cert"),
        (&["wss://localhost/", "--timeout", "0"], 2, "silent peer"),
        (&["wss://localhost/", "--ca", "/nonexistent.pem"], 1, "/nonexistent.pem"),
        (&["wss://localhost/", "--cert", "/nonexistent.pem"], 1, "/nonexistent.pem"),
    ] {
        let output = within("the probe ends", output(args)).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(output.stdout.is_empty() && said.contains(part), "{args:?}: {said}");
    }
}
