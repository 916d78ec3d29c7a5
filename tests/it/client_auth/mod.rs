//! Client certificates: who is let in and who is not, with the alert or answer that the client gets, the
//! line in the log, and what the upstream saw.
//!
//! A client sends its request as soon as its own handshake is done: in TLS 1.3 that is before the server
//! has judged its certificate, and the alert comes in place of the answer.

mod header;
mod list;
mod resumption;
mod revocation;
mod verdict;

use std::net::SocketAddr;
use std::path::Path;

use aws_lc_rs::digest;
use rustls::{AlertDescription, SupportedProtocolVersion};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::rustls;

use crate::support::{
    Authority, Binary, Client, Connector, Conversation, Issued, Key, Leaf, TlsOptions, Upstream,
    Usage, Validity, eventually, own_headers, switching_response, within,
};

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A client's certificate that everybody here lets in, if it is of the right authority.
const ROBOT: Leaf<'static> = Leaf {
    names: &["Robot.example", "*.robots.example", "192.0.2.1"],
    uris: &["spiffe://example.org/robot"],
    common_name: "robot",
    organizational_unit: Some("machines"),
    validity: Validity::Now,
    key: Key::P256,
    usage: Usage::Client,
};

/// Its subject, as logs and headers have it.
const ROBOT_SUBJECT: &str = "CN=robot,OU=machines";

/// A program with an authority of its own, in front of [`upstream`].
struct Serving {
    dir: TempDir,
    root: Authority,
    binary: Binary,
    addr: SocketAddr,
    upstream: Upstream,
}

impl Serving {
    /// With these arguments besides `--client-ca`; `{dir}` in them is the folder that `prepare` has
    /// filled.
    async fn start(args: &[&str], prepare: impl FnOnce(&Path, &Authority)) -> Self {
        let (dir, root) = (tempfile::tempdir().unwrap(), Authority::new("root"));
        std::fs::write(dir.path().join("ca.pem"), root.pem()).unwrap();
        prepare(dir.path(), &root);
        let upstream = upstream().await;
        let (binary, addr) = serve(&upstream, dir.path(), args).await;
        Self { dir, root, binary, addr, upstream }
    }

    /// The line of the connection from this address.
    async fn line(&self, client: SocketAddr) -> Value {
        line(&self.binary, client).await
    }

    /// Replaces files, and waits until they serve.
    async fn reload(&self, files: &[(&str, String)]) {
        for (name, text) in files {
            std::fs::write(self.dir.path().join(name), text).unwrap();
        }
        self.binary.reload().await;
    }

    /// All heads that the upstream has got up to one for `/last`, which a client sends now.
    async fn heads(&mut self, last: &Connector) -> Vec<String> {
        ask(self.addr, last, "/last").await.answer.unwrap();
        let mut heads = Vec::new();
        loop {
            let head = self.upstream.accept().await.read_head().await;
            if head.starts_with("GET /last ") {
                return heads;
            }
            heads.push(head);
        }
    }
}

/// Answers with [`PAGE`], or agrees to be a tunnel and sends back what it gets. Connections are handed
/// out when they have ended.
async fn upstream() -> Upstream {
    Upstream::serving(|mut conversation: Conversation| async move {
        let head = conversation.read_head().await;
        if head.contains("\r\nUpgrade: websocket\r\n") {
            conversation.send(switching_response().as_bytes()).await;
            let (mut read, mut write) = conversation.stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        } else {
            conversation.send(PAGE.as_bytes()).await;
            conversation.read_to_end().await;
        }
        conversation
    })
    .await
}

/// Starts the program with `--client-ca DIR/ca.pem`, headers, and every line in its log.
async fn serve(upstream: &Upstream, dir: &Path, args: &[&str]) -> (Binary, SocketAddr) {
    let dir = dir.display().to_string();
    let fixed = ["--client-ca={dir}/ca.pem", "--client-cert-headers", "--log-level=debug"];
    let args: Vec<String> =
        fixed.iter().chain(args).map(|arg| arg.replace("{dir}", &dir)).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    Binary::serving(&upstream.addr(), &args).await
}

/// The line of the one request, or failure, of the connection from this address.
async fn line(binary: &Binary, client: SocketAddr) -> Value {
    let find = || {
        let lines = binary.lines("request").into_iter().chain(binary.lines("connection failed"));
        lines.into_iter().find(|line| line["client"] == client.to_string())
    };
    eventually("a line of a client", || find().is_some()).await;
    find().unwrap()
}

/// How a client connects that has this certificate, or none.
fn connector(version: &'static SupportedProtocolVersion, identity: Option<&Issued>) -> Connector {
    let identity = identity.cloned();
    TlsOptions { versions: vec![version], identity, ..TlsOptions::default() }.connector()
}

/// What a client got that has sent one request.
struct Got {
    /// Its own address.
    client: SocketAddr,
    /// None when the handshake came to nothing even on its side.
    resumed: Option<bool>,
    /// The head and the body, or the alert that came in their place.
    answer: Result<(String, String), AlertDescription>,
}

/// Connects and sends a request at once.
async fn ask(addr: SocketAddr, connector: &Connector, path: &str) -> Got {
    let request = format!("GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n");
    send(addr, connector, request.as_bytes()).await
}

/// Connects and sends bytes at once.
async fn send(addr: SocketAddr, connector: &Connector, bytes: &[u8]) -> Got {
    let stream = within("connect", TcpStream::connect(addr)).await.unwrap();
    let client = stream.local_addr().unwrap();
    let mut stream = match Client::handshake(stream, connector.clone()).await {
        Ok(stream) => stream,
        Err(error) => return Got { client, resumed: None, answer: Err(alert(&error)) },
    };
    // Of one that is refused, the other side may be gone.
    let sent = within("send", stream.try_send(bytes)).await;
    let (got, end) = stream.read_to_end_and_how().await;
    let answer = match end {
        Ok(()) => {
            sent.unwrap();
            let got = String::from_utf8(got).unwrap();
            let (head, body) = got.split_once("\r\n\r\n").expect("an answer");
            Ok((head.to_owned(), body.to_owned()))
        }
        Err(error) => {
            assert_eq!(got, b"", "nothing comes before an alert");
            Err(alert(&error))
        }
    };
    Got { client, resumed: Some(stream.resumed()), answer }
}

/// The alert that an error is about.
fn alert(error: &std::io::Error) -> AlertDescription {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("no alert, but: {error:?}"),
    }
}

/// `X-Forwarded-Client-Cert` of a certificate like [`ROBOT`], as Envoy writes it.
fn robot_header(robot: &Issued) -> String {
    let hash = digest::digest(&digest::SHA256, &robot.certificate);
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "X-Forwarded-Client-Cert: Hash={hash};Subject=\"{ROBOT_SUBJECT}\";\
         URI=spiffe://example.org/robot;DNS=robot.example;DNS=*.robots.example\r\n"
    )
}

/// What the upstream gets of [`ask`], to the byte.
fn head(path: &str, port: u16, client_cert: &str) -> String {
    let own = own_headers("127.0.0.1", Some("example.com"), port);
    format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\n{own}{client_cert}Connection: close\r\n\r\n"
    )
}
