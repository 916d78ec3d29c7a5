//! A server in this process.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wssgate::addr;
use wssgate::config::{Certificates, Config, Files, Listener};
use wssgate::connection::{Shared, Site};
use wssgate::server::{Order, Outcome, Reporter, Server};

use super::{Upstream, eventually, repository, within};

/// A running server with the development certificate. Ends with the test's runtime.
pub(crate) struct Proxy {
    /// Its first listener, when that is TCP.
    pub(crate) addr: SocketAddr,
    /// All of its listeners, as it names them.
    pub(crate) addresses: Vec<String>,
    /// Its admin listener, when that is TCP.
    pub(crate) admin: Option<SocketAddr>,
    /// What says how it is.
    pub(crate) reporter: Reporter,
    /// What connections of its first listener share at the start.
    pub(crate) shared: Arc<Shared>,
    /// What its listeners lead to.
    pub(crate) sites: Vec<Arc<Site>>,
    /// What the next reload reads.
    config: Arc<Mutex<Config>>,
    orders: mpsc::Sender<Order>,
    running: JoinHandle<anyhow::Result<Outcome>>,
}

impl Proxy {
    /// Serves `upstream` on a free port of 127.0.0.1.
    pub(crate) async fn start(upstream: &Upstream) -> Self {
        Self::start_with(&[upstream.addr()], |_| {}).await
    }

    /// The same for several upstreams (`host:port` or `unix:/path`), with changes to the listener's settings.
    pub(crate) async fn start_with(
        upstreams: &[String],
        tweak: impl FnOnce(&mut Listener),
    ) -> Self {
        Self::start_all(upstreams, |config| tweak(&mut config.listeners[0])).await
    }

    /// The same with changes to all settings.
    pub(crate) async fn start_all(upstreams: &[String], tweak: impl FnOnce(&mut Config)) -> Self {
        let listen = vec![addr::Listen::Ip(([127, 0, 0, 1], 0).into())];
        let upstreams = upstreams.iter().map(|addr| addr.parse().unwrap()).collect();
        let pair = Files {
            chain: repository("certs/localhost.pem"),
            key: repository("certs/localhost.key"),
        };
        let mut listener = Listener::new(listen, upstreams, Certificates::Files(vec![pair]));
        // One request a connection, unless a test is about more.
        listener.timeouts.keepalive_timeout = Duration::ZERO;
        let mut config = Config::new(listener);
        tweak(&mut config);
        let server = Server::bind(config.clone(), 20_000).unwrap();
        let addresses: Vec<String> = server.addresses().into_iter().map(|(addr, _)| addr).collect();
        let addr = addresses[0].parse().unwrap_or_else(|_| ([0, 0, 0, 0], 0).into());
        let (sites, reporter) = (server.sites(), server.reporter());
        let shared = sites[0].current();
        let admin = server.admin_addresses().first().and_then(|addr| addr.parse().ok());
        let config = Arc::new(Mutex::new(config));
        let now = Arc::clone(&config);
        let source = Arc::new(move || Ok(now.lock().unwrap().clone()));
        let (orders, receiver) = mpsc::channel(1);
        let running = tokio::spawn(server.run(receiver, source));
        Self { addr, addresses, admin, reporter, shared, sites, config, orders, running }
    }

    /// Sends a word: to reload, or to stop; a second one to stop ends a drain at once.
    pub(crate) async fn order(&self, order: Order) {
        within("the server takes the order", self.orders.send(order)).await.unwrap();
    }

    /// Changes the configuration, has it read again, and waits until that is done.
    pub(crate) async fn reload(&self, tweak: impl FnOnce(&mut Config)) {
        tweak(&mut self.config.lock().unwrap());
        let reloads = || {
            let reloads = self.reporter.status().reloads;
            reloads.done + reloads.refused
        };
        let before = reloads();
        self.order(Order::Reload).await;
        eventually("the reload is done", || reloads() > before).await;
    }

    /// Waits for the run's end.
    pub(crate) async fn outcome(self) -> Outcome {
        within("the server ends", self.running).await.unwrap().unwrap()
    }
}
