//! A server in this process.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wssgate::addr;
use wssgate::config::{Certificate, Config};
use wssgate::server::{Outcome, Server, Stop};

use super::{Upstream, repository, within};

/// A running server with the development certificate. Ends with the test's runtime.
pub(crate) struct Proxy {
    /// Its first listener, when that is TCP.
    pub(crate) addr: SocketAddr,
    /// All of its listeners, as it names them.
    pub(crate) addresses: Vec<String>,
    stops: mpsc::Sender<Stop>,
    running: JoinHandle<anyhow::Result<Outcome>>,
}

impl Proxy {
    /// Serves `upstream` on a free port of 127.0.0.1.
    pub(crate) async fn start(upstream: &Upstream) -> Self {
        Self::start_with(&[upstream.addr()], |_| {}).await
    }

    /// The same for several upstreams (`host:port` or `unix:/path`), with changes to the settings.
    pub(crate) async fn start_with(upstreams: &[String], tweak: impl FnOnce(&mut Config)) -> Self {
        let listen = vec![addr::Listen::Ip(([127, 0, 0, 1], 0).into())];
        let upstreams = upstreams.iter().map(|addr| addr.parse().unwrap()).collect();
        let certificate = Certificate::Files {
            chain: repository("certs/localhost.pem"),
            key: repository("certs/localhost.key"),
        };
        let mut config = Config::new(listen, upstreams, certificate);
        // One request a connection, unless a test is about more.
        config.timeouts.keepalive_timeout = Duration::ZERO;
        tweak(&mut config);
        let server = Server::bind(config, 20_000).unwrap();
        let addresses: Vec<String> = server.addresses().into_iter().map(|(addr, _)| addr).collect();
        let addr = addresses[0].parse().unwrap_or_else(|_| ([0, 0, 0, 0], 0).into());
        let (stops, receiver) = mpsc::channel(1);
        let running = tokio::spawn(server.run(receiver));
        Self { addr, addresses, stops, running }
    }

    /// Sends a word to stop; the second word ends a drain at once.
    pub(crate) async fn stop(&self, stop: Stop) {
        within("the server takes the stop", self.stops.send(stop)).await.unwrap();
    }

    /// Waits for the run's end.
    pub(crate) async fn outcome(self) -> Outcome {
        within("the server ends", self.running).await.unwrap().unwrap()
    }
}
