//! An upstream that speaks TLS, and a listening port that handshakes with whoever comes.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls};

use crate::support::{Authority, Issued, Key, Leaf, Usage, Validity, switching_response, within};

/// A listening upstream whose connections the test serves itself, once they have shaken hands.
pub(super) struct Origin {
    pub(super) addr: SocketAddr,
    conversations: mpsc::UnboundedReceiver<Conversation>,
    refusals: mpsc::UnboundedReceiver<String>,
}

/// One connection that the proxy has opened.
pub(super) struct Conversation {
    pub(super) stream: TlsStream<TcpStream>,
    /// Everything received so far.
    pub(super) received: Vec<u8>,
}

/// A certificate for the address and the name that tests listen at.
pub(super) const LEAF: Leaf<'_> = Leaf {
    names: &["127.0.0.1", "localhost"],
    uris: &[],
    common_name: "upstream",
    organizational_unit: None,
    validity: Validity::Now,
    key: Key::P256,
    usage: Usage::Server,
};

/// Settings of a server with this certificate; with authorities it demands one of theirs.
pub(super) fn config(issued: &Issued, clients: Option<&Authority>) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let ca = CertificateDer::from_pem_slice(authority.pem().as_bytes());
            roots.add(ca.unwrap()).unwrap();
            let provider = Arc::new(default_provider());
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
        None => builder.with_no_client_auth(),
    };
    builder.with_single_cert(issued.certificates(), issued.private_key()).unwrap()
}

impl Origin {
    /// With a certificate like this one of the authority.
    pub(super) async fn start(authority: &Authority, leaf: &Leaf<'_>) -> Self {
        Self::start_with(config(&authority.issue(leaf), None)).await
    }

    /// With settings of one's own.
    pub(super) async fn start_with(config: ServerConfig) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, conversations) = mpsc::unbounded_channel();
        let (refuser, refusals) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, refuser) = (sender.clone(), refuser.clone());
                let shaking = acceptor.accept(stream).into_fallible();
                tokio::spawn(async move {
                    match shaking.await {
                        Ok(stream) => {
                            let _ = sender.send(Conversation { stream, received: Vec::new() });
                        }
                        Err((error, mut stream)) => {
                            let _ = refuser.send(error.to_string());
                            // A close with unread bytes would be a reset and overtake the alert.
                            let _ = stream.shutdown().await;
                            let _ = stream.read_to_end(&mut Vec::new()).await;
                        }
                    }
                });
            }
        });
        Self { addr, conversations, refusals }
    }

    /// As `--upstream` takes it, by its address.
    pub(super) fn by_address(&self) -> String {
        format!("wss://{}", self.addr)
    }

    /// The same by a name.
    pub(super) fn by_name(&self) -> String {
        format!("https://localhost:{}", self.addr.port())
    }

    /// The next connection.
    pub(super) async fn accept(&mut self) -> Conversation {
        within("a handshake with the upstream", self.conversations.recv()).await.unwrap()
    }

    /// Why the next handshake failed that did.
    pub(super) async fn refused(&mut self) -> String {
        within("a failed handshake", self.refusals.recv()).await.unwrap()
    }

    /// Agrees to every upgrade and sends back what it gets.
    pub(super) fn echo(mut self) {
        tokio::spawn(async move {
            while let Some(mut conversation) = self.conversations.recv().await {
                tokio::spawn(async move {
                    conversation.agree().await;
                    let (mut read, mut write) = tokio::io::split(conversation.stream);
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                    let _ = write.shutdown().await;
                });
            }
        });
    }
}

impl Conversation {
    /// Reads until a whole head is there, takes it out and returns it.
    pub(super) async fn read_head(&mut self) -> String {
        within("a request head at the upstream", async {
            loop {
                if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                    let behind = self.received.split_off(end + 4);
                    let head = std::mem::replace(&mut self.received, behind);
                    return String::from_utf8(head).unwrap();
                }
                let read = self.stream.read_buf(&mut self.received).await.unwrap();
                assert!(read > 0, "closed: {:?}", self.received.escape_ascii());
            }
        })
        .await
    }

    /// Reads the head and agrees to the upgrade.
    pub(super) async fn agree(&mut self) -> String {
        let head = self.read_head().await;
        self.send(switching_response().as_bytes()).await;
        head
    }

    /// Sends bytes.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let send = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        within("send to the proxy", send).await.unwrap();
    }

    /// Reads to the proxy's close_notify.
    pub(super) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.received);
        within("the end at the upstream", self.stream.read_to_end(&mut bytes)).await.unwrap();
        bytes
    }

    /// Ends its side: close_notify and FIN.
    pub(super) async fn shutdown(&mut self) {
        within("shutdown", self.stream.shutdown()).await.unwrap();
    }

    /// Ends its side by a FIN alone, as many programs do.
    pub(super) async fn shutdown_without_close_notify(&mut self) {
        within("shutdown", self.stream.get_mut().0.shutdown()).await.unwrap();
    }

    /// The name that the proxy asked for (SNI).
    pub(super) fn server_name(&self) -> Option<&str> {
        self.stream.get_ref().1.server_name()
    }

    /// What was agreed on by ALPN.
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.alpn_protocol()
    }

    /// The version.
    pub(super) fn version(&self) -> Option<ProtocolVersion> {
        self.stream.get_ref().1.protocol_version()
    }

    /// Whether an earlier session was resumed.
    pub(super) fn resumed(&self) -> bool {
        self.stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Whether the proxy has shown this certificate.
    pub(super) fn was_shown(&self, issued: &Issued) -> bool {
        let shown = self.stream.get_ref().1.peer_certificates();
        shown.is_some_and(|chain| chain[0] == issued.certificate)
    }
}
