//! Reloads that are refused: all is as before, and the log says why.

use std::fs;
use std::net::TcpListener;

use crate::certificates::Pki;
use crate::support::{Binary, Client, Upstream, echo, free_port};

/// A program whose file has two listeners, and one whose certificate is a file.
struct Running {
    folder: tempfile::TempDir,
    pki: Pki,
    binary: Binary,
    good: String,
    addr: std::net::SocketAddr,
}

impl Running {
    async fn start(upstream: &Upstream) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new();
        pki.issue(&["localhost"]).write(folder.path(), "server");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let addr = free_port();
        let good = format!(
            "upstream = '{}'\n\
             [[listener]]\nlisten = '{addr}'\nself-signed = true\n\
             [[listener]]\nlisten = '127.0.0.1:0'\ncert = '{}'\nkey = '{}'\n",
            upstream.addr(),
            path("server.pem"),
            path("server.key")
        );
        fs::write(folder.path().join("wssgate.toml"), &good).unwrap();
        let args = ["--config", &path("wssgate.toml"), "--log-format", "json"];
        let binary = Binary::start(&args);
        binary.listening().await;
        Self { folder, pki, binary, good, addr }
    }

    /// Replaces the file by one that is refused; what is said of it.
    async fn refuses(&self, text: &str) -> String {
        fs::write(self.folder.path().join("wssgate.toml"), text).unwrap();
        assert!(!self.binary.reload().await, "{text}");
        let lines = self.binary.lines("reload refused, everything is as before");
        let line = lines.last().unwrap();
        assert_eq!(line["level"], "ERROR");
        line["reason"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn what_is_wrong_anywhere_changes_nothing_anywhere() {
    let upstream = Upstream::echo().await;
    let running = Running::start(&upstream).await;
    let holding = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holding.local_addr().unwrap();
    let good = &running.good;
    // Each would also take the first listener away.
    let moved = good.replace(&running.addr.to_string(), &free_port().to_string());
    let missing = moved.replace("server.key", "missing.key");
    let certificate = running.folder.path().join("server.pem");
    for (text, part) in [
        (format!("{moved}tls-mni = '1.3'\n"), "did you mean tls-min?".to_owned()),
        (format!("{moved}setup-timeout = '15'\n"), "as in 15s".to_owned()),
        (moved.replace("[[listener]]", "[[listener"), "wssgate.toml:2".to_owned()),
        (moved.replace(&upstream.addr(), "chat"), "\"chat\" is not an address".to_owned()),
        (missing, "missing.key".to_owned()),
        (
            format!("{moved}[[listener]]\nlisten = '{taken}'\nself-signed = true\n"),
            taken.to_string(),
        ),
        (String::new(), "no upstream".to_owned()),
    ] {
        let said = running.refuses(&text).await;
        assert!(said.contains(&part), "{text}: {said}");
        assert!(std::net::TcpStream::connect(running.addr).is_ok(), "{text}");
    }
    // A file that is named, too, although nothing else is new in it.
    fs::write(&certificate, "nothing").unwrap();
    let said = running.refuses(&moved).await;
    assert!(said.contains("cannot serve"), "{said}");
    let lines = running.binary.lines("not reloaded, the one before serves on");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0]["reason"].as_str().unwrap().contains("server.pem"));
    assert_eq!(running.binary.lines("listening").len(), 2);
    assert!(running.binary.lines("not listening any more").is_empty());
    // Mended, all of it is taken in.
    running.pki.issue(&["localhost"]).write(running.folder.path(), "server");
    fs::write(running.folder.path().join("wssgate.toml"), &moved).unwrap();
    assert!(running.binary.reload().await);
    assert_eq!(running.binary.lines("listening").len(), 3);
}

#[tokio::test]
async fn a_file_that_is_gone_is_refused_and_tunnels_live_on() {
    let upstream = Upstream::echo().await;
    let running = Running::start(&upstream).await;
    let line = &running.binary.lines("serving certificate")[1];
    assert_eq!(line["names"], "localhost");
    let addr = running.binary.lines("listening")[1]["listener"].as_str().unwrap().parse().unwrap();
    let connector = running.pki.client("localhost").connector();
    let mut tunnel = Client::connect_with(addr, connector).await.unwrap();
    tunnel.upgrade().await;
    fs::remove_file(running.folder.path().join("wssgate.toml")).unwrap();
    assert!(!running.binary.reload().await);
    echo(&mut tunnel, "still here").await;
    running.binary.signal("TERM").await;
    tunnel.shutdown().await;
    assert_eq!(running.binary.ended().await.0, 0);
}
