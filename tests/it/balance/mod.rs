//! Several members behind one server: which of them gets a request, and what becomes of those that fail.

mod checks;
mod elsewhere;
mod fallen;
mod faults;
mod health;
mod member;
mod namespace;
mod policies;
mod probe;
mod queue;

use std::net::SocketAddr;
use std::time::Duration;

use wssgate::config::{Listener, Upstreams};
use wssgate::upstream::Pool;

use crate::support::{Client, Proxy, upgrade_request};
use member::Member;

/// Longer than any test: what is out for so long stays out.
const NEVER: Duration = Duration::from_secs(3600);

/// A server before these members.
async fn serve(members: &[&Member], tweak: impl FnOnce(&mut Upstreams)) -> Proxy {
    serve_with(members, |config| tweak(&mut config.balancing)).await
}

/// The same, with changes to any of the settings.
async fn serve_with(members: &[&Member], tweak: impl FnOnce(&mut Listener)) -> Proxy {
    let addresses: Vec<String> = members.iter().map(|member| member.addr.to_string()).collect();
    Proxy::start_with(&addresses, tweak).await
}

/// The pool of a server that has one.
fn pool(proxy: &Proxy) -> &Pool {
    proxy.shared.routes.iter().next().unwrap().1
}

/// Which members are up.
fn up(proxy: &Proxy) -> Vec<bool> {
    let now = tokio::time::Instant::now();
    pool(proxy).members().iter().map(|member| member.is_up(now)).collect()
}

/// How many tunnels and requests each member carries.
fn live(proxy: &Proxy) -> Vec<usize> {
    pool(proxy).members().iter().map(|member| member.live()).collect()
}

/// A tunnel, and the letter of the member at its other end.
struct Tunnel {
    client: Client,
    member: char,
}

/// Opens a tunnel; the status when there is none.
async fn try_open(addr: SocketAddr) -> Result<Tunnel, u16> {
    begin(Client::connect(addr).await).await
}

/// The same by a client that is connected.
async fn begin(mut client: Client) -> Result<Tunnel, u16> {
    client.send(upgrade_request().as_bytes()).await;
    finish(client).await
}

/// What becomes of a request that was sent.
async fn finish(mut client: Client) -> Result<Tunnel, u16> {
    let (head, behind) = client.read_head().await;
    let status = head[9..12].parse().unwrap();
    if status != 101 {
        return Err(status);
    }
    let letter = match behind.first() {
        Some(letter) => *letter,
        None => client.read_exact(1).await[0],
    };
    Ok(Tunnel { client, member: letter.into() })
}

async fn open(addr: SocketAddr) -> Tunnel {
    try_open(addr).await.unwrap_or_else(|status| panic!("{status} in place of a tunnel"))
}

async fn open_many(addr: SocketAddr, count: usize) -> Vec<Tunnel> {
    let mut tunnels = Vec::new();
    for _ in 0..count {
        tunnels.push(open(addr).await);
    }
    tunnels
}

/// At which members they end, in their order: `ABAB`.
fn letters(tunnels: &[Tunnel]) -> String {
    tunnels.iter().map(|tunnel| tunnel.member).collect()
}

/// How many of them end at each of so many members.
fn counts(tunnels: &[Tunnel], members: usize) -> Vec<usize> {
    let letters = ('A'..='Z').take(members);
    letters.map(|letter| tunnels.iter().filter(|one| one.member == letter).count()).collect()
}
