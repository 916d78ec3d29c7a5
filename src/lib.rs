//! wss in, ws out: a TLS terminator for WebSocket servers.
//!
//! A client speaks TLS to a **listener**; wssgate reads its request **head**, judges and rewrites it and
//! sends it to an **upstream** over plain TCP, a unix socket, or TLS again. If the upstream agrees to the upgrade, and
//! only then, the **gate** opens and bytes pass both ways through a **tunnel** that never looks into them.
//! Any other answer is relayed, once.
//!
//! The words, each with one meaning:
//!
//! - *client*: the side that speaks TLS to us. *upstream*: the application's side, plain unless it is asked
//!   to speak TLS too, and one of its *members*. Directions are `to_upstream` and `to_client`.
//! - *set-up*: from accept to the head's last byte. *head*: request or status line and headers.
//! - *gate*: the judgement of the upstream's 101. *tunnel*: what follows it.
//! - *drain*: from the word to stop until everyone has left.
//!
//! Modules stand in layers; each imports only from layers above it in this list, and inside its own
//! folder. `tests/it/layers.rs` reads this file and fails when one does not.

// layer: facts
pub mod addr;
pub mod drain;
pub mod http;
pub mod meter;
pub mod proxy_protocol;
pub mod status;

// layer: counts
pub mod metrics;

// layer: motion
pub mod relay;
pub mod tunnel;

// layer: settings
pub mod config;

// layer: sockets
pub mod net;

// layer: encryption
pub mod tls;

// layer: where to go
pub mod upstream;

// layer: one of each
pub mod connection;
pub mod demo;
pub mod probe;

// layer: who looks after it
pub mod admin;
#[cfg(feature = "top")]
pub mod top;

// layer: all of it
pub mod server;
