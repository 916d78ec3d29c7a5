//! Integration tests: one binary, one module a behaviour. Helpers stand in `support`.

#![allow(clippy::unwrap_used, reason = "a test that fails is a test that says so")]

mod admin;
mod apps;
mod authority;
mod balance;
mod certificates;
mod certs;
mod cli;
mod client_auth;
mod config;
mod container;
mod deploy;
mod differential;
mod drain;
mod fidelity;
mod frames;
mod gate;
mod heads;
mod interop;
mod keepalive;
mod last_answer;
mod layers;
mod limits;
mod log;
mod origins;
mod plain;
mod probe;
mod proxy_protocol;
mod redirect;
mod reload;
mod resolve;
mod routes;
mod sandbox;
mod smoke;
mod smuggling;
mod soak;
mod support;
mod systemd;
mod tickets;
mod timeouts;
mod tls_settings;
mod upstream_tls;
