//! What the fuzz targets drive: the connection state machine over streams in memory, and parsers.

#![forbid(unsafe_code)]

pub mod keepalive;
pub mod proxy_header;
