//! Plain HTTP: sent on to https, and asked for the answers to ACME challenges (RFC 8555, 8.3).
//!
//! It comes to the TLS port by mistake and to the listeners of `--redirect-http` on purpose. One request,
//! one answer, close.

use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::Instant;

use super::failure::{Failure, Stage};
use super::record::Record;
use super::set_up::read_head;
use super::{Shared, send_last, send_verdict};
use crate::drain::Watch;
use crate::http::request::{self, Request};
use crate::http::{Refusal, answer};
use crate::meter::Meter;
use crate::net::Stream;

/// Where a certificate authority looks for the answer to its challenge.
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Bytes of an answer to a challenge; a key authorization is about a hundred.
const MAX_ANSWER_BYTES: u64 = 4096;

const TLS_PORT: u16 = 443;

/// Serves a connection to a listener that speaks plain HTTP.
pub(super) async fn run(
    mut stream: Stream,
    mut record: Box<Record>,
    shared: &Shared,
    watch: &mut Watch,
) {
    let deadline = record.began_at() + shared.timeouts.setup;
    let judging = async {
        let mut buf = Vec::new();
        let limit = shared.max_head_bytes;
        let length = read_head(&mut stream, &mut buf, deadline, limit).await;
        let judged = length.and_then(|length| {
            request::parse(&buf[..length]).map_err(|refusal| Failure::refused(Stage::Head, refusal))
        });
        match judged {
            Ok(request) => {
                record.requested(&request, shared.log_query);
                let (status, answer) = respond(&request, shared).await;
                record.answered(status);
                (Ok(()), Some(answer))
            }
            Err(failure) => {
                let is_head = request::is_head(&buf);
                let answer = failure.answer.map(|refusal| answer::text(refusal, is_head, None));
                (Err(failure), answer)
            }
        }
    };
    let (judged, answer) = tokio::select! {
        biased;
        judged = judging => judged,
        () = watch.set_ups_end() => (Err(Failure::drain(Stage::Head)), None),
    };
    let meter = Meter::default();
    match judged {
        Ok(()) => record.request_served(&shared.metrics, &meter),
        Err(failure) => record.failed(&failure, &shared.metrics, &meter),
    }
    if let Some(answer) = answer {
        tokio::select! {
            biased;
            () = send_last(&mut stream, &answer) => {}
            () = watch.set_ups_end() => {}
        }
    }
}

/// Answers plain HTTP on the TLS port: the same URL, with https. The failure is what is logged.
pub(super) async fn on_tls_port<S>(
    stream: &mut S,
    deadline: Instant,
    limit: usize,
    record: &mut Record,
) -> Failure
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let refusal = Refusal::new(400, "this port speaks TLS: use https or wss");
    let mut buf = Vec::new();
    let failure = match read_head(stream, &mut buf, deadline, limit).await {
        Ok(length) => match request::parse(&buf[..length]) {
            Ok(request) => {
                record.requested(&request, false);
                // The client came to this very port, and its Host says how it calls it.
                if let Some(location) = location(&request, request.host) {
                    let failure = Failure::client(Stage::Head, "plain HTTP on the TLS port");
                    record.answered(308);
                    send_verdict(&failure, stream, &answer::redirect(&location), record).await;
                    return failure;
                }
                Failure::refused(Stage::Head, refusal)
            }
            Err(_) => Failure::refused(Stage::Head, refusal),
        },
        // The log says what was wrong, and the status that is sent.
        Err(failure) => Failure { answer: failure.answer.map(|_| refusal), ..failure },
    };
    if failure.answer.is_some() {
        let is_head = request::is_head(&buf);
        let answer = answer::text(refusal, is_head, None);
        send_verdict(&failure, stream, &answer, record).await;
    }
    failure
}

async fn respond(request: &Request<'_>, shared: &Shared) -> (u16, Vec<u8>) {
    let is_head = request.method == "HEAD";
    let refuse = |refusal: Refusal| (refusal.status, answer::text(refusal, is_head, None));
    let webroot = shared.acme_webroot.as_deref();
    if let (Some(webroot), Some(token)) = (webroot, request.path().strip_prefix(CHALLENGES)) {
        return match read_challenge(webroot, token).await {
            Some(body) if matches!(request.method, "GET" | "HEAD") => {
                (200, answer::content(&body, is_head))
            }
            _ => refuse(Refusal::new(404, "no such challenge")),
        };
    }
    let authority = request.host.map(|host| secure_authority(host, shared.tls_port));
    match location(request, authority.as_deref()) {
        Some(location) => (308, answer::redirect(&location)),
        None => refuse(Refusal::new(400, "use https")),
    }
}

fn location(request: &Request<'_>, authority: Option<&str>) -> Option<String> {
    let authority = authority.filter(|_| request.target.starts_with('/'))?;
    Some(format!("https://{authority}{}", request.target))
}

/// Who comes to port 80 goes on to 443, whatever ports a container maps them to; who had to name a
/// port has to name the one that speaks TLS.
fn secure_authority(host: &str, tls_port: Option<u16>) -> String {
    let end = host.rfind(']').unwrap_or(0);
    let (name, named_port) = match host[end..].rfind(':') {
        Some(colon) => (&host[..end + colon], true),
        None => (host, false),
    };
    match tls_port {
        Some(port) if named_port && port != TLS_PORT => format!("{name}:{port}"),
        _ => name.to_owned(),
    }
}

/// Reads an answer that an ACME client has left in its webroot. A token is base64url (RFC 8555, 8.1),
/// which leaves no way out of the folder.
async fn read_challenge(webroot: &Path, token: &str) -> Option<Vec<u8>> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if token.is_empty() || !token.bytes().all(known) {
        return None;
    }
    let path = webroot.join(CHALLENGES.trim_start_matches('/')).join(token);
    let file = tokio::fs::File::open(path).await.ok()?;
    let mut body = Vec::new();
    file.take(MAX_ANSWER_BYTES).read_to_end(&mut body).await.ok()?;
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_port_becomes_the_port_of_tls() {
        for (host, port, authority) in [
            ("example.com", Some(8443), "example.com"),
            ("example.com:8080", Some(8443), "example.com:8443"),
            ("example.com:8080", Some(443), "example.com"),
            ("example.com:8080", None, "example.com"),
            ("[::1]", Some(8443), "[::1]"),
            ("[::1]:8080", Some(8443), "[::1]:8443"),
        ] {
            assert_eq!(secure_authority(host, port), authority);
        }
    }
}
