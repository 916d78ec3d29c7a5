//! What can be listened on: unix sockets, IPv6, a bare port on both families.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use wssgate::addr::Listen;

use crate::support::{
    Client, Proxy, TlsOptions, Upstream, echo, switching_response, upgrade_request, within,
};

#[tokio::test]
async fn unix_sockets_do_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let (front, back) = (folder.path().join("front.sock"), folder.path().join("back.sock"));
    let listener = UnixListener::bind(&back).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(switching_response().as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let listen: Listen = format!("unix:{}?mode=0600", front.display()).parse().unwrap();
    let proxy = Proxy::start_with(&[format!("unix:{}", back.display())], |config| {
        config.listen = vec![listen];
    })
    .await;
    assert_eq!(proxy.addresses, [format!("unix:{}", front.display())]);
    let stream = within("connect", UnixStream::connect(&front)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(TlsOptions::default().config());
    let mut stream = within("handshake", connector.connect(name, stream)).await.unwrap();
    let text = format!("{}hello", upgrade_request());
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    let _ = within("the echo", stream.read_to_end(&mut heard)).await;
    assert!(heard.starts_with(b"HTTP/1.1 101 ") && heard.ends_with(b"\r\n\r\nhello"));
}

#[tokio::test]
async fn ipv6_is_listened_on() {
    let upstream = Upstream::echo().await;
    let listen: Listen = "[::1]:0".parse().unwrap();
    let proxy = Proxy::start_with(&[upstream.addr()], |config| config.listen = vec![listen]).await;
    let mut client = Client::connect(proxy.addr).await;
    client.upgrade().await;
    echo(&mut client, "over IPv6").await;
}

#[tokio::test]
async fn a_bare_port_listens_on_both_families() {
    let upstream = Upstream::echo().await;
    let proxy =
        Proxy::start_with(&[upstream.addr()], |config| config.listen = vec![Listen::Port(0)]).await;
    let port = proxy.addr.port();
    for address in [format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        let mut client = Client::connect(address.parse().unwrap()).await;
        client.upgrade().await;
        echo(&mut client, &address).await;
    }
}
