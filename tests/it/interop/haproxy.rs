//! HAProxy as the sender and as the receiver of PROXY headers of both versions.
//!
//! Of the TLVs, version 2.6 takes the authority alone; what it sends is as long and as mixed as it gets.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::process::Command;
use wssgate::config::{Check, CheckKind, ProxyVersion};

use crate::support::{
    Binary, Client, Conversation, Process, Proxy, Upstream, echo, free_port, own_headers, program,
};

const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A client's address that nobody trusts.
const CLIENT: [u8; 4] = [127, 0, 5, 9];

/// The lines of a server in HAProxy's own words, and the version that it sends.
const SENDERS: [(&str, &str); 3] = [
    ("send-proxy", "v1"),
    ("send-proxy-v2", "v2"),
    ("send-proxy-v2 proxy-v2-options crc32c,unique-id", "v2"),
];

/// A running HAProxy. Killed when dropped.
struct HaProxy {
    _process: Process,
    _dir: tempfile::TempDir,
}

impl HaProxy {
    /// Before `wssgate`, to which it sends as told by `send`, and behind it, before `upstream`.
    async fn start(
        [before, behind]: [SocketAddr; 2],
        wssgate: SocketAddr,
        send: &str,
        upstream: &Upstream,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = include_str!("haproxy.cfg")
            .replace("@BEFORE@", &before.to_string())
            .replace("@WSSGATE@", &wssgate.to_string())
            .replace("@SEND@", send)
            .replace("@BEHIND@", &behind.to_string())
            .replace("@UPSTREAM@", &upstream.addr());
        let file = dir.path().join("haproxy.cfg");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(program("haproxy"));
        command.arg("-db").arg("-f").arg(file);
        let mut process = Process::start("haproxy", command);
        process.listens(before).await;
        Self { _process: process, _dir: dir }
    }
}

/// An upstream that echoes what comes through a WebSocket, and answers anything else with a page.
async fn upstream() -> Upstream {
    Upstream::serving(|mut conversation: Conversation| async move {
        match conversation.read_head().await.to_lowercase().contains("\r\nupgrade: websocket\r\n") {
            true => conversation.echo().await,
            false => conversation.send(PAGE).await,
        }
        conversation
    })
    .await
}

/// The value of a header that is there once.
fn value<'a>(head: &'a str, name: &str) -> &'a str {
    let prefix = format!("{}: ", name.to_lowercase());
    let is_it = |line: &&str| line.to_lowercase().starts_with(&prefix);
    let lines: Vec<&str> = head.lines().filter(is_it).collect();
    assert_eq!(lines.len(), 1, "{name} in {head}");
    &lines[0][prefix.len()..]
}

#[tokio::test]
#[ignore = "needs HAProxy"]
async fn clients_keep_their_address_from_haproxy_through_wssgate_to_haproxy() {
    for (send, version) in SENDERS {
        let mut upstream = upstream().await;
        let [before, behind] = [free_port(), free_port()];
        let args = ["--accept-proxy", "--trusted-proxy=127.0.0.2", "--send-proxy", version];
        let (binary, addr) = Binary::serving(&behind.to_string(), &args).await;
        let _haproxy = HaProxy::start([before, behind], addr, send, &upstream).await;

        let mut client = Client::connect_from((CLIENT, 0).into(), before).await.unwrap();
        let own = client.0.get_ref().0.local_addr().unwrap().to_string();
        client.upgrade().await;
        echo(&mut client, "through both").await;
        assert_eq!(binary.line("tunnel opened").await["client"], own, "{send}");
        client.shutdown().await;
        client.read_to_end().await;

        let head = upstream.accept().await.read_head().await;
        let host = Some("example.com");
        for line in own_headers("127.0.5.9", host, before.port()).lines() {
            let (name, expected) = line.split_once(": ").unwrap();
            assert_eq!(value(&head, name), expected, "{send}");
        }
        assert_eq!(value(&head, "X-Seen-For"), "127.0.5.9", "{send}");
        assert_eq!(value(&head, "X-Seen-Source"), own, "{send}");
        assert_eq!(value(&head, "X-Seen-Destination"), before.to_string(), "{send}");
        let authority = if version == "v2" { "localhost" } else { "" };
        assert_eq!(value(&head, "X-Seen-Authority"), authority, "{send}");
        // HAProxy's own checks, too, begin with a header, and are not worth a line.
        assert!(binary.lines("connection failed").is_empty(), "{send}: {:#?}", binary.log());
    }
}

#[tokio::test]
#[ignore = "needs HAProxy"]
async fn a_haproxy_that_is_not_trusted_or_sends_no_header_is_refused() {
    for (send, trusted) in [("send-proxy", "127.0.0.3"), ("", "127.0.0.2")] {
        let mut upstream = upstream().await;
        let [before, behind] = [free_port(), free_port()];
        let args = ["--accept-proxy", "--trusted-proxy", trusted];
        let (_binary, addr) = Binary::serving(&upstream.addr(), &args).await;
        let _haproxy = HaProxy::start([before, behind], addr, send, &upstream).await;
        let refused = Client::connect_from((CLIENT, 0).into(), before).await;
        assert!(refused.is_err(), "{send:?} by one who is not {trusted}");
        assert!(upstream.accepted().is_none());
    }
}

#[tokio::test]
#[ignore = "needs HAProxy"]
async fn haproxy_takes_headers_of_requests_and_of_checks() {
    for version in [ProxyVersion::V1, ProxyVersion::V2] {
        let mut upstream = upstream().await;
        let [before, behind] = [free_port(), free_port()];
        let proxy = Proxy::start_with(&[behind.to_string()], |config| {
            config.proxy_protocol.send = Some(version);
            let kind = CheckKind::Ws("/check".to_owned());
            let interval = Duration::from_millis(50);
            config.balancing.check = Some(Check { interval, ..Check::new(kind) });
        })
        .await;
        let _haproxy = HaProxy::start([before, behind], proxy.addr, "", &upstream).await;
        let mut client = Client::connect_from((CLIENT, 0).into(), proxy.addr).await.unwrap();
        let own = client.0.get_ref().0.local_addr().unwrap().to_string();
        client.ask("GET /page HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (mut check, mut page) = (None, None);
        while check.is_none() || page.is_none() {
            let head = upstream.accept().await.read_head().await;
            let seen = if head.starts_with("GET /check ") { &mut check } else { &mut page };
            *seen = Some(head);
        }
        let (check, page) = (check.unwrap(), page.unwrap());
        assert_eq!(value(&page, "X-Seen-Source"), own);
        assert_eq!(value(&page, "X-Seen-Destination"), proxy.addr.to_string());
        // Of a check nothing is told: it is as if it had come without a header.
        assert_eq!(value(&check, "X-Seen-For"), "127.0.0.1");
        assert_eq!(value(&check, "X-Seen-Destination"), behind.to_string());
    }
}
