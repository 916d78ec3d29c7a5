//! The dashboard for Grafana: what it asks for is there.

use std::collections::BTreeSet;

use super::{ask, start, tunnel};
use crate::support::{Client, Upstream, eventually, repository};

/// Every metric of ours that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_word(c));
    let ours = words.filter(|word| word.starts_with("wssgate_"));
    ours.map(str::to_owned).collect()
}

#[tokio::test]
async fn every_metric_that_it_names_is_there() {
    let text = std::fs::read_to_string(repository("deploy/grafana/wssgate.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
    let wanted = named(&text);
    assert!(wanted.len() > 15, "{wanted:?}");

    let upstream = Upstream::echo().await;
    let (proxy, admin) = start(&upstream, |_| {}).await;
    drop(tunnel(&proxy).await);
    let tunnels = proxy.shared.tunnels.clone();
    eventually("the tunnel ends", || tunnels.count() == 0).await;
    let mut client = Client::connect(proxy.addr).await;
    client.ask("GET / HTTP/1.1\r\n\r\n").await;
    let mut stream = tokio::net::TcpStream::connect(proxy.addr).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"\x16\x03\x01\x00\x05junk!").await.unwrap();
    let reporter = proxy.reporter.clone();
    eventually("a head and a handshake fail", || reporter.status().totals.failed == 2).await;
    let told = named(&ask(admin, "GET /metrics").await.body);
    let missing: Vec<_> = wanted.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
