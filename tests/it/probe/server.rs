//! A TLS server that says what it is told to, with none of wssgate's manners between it and the probe.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, rustls};
use wssgate::http::websocket;

use crate::support::{Authority, Issued, Leaf};

/// A listening server whose certificate is for `localhost`, and the file of its authority.
pub(super) struct Server {
    addr: SocketAddr,
    folder: tempfile::TempDir,
}

/// The head of the right answer, with more header lines; `{accept}` becomes what the key asks for.
pub(super) fn agreement(lines: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {{accept}}\r\n{lines}\r\n"
    )
}

/// Settings of a server with this certificate.
pub(super) fn config(
    issued: &Issued,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(issued.certificates(), issued.private_key())
        .unwrap()
}

impl Server {
    /// Answers each head with `answer` and sends `behind` once it has got something more.
    pub(super) async fn start(answer: impl AsRef<[u8]>, behind: impl AsRef<[u8]>) -> Self {
        let authority = Authority::new("probed");
        let config = config(&authority.issue(&Leaf::default()), rustls::ALL_VERSIONS);
        Self::start_with(&authority, config, answer, behind).await
    }

    /// The same with an authority and settings of one's own.
    pub(super) async fn start_with(
        authority: &Authority,
        config: ServerConfig,
        answer: impl AsRef<[u8]>,
        behind: impl AsRef<[u8]>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (answer, behind) = (answer.as_ref().to_vec(), behind.as_ref().to_vec());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer, behind) = (acceptor.clone(), answer.clone(), behind.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let _ = stream.write_all(&fill_in(&answer, &head)).await;
                    let _ = stream.flush().await;
                    if stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {
                        let _ = stream.write_all(&behind).await;
                        let _ = stream.flush().await;
                    }
                    let _ = stream.read_to_end(&mut Vec::new()).await;
                });
            }
        });
        Self { addr, folder }
    }

    /// Its URL.
    pub(super) fn url(&self) -> String {
        format!("wss://localhost:{}/chat", self.addr.port())
    }

    /// `--ca` with its authority.
    pub(super) fn ca(&self) -> String {
        format!("--ca={}", self.folder.path().join("ca.pem").display())
    }
}

fn fill_in(answer: &[u8], head: &[u8]) -> Vec<u8> {
    let Some(at) = memchr::memmem::find(answer, b"{accept}") else { return answer.to_vec() };
    let accept = websocket::accept(key(head));
    [&answer[..at], accept.as_bytes(), &answer[at + b"{accept}".len()..]].concat()
}

fn key(head: &[u8]) -> &[u8] {
    let name = b"Sec-WebSocket-Key: ";
    let at = memchr::memmem::find(head, name).expect("a key") + name.len();
    head[at..].split(|byte| *byte == b'\r').next().unwrap()
}
