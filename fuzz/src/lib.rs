//! What the fuzz targets drive: the connection state machine over streams in memory, and parsers. Each has an oracle
//! of its own: a slow model that is written down beside it, or a second way to the same.

#![forbid(unsafe_code)]

pub mod address;
pub mod chunked;
#[cfg(not(test))]
pub mod config_file;
pub mod connection;
pub mod head;
pub mod keepalive;
pub mod proxy_header;
pub mod request_head;
pub mod response_head;

// It brings tests of its own, which are run where it lives.
#[cfg(not(test))]
#[path = "../../src/cli/mod.rs"]
#[allow(dead_code, unused_imports, reason = "of the command line only the file is fuzzed")]
mod cli;
