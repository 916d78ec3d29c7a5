//! Heads that do not come, or not over TLS.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Client, Proxy, Upstream, upgrade_request, within};

/// Long enough for a handshake on a busy machine, and all of what these tests wait.
const SETUP_TIMEOUT: Duration = Duration::from_millis(1500);

async fn hasty_proxy(upstream: &Upstream) -> Proxy {
    Proxy::start_with(&[upstream.addr()], |config| config.timeouts.setup = SETUP_TIMEOUT).await
}

#[tokio::test]
async fn a_head_not_complete_in_time_is_408_after_at_least_a_byte() {
    let upstream = Upstream::manual().await;
    let proxy = hasty_proxy(&upstream).await;
    for begin in ["G", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\nHost: example.com\r\n\r"] {
        let mut client = Client::connect(proxy.addr).await;
        client.send(begin.as_bytes()).await;
        let (head, body) = client.read_answer().await;
        assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{begin:?}: {head}");
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        assert!(body.starts_with("408 "), "{body}");
    }
}

#[tokio::test]
async fn a_head_that_drips_does_not_outlast_its_time() {
    let mut upstream = Upstream::manual().await;
    let proxy = hasty_proxy(&upstream).await;
    let mut client = Client::connect(proxy.addr).await;
    client.send(b"GET / HTTP/1.1\r\nHost: example.com\r\nX: ").await;
    let (mut read, mut write) = tokio::io::split(client.0);
    let drip = async {
        let mut pause = tokio::time::interval(Duration::from_millis(50));
        while write.write_all(b"a").await.is_ok() && write.flush().await.is_ok() {
            pause.tick().await;
        }
    };
    let mut answer = Vec::new();
    let read_answer = async {
        while !answer.ends_with(b"\n") || !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            assert_ne!(read.read_buf(&mut answer).await.unwrap(), 0);
        }
    };
    tokio::select! {
        () = within("the 408", read_answer) => {}
        () = drip => panic!("closed without an answer"),
    }
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", answer.escape_ascii());
    assert!(upstream.accepted().is_none());
}

#[tokio::test]
async fn who_sends_nothing_is_closed_without_an_answer() {
    let upstream = Upstream::manual().await;
    let proxy = hasty_proxy(&upstream).await;
    let mut client = Client::connect(proxy.addr).await;
    assert_eq!(client.read_to_end().await, b"", "after the handshake");

    let mut silent = within("connect", TcpStream::connect(proxy.addr)).await.unwrap();
    let mut answer = Vec::new();
    within("the end", silent.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"", "before the handshake");
}

#[tokio::test]
async fn a_head_cut_short_is_closed_without_an_answer() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let whole = upgrade_request();
    for length in [0, 1, 14, whole.len() / 2, whole.len() - 1] {
        let mut client = Client::connect(proxy.addr).await;
        client.send(&whole.as_bytes()[..length]).await;
        client.shutdown().await;
        assert_eq!(client.read_to_end().await, b"", "after {length} bytes");
    }
    assert!(upstream.accepted().is_none());
}

/// What a client gets that does not speak TLS.
async fn ask_plainly(proxy: &Proxy, request: &str) -> String {
    let mut stream = within("connect", TcpStream::connect(proxy.addr)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_308_to_the_https_url() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let cases = [
        ("GET /a?b=c HTTP/1.1\r\nHost: example.com:8443\r\n\r\n", "https://example.com:8443/a?b=c"),
        ("HEAD / HTTP/1.1\r\nHost: example.com\r\n\r\n", "https://example.com/"),
        ("GET / HTTP/1.0\r\nHost: [::1]:8443\r\n\r\n", "https://[::1]:8443/"),
        ("GET http://a.example?b HTTP/1.1\r\nHost: a.example\r\n\r\n", "https://a.example/?b"),
        (upgrade_request().leak(), "https://example.com/chat"),
        ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "https://a/a"),
    ];
    for (request, location) in cases {
        let expected = format!(
            "HTTP/1.1 308 Permanent Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        assert_eq!(ask_plainly(&proxy, request).await, expected, "{request:?}");
    }
    assert!(upstream.accepted().is_none());
}

#[tokio::test]
async fn plain_http_on_the_tls_port_without_a_usable_host_is_400() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let cases = [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: evil.example/\"\r\n\r\n",
        "GET / HTTP/1.1\nHost: example.com\n\n",
        "OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HELO mail.example\r\n\r\n",
    ];
    for request in cases {
        let answer = ask_plainly(&proxy, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{request:?}: {answer}");
        assert!(answer.contains("this port speaks TLS"), "{request:?}: {answer}");
    }
    assert!(upstream.accepted().is_none());
}
