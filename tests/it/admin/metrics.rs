//! Metrics: each rises with what it counts, none falls, and promtool finds nothing to say of them.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;
use wssgate::config::route::parse_route;
use wssgate::server::Order;

use super::{ask, start, tunnel};
use crate::support::{
    Client, Conversation, Proxy, Samples, TlsOptions, Upstream, echo, eventually, free_port,
    program, repository, within,
};

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A server whose metrics are looked at.
struct Observed {
    proxy: Proxy,
    upstream: String,
    /// An upstream that is not there, behind `/gone`.
    gone: String,
    /// What was seen last.
    seen: Samples,
}

impl Observed {
    async fn start() -> Self {
        let upstream = Upstream::serving(|mut conversation: Conversation| async move {
            match conversation.read_head().await.contains("Upgrade: websocket") {
                true => conversation.echo().await,
                false => conversation.send(PAGE).await,
            }
            conversation
        })
        .await;
        let gone = free_port().to_string();
        let route = parse_route(&format!("/gone={gone}")).unwrap();
        let (proxy, _) = start(&upstream, |config| config.listeners[0].routes.push(route)).await;
        let mut observed =
            Self { proxy, upstream: upstream.addr(), gone, seen: Samples::parse("") };
        observed.look();
        observed
    }

    /// All samples now; panics when a counter has fallen.
    fn look(&mut self) -> Samples {
        let samples = Samples::parse(&self.text());
        samples.assert_risen_since(&self.seen);
        self.seen = samples.clone();
        samples
    }

    fn text(&self) -> String {
        self.proxy.shared.metrics.render(&self.proxy.reporter.status()).unwrap()
    }

