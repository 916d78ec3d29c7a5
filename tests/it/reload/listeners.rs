//! Listeners that come, go and change.

use std::net::SocketAddr;
use std::time::Duration;

use super::{ask, lead_to, listener, named, page};
use crate::support::{Binary, Client, Proxy, TlsOptions, echo, eventually, free_port, refused};

/// A program with a configuration file.
struct Running {
    folder: tempfile::TempDir,
    binary: Binary,
}

impl Running {
    async fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wssgate.toml");
        std::fs::write(&path, config).unwrap();
        let path = path.display().to_string();
        let binary = Binary::start(&["--config", &path, "--log-format", "json"]);
        binary.listening().await;
        Self { folder, binary }
    }

    /// Replaces the file. Whether it serves.
    async fn becomes(&self, config: &str) -> bool {
        std::fs::write(self.folder.path().join("wssgate.toml"), config).unwrap();
        self.binary.reload().await
    }
}

/// A listener of a file.
fn table(addr: SocketAddr, upstream: &str, more: &str) -> String {
    format!(
        "[[listener]]\nlisten = '{addr}'\nself-signed = true\nupstream = '{upstream}'\n{more}\n"
    )
}

/// A client that believes any certificate would do as well: this one has the self-signed certificate's.
async fn connect(addr: SocketAddr) -> Option<tokio::net::TcpStream> {
    tokio::net::TcpStream::connect(addr).await.ok()
}

#[tokio::test]
async fn listeners_come_and_go_by_the_file() {
    let upstream = named('A').await.addr();
    let [one, two, three] = [free_port(), free_port(), free_port()];
    let file = |addrs: &[SocketAddr]| -> String {
        addrs.iter().map(|addr| table(*addr, &upstream, "")).collect()
    };
    let running = Running::start(&file(&[one, two])).await;
    assert!(connect(one).await.is_some() && connect(two).await.is_some());
    assert!(running.becomes(&file(&[two, three])).await);
    refused(one).await;
    assert!(connect(two).await.is_some() && connect(three).await.is_some());
    let line = running.binary.line("not listening any more").await;
    assert_eq!(line["listener"], one.to_string());
    let listening = running.binary.lines("listening");
    assert_eq!(listening.len(), 3, "once for each: {listening:#?}");
    assert!(running.becomes(&file(&[one])).await);
    assert!(connect(one).await.is_some());
    refused(two).await;
    refused(three).await;
}

#[tokio::test]
async fn a_tunnel_outlives_its_listener() {
    let upstream = named('A').await;
    let proxy = Proxy::start_all(&[upstream.addr()], |config| {
        config.listeners.push(listener(&upstream));
    })
    .await;
    let other: SocketAddr = proxy.addresses[1].parse().unwrap();
    let mut tunnel = Client::connect(other).await;
    tunnel.upgrade().await;
    proxy.reload(|config| config.listeners.truncate(1)).await;
    refused(other).await;
    echo(&mut tunnel, "still here").await;
    assert_eq!(page(proxy.addr).await, "A");
}

/// Months of reloads must not add up, however long tunnels live.
#[tokio::test]
async fn a_tunnel_does_not_keep_what_was_replaced() {
    let upstream = named('A').await;
    let mut proxy = Proxy::start(&upstream).await;
    let settings = std::sync::Arc::downgrade(&proxy.shared);
    let mut tunnel = Client::connect(proxy.addr).await;
    tunnel.upgrade().await;
    proxy.reload(|config| config.listeners[0].hsts = Some(Duration::from_secs(1))).await;
    proxy.shared = proxy.sites[0].current();
    eventually("they are gone", || settings.upgrade().is_none()).await;
    echo(&mut tunnel, "still here").await;
}

#[tokio::test]
async fn a_connection_that_is_kept_goes_by_the_settings_of_each_request() {
    let (a, b) = (named('A').await, named('B').await);
    let proxy = Proxy::start_all(&[a.addr()], |config| {
        config.listeners[0].timeouts.keepalive_timeout = Duration::from_secs(600);
        config.listeners.push(listener(&a));
    })
    .await;
    let mut client = Client::connect(proxy.addr).await;
    assert_eq!(ask(&mut client).await, ("A".into(), true));
    proxy.reload(|config| lead_to(config, &b)).await;
    assert_eq!(ask(&mut client).await, ("B".into(), true));

    // Where nobody listens any more it ends with the next one.
    let mut leaving = Client::connect(proxy.addresses[1].parse().unwrap()).await;
    assert_eq!(ask(&mut leaving).await, ("A".into(), true));
    proxy.reload(|config| config.listeners.truncate(1)).await;
    assert_eq!(ask(&mut leaving).await, ("A".into(), false));
}

