//! TLS: rustls with aws-lc-rs, from files to a handshaken stream.
//!
//! Towards clients a [`Store`] holds what handshakes are made of; [`watch()`] keeps it up to date; [`accept`]
//! is the server's side of one handshake. Towards upstreams that speak TLS a [`Connector`] is both; an
//! [`Inspector`] shakes hands to tell of it.

mod check;
mod choice;
mod connector;
mod failure;
mod files;
mod identity;
mod inspector;
mod pair;
mod pem;
mod refusal;
mod self_signed;
mod session;
mod settings;
mod slot;
mod store;
mod ticket;
mod trust;
mod watch;
mod x509;

pub use check::{check, check_upstream};
pub use connector::{Connector, Reopened};
pub use failure::{Failed, FailureKind};
pub use identity::Identity;
pub use inspector::{Inspector, Shown};
pub use pair::{Pair, Problem};
pub use refusal::explain;
pub use settings::key_log_file;
pub use store::{Looked, Store};
pub use watch::watch;
pub use x509::{Certificate, Name};

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_lc_rs::digest;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::{Acceptor, ServerConnection};
use tokio_rustls::rustls::{HandshakeKind, ProtocolVersion};
use tokio_rustls::server::TlsStream;

use crate::config::cipher_name;
use crate::tunnel::ReadReady;
use choice::Choice;
use self_signed::self_signed;
use store::Current;

/// A fatal alert that says `unrecognized_name` (RFC 6066, 3; RFC 5246, 7.2): rustls has another for a
/// client that no certificate is found for.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// What the handshake agreed on.
#[derive(Clone, Debug)]
pub struct Session {
    /// The name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The suite's name in IANA's registry.
    pub cipher: String,
    /// What ALPN agreed on, if anything.
    pub has_alpn: bool,
    /// Whether a ticket was used.
    pub resumed: bool,
    /// The client's certificate, when it came with one.
    pub identity: Option<Box<Identity>>,
    /// Why that certificate, good when the session was made, is not good any more when it is resumed.
    pub refused: Option<Cow<'static, str>>,
    /// The certificates that may be spoken for, when names are strict.
    strict: Option<Arc<Choice>>,
}

impl Session {
    /// Whether requests for this host (without a port) may come over this session: its certificate
    /// covers it, or nobody is strict about that.
    pub fn serves(&self, host: &str) -> bool {
        let server_name = self.server_name.as_deref();
        self.strict.as_ref().is_none_or(|choice| choice.covers(server_name, host))
    }
}

/// The server's side of one handshake, with what `store` has at this moment. The caller sets the time
/// limit.
pub async fn accept<S>(store: &Store, stream: S) -> Result<(TlsStream<S>, Session), Failed<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let current = store.current();
    let mut hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
    let mut start = match (&mut hello).await {
        Ok(start) => start,
        Err(error) => return Err(Failed::new(&error, hello.take_io())),
    };
    if !current.choice.serves(start.client_hello().server_name()) {
        let reason = Cow::Borrowed("no certificate for the name that the client asked for");
        let sent = start.io.write_all(&UNRECOGNIZED_NAME).await;
        let kind = FailureKind::UnknownName;
        return Err(Failed { reason, kind, stream: sent.ok().map(|()| start.io) });
    }
    let config = current.configs.choose(&start.client_hello());
    match start.into_stream(config).into_fallible().await {
        Ok(stream) => {
            let session = session(stream.get_ref().1, &current, store);
            Ok((stream, session))
        }
        Err((error, stream)) => Err(Failed::new(&error, Some(stream))),
    }
}

fn session(connection: &ServerConnection, current: &Current, store: &Store) -> Session {
    let suite = connection.negotiated_cipher_suite();
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    let chain = connection.peer_certificates().unwrap_or_default();
    let trust = current.trust.as_ref().filter(|_| resumed);
    let refused = trust.and_then(|trust| trust.refuses(chain));
    if let (Some(_), Some(leaf)) = (&refused, chain.first()) {
        store.refuse_sessions_of(leaf);
    }
    Session {
        server_name: connection.server_name().map(str::to_owned),
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "unknown",
        },
        cipher: suite.map_or_else(|| "unknown".to_owned(), |suite| cipher_name(suite.suite())),
        has_alpn: connection.alpn_protocol().is_some(),
        resumed,
        // It was parsed when it was verified.
        identity: chain.first().and_then(|leaf| Identity::parse(leaf).ok()).map(Box::new),
        refused: refused.map(|error| failure::name(&error)),
        strict: current.choice.is_strict().then(|| Arc::clone(&current.choice)),
    }
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn sha256_hex(bytes: &[u8]) -> String {
    sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl<S: ReadReady> ReadReady for TlsStream<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // No plaintext waits in rustls: a read is pending only when there is none left.
        self.get_ref().0.poll_read_ready(cx)
    }
}
