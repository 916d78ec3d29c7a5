//! The floor: what a byte costs that is only passed on. A plain TCP relay without TLS or HTTP, written as one would
//! write it with tokio, in a process of its own so that its CPU time is read like a proxy's.

use std::io;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};

/// Of each direction.
const BUFFER_BYTES: usize = 64 * 1024;

/// Relays from one port of 127.0.0.1 to another until killed.
pub(crate) fn run(port: u16, origin: u16) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the relay's runtime")?
        .block_on(accept(port, origin))
}

async fn accept(port: u16, origin: u16) -> Result<()> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("bind the relay")?;
    loop {
        let (client, _) = listener.accept().await.context("accept at the relay")?;
        tokio::spawn(relay(client, origin));
    }
}

async fn relay(mut client: TcpStream, origin: u16) -> io::Result<()> {
    let mut upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, origin)).await?;
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER_BYTES, BUFFER_BYTES).await?;
    Ok(())
}