#[tokio::test]
async fn a_socket_that_stays_refuses_nobody() {
    let upstream = named('A').await;
    let proxy = Proxy::start_with(&[upstream.addr()], |_| {}).await;
    let addr = proxy.addr;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let knocking = tokio::spawn(async move {
        let mut count = 0;
        while stopped.try_recv().is_err() {
            assert_eq!(page(addr).await, "A");
            count += 1;
        }
        count
    });
    for number in 1..=20_u64 {
        proxy
            .reload(|config| {
                // Its connections, its certificates, and how clients are told of https.
                let listener = &mut config.listeners[0];
                listener.timeouts.keepalive = Some(Duration::from_secs(number));
                listener.tls.strict_sni = number % 2 == 0;
                listener.hsts = Some(Duration::from_secs(number));
            })
            .await;
    }
    stop.send(()).unwrap();
    assert!(knocking.await.unwrap() > 0);
}

#[tokio::test]
async fn sessions_are_resumed_across_other_certificates_and_settings() {
    let upstream = named('A').await;
    let proxy = Proxy::start(&upstream).await;
    let config = TlsOptions::default().config();
    let visit = async || {
        let mut client = Client::connect_with(proxy.addr, config.clone()).await.unwrap();
        ask(&mut client).await;
        client.resumed()
    };
    assert!(!visit().await);
    proxy.reload(|config| config.listeners[0].tls.strict_sni = true).await;
    assert!(visit().await);
    proxy.reload(|config| config.listeners[0].tls.key_log = false).await;
    assert!(visit().await);
}

#[tokio::test]
async fn limits_count_on_with_those_who_are_there() {
    let upstream = named('A').await;
    let proxy = Proxy::start_with(&[upstream.addr()], |listener| {
        listener.limits.max_connections_per_ip = Some(2);
    })
    .await;
    let mut tunnels = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(proxy.addr).await;
        client.upgrade().await;
        tunnels.push(client);
    }
    proxy.reload(|config| config.listeners[0].limits.max_connections_per_ip = Some(3)).await;
    let mut third = Client::connect(proxy.addr).await;
    third.upgrade().await;
    let fourth = Client::connect_with(proxy.addr, TlsOptions::default().config()).await;
    assert!(fourth.is_err(), "three are there");

    // One that waits in the kernel's queue for a place is let in when there are more.
    proxy
        .reload(|config| {
            let limits = &mut config.listeners[0].limits;
            (limits.max_connections_per_ip, limits.max_connections) = (None, Some(3));
        })
        .await;
    let addr = proxy.addr;
    let waiting = tokio::spawn(async move { page(addr).await });
    proxy.reload(|config| config.listeners[0].limits.max_connections = Some(4)).await;
    assert_eq!(waiting.await.unwrap(), "A");
    for tunnel in &mut tunnels {
        echo(tunnel, "all the while").await;
    }
}

#[tokio::test]
async fn a_listener_that_is_full_does_not_keep_others_from_theirs() {
    let upstream = named('A').await;
    let proxy = Proxy::start_all(&[upstream.addr()], |config| {
        config.listeners[0].limits.max_connections = Some(1);
        config.listeners.push(listener(&upstream));
    })
    .await;
    let mut tunnel = Client::connect(proxy.addr).await;
    tunnel.upgrade().await;
    let addr = proxy.addr;
    let waiting = tokio::spawn(async move { page(addr).await });
    assert_eq!(page(proxy.addresses[1].parse().unwrap()).await, "A");
    assert!(!waiting.is_finished());
    tunnel.shutdown().await;
    assert_eq!(waiting.await.unwrap(), "A");
}

#[tokio::test]
async fn permissions_of_a_unix_socket_change_with_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let upstream = named('A').await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("front.sock");
    let address = |mode: &str| format!("unix:{}?mode={mode}", path.display()).parse().unwrap();
    let proxy = Proxy::start_with(&[upstream.addr()], |listener| {
        listener.listen.push(address("0600"));
    })
    .await;
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    proxy.reload(|config| config.listeners[0].listen[1] = address("0660")).await;
    assert_eq!(mode(), 0o660);
    proxy.reload(|config| config.listeners[0].listen.truncate(1)).await;
    eventually("the socket is gone", || !path.exists()).await;
}
