//! nginx behind wssgate, as an upstream that speaks TLS: it takes that off again before an application.

use wssgate::config::UpstreamTls;

use super::Nginx;
use crate::support::{Client, Proxy, Upstream, echo, repository};

/// Before nginx, which it believes.
async fn proxy(nginx: &Nginx, scheme: &str) -> Proxy {
    let upstream = format!("{scheme}://localhost:{}", nginx.addr.port());
    Proxy::start_with(&[upstream], |config| {
        let ca = Some(repository("certs/ca.pem"));
        config.upstream_tls = UpstreamTls { ca, ..UpstreamTls::default() };
    })
    .await
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn a_tunnel_passes_through_nginx_behind() {
    let application = Upstream::echo().await;
    let nginx = Nginx::start(&application).await;
    let proxy = proxy(&nginx, "wss").await;
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    echo(&mut client, "hello").await;
    // More than nginx, TLS and the sockets keep.
    let text = "x".repeat(1 << 20);
    let (mut read, mut write) = tokio::io::split(client.0);
    let mut got = vec![0; text.len()];
    let (sent, received) = tokio::join!(
        tokio::io::AsyncWriteExt::write_all(&mut write, text.as_bytes()),
        tokio::io::AsyncReadExt::read_exact(&mut read, &mut got)
    );
    sent.unwrap();
    received.unwrap();
    assert!(got == text.as_bytes());
}

#[tokio::test]
#[ignore = "needs nginx"]
async fn pages_come_through_nginx_behind() {
    let application = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage").await;
    let nginx = Nginx::start(&application).await;
    let proxy = proxy(&nginx, "https").await;
    for _ in 0..3 {
        let mut client = Client::connect(proxy.addr).await;
        let (head, body) = client.ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(body, "page");
    }
}
