//! Active checks: looking at members without a request, as one would come.
//!
//! The WebSocket check makes a real upgrade and wants the right 101: a member that accepts connections
//! and refuses upgrades is no good.

use std::io;

use anyhow::{Context as _, ensure};
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

use super::health::Streak;
use super::member::Member;
use super::pool::Pool;
use super::stream::Stream;
use crate::addr::{Place, Upstream};
use crate::config::{Check, CheckKind};
use crate::http::{head, response, websocket};
use crate::proxy_protocol::{self, Told};

/// Bytes of a response head that a check reads.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Looks at every member of a pool.
pub(super) async fn run(pool: &Pool, check: &Check) {
    let mut first = Vec::new();
    if let Some(version) = pool.send_proxy() {
        // Of nobody: it is we who ask.
        proxy_protocol::write(version, &Told::default(), &mut first);
    }
    let look = Look { pool, check, first };
    join_all(pool.members().iter().map(|member| look.follow(member))).await;
}

/// How members are looked at.
struct Look<'a> {
    pool: &'a Pool,
    check: &'a Check,
    /// What every connection begins with.
    first: Vec<u8>,
}

impl Look<'_> {
    async fn follow(&self, member: &Member) {
        let check = self.check;
        let mut streak = Streak::new(check.rise, check.fall, member.is_checked_up());
        loop {
            let looked = timeout(check.timeout, self.look(member)).await;
            let result =
                looked.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
            if let Err(error) = &result {
                tracing::debug!(upstream = %member.address(), reason = format!("{error:#}"), "check failed");
            }
            let up = streak.record(result.is_ok());
            self.pool.checked(member, up);
            // Not all members in the same moment, nor all replicas of ours.
            sleep(check.interval.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
        }
    }

    async fn look(&self, member: &Member) -> anyhow::Result<()> {
        let connected = self.pool.connect_member(member, &self.first).await;
        let (mut stream, _) = connected.map_err(|(_, error)| error).context("connect")?;
        if let Stream::Plain(stream) = &mut stream {
            stream.write_all(&self.first).await.context("send a PROXY header")?;
        }
        match &self.check.kind {
            CheckKind::Tcp => Ok(()),
            CheckKind::Http(path) => {
                let head = ask(&mut stream, &http_request(path, &host(member.address()))).await?;
                let status = response::parse(&head)?.status;
                ensure!((200..400).contains(&status), "answered {status}");
                Ok(())
            }
            CheckKind::Ws(path) => {
                let key = websocket::new_key();
                let request = websocket::request(path, &host(member.address()), &key, "");
                let head = ask(&mut stream, &request).await?;
                let response = response::parse(&head)?;
                ensure!(response.status == 101, "answered {} to an upgrade", response.status);
                response.accepts(&key)?;
                let _ = stream.write_all(&websocket::CLOSE).await;
                Ok(())
            }
        }
    }
}

/// A member's address as Host may be (RFC 9110, 7.2): the path of a socket is none.
fn host(address: &Upstream) -> String {
    match &address.place {
        Place::Unix(_) => "localhost".into(),
        Place::Ip(address) => address.to_string(),
        Place::Name(name, port) => format!("{name}:{port}"),
    }
}

fn http_request(path: &str, host: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: wssgate\r\nConnection: close\r\n\r\n"
    )
}

/// Sends a request and reads the head of its answer, interim ones passed over.
async fn ask(stream: &mut Stream, request: &str) -> anyhow::Result<Vec<u8>> {
    stream.write_all(request.as_bytes()).await.context("send a request")?;
    let mut buf = Vec::new();
    loop {
        let length = head::read(stream, &mut buf, MAX_HEAD_BYTES)
            .await
            .map_err(|error| anyhow::anyhow!("read an answer: {error:?}"))?;
        let is_interim = response::parse(&buf[..length])?.is_interim();
        if !is_interim {
            buf.truncate(length);
            return Ok(buf);
        }
        buf.drain(..length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request;

    #[test]
    fn checks_are_requests_that_are_in_order() {
        let key = websocket::new_key();
        for address in ["127.0.0.1:9000", "[::1]:9000", "app:9000", "unix:/run/app.sock"] {
            let host = host(&address.parse().unwrap());
            let ws_request = websocket::request("/chat?x", &host, &key, "");
            for text in [http_request("/up", &host), ws_request] {
                assert!(request::parse(text.as_bytes()).is_ok(), "{text}");
            }
        }
    }
}
