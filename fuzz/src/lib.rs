//! What the fuzz targets drive: the connection state machine over streams in memory.

#![forbid(unsafe_code)]

pub mod keepalive;