    /// Waits until each of these has risen by so much since the last time that this was called.
    async fn rose(&mut self, what: &str, expected: &[(&str, f64)]) {
        let before = self.seen.clone();
        let listener = self.proxy.addr.to_string();
        let (upstream, gone) = (self.upstream.clone(), self.gone.clone());
        let mut seen = Vec::new();
        let names = expected.iter().map(|(name, by)| {
            let name = name.replace("LISTENER", &listener).replace("UPSTREAM", &upstream);
            (format!("wssgate_{}", name.replace("GONE", &gone)), *by)
        });
        let names: Vec<_> = names.collect();
        let rises = within(what, async {
            loop {
                let now = self.look();
                let value = |Samples(samples): &Samples, name: &str| {
                    samples.get(name).copied().unwrap_or_default()
                };
                seen.clear();
                seen.extend(names.iter().map(|(name, _)| value(&now, name) - value(&before, name)));
                if names.iter().zip(&seen).all(|((_, by), rise)| by == rise) {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
        rises.await;
    }
}

#[tokio::test]
async fn each_rises_with_what_it_counts() {
    let mut observed = Observed::start().await;
    let addr = observed.proxy.addr;
    let mut client = tunnel(&observed.proxy).await;
    let opened = [
        (r#"connections_accepted_total{listener="LISTENER"}"#, 1.0),
        ("connections_open", 1.0),
        (r#"handshakes_total{resumed="no",version="1.3"}"#, 1.0),
        (r#"tunnels_opened_total{listener="LISTENER",upstream="UPSTREAM"}"#, 1.0),
        (r#"tunnels_open{listener="LISTENER",upstream="UPSTREAM"}"#, 1.0),
        (r#"tunnels_open{listener="LISTENER",upstream="GONE"}"#, 0.0),
        (r#"bytes_total{direction="to_upstream"}"#, 5.0),
        (r#"bytes_total{direction="to_client"}"#, 5.0),
        ("handshake_seconds_count", 1.0),
        ("upgrade_seconds_count", 1.0),
        ("tunnel_seconds_count", 0.0),
    ];
    observed.rose("a tunnel is opened", &opened).await;
    echo(&mut client, "more").await;
    let moved = [
        (r#"bytes_total{direction="to_upstream"}"#, 4.0),
        (r#"bytes_total{direction="to_client"}"#, 4.0),
        (r#"tunnels_opened_total{listener="LISTENER",upstream="UPSTREAM"}"#, 0.0),
    ];
    observed.rose("bytes move while it lives", &moved).await;
    echo(&mut client, "last").await;
    client.shutdown().await;
    client.read_to_end().await;
    let closed = [
        (r#"tunnels_closed_total{reason="closed",side="client"}"#, 1.0),
        (r#"tunnels_open{listener="LISTENER",upstream="UPSTREAM"}"#, -1.0),
        (r#"bytes_total{direction="to_upstream"}"#, 4.0),
        ("tunnel_seconds_count", 1.0),
        ("connections_open", -1.0),
    ];
    observed.rose("a tunnel is closed", &closed).await;

    let mut client = Client::connect(addr).await;
    client.ask("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    let requested = [
        (r#"requests_total{code="2xx"}"#, 1.0),
        (r#"bytes_total{direction="to_client"}"#, 5.0),
        (r#"failures_total{side="client",stage="head"}"#, 0.0),
    ];
    observed.rose("a request", &requested).await;
    let mut client = Client::connect(addr).await;
    client.ask("GET / HTTP/1.1\r\n\r\n").await;
    let refused = [
        (r#"heads_refused_total{reason="no host"}"#, 1.0),
        (r#"failures_total{side="client",stage="head"}"#, 1.0),
        (r#"requests_total{code="4xx"}"#, 0.0),
    ];
    observed.rose("a head that is refused", &refused).await;
    drop(TcpStream::connect(addr).await.unwrap());
    let probed =
        [("probes_total", 1.0), (r#"connections_accepted_total{listener="LISTENER"}"#, 1.0)];
    observed.rose("a probe", &probed).await;
}

#[tokio::test]
async fn handshakes_are_told_by_how_they_went() {
    let mut observed = Observed::start().await;
    let addr = observed.proxy.addr;
    for bytes in [&b"\x16\x03\x01\x00\x05junk!"[..], &b"\x16\x03\x01\x02\x00\x01\x00"[..]] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
    }
    let failed = [
        (r#"handshakes_failed_total{kind="protocol"}"#, 1.0),
        (r#"handshakes_failed_total{kind="closed"}"#, 1.0),
        (r#"failures_total{side="client",stage="tls"}"#, 2.0),
    ];
    observed.rose("bytes that are no TLS", &failed).await;
    let other = crate::support::Authority::new("of somebody else");
    let suspicious = TlsOptions { roots: Some(other.pem()), ..TlsOptions::default() };
    assert!(Client::connect_with(addr, suspicious.config()).await.is_err());
    let refused = [(r#"handshakes_failed_total{kind="refused_by_client"}"#, 1.0)];
    observed.rose("a client that does not trust us", &refused).await;
    let connector = TlsOptions::default().config();
    for _ in 0..2 {
        let mut client = Client::connect_with(addr, connector.clone()).await.unwrap();
        client.ask("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    }
    let resumed = [
        (r#"handshakes_total{resumed="no",version="1.3"}"#, 1.0),
        (r#"handshakes_total{resumed="yes",version="1.3"}"#, 1.0),
    ];
    observed.rose("a session is resumed", &resumed).await;
}

#[tokio::test]
async fn upstreams_and_reloads_are_told() {
    let mut observed = Observed::start().await;
    let mut client = Client::connect(observed.proxy.addr).await;
    client.ask("GET /gone HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    let gone = [
        (r#"upstream_connect_failures_total{upstream="GONE"}"#, 1.0),
        (r#"upstream_connect_failures_total{upstream="UPSTREAM"}"#, 0.0),
        (r#"upstream_up{upstream="GONE"}"#, -1.0),
        (r#"upstream_up{upstream="UPSTREAM"}"#, 0.0),
        (r#"failures_total{side="upstream",stage="connect"}"#, 1.0),
    ];
    observed.rose("an upstream that is not there", &gone).await;
    observed.proxy.order(Order::Reload).await;
    observed.rose("a reload", &[(r#"reloads_total{result="done"}"#, 1.0)]).await;
    let reporter = observed.proxy.reporter.clone();
    assert!(reporter.status().reloads.last.unwrap().done);
    let certificate = repository("certs/localhost.pem").display().to_string();
    let expiry =
        format!(r#"wssgate_certificate_expiry_timestamp_seconds{{certificate="{certificate}"}}"#);
    assert_eq!(observed.look().0[&expiry], 2_398_377_600.0);
}

#[tokio::test]
#[ignore = "needs promtool"]
async fn promtool_has_nothing_to_say() {
    let upstream = Upstream::echo().await;
    let (proxy, admin) = start(&upstream, |_| {}).await;
    let client = tunnel(&proxy).await;
    drop(client);
    let tunnels = proxy.shared.tunnels.clone();
    eventually("the tunnel ends", || tunnels.count() == 0).await;
    let mut client = Client::connect(proxy.addr).await;
    client.ask("GET / HTTP/1.1\r\n\r\n").await;
    let reporter = proxy.reporter.clone();
    eventually("a head is refused", || reporter.status().totals.failed == 1).await;
    let text = ask(admin, "GET /metrics").await.body;
    assert!(text.contains("wssgate_heads_refused_total") && text.contains("process_open_fds"));
    let mut checking = Command::new(program("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    checking.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let output = within("promtool ends", checking.wait_with_output()).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
