//! Sessions that are resumed: who was let in once is looked at again, and a ticket of a server that asks
//! for less, or trusts others, opens nothing.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use rustls::AlertDescription;
use tempfile::TempDir;
use tokio_rustls::rustls;

use super::{
    ROBOT, ROBOT_SUBJECT, Serving, ask, connector, head, line, robot_header, serve, upstream,
};
use crate::support::{Authority, Binary, Client, Connector, Issued, Upstream, echo};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_session_is_resumed_with_the_same_identity() {
    let mut serving = Serving::start(&["--allow-cn=robot"], |_, _| {}).await;
    let robot = serving.root.intermediate("below").issue(&ROBOT);
    let port = serving.addr.port();
    let mut heads = Vec::new();
    for version in rustls::ALL_VERSIONS {
        let connector = connector(version, Some(&robot));
        for resumed in [false, true, true] {
            let got = ask(serving.addr, &connector, "/").await;
            assert_eq!(got.answer.unwrap().1, "hello");
            assert_eq!(got.resumed, Some(resumed), "{version:?}");
            let line = serving.line(got.client).await;
            assert_eq!(line["resumed"], resumed, "{line}");
            assert_eq!(line["client_subject"], ROBOT_SUBJECT, "{line}");
            heads.push(head("/", port, &robot_header(&robot)));
        }
    }
    let last = connector(&rustls::version::TLS13, Some(&robot));
    assert_eq!(serving.heads(&last).await, heads);
}

#[tokio::test]
async fn a_session_of_nobody_is_resumed_as_nobodys() {
    let mut serving = Serving::start(&["--client-auth=request"], |_, _| {}).await;
    for version in rustls::ALL_VERSIONS {
        let connector = connector(version, None);
        for resumed in [false, true] {
            let got = ask(serving.addr, &connector, "/").await;
            assert_eq!((got.answer.is_ok(), got.resumed), (true, Some(resumed)), "{version:?}");
        }
        let heads = serving.heads(&connector).await;
        assert_eq!(heads, vec![head("/", serving.addr.port(), ""); 2]);
    }
}

#[tokio::test]
async fn a_resumed_session_is_judged_by_the_lists_of_today() {
    let tomorrow = SystemTime::now() + DAY;
    for (version, number) in [(&rustls::version::TLS12, "1.2"), (&rustls::version::TLS13, "1.3")] {
        let mut serving = Serving::start(&["--client-crl={dir}/root.crl"], |dir, root| {
            std::fs::write(dir.join("root.crl"), root.crl(&[], tomorrow)).unwrap();
        })
        .await;
        let robot = serving.root.issue(&ROBOT);
        let fresh = || connector(version, Some(&robot));
        let known = fresh();
        ask(serving.addr, &known, "/").await.answer.unwrap();
        serving.upstream.accept().await;
        let mut tunnel = Client::connect_with(serving.addr, known.clone()).await.unwrap();
        assert!(tunnel.resumed());
        tunnel.upgrade().await;

        let revoking = serving.root.crl(std::slice::from_ref(&robot.serial), tomorrow);
        serving.reload(&[("root.crl", revoking)]).await;
        refused(&serving, (&known, number), "client certificate is revoked").await;
        // From then on it has to make a full handshake: it may have a better certificate by now.
        for connector in [&known, &fresh()] {
            let got = ask(serving.addr, connector, "/").await;
            assert_eq!(got.answer, Err(AlertDescription::CertificateRevoked));
        }
        echo(&mut tunnel, "live tunnels go on").await;
        assert!(serving.upstream.accepted().is_none(), "the upstream saw nobody since");

        serving.reload(&[("root.crl", serving.root.crl(&[], tomorrow))]).await;
        let got = ask(serving.addr, &known, "/").await;
        assert_eq!((got.answer.is_ok(), got.resumed), (true, Some(false)), "taken back");
    }
}

