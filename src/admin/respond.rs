//! What is asked, and its answer.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::Source;
use super::judge::{Asked, Judge, Peer};
use crate::status::Status;

const PAGE: &str = include_str!("page.html");

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// The text format of Prometheus.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Nothing but the page itself and what it fetches from here is needed, so nothing else is allowed.
const PAGE_HEADERS: [(HeaderName, &str); 2] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Tunnels listed, unless more or fewer are asked for.
const DEFAULT_LIMIT: usize = 1000;

type Answer = Response<Full<Bytes>>;

/// What a path stands for.
enum Resource<'a> {
    Page,
    Health,
    Ready,
    Metrics,
    Status,
    Tunnels,
    Tunnel(&'a str),
}

impl<'a> Resource<'a> {
    fn find(path: &'a str) -> Option<Self> {
        Some(match path {
            "/" => Self::Page,
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/status" => Self::Status,
            "/tunnels" => Self::Tunnels,
            _ => Self::Tunnel(path.strip_prefix("/tunnels/")?),
        })
    }

    fn asked(&self) -> Asked {
        match self {
            Self::Health | Self::Ready | Self::Metrics => Asked::Probe,
            Self::Page | Self::Status => Asked::Status,
            Self::Tunnels | Self::Tunnel(_) => Asked::Tunnels,
        }
    }

    fn allow(&self) -> &'static str {
        if matches!(self, Self::Tunnel(_)) { "DELETE" } else { "GET, HEAD" }
    }
}

/// Answers a request.
pub(super) async fn respond(
    request: Request<Incoming>,
    peer: Peer,
    judge: Judge,
    source: Arc<Source>,
) -> Answer {
    let Some(resource) = Resource::find(request.uri().path()) else {
        return refuse(StatusCode::NOT_FOUND, "not found");
    };
    let allow = resource.allow();
    if !allow.split(", ").any(|method| method == request.method().as_str()) {
        let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        return answer;
    }
    if !request.body().is_end_stream() {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "a request has no body here");
    }
    if let Err(reason) = judge.admit(resource.asked(), peer, request.headers()) {
        return refuse(StatusCode::FORBIDDEN, reason);
    }
    match resource {
        Resource::Page => page(),
        Resource::Health => content(TEXT, "ok\n"),
        Resource::Ready => match (source.ready)() {
            Ok(()) => content(TEXT, "ready\n"),
            Err(reason) => refuse(StatusCode::SERVICE_UNAVAILABLE, reason),
        },
        Resource::Metrics => metrics(source).await,
        Resource::Status => match status(source).await {
            Ok((_, status)) => json(&status),
            Err(answer) => *answer,
        },
        Resource::Tunnels => match limit(request.uri().query()) {
            Some(limit) => json(&source.tunnels.list(limit)),
            None => refuse(StatusCode::BAD_REQUEST, "limit is not a number"),
        },
        Resource::Tunnel(id) => match id.parse().is_ok_and(|id| source.tunnels.end(id)) {
            true => with_status(StatusCode::NO_CONTENT, TEXT, Bytes::new()),
            false => refuse(StatusCode::NOT_FOUND, "no such tunnel"),
        },
    }
}

async fn metrics(source: Arc<Source>) -> Answer {
    match status(source).await {
        Ok((source, status)) => match source.metrics.render(&status) {
            Ok(text) => content(METRICS, text),
            Err(error) => failed(&error),
        },
        Err(answer) => *answer,
    }
}

/// How the server is, asked where that may block.
async fn status(source: Arc<Source>) -> Result<(Arc<Source>, Status), Box<Answer>> {
    tokio::task::spawn_blocking(move || {
        let status = (source.status)();
        (source, status)
    })
    .await
    .map_err(|error| Box::new(failed(&error)))
}

/// How many tunnels a query asks for.
fn limit(query: Option<&str>) -> Option<usize> {
    let mut parameters = query.unwrap_or_default().split('&');
    match parameters.find_map(|parameter| parameter.strip_prefix("limit=")) {
        Some(limit) => limit.parse().ok(),
        None => Some(DEFAULT_LIMIT),
    }
}

fn page() -> Answer {
    let mut answer = content("text/html; charset=utf-8", PAGE);
    for (name, value) in PAGE_HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn json(value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(text) => content(JSON, text),
        Err(error) => failed(&error),
    }
}

fn content(kind: &'static str, body: impl Into<Bytes>) -> Answer {
    with_status(StatusCode::OK, kind, body.into())
}

fn refuse(status: StatusCode, reason: &str) -> Answer {
    with_status(status, TEXT, format!("{reason}\n").into())
}

fn failed(error: &dyn std::error::Error) -> Answer {
    tracing::error!(error = %error, "admin request failed");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
}

fn with_status(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_the_default() {
        for (query, expected) in [
            (None, Some(DEFAULT_LIMIT)),
            (Some(""), Some(DEFAULT_LIMIT)),
            (Some("limit=5"), Some(5)),
            (Some("x=1&limit=0"), Some(0)),
            (Some("limit="), None),
            (Some("limit=-1"), None),
            (Some("limit=all"), None),
        ] {
            assert_eq!(limit(query), expected, "{query:?}");
        }
    }
}
