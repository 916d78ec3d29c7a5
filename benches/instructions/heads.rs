//! What is counted inside one process: heads that are in memory, through the functions that every connection uses.

#![allow(clippy::unwrap_used, reason = "a benchmark of heads that are in order")]

use std::hint::black_box;

use wssgate::http::forwarded::Facts;
use wssgate::http::head::Scanner;
use wssgate::http::{request, response};

use crate::operation::Operation;

const LIMIT: usize = 64 * 1024;

/// The RFC's example (RFC 6455, 1.3).
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Somebody else's.
const WRONG_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

const REQUEST: &[u8] = b"GET /socket?room=1 HTTP/1.1\r\nHost: chat.example.com\r\n\
    Connection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/140.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: https://chat.example.com\r\n\
    Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nServer: origin/1.0\r\n\
    Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

/// Does it so often.
pub(crate) fn run(operation: Operation, times: usize) {
    let mut out = Vec::with_capacity(LIMIT);
    for _ in 0..times {
        out.clear();
        match operation {
            Operation::Head => pass(black_box(REQUEST), &mut out),
            Operation::GateRefused => assert!(!gate(black_box(RESPONSE), WRONG_KEY, &mut out)),
            _ => assert!(gate(black_box(RESPONSE), KEY, &mut out)),
        }
        black_box(&out);
    }
}

fn pass(head: &[u8], out: &mut Vec<u8>) {
    let facts = Facts {
        ip: Some([192, 0, 2, 1].into()),
        port: Some(443),
        trusted: false,
        forwarded: false,
        client_cert: None,
    };
    let length = Scanner::new(LIMIT).scan(head).unwrap().unwrap();
    request::parse(&head[..length]).unwrap().rewrite(&facts, out);
}

/// Whether it opens.
fn gate(head: &[u8], key: &str, out: &mut Vec<u8>) -> bool {
    let length = Scanner::new(LIMIT).scan(head).unwrap().unwrap();
    let response = response::parse(&head[..length]).unwrap();
    let opened = response.accepts(black_box(key)).is_ok();
    if opened {
        response.rewrite("Upgrade", None, out);
    }
    opened
}
