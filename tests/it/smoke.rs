//! The one thing that everything else is for: wss in, ws out.

use crate::support::{Client, Proxy, Upstream};

#[tokio::test]
async fn a_tunnel_echoes() {
    let upstream = Upstream::echo().await;
    let proxy = Proxy::start(&upstream).await;
    let mut client = Client::connect(proxy.addr).await;
    assert_eq!(client.upgrade().await, b"");
    client.send(b"hello").await;
    assert_eq!(client.read_exact(5).await, b"hello");
    client.shutdown().await;
    assert_eq!(client.read_to_end().await, b"");
}
