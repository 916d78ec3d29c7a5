//! What becomes of a head, and in what two forwarded heads differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wssgate::http::forwarded::Facts;
use wssgate::http::{head, request};

use crate::support::within;

/// As wssgate has it by default.
const LIMIT: usize = 64 * 1024;

/// What becomes of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes nowhere. Who refuses says why in a word: a status, or wssgate's reason.
    Refused(String),
    /// An application gets this.
    Sent(Vec<u8>),
}

impl Verdict {
    pub(super) fn is_sent(&self) -> bool {
        matches!(self, Self::Sent(_))
    }
}

/// The stages of a connection that judge, one after the other; `heads` shows that connections do the same.
pub(super) fn by_wssgate(bytes: &[u8]) -> Verdict {
    let unread = |error| request::refuse_unread(&error).map_or("closed", |refusal| refusal.reason);
    let length = match head::Scanner::new(LIMIT).scan(bytes) {
        Ok(Some(length)) => length,
        Ok(None) => return Verdict::Refused(unread(head::Error::Truncated).to_owned()),
        Err(error) => return Verdict::Refused(unread(error).to_owned()),
    };
    match request::parse(&bytes[..length]) {
        Ok(request) => {
            let ip = Some("127.0.0.1".parse().unwrap());
            let facts =
                Facts { ip, port: Some(8443), trusted: false, forwarded: false, client_cert: None };
            let mut sent = Vec::new();
            request.rewrite(&facts, &mut sent);
            Verdict::Sent(sent)
        }
        Err(refusal) => Verdict::Refused(refusal.reason.to_owned()),
    }
}

/// A server of hyper: what its application is given.
pub(super) async fn by_hyper(bytes: &[u8]) -> Verdict {
    let given = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&given);
    let service = service_fn(move |request: Request<Incoming>| {
        *keep.lock().unwrap() = Some(write(&request));
        async { Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::new()))) }
    });
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let mut builder = hyper::server::conn::http1::Builder::new();
    let serving = builder.keep_alive(false).serve_connection(TokioIo::new(server), service);
    let asking = async {
        client.write_all(bytes).await.unwrap();
        // It looks at what is here before it learns that no more will come.
        tokio::task::yield_now().await;
        let _ = client.shutdown().await;
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        answer
    };
    let (_, answer) = within("hyper", async { tokio::join!(serving, asking) }).await;
    match given.lock().unwrap().take() {
        Some(sent) => Verdict::Sent(sent),
        None => Verdict::Refused(status(&answer)),
    }
}

/// The head as the application would write it down.
fn write(request: &Request<Incoming>) -> Vec<u8> {
    let line = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri());
    let mut out = line.into_bytes();
    for (name, value) in request.headers() {
        out.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    out.extend(b"\r\n");
    out
}

/// The status of an answer, if there is one.
pub(super) fn status(answer: &[u8]) -> String {
    let status = answer.get(9..12).filter(|_| answer.starts_with(b"HTTP/"));
    status.map_or_else(|| "closed".to_owned(), |status| status.escape_ascii().to_string())
}

/// In what the head that another sends differs from ours, a word for each thing. Order and case of header names, and
/// what each of us says of the client and of the connection, are not compared.
pub(super) fn differences(ours: &[u8], theirs: &[u8]) -> BTreeSet<String> {
    let [ours, theirs] = [ours, theirs].map(View::read);
    let mut found = BTreeSet::new();
    for (what, is_same) in [
        ("another method", ours.method == theirs.method),
        ("another target", ours.target == theirs.target),
        ("another framing", ours.framing() == theirs.framing()),
    ] {
        if !is_same {
            found.insert(what.to_owned());
        }
    }
    let names: BTreeSet<&String> = ours.headers.keys().chain(theirs.headers.keys()).collect();
    for name in names.into_iter().filter(|name| !NOT_COMPARED.contains(&name.as_str())) {
        let word = match (ours.headers.get(name), theirs.headers.get(name)) {
            (Some(ours), Some(theirs)) if ours == theirs => continue,
            (Some(_), Some(_)) => "another",
            (Some(_), None) => "without",
            (None, _) => "with",
        };
        found.insert(format!("{word} {}", nickname(name)));
    }
    found
}

/// Framing has a line of its own.
const NOT_COMPARED: [&str; 8] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Names of one kind are alike.
fn nickname(name: &str) -> &str {
    let has = |sign: fn(char) -> bool| name.contains(sign);
    match name {
        "a" | "b" | "c" | "x-a" | "x-secret" | "http2-settings" => "what Connection names",
        _ if has(|char| char == '_') => "a name with an underscore",
        _ if has(|char| !char.is_ascii_alphanumeric() && char != '-') => "a name with an odd sign",
        _ => name,
    }
}

/// A forwarded head.
struct View {
    method: String,
    target: String,
    headers: BTreeMap<String, Vec<Vec<u8>>>,
}

impl View {
    /// Whoever sends it sends it well made.
    fn read(bytes: &[u8]) -> Self {
        let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        let first = String::from_utf8_lossy(lines.next().unwrap()).into_owned();
        let mut first = first.split(' ').map(str::to_owned);
        let (method, target) = (first.next().unwrap(), first.next().unwrap());
        let mut headers: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let colon = line.iter().position(|byte| *byte == b':').unwrap();
            let name = String::from_utf8_lossy(&line[..colon]).to_lowercase();
            headers.entry(name).or_default().push(line[colon + 1..].trim_ascii().to_vec());
        }
        Self { method, target, headers }
    }

    /// All that says where the body ends, in lower case.
    fn framing(&self) -> Vec<String> {
        let values = |name| self.headers.get(name).into_iter().flatten();
        let text = |value: &Vec<u8>| String::from_utf8_lossy(value).to_lowercase();
        values("content-length").chain(values("transfer-encoding")).map(text).collect()
    }
}
