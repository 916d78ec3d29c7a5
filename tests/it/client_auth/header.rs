//! What the upstream is told: the certificate that was shown in the handshake, in Envoy's form, and
//! nothing that a client says of itself.

use rustls::AlertDescription;
use tokio_rustls::rustls;
use wssgate::config::{ClientAuth, Listener, Timeouts};

use super::{ROBOT, connector, robot_header, upstream};
use crate::support::{
    Authority, Client, Connector, Issued, KEY, Leaf, Proxy, Upstream, Usage, echo, own_headers,
};

const FORGED: [&str; 5] = [
    "X-Forwarded-Client-Cert: Hash=forged",
    "x-forwarded-client-cert: Hash=forged\r\nX-Forwarded-Client-Cert: Hash=again",
    "X_Forwarded_Client_Cert: Hash=forged",
    "X-Forwarded_Client-CERT: Hash=forged",
    "Connection: X-Forwarded-Client-Cert, X_Forwarded_Client_Cert, close",
];

/// A server that requests certificates, and the robot.
struct Asking {
    proxy: Proxy,
    upstream: Upstream,
    root: Authority,
    robot: Issued,
}

impl Asking {
    async fn start(upstream: Upstream, tweak: impl FnOnce(&mut Listener)) -> Self {
        let (dir, root) = (tempfile::tempdir().unwrap(), Authority::new("root"));
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, root.pem()).unwrap();
        // It is read at the start.
        let proxy = Proxy::start_with(&[upstream.addr()], |config| {
            config.tls.client_auth = Some(ClientAuth { ca, ..ClientAuth::default() });
            config.forwarding.client_cert = true;
            tweak(config);
        })
        .await;
        let robot = root.issue(&ROBOT);
        Self { proxy, upstream, root, robot }
    }

    async fn connect(&self, identity: Option<&Issued>) -> Client {
        let connector: Connector = connector(&rustls::version::TLS13, identity);
        Client::connect_with(self.proxy.addr, connector).await.unwrap()
    }

    /// What the upstream gets of a request with this line.
    async fn told(&mut self, identity: Option<&Issued>, line: &str) -> String {
        let mut client = self.connect(identity).await;
        client.ask(format!("GET / HTTP/1.1\r\nHost: example.com\r\n{line}\r\n\r\n")).await;
        self.upstream.accept().await.read_head().await
    }

    /// All that the upstream is to get of that.
    fn head(&self, client_cert: &str) -> String {
        let own = own_headers("127.0.0.1", Some("example.com"), self.proxy.addr.port());
        format!(
            "GET / HTTP/1.1\r\nHost: example.com\r\n{own}{client_cert}Connection: close\r\n\r\n"
        )
    }
}

