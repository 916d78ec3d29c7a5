//! The upstream of `wssgate demo`: a page and a WebSocket echo, in plain HTTP/1.1 on a free port of
//! 127.0.0.1.
//!
//! It knows nothing of TLS and nothing of the proxy: the demo puts the real proxy path before it,
//! so what its page shows is what any upstream would see. Every connection is a task of the future
//! that [`Upstream::run`] returns, and ends with it. The page is one file without outside parts.
//! The first WebSocket message is the upgrade request's headers as JSON, without secret values.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::http::websocket;

const PAGE: &str = include_str!("demo/page.html");

/// Nothing but the page itself is needed, so nothing else is allowed. `wss:` is there beside
/// `'self'` because older browsers do not count a WebSocket to the page's own host as `'self'`.
const PAGE_HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
         connect-src 'self' wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // These two make the page "cross-origin isolated", and only such a page is given a clock finer
    // than 0.1 ms: a round trip over loopback is not much longer.
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
];

/// Headers whose values stay here: the page shows that they came, not what they said.
const SECRET_HEADERS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The demo's upstream: bound, and not yet serving.
#[derive(Debug)]
pub struct Upstream {
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl Upstream {
    /// Binds a free port of 127.0.0.1.
    pub async fn bind() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("bind the demo's upstream to 127.0.0.1")?;
        let local_addr =
            listener.local_addr().context("read the address of the demo's upstream")?;
        Ok(Self { listener, local_addr })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until the future is dropped, which also ends every connection.
    pub async fn run(self) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "demo upstream cannot accept");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// What a 101 leaves for after the HTTP connection has ended.
struct Agreed {
    upgraded: OnUpgrade,
    headers: String,
}

/// One connection: HTTP first, then the echo if that was agreed upon, in one task. How it ends is
/// of no interest here.
async fn serve(stream: TcpStream) {
    // Without it the page would show Nagle's algorithm instead of the round trip.
    let _ = stream.set_nodelay(true);
    let agreed = OnceLock::new();
    let service = service_fn(|request| {
        let response = respond(request, &agreed);
        async { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if served.is_ok()
        && let Some(agreed) = agreed.into_inner()
    {
        echo(agreed).await;
    }
}

fn respond(request: Request<Incoming>, agreed: &OnceLock<Agreed>) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/") => page(),
        (&Method::GET, "/echo") => match accept_value(request.headers()) {
            Some(accept) => {
                let headers = headers_as_json(request.headers());
                // One connection is upgraded once, so the slot is empty.
                let _ = agreed.set(Agreed { upgraded: hyper::upgrade::on(request), headers });
                switching_protocols(accept)
            }
            None => not_found(),
        },
        _ => not_found(),
    }
}

fn page() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(PAGE));
    for (name, value) in PAGE_HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn not_found() -> Response<Full<Bytes>> {
    let mut response =
        Response::new(Full::from("not found: the demo has / and the WebSocket /echo\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn switching_protocols(accept: HeaderValue) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// The `Sec-WebSocket-Accept` for these request headers, or none if they ask for no WebSocket.
/// Strictness is the proxy's part.
fn accept_value(headers: &HeaderMap) -> Option<HeaderValue> {
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?.as_bytes();
    let upgrade = headers.get(header::UPGRADE)?.as_bytes();
    if !upgrade.eq_ignore_ascii_case(b"websocket") {
        return None;
    }
    HeaderValue::try_from(websocket::accept(key)).ok()
}

/// `{"headers": [[name, value], ...]}`, in the order of arrival.
fn headers_as_json(headers: &HeaderMap) -> String {
    let pairs: Vec<String> = headers
        .iter()
        .map(|(name, value)| match SECRET_HEADERS.contains(name) {
            true => format!("[{}, \"(hidden)\"]", quoted(name.as_str())),
            false => format!(
                "[{}, {}]",
                quoted(name.as_str()),
                quoted(&String::from_utf8_lossy(value.as_bytes()))
            ),
        })
        .collect();
    format!("{{\"headers\": [{}]}}", pairs.join(", "))
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            // JSON escapes what is below a space; a header can only bring a tab.
            ..' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Sends the headers, then every message back, until either side ends it or a message is over the
/// limit.
async fn echo(agreed: Agreed) {
    let Ok(upgraded) = agreed.upgraded.await else { return };
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let mut socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await;
    if socket.send(Message::text(agreed.headers)).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        // Pings and the closing handshake are answered while reading.
        if matches!(message, Message::Text(_) | Message::Binary(_))
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_tungstenite::tungstenite::Error;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    use tokio_tungstenite::{MaybeTlsStream, connect_async};

    use super::*;

    type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

    #[tokio::test]
    async fn page_is_served_as_html_with_a_policy() {
        let answer = with_upstream(|addr| get(addr, "/")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
        assert!(head.contains("content-security-policy: default-src 'none';"), "{head}");
        assert_eq!(body, PAGE);
    }

    #[test]
    fn page_has_the_ids_that_tests_look_for_and_no_outside_part() {
        for id in ["state", "message", "send", "echo", "rtt", "headers"] {
            assert_eq!(PAGE.matches(&format!("id=\"{id}\"")).count(), 1, "id {id}");
        }
        for outside in ["src=", "@import", "url("] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
    }

    #[tokio::test]
    async fn unknown_path_and_echo_without_an_upgrade_are_not_found() {
        for path in ["/nothing", "/echo", "/echo/"] {
            let answer = with_upstream(|addr| get(addr, path)).await;
            assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{path}: {answer}");
        }
    }

    #[tokio::test]
    async fn text_and_binary_messages_come_back_as_they_went() {
        with_upstream(|addr| async move {
            let (mut client, _) = connect(addr).await;
            for message in
                [Message::text("grüße"), Message::text(""), Message::binary(vec![0xff; 100_000])]
            {
                client.send(message.clone()).await.unwrap();
                assert_eq!(client.next().await.unwrap().unwrap(), message);
            }
            client.close(None).await.unwrap();
            assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))));
            assert!(client.next().await.is_none());
        })
        .await;
    }

    #[tokio::test]
    async fn message_over_the_limit_ends_the_connection() {
        with_upstream(|addr| async move {
            let (mut client, _) = connect(addr).await;
            // The upstream may have closed before all of it was sent.
            let _ = client.send(Message::binary(vec![0; MAX_MESSAGE_BYTES + 1])).await;
            assert!(!matches!(client.next().await, Some(Ok(_))));
        })
        .await;
    }

    #[tokio::test]
    async fn first_message_is_the_headers_without_secrets() {
        let headers = with_upstream(|addr| async move { connect(addr).await.1 }).await;
        let headers: serde_json::Value = serde_json::from_str(&headers).unwrap();
        let value = |name: &str| {
            let pairs = headers["headers"].as_array().unwrap();
            pairs.iter().find(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap())
        };
        assert_eq!(value("x-forwarded-for"), Some("192.0.2.1"));
        assert_eq!(value("x-odd"), Some("a \"quoted\"\t\\ value"));
        assert_eq!(value("upgrade"), Some("websocket"));
        assert_eq!(value("cookie"), Some("(hidden)"));
        assert_eq!(value("authorization"), Some("(hidden)"));
    }

    #[tokio::test]
    async fn dropping_run_ends_the_connections() {
        let (mut client, _) = with_upstream(connect).await;
        let ended = tokio::time::timeout(Duration::from_secs(10), client.next()).await.unwrap();
        assert!(matches!(ended, None | Some(Err(Error::Io(_) | Error::Protocol(_)))), "{ended:?}");
    }

    /// Runs `test` beside an upstream that ends with it; a test that hangs fails.
    async fn with_upstream<T, F: Future<Output = T>>(test: impl FnOnce(SocketAddr) -> F) -> T {
        let upstream = Upstream::bind().await.unwrap();
        let test = test(upstream.local_addr());
        tokio::select! {
            () = upstream.run() => unreachable!("run ends only when it is dropped"),
            result = tokio::time::timeout(Duration::from_secs(10), test) => result.unwrap(),
        }
    }

    async fn get(addr: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// A connected client, and the first message it was sent.
    async fn connect(addr: SocketAddr) -> (Client, String) {
        let mut request = format!("ws://{addr}/echo").into_client_request().unwrap();
        for (name, value) in [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-odd", "a \"quoted\"\t\\ value"),
            ("cookie", "session=secret"),
            ("authorization", "Bearer secret"),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let (mut client, _) = connect_async(request).await.unwrap();
        let headers = client.next().await.unwrap().unwrap().into_text().unwrap().to_string();
        (client, headers)
    }
}
