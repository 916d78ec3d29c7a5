//! Sockets that are passed to the program, `--listen fd:NAME`.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::Command;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::support::{
    Binary, Client, Process, TlsOptions, Upstream, certificate_arguments, echo, eventually,
    free_port, program, upgrade_request, within,
};

fn tcp() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

fn arguments(listen: &[&str], upstream: &str) -> Vec<String> {
    let fixed = ["--log-format=json", "--upstream", upstream];
    let all = listen.iter().chain(&fixed).map(|arg| (*arg).to_owned());
    all.chain(certificate_arguments()).collect()
}

fn start(sockets: Vec<(&str, OwnedFd)>, listen: &[&str], upstream: &str) -> Binary {
    let args = arguments(listen, upstream);
    Binary::passed(sockets, &args.iter().map(String::as_str).collect::<Vec<&str>>())
}

async fn serves(addr: SocketAddr) {
    let mut client = Client::connect(addr).await;
    client.upgrade().await;
    echo(&mut client, "over a passed socket").await;
}

/// The plain listener of `--redirect-http` answers.
async fn redirects(addr: SocketAddr) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    within("a redirect", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
}

/// Before, the second name found nothing: the variables were gone when it was its turn.
#[tokio::test]
async fn each_name_finds_its_own_socket() {
    let ((https, https_addr), (http, http_addr)) = (tcp(), tcp());
    let upstream = Upstream::echo().await.addr();
    let sockets = vec![("https", https.into()), ("http", http.into())];
    let _binary = start(sockets, &["--listen=fd:https", "--redirect-http=fd:http"], &upstream);
    serves(https_addr).await;
    redirects(http_addr).await;
}

#[tokio::test]
async fn all_sockets_of_a_name_are_served_tcp_and_unix() {
    let (listener, addr) = tcp();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("front.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let upstream = Upstream::echo().await.addr();
    let sockets = vec![("web", listener.into()), ("web", unix.into())];
    let binary = start(sockets, &["--listen=fd:web"], &upstream);
    serves(addr).await;

    let stream = UnixStream::connect(&path).await.unwrap();
    let connector = TlsConnector::from(TlsOptions::default().config());
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = within("the handshake", connector.connect(name, stream)).await.unwrap();
    tls.write_all(upgrade_request().as_bytes()).await.unwrap();
    let mut start = [0; 12];
    within("an answer", tls.read_exact(&mut start)).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 101");

    binary.signal("TERM").await;
    drop(tls);
    assert_eq!(binary.ended().await.0, 0);
    assert!(path.exists(), "the socket's file belongs to whoever has passed it");
}

#[tokio::test]
async fn a_listener_on_a_passed_socket_goes_and_comes_back_by_reloads() {
    let ((one, one_addr), (two, two_addr)) = (tcp(), tcp());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wssgate.toml");
    let write = |listen: &str| fs::write(&file, format!("listen = [{listen}]")).unwrap();
    write("\"fd:one\", \"fd:two\"");
    let upstream = Upstream::echo().await.addr();
    let sockets = vec![("one", one.into()), ("two", two.into())];
    let binary = start(sockets, &[&format!("--config={}", file.display())], &upstream);
    serves(one_addr).await;
    let mut reloads = 0;
    for _ in 0..2 {
        for listen in ["\"fd:one\"", "\"fd:one\", \"fd:two\""] {
            write(listen);
            binary.signal("HUP").await;
            reloads += 1;
            eventually("the reload", || binary.lines("reload done").len() == reloads).await;
            serves(one_addr).await;
        }
        serves(two_addr).await;
    }
    assert_eq!(binary.lines("not listening any more").len(), 2);
}

#[tokio::test]
async fn a_name_that_was_not_passed_is_said_beside_those_that_were() {
    let sockets = vec![("http", tcp().0.into()), ("https", tcp().0.into())];
    let (code, said) = start(sockets, &["--listen=fd:web"], "1").ended().await;
    assert_eq!(code, 1);
    let line = said.last().unwrap();
    assert!(line.contains("fd:web") && line.contains("(but http, https)"), "{line}");

    let (code, said) = start(Vec::new(), &["--listen=fd:web"], "1").ended().await;
    assert_eq!(code, 1);
    assert!(said.last().unwrap().contains("no socket of that name was passed"), "{said:?}");
}

#[tokio::test]
async fn what_is_no_socket_to_listen_on_is_left_out() {
    let (listener, addr) = tcp();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let upstream = Upstream::echo().await.addr();
    let sockets = vec![("web", udp.into()), ("web", listener.into())];
    let binary = start(sockets, &["--listen=fd:web"], &upstream);
    serves(addr).await;
    let line = binary.line("a descriptor was passed that is no socket to listen on").await;
    assert_eq!(line["name"], "web");
    assert_eq!(binary.lines("listening").len(), 1);
}

#[tokio::test]
#[ignore = "needs systemd"]
async fn systemd_socket_activate_starts_it_with_the_first_connection() {
    let upstream = Upstream::echo().await.addr();
    let addr = free_port();
    let mut command = Command::new(program("systemd-socket-activate"));
    command.arg(format!("--listen={addr}")).args(["--fdname=https", env!("CARGO_BIN_EXE_wssgate")]);
    command.args(arguments(&["--listen=fd:https"], &upstream));
    let mut activated = Process::start("systemd-socket-activate", command);
    activated.listens(addr).await;
    serves(addr).await;
    let name = fs::read_to_string(format!("/proc/{}/comm", activated.pid())).unwrap();
    assert_eq!(name, "wssgate\n", "it has become the program");
}
