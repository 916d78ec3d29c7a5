//! tokio-tungstenite on both sides: every kind of frame passes, and both see how the other closes.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use crate::support::{Client, Process, Proxy, Upstream, within};

type Socket = WebSocketStream<tokio_rustls::client::TlsStream<TcpStream>>;

#[tokio::test]
async fn every_kind_of_message_is_echoed() {
    let (mut client, _server) = connect().await;
    echoes(&mut client).await;
}

#[tokio::test]
async fn large_message_is_echoed_while_it_is_sent() {
    let (client, _server) = connect().await;
    let message = Message::binary(pattern(5 * 1024 * 1024));
    let (mut sending, mut receiving) = client.split();
    // Both at once, as neither side holds the whole message back for the other.
    let sent = message.clone();
    let ((), echoed) =
        tokio::join!(async { sending.send(sent).await.unwrap() }, next(&mut receiving));
    assert!(echoed == message, "the echo of the large message is another one");
}

#[tokio::test]
async fn ping_is_answered_and_fragments_stay_fragments() {
    let (mut client, mut server) = connect_raw().await;
    client.send(Message::Ping("are you there?".into())).await.unwrap();
    assert_eq!(next(&mut server).await, Message::Ping("are you there?".into()));
    // The answer leaves with the server's next read or write.
    server.flush().await.unwrap();
    assert_eq!(next(&mut client).await, Message::Pong("are you there?".into()));

    let frames = [
        Frame::message("one, ", OpCode::Data(Data::Text), false),
        Frame::message("two, ", OpCode::Data(Data::Continue), false),
        Frame::message("three", OpCode::Data(Data::Continue), true),
    ];
    for frame in frames {
        client.send(Message::Frame(frame)).await.unwrap();
    }
    assert_eq!(next(&mut server).await, Message::text("one, two, three"));
}

#[tokio::test]
async fn close_by_the_client_is_seen_with_its_code_on_both_sides() {
    let (mut client, mut server) = connect_raw().await;
    let farewell = close(4001, "going away on purpose");
    client.close(Some(farewell.clone())).await.unwrap();
    assert_eq!(next(&mut server).await, Message::Close(Some(farewell.clone())));
    ends(&mut server).await;
    assert_eq!(next(&mut client).await, Message::Close(Some(farewell)));
    // The server is the one to close its socket (RFC 6455, 7.1.1).
    drop(server);
    ends(&mut client).await;
}

#[tokio::test]
async fn close_by_the_server_is_seen_with_its_code_on_both_sides() {
    let (mut client, mut server) = connect_raw().await;
    let farewell = close(1012, "service restart");
    server.close(Some(farewell.clone())).await.unwrap();
    assert_eq!(next(&mut client).await, Message::Close(Some(farewell.clone())));
    // The server closes its socket once it has the answer, and only then the client is at the end.
    let (client_end, server_end) = (ends(&mut client), async {
        assert_eq!(next(&mut server).await, Message::Close(Some(farewell)));
        ends(&mut server).await;
        drop(server);
    });
    tokio::join!(client_end, server_end);
}

#[tokio::test]
#[ignore = "needs Python"]
async fn python_server_echoes() {
    let mut server = Process::python("interop/echo_server.py", &[]);
    let upstream = server.line().await["listening"].as_str().unwrap().to_owned();
    let proxy = Proxy::start_with(&[upstream], |_| {}).await;
    let tls = Client::connect(proxy.addr).await.0;
    let (mut client, _) =
        within("the handshake", Box::pin(client_async(request(), tls))).await.unwrap();
    echoes(&mut client).await;
    client.close(Some(close(4003, "enough"))).await.unwrap();
    assert_eq!(next(&mut client).await, Message::Close(Some(close(4003, "enough"))));
    ends(&mut client).await;
    drop(client);
    assert_eq!(server.line().await["close"], serde_json::json!([4003, "enough"]));
}

async fn echoes<S: AsyncRead + AsyncWrite + Unpin>(client: &mut WebSocketStream<S>) {
    for message in [
        Message::text("hello"),
        Message::text(""),
        Message::text("grüße \u{1f44b}"),
        Message::binary(pattern(0)),
        // The lengths around which a frame's head changes.
        Message::binary(pattern(125)),
        Message::binary(pattern(126)),
        Message::binary(pattern(65_535)),
        Message::binary(pattern(65_536)),
        Message::binary(pattern(300_000)),
    ] {
        client.send(message.clone()).await.unwrap();
        assert!(next(client).await == message, "the echo of {} bytes is another", message.len());
    }
}

/// A client, and behind wssgate a server that echoes text and binary messages.
async fn connect() -> (Socket, tokio::task::JoinHandle<()>) {
    let (client, mut server) = connect_raw().await;
    let echoing = tokio::spawn(async move {
        while let Some(Ok(message)) = server.next().await {
            if message.is_text() || message.is_binary() {
                server.send(message).await.unwrap();
            }
        }
    });
    (client, echoing)
}

/// Both ends of a tunnel, with a subprotocol agreed upon.
async fn connect_raw() -> (Socket, WebSocketStream<TcpStream>) {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start(&upstream).await;
    let tls = Client::connect(proxy.addr).await.0;
    let client = async { Box::pin(client_async(request(), tls)).await.unwrap() };
    let server =
        async { Box::pin(accept_hdr_async(upstream.accept().await.stream, choose)).await.unwrap() };
    let ((client, response), server) =
        within("the handshake on both sides", async { tokio::join!(client, server) }).await;
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    (client, server)
}

/// Asks for a room, and for a subprotocol.
fn request() -> tungstenite::http::Request<()> {
    let mut request = "wss://localhost/chat?room=1".into_client_request().unwrap();
    let protocols = HeaderValue::from_static("chat, other");
    request.headers_mut().insert("sec-websocket-protocol", protocols);
    request
}

#[expect(clippy::result_large_err, reason = "the library's signature")]
fn choose(
    request: &Request,
    mut response: Response,
) -> Result<Response, tungstenite::handshake::server::ErrorResponse> {
    assert_eq!(request.uri(), "/chat?room=1");
    assert_eq!(request.headers()["sec-websocket-protocol"], "chat, other");
    response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("chat"));
    Ok(response)
}

fn close(code: u16, reason: &str) -> CloseFrame {
    CloseFrame { code: CloseCode::from(code), reason: reason.into() }
}

/// Bytes that show if some of them are missing or stand elsewhere.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at / 251 % 256) as u8).collect()
}

async fn next<S>(stream: &mut S) -> Message
where
    S: futures_util::Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
{
    within("a message", stream.next()).await.unwrap().unwrap()
}

/// The end that follows a whole closing handshake.
async fn ends<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>) {
    let end = within("the end of the connection", socket.next()).await;
    assert!(end.is_none(), "{end:?}");
}
