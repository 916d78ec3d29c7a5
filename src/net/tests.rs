//! The options that sockets really have, on both legs, and what a listener makes of its address.

use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::sync::mpsc;
use std::thread;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::time::timeout;

use super::*;
use crate::addr::Listen;

fn loopback() -> Listen {
    "127.0.0.1:0".parse().unwrap()
}

/// A connection through a listener: what it accepted, and what [`connect`] made.
async fn legs(keepalive: Keepalive) -> [Stream; 2] {
    let listeners = Listener::bind(&loopback(), keepalive).unwrap();
    let target = Target::Tcp(listeners[0].name().parse().unwrap());
    let (connected, accepted) =
        tokio::join!(connect(&target, keepalive), poll_fn(|cx| listeners[0].poll_accept(cx)),);
    [accepted.unwrap().0, connected.unwrap()]
}

fn tcp(stream: &Stream) -> SockRef<'_> {
    match stream {
        Stream::Tcp(stream) => SockRef::from(stream),
        Stream::Unix(_) => panic!("a unix socket has no TCP options"),
    }
}

#[tokio::test]
async fn keepalive_and_user_timeout_are_on_for_both_legs() {
    for stream in legs(Keepalive(Some(Duration::from_secs(45)))).await {
        let socket = tcp(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(45));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), PROBE_INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
        let user_timeout = socket.tcp_user_timeout().unwrap();
        assert_eq!(user_timeout, Some(Duration::from_secs(45 + 60)));
    }
}

#[tokio::test]
async fn without_keepalive_only_nagle_is_off() {
    for stream in legs(Keepalive(None)).await {
        let socket = tcp(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(!socket.keepalive().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), None);
    }
}

#[tokio::test]
async fn an_ipv4_client_of_a_bare_port_has_its_ipv4_address() {
    let listeners = Listener::bind(&Listen::Port(0), Keepalive(None)).unwrap();
    let port = listeners[0].port().unwrap();
    let target = Target::Tcp(([127, 0, 0, 1], port).into());
    let (connected, accepted) = tokio::join!(
        connect(&target, Keepalive(None)),
        poll_fn(|cx| listeners[0].poll_accept(cx)),
    );
    let client = accepted.unwrap().1.unwrap();
    let Stream::Tcp(connected) = connected.unwrap() else { panic!("no TCP") };
    assert_eq!(client, connected.local_addr().unwrap());
}

/// A unix socket on which nobody accepts, and as many who wait for that as it lets.
fn full_socket(path: &Path) -> (Socket, Vec<Socket>) {
    let address = SockAddr::unix(path).unwrap();
    let new_socket = || Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let listener = new_socket();
    listener.bind(&address).unwrap();
    listener.listen(1).unwrap();
    let mut waiting = Vec::new();
    loop {
        let socket = new_socket();
        socket.set_nonblocking(true).unwrap();
        match socket.connect(&address) {
            Ok(()) => waiting.push(socket),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return (listener, waiting);
            }
        }
    }
}

#[tokio::test]
async fn a_unix_socket_whose_queue_is_full_is_asked_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.sock");
    let (listener, _waiting) = full_socket(&path);
    let target = Target::Unix(path);
    let mut connecting = pin!(connect(&target, Keepalive(None)));
    let early = timeout(Duration::from_millis(100), &mut connecting).await;
    assert!(early.is_err(), "{early:?}");
    let _accepted = listener.accept().unwrap();
    timeout(Duration::from_secs(30), connecting).await.expect("there is room").unwrap();
}

#[tokio::test]
async fn a_unix_socket_whose_queue_is_full_is_in_use_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wss.sock");
    let (_listener, _waiting) = full_socket(&path);
    let (said, hear) = mpsc::channel();
    thread::spawn(move || said.send(Listener::bind(&Listen::Unix(path, None), Keepalive(None))));
    let bound = hear.recv_timeout(Duration::from_secs(30)).expect("an answer");
    let error = bound.unwrap_err().to_string();
    assert!(error.contains("in use"), "{error}");
}
