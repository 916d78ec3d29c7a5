//! The WebSocket's part of a probe: the upgrade, and a ping.
//!
//! Frames are passed over by their lengths, as nothing but the pong is of interest: so permessage-deflate can be
//! offered, as browsers do, and nobody has to inflate anything.

use std::io;

use anyhow::{anyhow, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, sink};

use super::Settings;
use super::report::printable;
use crate::http::response::Response;
use crate::http::{head, response, websocket};
use crate::tls;

/// Bytes of a response head that are read.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What browsers offer.
const EXTENSION: &str = "permessage-deflate";

/// What a pong must bring back.
const PAYLOAD: &[u8; 7] = b"wssgate";

/// A ping with this payload, masked with zeros (RFC 6455, 5.5.2).
const PING: &[u8; 13] = b"\x89\x87\0\0\0\0wssgate";

/// Asks for a WebSocket. The bytes behind the 101's head, and what it says.
pub(super) async fn upgrade<S>(
    stream: &mut S,
    settings: &Settings,
) -> anyhow::Result<(Vec<u8>, String)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let key = websocket::new_key();
    let mut lines = format!("Sec-WebSocket-Extensions: {EXTENSION}\r\n");
    if let Some(origin) = &settings.origin {
        lines += &format!("Origin: {origin}\r\n");
    }
    if !settings.protocols.is_empty() {
        lines += &format!("Sec-WebSocket-Protocol: {}\r\n", settings.protocols.join(", "));
    }
    let request = websocket::request(&settings.url.target, &settings.url.host, &key, &lines);
    // A server that is not pleased may have gone already; what it said before, an alert for one, tells
    // more than that nothing can be sent.
    let _ = send(stream, request.as_bytes()).await;
    let mut buf = Vec::new();
    let length = loop {
        let length = head::read(stream, &mut buf, MAX_HEAD_BYTES).await.map_err(unread)?;
        if !parse(&buf[..length])?.is_interim() {
            break length;
        }
        buf.drain(..length);
    };
    let behind = buf.split_off(length);
    let text = judge(&parse(&buf)?, &key, &settings.protocols)?;
    Ok((behind, text))
}

fn parse(head: &[u8]) -> anyhow::Result<Response<'_>> {
    response::parse(head).map_err(|refusal| anyhow!("it does not speak HTTP: {refusal}"))
}

/// What the answer agrees to, or why it is not an answer that a client takes (RFC 6455, 4.1).
fn judge(response: &Response<'_>, key: &str, protocols: &[String]) -> anyhow::Result<String> {
    let status = printable(response.status_text());
    if response.status != 101 {
        let location = response.values("location").next();
        let location = location.map(|to| format!(" (Location: {})", printable(to)));
        bail!("answered {status}, which is no WebSocket{}", location.unwrap_or_default());
    }
    response.accepts(key)?;
    let list = |name| response.values(name).map(printable).collect::<Vec<_>>().join(", ");
    let protocol = match list("sec-websocket-protocol") {
        none if none.is_empty() && protocols.is_empty() => "no subprotocol".to_owned(),
        none if none.is_empty() => "no subprotocol (browsers refuse that)".to_owned(),
        chosen => {
            let asked = protocols.contains(&chosen);
            ensure!(asked, "it chose the subprotocol {chosen}, which was not asked for");
            format!("subprotocol {chosen}")
        }
    };
    let extensions = list("sec-websocket-extensions");
    for extension in extensions.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let name = extension.split(';').next().unwrap_or_default().trim();
        ensure!(name == EXTENSION, "it chose the extension {name}, which was not asked for");
    }
    match extensions.is_empty() {
        true => Ok(format!("{status}, {protocol}, no extension")),
        false => Ok(format!("{status}, {protocol}, extension {extensions}")),
    }
}

/// Sends a ping and awaits its pong; `behind` came before what the stream still holds.
pub(super) async fn ping<S>(stream: &mut S, behind: &[u8]) -> anyhow::Result<((), String)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    send(stream, PING).await.map_err(|error| words(&error))?;
    let mut stream = behind.chain(stream);
    while !is_pong(&mut stream).await? {}
    Ok(((), "pong".to_owned()))
}

/// Reads one frame (RFC 6455, 5.2): whether it is our pong.
async fn is_pong<R>(stream: &mut R) -> anyhow::Result<bool>
where
    R: AsyncRead + Unpin,
{
    let mut start = [0; 2];
    read(stream, &mut start).await?;
    let [first, second] = start;
    ensure!(second < 128, "it sent a masked frame, which only clients do");
    let mut length = [0; 8];
    let digits = match second {
        126 => &mut length[6..],
        127 => &mut length[..],
        _ => {
            length[7] = second;
            &mut []
        }
    };
    read(stream, digits).await?;
    let length = u64::from_be_bytes(length);
    match first & 0x0f {
        opcode @ 8..=10 => {
            ensure!(length < 126, "it sent a control frame over 125 bytes");
            let mut payload = vec![0; usize::from(second)];
            read(stream, &mut payload).await?;
            ensure!(opcode != 8, "closed by the server{}", close_reason(&payload));
            Ok(opcode == 10 && payload == PAYLOAD)
        }
        0..=2 => {
            let passed = copy(&mut stream.take(length), &mut sink()).await;
            let passed = passed.map_err(|error| words(&error))?;
            ensure!(passed == length, "closed in the middle of a frame");
            Ok(false)
        }
        opcode => bail!("it sent a frame of the unknown kind {opcode}"),
    }
}

/// The status code and the reason in a close frame (RFC 6455, 5.5.1).
fn close_reason(payload: &[u8]) -> String {
    match payload {
        [high, low] => format!(" with {}", u16::from_be_bytes([*high, *low])),
        [high, low, reason @ ..] => {
            format!(" with {}: {}", u16::from_be_bytes([*high, *low]), printable(reason))
        }
        _ => String::new(),
    }
}

/// Ends a WebSocket and its connection; whether the server takes it well is of no interest.
pub(super) async fn close<S>(mut stream: S)
where
    S: AsyncWrite + Unpin,
{
    let _ = send(&mut stream, &websocket::CLOSE).await;
    let _ = stream.shutdown().await;
}

async fn send<S>(stream: &mut S, bytes: &[u8]) -> io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    stream.write_all(bytes).await?;
    stream.flush().await
}

async fn read<R>(stream: &mut R, bytes: &mut [u8]) -> anyhow::Result<()>
where
    R: AsyncRead + Unpin,
{
    stream.read_exact(bytes).await.map(|_| ()).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => anyhow!("closed without a pong"),
        _ => words(&error),
    })
}

fn words(error: &io::Error) -> anyhow::Error {
    anyhow!("{}", tls::explain(error))
}

fn unread(error: head::Error) -> anyhow::Error {
    match error {
        head::Error::Empty => anyhow!("closed without an answer"),
        head::Error::Truncated => anyhow!("closed in the middle of the answer's head"),
        head::Error::LineEnd => anyhow!("a bare CR or LF in the answer's head"),
        head::Error::LineTooLong | head::Error::TooLong => {
            anyhow!("the answer's head is too large")
        }
        head::Error::Io(error) => words(&error),
    }
}
