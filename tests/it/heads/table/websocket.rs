//! WebSocket requests, those that break the rules of one, and those that ask for another protocol.

use crate::heads::case::{self, Case};

/// A WebSocket request with these lines for Upgrade and Connection, and what goes on of it.
fn upgrading(name: &'static str, lines: &str) -> Case {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    case::sent(
        name,
        format!("GET /chat HTTP/1.1\r\nHost: example.com\r\n{lines}{key}\r\n"),
        format!("GET /chat HTTP/1.1\r\nHost: example.com\r\n{key}{{own}}{{upgrade}}"),
    )
}

/// A WebSocket request with these lines behind Upgrade and Connection, all of which go on.
fn keeping(name: &'static str, lines: &[u8]) -> Case {
    let line = b"GET /chat HTTP/1.1\r\nHost: example.com\r\n".as_slice();
    let upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n".as_slice();
    case::sent(
        name,
        [line, upgrade, lines, b"\r\n"].concat(),
        [line, lines, b"{own}{upgrade}"].concat(),
    )
}

pub(in crate::heads) fn asked() -> Vec<Case> {
    vec![
        upgrading("ws_ordinary", "Upgrade: websocket\r\nConnection: Upgrade\r\n"),
        upgrading("ws_upgrade_in_any_case", "UPGRADE: WebSocket\r\nconnection: uPGRADE\r\n"),
        upgrading("ws_firefox", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"),
        upgrading("ws_connection_list", "Connection: a,Upgrade ,\tb\r\nUpgrade: websocket\r\n"),
        upgrading(
            "ws_connection_lines",
            "Connection: keep-alive\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        ),
        upgrading(
            "ws_connection_with_empty_members",
            "Connection: , ,Upgrade,,\r\nUpgrade: websocket\r\n",
        ),
        upgrading("ws_upgrade_list", "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n"),
        upgrading("ws_upgrade_list_first", "Connection: Upgrade\r\nUpgrade: websocket,h2c\r\n"),
        upgrading(
            "ws_upgrade_lines",
            "Upgrade: h2c\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        ),
        upgrading(
            "ws_upgrade_twice",
            "Upgrade: websocket\r\nUpgrade: websocket\r\nConnection: Upgrade, Upgrade\r\n",
        ),
        upgrading(
            "ws_connection_names_its_key",
            "Connection: Upgrade, Sec-WebSocket-Key\r\nUpgrade: websocket\r\n",
        ),
        upgrading(
            "ws_with_connection_close",
            "Connection: close, Upgrade\r\nUpgrade: websocket\r\n",
        ),
        upgrading("ws_with_spaces_around", "Upgrade:  \t websocket \t \r\nConnection:Upgrade\r\n"),
    ]
}

pub(in crate::heads) fn sent() -> Vec<Case> {
    vec![
        keeping("ws_key_with_unused_bits", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAB==\r\n"),
        keeping("ws_key_of_symbols", b"Sec-WebSocket-Key: ++++////++++////++++/w==\r\n"),
        keeping("ws_key_name_in_lower_case", b"sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        keeping(
            "ws_protocols_and_extensions",
            b"Sec-WebSocket-Protocol: chat,  superchat\r\nSec-WebSocket-Protocol: b\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
              Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
        ),
        keeping(
            "ws_another_version",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8, 99\r\n",
        ),
        keeping(
            "ws_with_content_length_zero",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 0\r\n",
        ),
        keeping(
            "ws_with_cookie_and_authorization",
            b"Origin: https://example.com\r\nCookie: a=b; c=d\r\nAuthorization: Basic YTpi\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ),
        keeping(
            "ws_with_obs_text",
            b"X-Name: J\xfcrgen \xc3\xa4\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ),
        case::sent(
            "ws_absolute_form",
            b"GET wss://example.com/chat?a=b HTTP/1.1\r\nHost: example.com\r\n\
              Upgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            b"GET /chat?a=b HTTP/1.1\r\nHost: example.com\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{own}{upgrade}",
        ),
        chrome(),
    ]
}

/// What Chromium sends.
fn chrome() -> Case {
    let first = "GET /socket?token=abc%20d HTTP/1.1\r\nHost: localhost:8443\r\n";
    let rest = "Pragma: no-cache\r\nCache-Control: no-cache\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/140.0.0.0 Safari/537.36\r\n";
    let origin = "Origin: https://localhost:8443\r\nSec-WebSocket-Version: 13\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
         Cookie: sid=0123456789abcdef; theme=dark\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    case::sent(
        "ws_chromium",
        format!("{first}Connection: Upgrade\r\n{rest}Upgrade: websocket\r\n{origin}\r\n"),
        format!("{first}{rest}{origin}{{own localhost:8443}}{{upgrade}}"),
    )
}

/// A request that says websocket, of this line and these lines behind its Host.
fn broken(name: &'static str, line: &str, lines: &str) -> Case {
    case::refused(name, 400, format!("{line}\r\nHost: example.com\r\n{lines}\r\n"))
}

pub(in crate::heads) fn keys() -> Vec<Case> {
    let keyed = |name, keys: &str| {
        let lines = format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{keys}");
        broken(name, "GET /chat HTTP/1.1", &lines)
    };
    vec![
        keyed("ws_without_key", ""),
        keyed(
            "ws_with_two_keys",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        ),
        keyed(
            "ws_with_the_same_key_twice",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ),
        keyed("ws_key_empty", "Sec-WebSocket-Key:\r\n"),
        keyed("ws_key_of_15_bytes", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n"),
        keyed("ws_key_of_17_bytes", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n"),
        keyed("ws_key_of_18_bytes", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA\r\n"),
        keyed("ws_key_very_long", &format!("Sec-WebSocket-Key: {}\r\n", "A".repeat(4000))),
        keyed("ws_key_without_padding", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n"),
        keyed("ws_key_with_half_its_padding", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n"),
        keyed("ws_key_with_more_padding", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ===\r\n"),
        keyed("ws_key_in_url_alphabet", "Sec-WebSocket-Key: ----____----____----_w==\r\n"),
        keyed("ws_key_with_a_space", "Sec-WebSocket-Key: dGhlIHNhbXBs ZSBub25jZQ==\r\n"),
        keyed("ws_key_in_quotes", "Sec-WebSocket-Key: \"dGhlIHNhbXBsZSBub25jZQ==\"\r\n"),
        keyed(
            "ws_key_list",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ),
        keyed("ws_key_with_underscores", "Sec_WebSocket_Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
    ]
}

pub(in crate::heads) fn rules() -> Vec<Case> {
    let lines = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let more = |more: &str| format!("{lines}{more}");
    let connection = |connection: &str| lines.replace("Connection: Upgrade\r\n", connection);
    vec![
        broken("ws_post", "POST /chat HTTP/1.1", lines),
        broken("ws_head", "HEAD /chat HTTP/1.1", lines),
        broken("ws_options", "OPTIONS /chat HTTP/1.1", lines),
        broken("ws_get_in_lower_case", "get /chat HTTP/1.1", lines),
        broken("ws_in_1_0", "GET /chat HTTP/1.0", lines),
        broken("ws_without_connection", "GET /chat HTTP/1.1", &connection("")),
        broken("ws_connection_close", "GET /chat HTTP/1.1", &connection("Connection: close\r\n")),
        broken(
            "ws_connection_names_something_like_it",
            "GET /chat HTTP/1.1",
            &connection("Connection: Upgraded, Up grade\r\n"),
        ),
        broken(
            "ws_connection_websocket",
            "GET /chat HTTP/1.1",
            &connection("Connection: websocket\r\n"),
        ),
        broken("ws_with_a_body", "GET /chat HTTP/1.1", &more("Content-Length: 5\r\n")),
        broken(
            "ws_with_a_chunked_body",
            "GET /chat HTTP/1.1",
            &more("Transfer-Encoding: chunked\r\n"),
        ),
        broken("ws_with_a_bad_length", "GET /chat HTTP/1.1", &more("Content-Length: +0\r\n")),
        broken(
            "ws_behind_h2c_without_key",
            "GET /chat HTTP/1.1",
            "Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n",
        ),
    ]
}

pub(in crate::heads) fn plain() -> Vec<Case> {
    let dropped = |name, lines: &str| {
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        case::sent(
            name,
            format!("GET / HTTP/1.1\r\nHost: example.com\r\n{lines}{key}\r\n"),
            format!("GET / HTTP/1.1\r\nHost: example.com\r\n{key}{{own}}{{close}}"),
        )
    };
    vec![
        dropped("upgrade_websocket_13", "Upgrade: websocket/13\r\nConnection: Upgrade\r\n"),
        dropped("upgrade_websockets", "Upgrade: websockets\r\nConnection: Upgrade\r\n"),
        dropped("upgrade_web_socket", "Upgrade: web socket\r\nConnection: Upgrade\r\n"),
        dropped("upgrade_in_quotes", "Upgrade: \"websocket\"\r\nConnection: Upgrade\r\n"),
        dropped("upgrade_tls", "Upgrade: TLS/1.0\r\nConnection: Upgrade\r\n"),
        dropped("upgrade_empty", "Upgrade:\r\nConnection: Upgrade\r\n"),
        dropped("upgrade_missing", "Connection: Upgrade\r\n"),
        dropped("upgrade_h2c_without_connection", "Upgrade: h2c\r\n"),
        case::sent(
            "upgrade_h2c",
            b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade, HTTP2-Settings\r\n\
              Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: example.com\r\n{own}{close}",
        ),
        case::sent(
            "upgrade_h2c_with_a_body",
            b"POST / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade, HTTP2-Settings\r\n\
              Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n{own}{close}",
        ),
        case::sent(
            "upgrade_h2c_in_1_0",
            b"GET / HTTP/1.0\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            b"GET / HTTP/1.0\r\nHost: example.com\r\n{own}{close}",
        ),
    ]
}
