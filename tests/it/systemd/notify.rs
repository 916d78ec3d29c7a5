//! What is told on `NOTIFY_SOCKET`, which is a socket of the test's own here.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdUnixDatagram};

use tokio::net::UnixDatagram;

use crate::support::{Binary, Client, Upstream, certificate_arguments, echo, eventually, within};

/// Systemd's end of the socket.
struct Manager {
    socket: UnixDatagram,
    /// As `NOTIFY_SOCKET` has it.
    name: String,
    /// Where it lies, unless its name is abstract.
    _folder: Option<tempfile::TempDir>,
}

impl Manager {
    fn in_a_folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = path.to_str().unwrap().to_owned();
        Self { socket: UnixDatagram::bind(path).unwrap(), name, _folder: Some(folder) }
    }

    fn by_an_abstract_name() -> Self {
        let name = format!("wssgate-test-{}", std::process::id());
        let addr = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = StdUnixDatagram::bind_addr(&addr).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = UnixDatagram::from_std(socket).unwrap();
        Self { socket, name: format!("@{name}"), _folder: None }
    }

    /// What a service is told by its environment.
    fn variable(&self) -> (&str, &str) {
        ("NOTIFY_SOCKET", &self.name)
    }

    /// The next message's lines.
    async fn told(&self) -> Vec<String> {
        let mut buf = [0; 4096];
        let length = within("a message to systemd", self.socket.recv(&mut buf)).await.unwrap();
        String::from_utf8_lossy(&buf[..length]).lines().map(str::to_owned).collect()
    }

    /// The next one that is not the watchdog's.
    async fn told_of_phase(&self) -> Vec<String> {
        loop {
            let told = self.told().await;
            if told != ["WATCHDOG=1"] {
                return told;
            }
        }
    }
}

/// Starts it as a service before an echo.
async fn start(variables: &[(&str, &str)]) -> Binary {
    let upstream = Upstream::echo().await.addr();
    let [cert, key] = certificate_arguments();
    let fixed = ["--listen=127.0.0.1:0", "--log-format=json", "--upstream", &upstream];
    Binary::start_with(&[&fixed[..], &[&cert, &key]].concat(), variables)
}

fn monotonic_micros() -> f64 {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    uptime.split(' ').next().unwrap().parse::<f64>().unwrap() * 1e6
}

async fn tells_its_life(manager: Manager) {
    let binary = start(&[manager.variable()]).await;
    assert_eq!(manager.told().await, ["READY=1", "STATUS=serving"]);
    let mut client = Client::connect(binary.listening().await).await;
    client.upgrade().await;
    echo(&mut client, "ready when it was said").await;

    for _ in 0..2 {
        let before = monotonic_micros();
        binary.signal("HUP").await;
        let told = manager.told().await;
        assert_eq!((&*told[0], &*told[2]), ("RELOADING=1", "STATUS=reloading"));
        let micros = told[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse::<f64>().unwrap();
        // /proc/uptime is cut to 10 ms.
        assert!(micros >= before - 20_000.0 && micros <= monotonic_micros() + 20_000.0, "{told:?}");
        assert_eq!(manager.told().await, ["READY=1", "STATUS=serving"]);
    }

    binary.signal("TERM").await;
    assert_eq!(manager.told().await, ["STOPPING=1", "STATUS=draining"]);
    echo(&mut client, "the drain goes on").await;
    client.shutdown().await;
    client.read_to_end().await;
    let (code, log) = binary.ended().await;
    assert_eq!(code, 0, "{log:#?}");
    assert!(!log.join("\n").contains("cannot be told"), "{log:#?}");
}

#[tokio::test]
async fn ready_reloading_and_stopping_are_told_in_order() {
    tells_its_life(Manager::in_a_folder()).await;
}

#[tokio::test]
async fn an_abstract_socket_is_reached_from_within_the_sandbox() {
    tells_its_life(Manager::by_an_abstract_name()).await;
}

#[tokio::test]
async fn the_watchdog_is_fed_until_the_end_of_the_drain() {
    let manager = Manager::in_a_folder();
    let binary = start(&[manager.variable(), ("WATCHDOG_USEC", "100000")]).await;
    assert_eq!(manager.told_of_phase().await[0], "READY=1");
    let mut client = Client::connect(binary.listening().await).await;
    client.upgrade().await;
    for _ in 0..3 {
        assert_eq!(manager.told().await, ["WATCHDOG=1"]);
    }
    binary.signal("TERM").await;
    assert_eq!(manager.told_of_phase().await[0], "STOPPING=1");
    for _ in 0..3 {
        assert_eq!(manager.told().await, ["WATCHDOG=1"]);
    }
    client.shutdown().await;
    assert_eq!(binary.ended().await.0, 0);
}

#[tokio::test]
async fn a_manager_that_does_not_read_stops_nobody() {
    let manager = Manager::in_a_folder();
    // Its queue is full in a moment.
    let binary = start(&[manager.variable(), ("WATCHDOG_USEC", "1000")]).await;
    let addr = binary.listening().await;
    let sender = StdUnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    eventually("the queue is full", || {
        let sent = sender.send_to(b"", &manager.name);
        sent.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    })
    .await;
    for _ in 0..20 {
        Client::connect(addr).await.upgrade().await;
    }
    binary.signal("TERM").await;
    assert_eq!(binary.line("systemd cannot be told").await["level"], "WARN");
    assert_eq!(binary.ended().await.0, 0);
}

#[tokio::test]
async fn a_watchdog_of_another_process_is_not_fed() {
    let manager = Manager::in_a_folder();
    let binary =
        start(&[manager.variable(), ("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]).await;
    assert_eq!(manager.told().await[0], "READY=1");
    binary.signal("TERM").await;
    assert_eq!(manager.told().await[0], "STOPPING=1");
    assert_eq!(binary.ended().await.0, 0);
}

#[tokio::test]
async fn a_manager_that_is_gone_is_said_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nobody");
    let binary = start(&[("NOTIFY_SOCKET", path.to_str().unwrap())]).await;
    assert_eq!(binary.line("systemd cannot be told").await["level"], "WARN");
    Client::connect(binary.listening().await).await.upgrade().await;
}
