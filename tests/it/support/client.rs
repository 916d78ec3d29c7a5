//! A TLS client that sends and receives raw bytes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, ALL_KX_GROUPS, default_provider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    CipherSuite, ClientConfig, HandshakeKind, NamedGroup, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

use super::{Issued, repository, within};

/// A connection over TLS, verified against `certs/ca.pem`.
pub(crate) struct Client(pub(crate) TlsStream<TcpStream>);

/// How to speak TLS, beyond the ordinary.
#[derive(Clone)]
pub(crate) struct TlsOptions {
    /// The versions offered.
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    /// The protocols offered by ALPN.
    pub(crate) alpn: Vec<&'static str>,
    /// The signature schemes offered, all of them when empty: these decide between a server's keys.
    pub(crate) schemes: Vec<SignatureScheme>,
    /// The cipher suites offered, in this order; those of the provider when empty.
    pub(crate) ciphers: Vec<CipherSuite>,
    /// The key exchange groups offered, in this order; those of the provider when empty.
    pub(crate) groups: Vec<NamedGroup>,
    /// The one authority that is trusted, as PEM, in place of `certs/ca.pem`.
    pub(crate) roots: Option<String>,
    /// The name that is asked for (SNI) and verified; an IP address is verified alone.
    pub(crate) server_name: String,
    /// What is shown to a server that asks for a certificate.
    pub(crate) identity: Option<Issued>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            versions: rustls::ALL_VERSIONS.to_vec(),
            alpn: vec!["http/1.1"],
            schemes: Vec::new(),
            ciphers: Vec::new(),
            groups: Vec::new(),
            roots: None,
            server_name: "localhost".to_owned(),
            identity: None,
        }
    }
}

impl TlsOptions {
    /// A configuration to connect with; its session store is shared by those who share it.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(self.provider()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(self.root_store());
        let mut config = match &self.identity {
            Some(identity) => builder
                .with_client_auth_cert(identity.certificates(), identity.private_key())
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// The same with the name to ask for. Connections by clones of it resume each other's sessions.
    pub(crate) fn connector(&self) -> Connector {
        let server_name = ServerName::try_from(self.server_name.clone()).unwrap();
        Connector { config: self.config(), server_name }
    }

    fn root_store(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let ca = match &self.roots {
            Some(pem) => CertificateDer::from_pem_slice(pem.as_bytes()),
            None => CertificateDer::from_pem_file(repository("certs/ca.pem")),
        };
        roots.add(ca.unwrap()).unwrap();
        roots
    }

    /// Only what is offered for the handshake is narrowed down: a chain may be signed by anything.
    fn provider(&self) -> CryptoProvider {
        let mut provider = default_provider();
        if !self.schemes.is_empty() {
            let algorithms = &mut provider.signature_verification_algorithms;
            let mut mapping = algorithms.mapping.to_vec();
            mapping.retain(|(scheme, _)| self.schemes.contains(scheme));
            // rustls wants it for ever.
            algorithms.mapping = mapping.leak();
        }
        if !self.ciphers.is_empty() {
            let find = |name| ALL_CIPHER_SUITES.iter().find(|suite| suite.suite() == name);
            provider.cipher_suites =
                self.ciphers.iter().map(|name| *find(*name).unwrap()).collect();
        }
        if !self.groups.is_empty() {
            let find = |name| ALL_KX_GROUPS.iter().find(|group| group.name() == name);
            provider.kx_groups = self.groups.iter().map(|name| *find(*name).unwrap()).collect();
        }
        provider
    }
}

/// What [`TlsOptions`] come to: with whom to speak TLS, and how.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Arc<ClientConfig>,
    server_name: ServerName<'static>,
}

impl From<Arc<ClientConfig>> for Connector {
    /// To `localhost`.
    fn from(config: Arc<ClientConfig>) -> Self {
        Self { config, server_name: ServerName::try_from("localhost").unwrap() }
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
        connector: impl Into<Connector>,
    ) -> io::Result<Self> {
        let stream = within("connect", TcpStream::connect(addr)).await?;
        Self::handshake(stream, connector).await
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
        connector: impl Into<Connector>,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let Connector { config, server_name } = connector.into();
        let connecting = TlsConnector::from(config).connect(server_name, stream);
        Ok(Self(within("the TLS handshake", connecting).await?))
    }

    /// The certificate that the server has shown, without its chain.
    pub(crate) fn server_certificate(&self) -> &CertificateDer<'static> {
        &self.0.get_ref().1.peer_certificates().unwrap()[0]
    }

    /// Whether an earlier session was resumed.
    pub(crate) fn resumed(&self) -> bool {
        self.0.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
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
