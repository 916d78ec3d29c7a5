//! Where requests go: routes to pools of members, in which order these are tried, and connecting to the
//! first that accepts.
//!
//! `member` is one of them with its counts, `health` says whether it is up, `balance` which of
//! them is tried first, `resolve` what their names stand for, `stream` is a connection to
//! one, `check` looks at them without a request.

pub mod balance;
pub mod health;
pub mod member;
pub mod resolve;

mod check;
mod fall;
mod pool;
mod route;
mod stream;

pub use pool::{Connected, Error, Hold, Pool};
pub use route::{NoRoute, Routes};
pub use stream::{Connector, Stream};

use std::io;

use crate::addr::{Place, Upstream};
use crate::net::Target;
use resolve::Resolver;

/// Every address of a member.
async fn resolve(resolver: &Resolver, member: &Upstream) -> io::Result<Vec<Target>> {
    Ok(match &member.place {
        Place::Ip(address) => vec![Target::Tcp(*address)],
        Place::Unix(path) => vec![Target::Unix(path.clone())],
        Place::Name(name, port) => {
            let addresses = resolver.resolve(name, *port).await?;
            addresses.into_iter().map(Target::Tcp).collect()
        }
    })
}
