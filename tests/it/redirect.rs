//! Plain HTTP beside TLS: the redirect to https, the answers to ACME challenges; and HSTS.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wssgate::addr::Listen;
use wssgate::config::Listener;

use crate::support::{Client, Proxy, Upstream, eventually, reset, upgrade_request, within};

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn redirecting(config: &mut Listener) {
    config.redirect_http = vec![Listen::Ip(([127, 0, 0, 1], 0).into())];
}

/// What plain HTTP is answered with on a listener that redirects.
async fn ask(proxy: &Proxy, request: &str) -> String {
    let addr: SocketAddr = proxy.addresses.last().unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn plain_http_is_redirected_to_the_same_url_over_https() {
    let mut upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], redirecting).await;
    let port = proxy.addr.port();
    for (request, location) in [
        (
            "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\n\r\n",
            "https://example.com/a?b=c".to_owned(),
        ),
        (
            "POST / HTTP/1.1\r\nHost: a:8080\r\nContent-Length: 3\r\n\r\nabc",
            format!("https://a:{port}/"),
        ),
        ("GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n", "https://a/x".to_owned()),
        ("HEAD / HTTP/1.0\r\nHost: [::1]:80\r\n\r\n", format!("https://[::1]:{port}/")),
    ] {
        let answer = ask(&proxy, request).await;
        assert!(answer.starts_with("HTTP/1.1 308 "), "{request}: {answer}");
        assert!(answer.contains(&format!("\r\nLocation: {location}\r\n")), "{request}: {answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{request}: {answer}");
    }
    assert!(upstream.accepted().is_none(), "plain HTTP reached the upstream");
}

#[tokio::test]
async fn what_cannot_be_redirected_is_refused() {
    let upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], redirecting).await;
    for (request, status) in [
        ("GET / HTTP/1.0\r\n\r\n", "400"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", "400"),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "501"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", "400"),
    ] {
        let answer = ask(&proxy, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
    }
}

#[tokio::test]
async fn acme_challenges_are_answered_from_the_webroot_and_nothing_else_is() {
    let upstream = Upstream::answering(PAGE).await;
    let webroot = tempfile::tempdir().unwrap();
    let folder = webroot.path().join(".well-known/acme-challenge");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("to-ken_1"), "to-ken_1.thumbprint").unwrap();
    fs::write(webroot.path().join("secret"), "secret").unwrap();
    let proxy = Proxy::start_with(&[upstream.addr()], |config| {
        redirecting(config);
        config.acme_webroot = Some(webroot.path().to_owned());
    })
    .await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");

    let answer = ask(&proxy, &get("/.well-known/acme-challenge/to-ken_1")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nto-ken_1.thumbprint"), "{answer}");
    let head = "HEAD /.well-known/acme-challenge/to-ken_1 HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = ask(&proxy, head).await;
    assert!(
        answer.contains("\r\nContent-Length: 19\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );

    for path in ["other", "", "../../secret", "..%2f..%2fsecret", "a/b", ".", "to-ken_1/"] {
        let answer = ask(&proxy, &get(&format!("/.well-known/acme-challenge/{path}"))).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    let post = "POST /.well-known/acme-challenge/to-ken_1 HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(ask(&proxy, post).await.starts_with("HTTP/1.1 404 "));
    assert!(ask(&proxy, &get("/secret")).await.starts_with("HTTP/1.1 308 "));
}

#[tokio::test]
async fn who_resets_before_a_byte_of_a_request_is_a_probe() {
    let upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start_with(&[upstream.addr()], redirecting).await;
    let addr: SocketAddr = proxy.addresses.last().unwrap().parse().unwrap();
    for probes in [1, 3] {
        reset(&TcpStream::connect(addr).await.unwrap());
        let totals = || proxy.reporter.status().totals;
        let is_counted = || totals().probes + totals().failed == probes;
        eventually("the probe of plain HTTP is counted", is_counted).await;
        assert_eq!(totals().failed, 0, "plain HTTP");
        Client::connect(proxy.addr).await.reset();
        let is_counted = || totals().probes + totals().failed == probes + 1;
        eventually("the probe of TLS is counted", is_counted).await;
        assert_eq!(totals().failed, 0, "TLS");
    }
}

#[tokio::test]
async fn hsts_is_on_every_answer_that_comes_over_tls_and_on_no_other() {
    const HSTS: &str = "\r\nStrict-Transport-Security: max-age=31536000\r\n";
    let own =
        "HTTP/1.1 200 OK\r\nstrict-transport-security: max-age=1\r\nContent-Length: 0\r\n\r\n";
    for (response, request, expected) in [
        (PAGE, "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), true),
        (PAGE, "GET / HTTP/1.1\r\n\r\n".to_owned(), true),
        (PAGE, upgrade_request(), true),
        (&crate::support::switching_response(), upgrade_request(), true),
        ("garbage\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), true),
        (own, "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), false),
    ] {
        let upstream = Upstream::answering(response).await;
        let proxy = Proxy::start_with(&[upstream.addr()], |config| {
            redirecting(config);
            config.hsts = Some(Duration::from_secs(365 * 24 * 3600));
        })
        .await;
        let mut client = Client::connect(proxy.addr).await;
        client.send(request.as_bytes()).await;
        let (head, _) = client.read_head().await;
        assert_eq!(head.contains(HSTS), expected, "{request}: {head}");
        let name = "strict-transport-security:";
        assert_eq!(head.to_lowercase().matches(name).count(), 1, "{request}: {head}");
        let plain = ask(&proxy, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(!plain.contains("Strict-Transport-Security"), "RFC 6797, 7.2: {plain}");
    }
}