#[tokio::test]
async fn what_a_client_says_of_its_certificate_is_gone() {
    for trusted in [false, true] {
        for told in [false, true] {
            let mut asking = Asking::start(upstream().await, |config| {
                config.forwarding.client_cert = told;
                if trusted {
                    config.forwarding.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
                }
            })
            .await;
            let robot = asking.robot.clone();
            let header = if told { robot_header(&robot) } else { String::new() };
            for line in FORGED {
                let context = format!("trusted: {trusted}, told: {told}, {line}");
                let head = asking.told(Some(&robot), line).await;
                assert_eq!(head, asking.head(&header), "{context}");
                let head = asking.told(None, line).await;
                assert_eq!(head, asking.head(""), "without a certificate, {context}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_client_says_is_gone_where_nobody_is_asked_for_a_certificate() {
    let mut asking = Asking::start(upstream().await, |config| config.tls.client_auth = None).await;
    let robot = asking.robot.clone();
    for line in FORGED {
        for identity in [None, Some(&robot)] {
            assert_eq!(asking.told(identity, line).await, asking.head(""), "{line}");
        }
    }
}

#[tokio::test]
async fn names_cannot_break_out_of_the_header() {
    let mut asking = Asking::start(upstream().await, |_| {}).await;
    let hostile = asking.root.issue(&Leaf {
        names: &[],
        uris: &["spiffe://example.org/a,Hash=b;DNS=\"c\""],
        common_name: "a\";DNS=admin\r\nX-Admin: 1",
        organizational_unit: Some("caf\u{e9} \\"),
        usage: Usage::Client,
        ..Leaf::default()
    });
    let head = asking.told(Some(&hostile), "Connection: close").await;
    let told = head.lines().find(|line| line.starts_with("X-Forwarded-Client-Cert: ")).unwrap();
    let (_, told) = told.split_once(';').unwrap();
    assert_eq!(
        told,
        "Subject=\"CN=a\\22\\;DNS=admin\\0D\\0AX-Admin: 1,OU=caf\\C3\\A9 \\5C\";\
         URI=\"spiffe://example.org/a,Hash=b;DNS=%22c%22\""
    );
    assert!(!head.contains("\nX-Admin"), "{head}");
}

#[tokio::test]
async fn a_tunnel_is_opened_with_it() {
    let asking = Asking::start(upstream().await, |_| {}).await;
    let Asking { proxy, mut upstream, robot, .. } = asking;
    for (identity, header) in [(Some(&robot), robot_header(&robot)), (None, String::new())] {
        for version in rustls::ALL_VERSIONS {
            let connecting = Client::connect_with(proxy.addr, connector(version, identity));
            let mut client = connecting.await.unwrap_or_else(|error| panic!("{error}"));
            client.upgrade().await;
            echo(&mut client, "hello").await;
            client.shutdown().await;
            let own = own_headers("127.0.0.1", Some("example.com"), proxy.addr.port());
            let head = format!(
                "GET /chat HTTP/1.1\r\nHost: example.com\r\nSec-WebSocket-Key: {KEY}\r\n\
                 Sec-WebSocket-Version: 13\r\n{own}{header}Connection: Upgrade\r\n\
                 Upgrade: websocket\r\n\r\n"
            );
            assert_eq!(upstream.accept().await.read_head().await, head);
        }
    }
}

#[tokio::test]
async fn each_request_of_a_connection_has_it() {
    let mut asking = Asking::start(upstream().await, |config| {
        config.timeouts.keepalive_timeout = Timeouts::default().keepalive_timeout;
    })
    .await;
    let robot = asking.robot.clone();
    let mut client = asking.connect(Some(&robot)).await;
    for line in ["X-Forwarded-Client-Cert: Hash=forged", "X_Forwarded_Client_Cert: Hash=forged"] {
        client
            .send(format!("GET / HTTP/1.1\r\nHost: example.com\r\n{line}\r\n\r\n").as_bytes())
            .await;
        let (answer, mut body) = client.read_head().await;
        assert!(answer.contains("Connection: keep-alive\r\n"), "{answer}");
        body.extend(client.read_exact(5 - body.len()).await);
        let head = asking.upstream.accept().await.read_head().await;
        assert_eq!(head, asking.head(&robot_header(&robot)));
    }
    client.upgrade().await;
    client.shutdown().await;
    let head = asking.upstream.accept().await.read_head().await;
    assert!(head.contains(&robot_header(&robot)), "{head}");
}

#[tokio::test]
async fn a_header_does_not_stand_in_for_a_certificate() {
    let mut asking = Asking::start(upstream().await, |config| {
        config.tls.client_auth.as_mut().unwrap().required = true;
        config.forwarding.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: example.com\r\n{}Connection: close\r\n\r\n",
        robot_header(&asking.robot)
    );
    let connector = connector(&rustls::version::TLS13, None);
    let got = super::send(asking.proxy.addr, &connector, request.as_bytes()).await;
    assert_eq!(got.answer, Err(AlertDescription::CertificateRequired));
    assert!(asking.upstream.accepted().is_none());
}
