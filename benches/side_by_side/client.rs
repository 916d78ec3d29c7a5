//! The client side: TLS as a browser offers it (or none, for the floor), the upgrade by a raw request head, then the bare
//! stream. Used for every load and for the probe that tells what a proxy has negotiated.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use tokio_rustls::rustls::crypto::{CryptoProvider, SupportedKxGroup};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DEFAULT_VERSIONS, HandshakeKind, NamedGroup, RootCertStore,
};

use crate::certificate;
use crate::frame::Exchange;

/// How long a proxy may take to answer, or to close a connection that the client has closed.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a client comes to its sessions. After a full handshake too it is sent tickets, as a browser that comes the first
/// time, and forgets them.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Handshake {
    /// Each one in full, with X25519.
    Full,
    /// The same with P-256.
    FullP256,
    /// The same with X25519MLKEM768 (post-quantum), and X25519 for those who lack it: as browsers do by now.
    FullHybrid,
    /// Each one with the ticket of the one before.
    Resumed,
}

impl Handshake {
    /// The key exchange group that the client would have most.
    fn group(self) -> &'static dyn SupportedKxGroup {
        match self {
            Self::Full | Self::Resumed => kx_group::X25519,
            Self::FullP256 => kx_group::SECP256R1,
            Self::FullHybrid => kx_group::X25519MLKEM768,
        }
    }
}

/// One client of one proxy, with its own memory of sessions.
pub(crate) struct Client {
    /// None: no TLS.
    connector: Option<TlsConnector>,
    address: SocketAddr,
}

/// An open WebSocket.
pub(crate) struct Tunnel {
    stream: Box<dyn Stream>,
    negotiated: Option<Negotiated>,
}

/// What a handshake came to.
struct Negotiated {
    kind: Option<HandshakeKind>,
    group: Option<NamedGroup>,
    words: String,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Client {
    /// A client of the proxy at 127.0.0.1:`port` that trusts `root`.
    pub(crate) fn new(
        port: u16,
        root: &CertificateDer<'static>,
        handshake: Handshake,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone())?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(browser_like(handshake)))
            .with_protocol_versions(DEFAULT_VERSIONS)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = match handshake {
            Handshake::Resumed => Resumption::in_memory_sessions(8),
            _ => Resumption::disabled(),
        };
        let connector = Some(TlsConnector::from(Arc::new(config)));
        Ok(Self { connector, ..Self::plain(port) })
    }

    /// A client without TLS.
    pub(crate) fn plain(port: u16) -> Self {
        Self { connector: None, address: (Ipv4Addr::LOCALHOST, port).into() }
    }

    /// Connects, shakes hands and upgrades; the 101 has been read when this returns.
    pub(crate) async fn open(&self, path: &str) -> Result<Tunnel> {
        tokio::time::timeout(PATIENCE, self.open_slowly(path))
            .await
            .context("open a tunnel: no answer")?
    }

    async fn open_slowly(&self, path: &str) -> Result<Tunnel> {
        let tcp = TcpStream::connect(self.address).await.context("connect")?;
        tcp.set_nodelay(true)?;
        let (mut stream, negotiated) = match &self.connector {
            Some(connector) => {
                let name = ServerName::try_from(certificate::NAME)?;
                let tls = connector.connect(name, tcp).await.context("shake hands")?;
                let negotiated = Negotiated::of(tls.get_ref().1);
                (Box::new(tls) as Box<dyn Stream>, Some(negotiated))
            }
            None => (Box::new(tcp) as Box<dyn Stream>, None),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            certificate::NAME
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::with_capacity(1024);
        // What follows the head at once (from `/source`) is of no use to anybody.
        while memchr::memmem::find(&head, b"\r\n\r\n").is_none() {
            let count = stream.read_buf(&mut head).await.context("read the answer")?;
            ensure!(count > 0, "closed before the whole answer");
        }
        let accepted = memchr::memmem::find(&head, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").is_some();
        ensure!(
            head.starts_with(b"HTTP/1.1 101 ") && accepted,
            "upgrade refused: {}",
            String::from_utf8_lossy(&head)
        );
        Ok(Tunnel { stream, negotiated })
    }
}

impl Tunnel {
    /// Sends one message and waits for its echo.
    pub(crate) async fn echo(&mut self, exchange: &mut Exchange) -> Result<()> {
        self.stream.write_all(&exchange.message).await?;
        self.stream.read_exact(&mut exchange.answer).await?;
        ensure!(exchange.answer == exchange.expected, "not the echo of what was sent");
        Ok(())
    }

    /// Reads what there is; an end is an error.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.stream.read(buffer).await?;
        ensure!(count > 0, "closed by the proxy");
        Ok(count)
    }

    /// Sends all of it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Ends the connection politely (close_notify, FIN) and waits until the proxy has ended it too.
    pub(crate) async fn close(mut self) -> Result<()> {
        let ended = async {
            let mut rest = [0; 1024];
            // A reset says "closed" just as well.
            self.stream.shutdown().await.ok();
            while self.stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
        };
        tokio::time::timeout(PATIENCE, ended).await.context("the proxy did not close")
    }

    /// Fails unless the handshake went as the client wanted it: an extra round trip or another group would compare
    /// unlike things. Without TLS there is nothing to check.
    pub(crate) fn check(&self, wanted: Handshake) -> Result<()> {
        let Some(Negotiated { kind, group, .. }) = self.negotiated else { return Ok(()) };
        let expected = match wanted {
            Handshake::Resumed => HandshakeKind::Resumed,
            _ => HandshakeKind::Full,
        };
        ensure!(kind == Some(expected), "handshake: {kind:?}, expected: {expected:?}");
        let expected = wanted.group().name();
        ensure!(group == Some(expected), "group: {group:?}, expected: {expected:?}");
        Ok(())
    }

    /// What was negotiated: version, cipher suite, key exchange; none without TLS.
    pub(crate) fn negotiated(&self) -> Option<&str> {
        self.negotiated.as_ref().map(|negotiated| negotiated.words.as_str())
    }
}

impl Negotiated {
    fn of(tls: &ClientConnection) -> Self {
        let version = tls.protocol_version().and_then(|version| version.as_str());
        let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let group = tls.negotiated_key_exchange_group().map(|group| group.name());
        let words = [version, suite, group.and_then(|group| group.as_str())];
        Self {
            kind: tls.handshake_kind(),
            group,
            words: words.map(|word| word.unwrap_or("?")).join(" "),
        }
    }
}

/// What browsers offer, in their order: AES-128-GCM first, then the others that rustls has; of the groups, the one that is
/// measured first.
fn browser_like(handshake: Handshake) -> CryptoProvider {
    let mut groups = vec![kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    groups.retain(|group| group.name() != handshake.group().name());
    groups.insert(0, handshake.group());
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ],
        kx_groups: groups,
        ..aws_lc_rs::default_provider()
    }
}
