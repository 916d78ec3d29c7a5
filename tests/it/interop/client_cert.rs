//! curl and OpenSSL's own client with a certificate, without one, and with one that was revoked: what they
//! say of it, in both versions of TLS.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use wssgate::config::ClientAuth;

use crate::support::{
    Authority, Issued, Leaf, Proxy, Upstream, Usage, program, repository, within,
};

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A server that lets clients of one authority in, and files for its clients.
struct Asking {
    dir: TempDir,
    proxy: Proxy,
    upstream: Upstream,
}

impl Asking {
    async fn start() -> Self {
        let (dir, root) = (tempfile::tempdir().unwrap(), Authority::new("root"));
        let leaf = Leaf { common_name: "robot", usage: Usage::Client, ..Leaf::default() };
        let issue = |authority: &Authority, name: &str| -> Issued {
            let issued = authority.issue(&leaf);
            issued.write(dir.path(), name);
            issued
        };
        issue(&root, "good");
        let revoked = issue(&root, "revoked");
        issue(&Authority::new("stranger"), "stranger");
        let (ca, crl) = (dir.path().join("ca.pem"), dir.path().join("root.crl"));
        let tomorrow = SystemTime::now() + Duration::from_secs(24 * 3600);
        std::fs::write(&ca, root.pem()).unwrap();
        std::fs::write(&crl, root.crl(&[revoked.serial], tomorrow)).unwrap();
        let upstream = Upstream::answering(PAGE).await;
        let proxy = Proxy::start_with(&[upstream.addr()], |config| {
            let crls = vec![crl];
            config.tls.client_auth =
                Some(ClientAuth { ca, crls, required: true, ..ClientAuth::default() });
            config.forwarding.client_cert = true;
        })
        .await;
        Self { dir, proxy, upstream }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The one client that was let in, as the upstream was told of it.
    async fn let_in(&mut self) {
        let head = self.upstream.accept().await.read_head().await;
        assert!(head.contains("Subject=\"CN=robot\""), "{head}");
        assert!(self.upstream.accepted().is_none());
    }
}

/// Who comes, what OpenSSL calls the alert, and curl's exit code in TLS 1.2: the handshake failed, of
/// which it knows one case better. In TLS 1.3 the handshake is done for the client when the alert comes.
const REFUSED: [(Option<&str>, &str, i32); 3] = [
    (None, "alert certificate required", 98),
    (Some("revoked"), "alert certificate revoked", 35),
    (Some("stranger"), "alert unknown ca", 35),
];

/// curl's exit code for what fails while it reads.
const RECEIVE_ERROR: i32 = 56;

#[tokio::test]
#[ignore = "needs curl"]
async fn curl_says_why_it_is_not_let_in() {
    let mut asking = Asking::start().await;
    for version in ["1.2", "1.3"] {
        let output = curl(&asking, version, Some("good")).await;
        assert_eq!(text(&output.stdout), "hello", "{version}: {}", text(&output.stderr));
        asking.let_in().await;
        for (name, alert, code) in REFUSED {
            let code = if version == "1.2" { code } else { RECEIVE_ERROR };
            let output = curl(&asking, version, name).await;
            let said = text(&output.stderr);
            assert!(said.contains(alert), "{version} {name:?}: no {alert:?} in {said}");
            assert_eq!(output.status.code(), Some(code), "{version} {name:?}: {said}");
            assert_eq!(text(&output.stdout), "");
        }
    }
    assert!(asking.upstream.accepted().is_none());
}

#[tokio::test]
#[ignore = "needs OpenSSL"]
async fn openssl_says_why_it_is_not_let_in() {
    let mut asking = Asking::start().await;
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (said, success) = s_client(&asking, flag, Some("good"), None).await;
        assert!(said.contains("hello") && success, "{said}");
        assert!(said.contains("\nAcceptable client certificate CA names\nCN = root\n"), "{said}");
        asking.let_in().await;
        for (name, alert, _) in REFUSED {
            let (said, success) = s_client(&asking, flag, name, None).await;
            assert!(said.contains(alert), "{version} {name:?}: no {alert:?} in\n{said}");
            assert!(!success && !said.contains("hello"), "{said}");
        }
    }
    assert!(asking.upstream.accepted().is_none());
}

#[tokio::test]
#[ignore = "needs OpenSSL"]
async fn openssl_resumes_a_session_with_its_certificate() {
    let mut asking = Asking::start().await;
    let session = asking.file("session");
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        for (option, how) in [("-sess_out", "New"), ("-sess_in", "Reused")] {
            let (said, _) = s_client(&asking, flag, Some("good"), Some((option, &session))).await;
            assert!(said.contains(&format!("\n{how}, {version}, ")), "{said}");
            assert!(said.contains("hello"), "{said}");
            asking.let_in().await;
        }
    }
}

async fn curl(asking: &Asking, version: &str, name: Option<&str>) -> Output {
    let mut command = Command::new(program("curl"));
    command.args(["--disable", "--silent", "--show-error", "--noproxy", "*", "--cacert"]);
    command.arg(repository("certs/ca.pem"));
    command.args([&format!("--tlsv{version}"), "--tls-max", version]);
    if let Some(name) = name {
        command.arg("--cert").arg(asking.file(&format!("{name}.pem")));
        command.arg("--key").arg(asking.file(&format!("{name}.key")));
    }
    command.arg(format!("https://{}/", asking.proxy.addr)).kill_on_drop(true);
    within("curl", command.output()).await.unwrap()
}

/// All that `openssl s_client` says, once it has asked for a page and the connection has ended, and
/// whether it calls that a success.
async fn s_client(
    asking: &Asking,
    version: &str,
    name: Option<&str>,
    session: Option<(&str, &Path)>,
) -> (String, bool) {
    let mut command = Command::new(program("openssl"));
    command.args(["s_client", "-ign_eof", "-servername", "localhost", version, "-CAfile"]);
    command.arg(repository("certs/ca.pem"));
    command.args(["-connect", &asking.proxy.addr.to_string()]);
    if let Some(name) = name {
        command.arg("-cert").arg(asking.file(&format!("{name}.pem")));
        command.arg("-key").arg(asking.file(&format!("{name}.key")));
    }
    if let Some((option, file)) = session {
        command.arg(option).arg(file);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // It may have ended already.
    let _ = child.stdin.take().unwrap().write_all(request).await;
    let output = within("openssl s_client", child.wait_with_output()).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (text(&said), output.status.success())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
