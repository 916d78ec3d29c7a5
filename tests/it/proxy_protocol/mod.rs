//! The PROXY protocol on both sides, byte by byte: load balancers before wssgate that name their
//! clients, and upstreams behind it that are told of them.

mod accept;
mod refuse;
mod send;

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use wssgate::config::Listener;

use crate::support::{Client, TlsOptions, own_headers, within};

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n";

/// What the upstream gets of [`REQUEST`] from a client with this address, who connected to this port.
fn head(ip: &str, port: u16) -> String {
    let own = own_headers(ip, Some("example.com"), port);
    format!("GET / HTTP/1.1\r\nHost: example.com\r\n{own}Connection: close\r\n\r\n")
}

const V1_OF_IPV4: &[u8] = b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n";
const V1_OF_IPV6: &[u8] = b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n";
const V1_UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPEC: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// A header of version 2.
fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

/// The addresses in one.
fn block(source: &str, destination: &str) -> Vec<u8> {
    let ends = [source, destination].map(|end| end.parse::<SocketAddr>().unwrap());
    let octets = |end: SocketAddr| match end {
        SocketAddr::V4(end) => end.ip().octets().to_vec(),
        SocketAddr::V6(end) => end.ip().octets().to_vec(),
    };
    let ports = ends.map(|end| end.port().to_be_bytes());
    [octets(ends[0]), octets(ends[1]), ports.concat()].concat()
}

fn v2_of_ipv4() -> Vec<u8> {
    v2(PROXY, TCP4, &block("203.0.113.7:4711", "198.51.100.1:443"))
}

/// Takes headers from those networks.
fn accepting(config: &mut Listener, trusted: &[&str]) {
    config.proxy_protocol.accept = true;
    config.forwarding.trusted_proxies =
        trusted.iter().map(|network| network.parse().unwrap()).collect();
}

/// A connection that begins with `bytes`.
async fn begin(addr: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = within("connect", TcpStream::connect(addr)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    within("send", stream.write_all(bytes)).await.unwrap();
    stream
}

/// A client that a proxy speaks for.
async fn enter(addr: SocketAddr, header: &[u8]) -> Client {
    let stream = begin(addr, header).await;
    Client::handshake(stream, TlsOptions::default().config()).await.unwrap()
}
