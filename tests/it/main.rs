//! Integration tests: one binary, one module a behaviour. Helpers stand in `support`.

#![allow(clippy::unwrap_used, reason = "a test that fails is a test that says so")]

mod certs;
mod keepalive;
mod layers;
mod smoke;
mod support;
