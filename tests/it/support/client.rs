//! A TLS client that sends and receives raw bytes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

use super::{repository, within};

/// A connection over TLS, verified against `certs/ca.pem`.
pub(crate) struct Client(pub(crate) TlsStream<TcpStream>);

/// How to speak TLS, beyond the ordinary.
#[derive(Clone)]
pub(crate) struct TlsOptions {
    /// The versions offered.
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    /// The protocols offered by ALPN.
    pub(crate) alpn: Vec<&'static str>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self { versions: rustls::ALL_VERSIONS.to_vec(), alpn: vec!["http/1.1"] }
    }
}

impl TlsOptions {
    /// A configuration to connect with; its session store is shared by those who share it.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(repository("certs/ca.pem")).unwrap();
        roots.add(ca).unwrap();
        let mut config = ClientConfig::builder_with_protocol_versions(&self.versions)
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

impl Client {
    /// Connects and shakes hands, as `localhost`.
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self::connect_with(addr, TlsOptions::default().config()).await.unwrap()
    }

    /// The same with settings of one's own.
    pub(crate) async fn connect_with(
        addr: SocketAddr,
        config: Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let stream = within("connect", TcpStream::connect(addr)).await?;
        Self::handshake(stream, config).await
    }

    /// The same from an address of one's own.
    pub(crate) async fn connect_from(source: SocketAddr, addr: SocketAddr) -> io::Result<Self> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(source)?;
        let stream = within("connect", socket.connect(addr)).await?;
        Self::handshake(stream, TlsOptions::default().config()).await
    }

    /// Shakes hands over a connected socket.
    pub(crate) async fn handshake(
        stream: TcpStream,
        config: Arc<ClientConfig>,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = TlsConnector::from(config).connect(name, stream);
        Ok(Self(within("the TLS handshake", connecting).await?))
    }

    /// Opens a tunnel with [`super::upgrade_request`]; returns what came behind the 101's head.
    pub(crate) async fn upgrade(&mut self) -> Vec<u8> {
        self.send(super::upgrade_request().as_bytes()).await;
        let (head, behind) = self.read_head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "expected a 101, got:\n{head}");
        behind
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within("send", self.try_send(bytes)).await.unwrap();
    }

    /// Sends bytes; fails when the other side is gone.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// Reads one head, and what came with it.
    pub(crate) async fn read_head(&mut self) -> (String, Vec<u8>) {
        let mut buf = Vec::new();
        within("a response head", async {
            loop {
                if let Some(end) = buf.windows(4).position(|four| four == b"\r\n\r\n") {
                    let behind = buf.split_off(end + 4);
                    return (String::from_utf8(buf).unwrap(), behind);
                }
                let read = self.0.read_buf(&mut buf).await.unwrap();
                assert!(read > 0, "closed within the response head: {:?}", buf.escape_ascii());
            }
        })
        .await
    }

    /// Reads one whole answer that is the last: its head, and its body to the close_notify that must
    /// follow.
    pub(crate) async fn read_answer(&mut self) -> (String, String) {
        let (head, mut body) = self.read_head().await;
        let (rest, end) = self.read_to_end_and_how().await;
        body.extend_from_slice(&rest);
        let body = String::from_utf8(body).unwrap();
        assert!(end.is_ok(), "{end:?} after {head}{body}");
        (head, body)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> (String, String) {
        self.send(request.as_ref()).await;
        self.read_answer().await
    }

    /// Reads exactly as many bytes.
    pub(crate) async fn read_exact(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        within("so many bytes", self.0.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// Reads until the other side ends, with or without close_notify.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        self.read_to_end_and_how().await.0
    }

    /// The same, and how it ended: `Ok` is a close_notify.
    pub(crate) async fn read_to_end_and_how(&mut self) -> (Vec<u8>, io::Result<()>) {
        let mut bytes = Vec::new();
        let how = within("the end", self.0.read_to_end(&mut bytes)).await.map(|_| ());
        (bytes, how)
    }

    /// Ends this side: close_notify and FIN.
    pub(crate) async fn shutdown(&mut self) {
        within("shutdown", self.0.shutdown()).await.unwrap();
    }

    /// Goes away with a reset.
    pub(crate) fn reset(self) {
        super::reset(self.0.get_ref().0);
    }
}
