//! Integration tests: one binary, one module a behaviour. Helpers stand in `support`.

#![allow(clippy::unwrap_used, reason = "a test that fails is a test that says so")]

mod certs;
mod gate;
mod heads;
mod last_answer;
mod layers;
mod plain;
mod smoke;
mod smuggling;
mod support;
