//! What a server says of itself: plain values that JSON, the status page and `wssgate top` share.
//!
//! Nothing is counted here. Times are unix seconds, sizes are bytes.

use serde::{Deserialize, Serialize};

/// A server at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// When it was started.
    pub started_at: u64,
    /// Seconds since then.
    pub uptime_seconds: u64,
    /// Whether it takes connections.
    pub state: State,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Where requests go.
    pub upstreams: Vec<Upstream>,
    /// Open tunnels by listener and upstream; none is a number, too.
    pub tunnels: Vec<OpenTunnels>,
    /// What is shown to clients.
    pub certificates: Vec<Certificate>,
    /// What was counted since the start.
    pub totals: Totals,
    /// Handshakes that were made.
    pub handshakes: Vec<Handshakes>,
    /// Handshakes that were not.
    pub handshakes_failed: Vec<FailedHandshakes>,
    /// Connections that failed before their request was served.
    pub failures: Vec<Failures>,
    /// Files and settings that were read again.
    pub reloads: Reloads,
}

/// Whether a server takes connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It does.
    #[default]
    Serving,
    /// It was told to end, and waits for those that are there.
    Draining,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The address.
    pub name: String,
    /// `tls` or `http`.
    pub speaks: String,
    /// Tunnels that came this way and are open.
    pub tunnels: u64,
}

/// A pool of members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Its name, or else the first of its routes.
    pub name: String,
    /// For which requests: hosts and beginnings of paths.
    pub routes: Vec<String>,
    /// Those that share them.
    pub members: Vec<Member>,
}

/// One server of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its address, as configured.
    pub address: String,
    /// Whether requests go there as usual.
    pub up: bool,
    /// Tunnels and requests that it carries.
    pub live: u64,
    /// Requests for which it was not connected to.
    pub connect_failures: u64,
    /// How much it takes, in proportion to the others.
    pub weight: u16,
    /// Whether it is used only when the others cannot be.
    pub backup: bool,
}

/// Open tunnels from one listener to one upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTunnels {
    /// The listener's address.
    pub listener: String,
    /// The member's address, as configured.
    pub upstream: String,
    /// How many.
    pub open: u64,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The chain's file, or `self-signed`.
    pub name: String,
    /// Whom it is for.
    pub names: Vec<String>,
    /// When it expires.
    pub not_after: u64,
    /// Whole days until then; negative when it has expired.
    pub days_left: i64,
    /// The worst that is wrong with it, in one line.
    pub problem: Option<String>,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Those open now.
    pub connections_open: u64,
    /// Connections that ended before they asked for anything.
    pub probes: u64,
    /// Connections that failed before their request was served.
    pub failed: u64,
    /// Plain requests that were answered.
    pub requests: u64,
    /// Tunnels opened.
    pub tunnels_opened: u64,
    /// Those open now.
    pub tunnels_open: u64,
    /// Tunnels and requests cut because the server stops.
    pub cut: u64,
    /// Bytes of tunnels and bodies to upstreams.
    pub to_upstream_bytes: u64,
    /// Bytes of tunnels and bodies to clients.
    pub to_client_bytes: u64,
    /// Errors of accept(2).
    pub accept_errors: u64,
}

/// Handshakes of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshakes {
    /// The version of TLS.
    pub version: String,
    /// Whether a session was resumed.
    pub resumed: bool,
    /// How many.
    pub count: u64,
}

/// Handshakes that failed in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedHandshakes {
    /// In which.
    pub kind: String,
    /// How many.
    pub count: u64,
}

/// Connections that failed at one stage, through one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failures {
    /// The stage.
    pub stage: String,
    /// `client`, `upstream` or `wssgate`.
    pub side: String,
    /// How many.
    pub count: u64,
}

/// Files and settings that were read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloads {
    /// Times that all was well.
    pub done: u64,
    /// Times that something was left as it had been.
    pub refused: u64,
    /// The last time.
    pub last: Option<Reload>,
}

/// One reading of files and settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// When.
    pub at: u64,
    /// Whether all was well.
    pub done: bool,
    /// What was not.
    pub reason: Option<String>,
}

/// Open tunnels, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tunnels {
    /// How many there are; perhaps not all of them are listed.
    pub open: u64,
    /// As many as were asked for.
    pub tunnels: Vec<Tunnel>,
}

/// An open tunnel; the words are those of its log lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tunnel {
    /// The number of its connection.
    pub id: u64,
    /// Where it came in.
    pub listener: String,
    /// The client's address; none over a unix socket.
    pub client: Option<String>,
    /// The name that was asked for in the handshake.
    pub server_name: Option<String>,
    /// `1.2` or `1.3`.
    pub tls_version: Option<String>,
    /// The cipher suite.
    pub cipher: Option<String>,
    /// The request's Host.
    pub host: Option<String>,
    /// The request's path.
    pub path: Option<String>,
    /// The member's address, as configured.
    pub upstream: String,
    /// When it was opened.
    pub opened_at: u64,
    /// Seconds since then.
    pub age_seconds: f64,
    /// Seconds since the last byte, either way.
    pub idle_seconds: f64,
    /// Bytes to the upstream.
    pub to_upstream_bytes: u64,
    /// Bytes to the client.
    pub to_client_bytes: u64,
}
