//! Asking a server's admin listener: what `wssgate healthcheck` does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::lookup_host;

use crate::addr::Listen;
use crate::net::{Keepalive, Stream, Target, connect};

/// Bytes of an answer: room for all that a busy server has to say.
const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// A server that is asked; one connection for each question.
#[derive(Clone, Debug)]
pub struct Client {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Ip(SocketAddr),
    Name(String, u16),
    Unix(PathBuf),
}

impl Client {
    /// Asks who listens there. Where that is every address of the machine, loopback is meant.
    pub fn new(address: &Listen) -> anyhow::Result<Self> {
        let place = match address {
            Listen::Port(port) => Place::Ip((Ipv4Addr::LOCALHOST, *port).into()),
            // Both families are listened on there.
            Listen::Ip(address) if address.ip().is_unspecified() => {
                Place::Ip((Ipv4Addr::LOCALHOST, address.port()).into())
            }
            Listen::Ip(address) => Place::Ip(*address),
            Listen::Name(name, port) => Place::Name(name.clone(), *port),
            Listen::Unix(path, _) => Place::Unix(path.clone()),
            Listen::Fd(name) => bail!(
                "fd:{name} is known to the server alone; name the address of the socket with --admin"
            ),
        };
        Ok(Self { place })
    }

    /// The answer to a GET, if that is a 200. Any other is an error that says what was answered. The caller
    /// sets the time limit.
    pub async fn get(&self, path: &str) -> anyhow::Result<Bytes> {
        let (stream, host) = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.context("ask")?;
        let request = Request::get(path).header(HOST, host).body(Empty::<Bytes>::new())?;
        let asking = async move {
            let answer = sender.send_request(request).await.context("ask")?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!(error)).context("read the answer")?;
            anyhow::Ok((status, body.to_bytes()))
        };
        // The connection ends after its answer; what it has to say then was said before.
        let (answer, _) = tokio::join!(asking, connection);
        let (status, body) = answer?;
        let text = String::from_utf8_lossy(&body);
        ensure!(status == StatusCode::OK, "answered {}: {}", status.as_u16(), text.trim_end());
        Ok(body)
    }

    /// A connection, and how it calls the server.
    async fn connect(&self) -> anyhow::Result<(Stream, String)> {
        let target = match &self.place {
            Place::Ip(address) => Target::Tcp(*address),
            Place::Unix(path) => Target::Unix(path.clone()),
            Place::Name(name, port) => {
                let addresses = lookup_host((name.as_str(), *port)).await;
                let mut addresses = addresses.with_context(|| format!("resolve {name}"))?;
                Target::Tcp(addresses.next().context("the name has no address")?)
            }
        };
        let host = match &target {
            Target::Tcp(address) => address.to_string(),
            Target::Unix(_) => "localhost".to_owned(),
        };
        let connected = connect(&target, Keepalive(None)).await;
        Ok((connected.with_context(|| format!("connect to {target}"))?, host))
    }
}