#[tokio::test]
async fn a_resumed_session_is_refused_when_a_revocation_list_has_expired() {
    let (tomorrow, yesterday) = (SystemTime::now() + DAY, SystemTime::now() - DAY);
    for (version, number) in [(&rustls::version::TLS12, "1.2"), (&rustls::version::TLS13, "1.3")] {
        let mut serving = Serving::start(&["--client-crl={dir}/root.crl"], |dir, root| {
            std::fs::write(dir.join("root.crl"), root.crl(&[], tomorrow)).unwrap();
        })
        .await;
        let robot = serving.root.issue(&ROBOT);
        let known = connector(version, Some(&robot));
        ask(serving.addr, &known, "/").await.answer.unwrap();
        serving.upstream.accept().await;
        serving.reload(&[("root.crl", serving.root.crl(&[], yesterday))]).await;
        refused(&serving, (&known, number), "a revocation list has expired").await;
        let got = ask(serving.addr, &known, "/").await;
        assert_eq!(got.answer, Err(AlertDescription::UnknownCA));
        assert!(serving.upstream.accepted().is_none(), "the upstream saw nobody since");
    }
}

/// A resumed session's request is answered with 403, and logged with the reason.
async fn refused(serving: &Serving, (connector, version): (&Connector, &str), reason: &str) {
    let got = ask(serving.addr, connector, "/resumed?token=1").await;
    assert_eq!(got.resumed, Some(true), "{reason}");
    let (head, body) = got.answer.unwrap();
    assert!(head.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{head}");
    assert!(head.contains("\r\nConnection: close"), "{head}");
    assert_eq!(body, "403 Forbidden: client certificate is not accepted any more\n");
    let line = serving.line(got.client).await;
    let fields = [
        ("message", "connection failed"),
        ("level", "DEBUG"),
        ("stage", "tls"),
        ("closed_by", "client"),
        ("reason", reason),
        ("client_subject", ROBOT_SUBJECT),
        ("tls_version", version),
        ("path", "/resumed"),
    ];
    for (field, expected) in fields {
        assert_eq!(line[field], expected, "{field} in {line}");
    }
    assert_eq!((&line["status"], &line["resumed"]), (&403.into(), &true.into()), "{line}");
    assert!(line["upstream"].is_null(), "{line}");
}

#[tokio::test]
async fn no_session_is_resumed_when_other_authorities_are_trusted() {
    for version in rustls::ALL_VERSIONS {
        let mut serving = Serving::start(&[], |_, _| {}).await;
        let (robot, new_root) = (serving.root.issue(&ROBOT), Authority::new("new root"));
        let new_robot = new_root.issue(&ROBOT);
        let (old, new) = (connector(version, Some(&robot)), connector(version, Some(&new_robot)));
        let mut tunnel = Client::connect_with(serving.addr, old.clone()).await.unwrap();
        tunnel.upgrade().await;
        ask(serving.addr, &old, "/").await.answer.unwrap();
        serving.upstream.accept().await;

        // While clients move over, both are trusted; nobody is let in for what another trust has let in.
        serving.reload(&[("ca.pem", serving.root.pem() + &new_root.pem())]).await;
        let got = ask(serving.addr, &old, "/").await;
        assert_eq!((got.answer.is_ok(), got.resumed), (true, Some(false)), "{version:?}");
        assert!(ask(serving.addr, &new, "/").await.answer.is_ok());
        for _ in 0..2 {
            serving.upstream.accept().await;
        }

        serving.reload(&[("ca.pem", new_root.pem())]).await;
        let got = ask(serving.addr, &old, "/").await;
        assert_eq!(got.answer, Err(AlertDescription::UnknownCA), "{version:?}");
        assert_ne!(got.resumed, Some(true));
        let got = ask(serving.addr, &new, "/").await;
        assert_eq!((got.answer.is_ok(), got.resumed), (true, Some(false)), "{version:?}");
        echo(&mut tunnel, "live tunnels go on").await;
    }
}

/// Servers with one authority and one secret for their tickets: the replicas of one, or not.
struct Replicas {
    dir: TempDir,
    robot: Issued,
    upstream: Upstream,
}

impl Replicas {
    async fn new() -> Self {
        let (dir, root) = (tempfile::tempdir().unwrap(), Authority::new("root"));
        std::fs::write(dir.path().join("ca.pem"), root.pem()).unwrap();
        std::fs::write(dir.path().join("ticket.key"), [7; 48]).unwrap();
        Self { dir, robot: root.issue(&ROBOT), upstream: upstream().await }
    }

    async fn start(&self, args: &[&str]) -> (Binary, SocketAddr) {
        let ticket_key = ["--ticket-key-file={dir}/ticket.key"];
        serve(&self.upstream, self.dir.path(), &[&ticket_key, args].concat()).await
    }

    /// One that asks nobody for a certificate.
    async fn start_open(&self) -> (Binary, SocketAddr) {
        let ticket_key = self.dir.path().join("ticket.key");
        let arg = format!("--ticket-key-file={}", ticket_key.display());
        Binary::serving(&self.upstream.addr(), &[&arg]).await
    }
}

/// What became of a client's second connection: whether it was resumed, and the alert.
type Then = (Option<bool>, Option<AlertDescription>);

/// Connects to one server, and to another with what it has from the first.
async fn then(connector: &Connector, first: SocketAddr, second: SocketAddr) -> Then {
    ask(first, connector, "/").await.answer.unwrap();
    let got = ask(second, connector, "/").await;
    (got.resumed, got.answer.err())
}

#[tokio::test]
async fn a_ticket_opens_nothing_where_more_is_asked_for() {
    let replicas = Replicas::new().await;
    let robot = Some(&replicas.robot);
    let (_open, open) = replicas.start_open().await;
    let (_request, request) = replicas.start(&["--client-auth=request"]).await;
    let (_require, require) = replicas.start(&[]).await;
    let (_same, same) = replicas.start(&[]).await;
    let (_robots, robots) = replicas.start(&["--allow-cn=robot"]).await;
    let (_others, others) = replicas.start(&["--allow-cn=other"]).await;
    for version in rustls::ALL_VERSIONS {
        // In TLS 1.2 the alert comes within the client's handshake.
        let refused = (**version == rustls::version::TLS13).then_some(false);
        let refused = |alert| (refused, Some(alert));
        let required = refused(AlertDescription::CertificateRequired);
        let denied = refused(AlertDescription::AccessDenied);
        for (name, shows, first, second, expected) in [
            ("nobody's, of one that does not ask", None, open, require, required),
            ("nobody's, of one that may do without", None, request, require, required),
            ("nobody's, which would say nothing new", None, open, request, (Some(false), None)),
            ("of one that does not ask", robot, open, require, (Some(false), None)),
            ("of one that may do without", robot, request, require, (Some(false), None)),
            ("of one that requires", robot, require, request, (Some(false), None)),
            ("of its replica", robot, require, same, (Some(true), None)),
            ("of one without a list", robot, require, robots, (Some(false), None)),
            ("of one without a list", robot, require, others, denied),
            ("of one with another list", robot, robots, others, denied),
        ] {
            let connector = connector(version, shows);
            let found = then(&connector, first, second).await;
            assert_eq!(found, expected, "{name}, {version:?}");
        }
    }
}

#[tokio::test]
async fn an_identity_crosses_to_a_replica() {
    let mut replicas = Replicas::new().await;
    let (_first, first) = replicas.start(&[]).await;
    let (second, second_addr) = replicas.start(&[]).await;
    for version in rustls::ALL_VERSIONS {
        let connector = connector(version, Some(&replicas.robot));
        ask(first, &connector, "/").await.answer.unwrap();
        replicas.upstream.accept().await;
        let got = ask(second_addr, &connector, "/").await;
        assert_eq!((got.answer.is_ok(), got.resumed), (true, Some(true)), "{version:?}");
        let line = line(&second, got.client).await;
        assert_eq!(line["client_subject"], ROBOT_SUBJECT, "{line}");
        let told = head("/", second_addr.port(), &robot_header(&replicas.robot));
        assert_eq!(replicas.upstream.accept().await.read_head().await, told);
    }
}
