//! The server's side of one handshake.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio_rustls::rustls::server::{Accepted, Acceptor};
use tokio_rustls::rustls::{HandshakeKind, ProtocolVersion};

use super::store::{Current, Store};
use super::stream::ServerStream;
use super::{Failed, FailureKind, Identity, Session, failure};
use crate::config::cipher_name;

/// A fatal alert that says `unrecognized_name` (RFC 6066, 3; RFC 5246, 7.2): rustls has another for a
/// client that no certificate is found for.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Bytes of a ClientHello read at once: mostly all that is left of it.
const HELLO_BYTES: usize = 2 * 1024;

/// The server's side of one handshake, with what `store` has at this moment, of which `received` has been read
/// from `stream` already. The caller sets the time limit.
pub async fn accept<S>(
    store: &Store,
    mut received: Vec<u8>,
    mut stream: S,
) -> Result<(ServerStream<S>, Session), Failed<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let current = store.current();
    let hello = match read_hello(&mut received, &mut stream).await {
        Ok(hello) => hello,
        Err(error) => return Err(Failed::new(&error, Some(stream))),
    };
    let server_name = hello.client_hello().server_name().map(str::to_owned);
    if !current.choice.serves(server_name.as_deref()) {
        let reason = Cow::Borrowed("no certificate for the name that the client asked for");
        let sent = stream.write_all(&UNRECOGNIZED_NAME).await;
        let kind = FailureKind::UnknownName;
        return Err(Failed { reason, kind, stream: sent.ok().map(|()| stream) });
    }
    let config = current.configs.choose(&hello.client_hello());
    drop(hello);
    let mut stream = match ServerStream::new(config, stream, received) {
        Ok(stream) => stream,
        Err((error, stream)) => {
            let error = io::Error::new(io::ErrorKind::InvalidData, error);
            return Err(Failed::new(&error, Some(stream)));
        }
    };
    match shake_hands(&mut stream).await {
        Ok(()) => {
            let session = session(&stream, server_name, &current, store);
            Ok((stream, session))
        }
        Err(error) => Err(Failed::new(&error, Some(stream.into_inner()))),
    }
}

/// Reads on until the ClientHello is whole. rustls takes it in twice: once for us to look at before a
/// configuration is chosen.
async fn read_hello<S>(received: &mut Vec<u8>, stream: &mut S) -> io::Result<Accepted>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut acceptor = Acceptor::default();
    let mut shown = 0;
    loop {
        let mut rest = &received[shown..];
        while !rest.is_empty() {
            acceptor.read_tls(&mut rest)?;
            // It has room for one record until it is asked what became of it.
            match acceptor.accept() {
                Ok(Some(hello)) => return Ok(hello),
                Ok(None) => {}
                Err((error, mut alert)) => {
                    let mut bytes = Vec::new();
                    alert.write_all(&mut bytes)?;
                    // Who does not take it learns nothing.
                    let _ = stream.write_all(&bytes).await;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
        shown = received.len();
        received.reserve(HELLO_BYTES);
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Goes on until both sides are done. A ticket for the client may be left to leave with the first answer.
async fn shake_hands<S>(stream: &mut ServerStream<S>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|cx| Poll::Ready(stream.take_in_first(cx))).await?;
    while stream.state().is_handshaking() {
        // Both at once: a client may write before it reads on.
        let receive = poll_fn(|cx| match stream.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => stream.poll_receive(cx, &mut ReadBuf::new(&mut [])),
        });
        receive.await?;
    }
    if stream.state().protocol_version() == Some(ProtocolVersion::TLSv1_2) {
        // The client waits for our last message.
        poll_fn(|cx| stream.poll_send(cx)).await?;
    }
    Ok(())
}

fn session<S>(
    stream: &ServerStream<S>,
    server_name: Option<String>,
    current: &Current,
    store: &Store,
) -> Session {
    let connection = stream.state();
    let suite = connection.negotiated_cipher_suite();
    let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    let chain = connection.peer_certificates().unwrap_or_default();
    let trust = current.trust.as_ref().filter(|_| resumed);
    let refused = trust.and_then(|trust| trust.refuses(chain));
    if let (Some(_), Some(leaf)) = (&refused, chain.first()) {
        store.refuse_sessions_of(leaf);
    }
    Session {
        server_name,
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            _ => "unknown",
        },
        cipher: suite.map_or_else(|| "unknown".to_owned(), |suite| cipher_name(suite.suite())),
        has_alpn: connection.alpn_protocol().is_some(),
        resumed,
        // It was parsed when it was verified.
        identity: chain.first().and_then(|leaf| Identity::parse(leaf).ok()).map(Box::new),
        refused: refused.map(|error| failure::name(&error)),
        strict: current.choice.is_strict().then(|| Arc::clone(&current.choice)),
    }
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    #[tokio::test]
    async fn a_hello_of_several_records_may_come_at_once() {
        let roots = RootCertStore::empty();
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![vec![b'a'; 250]; 200];
        let name = ServerName::try_from("a.test").unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        assert!(bytes.len() > 50_000, "{}", bytes.len());
        let hello = read_hello(&mut bytes, &mut tokio::io::empty()).await.unwrap();
        assert_eq!(hello.client_hello().server_name(), Some("a.test"));
    }
}
