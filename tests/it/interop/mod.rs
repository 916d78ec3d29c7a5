//! wssgate between programs that are not ours: clients and servers as people run them, a browser, and
//! nginx with the usual recipe as the reference for behaviour.
//!
//! What needs a program is ignored unless it is asked for; then a missing program is a failure.
//! `.ci/run` installs all of them: those of Python and Node into `target/interop`, where they are found.

mod browser;
mod client_cert;
mod curl;
mod haproxy;
mod mkcert;
mod nginx;
mod node;
mod openssl;
mod python;
mod resumption;
mod scanners;
mod tungstenite;
