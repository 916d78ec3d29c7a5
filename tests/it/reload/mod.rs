//! What a reload changes, and what it leaves alone.

mod broken;
mod listeners;
mod upstreams;

use wssgate::config::{Certificates, Config, Files, Listener};

use crate::support::{Client, Conversation, Upstream, repository};

/// An upstream that names itself: to those who ask, and in front of the echo of a tunnel.
async fn named(name: char) -> Upstream {
    Upstream::serving(move |mut conversation: Conversation| async move {
        match conversation.read_head().await.contains("\r\nUpgrade: websocket\r\n") {
            true => {
                conversation.echo().await;
            }
            false => {
                let page = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}");
                conversation.send(page.as_bytes()).await;
            }
        }
        conversation
    })
    .await
}

/// Sends a request that lets its connection go on; the page, and whether it does go on.
async fn ask(client: &mut Client) -> (String, bool) {
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let (head, mut body) = client.read_head().await;
    let length = head.split("Content-Length: ").nth(1).unwrap().split('\r').next().unwrap();
    let left = length.parse::<usize>().unwrap() - body.len();
    body.extend(client.read_exact(left).await);
    (String::from_utf8(body).unwrap(), head.contains("Connection: keep-alive"))
}

/// The page that a new connection gets.
async fn page(addr: std::net::SocketAddr) -> String {
    ask(&mut Client::connect(addr).await).await.0
}

/// One more listener on a free port, before this upstream.
fn listener(upstream: &Upstream) -> Listener {
    let pair =
        Files { chain: repository("certs/localhost.pem"), key: repository("certs/localhost.key") };
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    Listener::new(listen, vec![upstream.addr().parse().unwrap()], Certificates::Files(vec![pair]))
}

/// Sends the requests of the first listener elsewhere.
fn lead_to(config: &mut Config, upstream: &Upstream) {
    config.listeners[0].upstreams = vec![upstream.addr().parse().unwrap()];
}
