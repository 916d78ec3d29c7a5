//! What a head costs, in time for one: read, judged and rewritten.

#![allow(clippy::unwrap_used, reason = "a benchmark of heads that are in order")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wssgate::http::forwarded::Facts;
use wssgate::http::head::Scanner;
use wssgate::http::{request, response};

const LIMIT: usize = 64 * 1024;

/// The RFC's example (RFC 6455, 1.3).
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nServer: origin/1.0\r\n\
    Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

/// What Chromium sends, with a cookie of this length.
fn browser_request(cookie_bytes: usize) -> Vec<u8> {
    let cookie = "c".repeat(cookie_bytes);
    format!(
        "GET /socket?room=1 HTTP/1.1\r\nHost: chat.example.com\r\nConnection: Upgrade\r\n\
         Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux \
         x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
         Upgrade: websocket\r\nOrigin: https://chat.example.com\r\nSec-WebSocket-Version: 13\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
         Cookie: session={cookie}\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    )
    .into_bytes()
}

fn pass_request(head: &[u8], facts: &Facts<'_>, out: &mut Vec<u8>) {
    let length = Scanner::new(LIMIT).scan(head).unwrap().unwrap();
    request::parse(&head[..length]).unwrap().rewrite(facts, out);
}

fn pass_response(head: &[u8], out: &mut Vec<u8>) {
    let length = Scanner::new(LIMIT).scan(head).unwrap().unwrap();
    let response = response::parse(&head[..length]).unwrap();
    response.accepts(KEY).unwrap();
    response.rewrite("Upgrade", None, out);
}

fn heads(criterion: &mut Criterion) {
    let facts = Facts {
        ip: Some([192, 0, 2, 1].into()),
        port: Some(443),
        trusted: false,
        forwarded: false,
        client_cert: None,
    };
    let mut group = criterion.benchmark_group("head");
    let mut out = Vec::with_capacity(LIMIT);
    for (name, cookie_bytes) in [("request", 100), ("request_8k_cookie", 8 * 1024)] {
        let head = browser_request(cookie_bytes);
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                pass_request(black_box(&head), black_box(&facts), &mut out);
            });
        });
    }
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    group.bench_function("response_101", |bencher| {
        bencher.iter(|| {
            out.clear();
            pass_response(black_box(RESPONSE), &mut out);
        });
    });
    group.finish();
}

criterion_group!(benches, heads);
criterion_main!(benches);
