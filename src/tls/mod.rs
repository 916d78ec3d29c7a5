//! TLS: rustls with aws-lc-rs, from files to a handshaken stream.
//!
//! Towards clients a [`Store`] holds what handshakes are made of; [`watch()`] keeps it up to date; [`accept()`]
//! is the server's side of one handshake. Towards upstreams that speak TLS a [`Connector`] is both; an
//! [`Inspector`] shakes hands to tell of it.

mod accept;
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
mod stream;
mod ticket;
mod trust;
mod watch;
mod x509;

pub use accept::accept;
pub use check::{check, check_upstream};
pub use connector::{Connector, Reopened};
pub use failure::{Failed, FailureKind};
pub use identity::Identity;
pub use inspector::{Inspector, Shown};
pub use pair::{Pair, Problem};
pub use refusal::explain;
pub use settings::key_log_file;
pub use store::{Looked, Store};
pub use stream::ServerStream;
pub use watch::watch;
pub use x509::{Certificate, Name};

use std::borrow::Cow;
use std::sync::Arc;

use aws_lc_rs::digest;

use choice::Choice;
use self_signed::self_signed;

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

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn sha256_hex(bytes: &[u8]) -> String {
    sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
