//! curl, as people try out a port with it.

use std::path::Path;
use std::process::Output;

use tokio::process::Command;

use crate::support::{Proxy, Upstream, program, repository, within};

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
#[ignore = "needs curl"]
async fn page_is_fetched_over_http_1_even_if_http_2_is_wanted() {
    let upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start(&upstream).await;
    let url = format!("https://{}/page", proxy.addr);
    for wanted in ["--http1.1", "--http2", "--no-alpn"] {
        let output = curl(&[wanted, "--write-out", " %{http_code} %{http_version}", &url]).await;
        assert_eq!(text(&output.stdout), "hello 200 1.1", "{wanted}: {}", text(&output.stderr));
    }
    // What offers http/1.0 alone gets no connection, as nothing but http/1.1 is chosen by ALPN (nginx
    // would take it). Without ALPN it is served.
    let output = curl(&["--http1.0", &url]).await;
    assert!(text(&output.stderr).contains("no application protocol"), "{output:?}");
    let output = curl(&["--http1.0", "--no-alpn", &url]).await;
    assert_eq!(text(&output.stdout), "hello", "{}", text(&output.stderr));
}

#[tokio::test]
#[ignore = "needs curl"]
async fn both_versions_of_tls_are_spoken_and_none_before() {
    let upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start(&upstream).await;
    let url = format!("https://{}/", proxy.addr);
    for version in ["1.2", "1.3"] {
        let (min, max) = (format!("--tlsv{version}"), version);
        let output = curl(&[&min, "--tls-max", max, &url]).await;
        assert_eq!(text(&output.stdout), "hello", "{version}: {}", text(&output.stderr));
    }
    // OpenSSL itself would refuse to offer it at its ordinary security level.
    let old = ["--tlsv1.1", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", &url];
    let output = curl(&old).await;
    assert_eq!(output.status.code(), Some(35), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("alert"), "{}", text(&output.stderr));
}

#[tokio::test]
#[ignore = "needs curl"]
async fn plain_http_is_redirected_to_https_and_curl_follows() {
    let mut upstream = Upstream::answering(PAGE).await;
    let proxy = Proxy::start(&upstream).await;
    let url = format!("http://{}/page?a=b%20c", proxy.addr);
    let output = curl(&["--write-out", "%{http_code} %{redirect_url}", &url]).await;
    assert_eq!(text(&output.stdout), format!("308 https://{}/page?a=b%20c", proxy.addr));

    let output = curl(&["--location", "--write-out", " %{http_code} %{url_effective}", &url]).await;
    assert_eq!(text(&output.stdout), format!("hello 200 https://{}/page?a=b%20c", proxy.addr));
    let head = upstream.accept().await.read_head().await;
    assert!(head.starts_with("GET /page?a=b%20c HTTP/1.1\r\n"), "{head}");

    // 308 keeps the method and the body.
    curl(&["--location", "--data", "hello=world", &url]).await;
    let got = text(&upstream.accept().await.received);
    assert!(got.starts_with("POST /page?a=b%20c HTTP/1.1\r\n"), "{got}");
    assert!(got.ends_with("\r\n\r\nhello=world"), "{got}");
}

#[tokio::test]
#[ignore = "needs curl"]
async fn large_upload_and_download_arrive_whole() {
    const LENGTH: usize = 5_000_000;
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n").into_bytes();
    answer.extend((0..LENGTH).map(|at| (at % 251) as u8));
    let body = answer[answer.len() - LENGTH..].to_vec();
    let upload = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(upload.path(), &body).unwrap();
    let mut upstream = Upstream::serving(move |mut conversation| {
        let answer = answer.clone();
        async move {
            let head = conversation.read_head().await;
            conversation.read_until(head.len() + LENGTH).await;
            conversation.send(&answer).await;
            conversation
        }
    })
    .await;
    let proxy = Proxy::start(&upstream).await;
    let file = upload.path().display().to_string();
    // Without a word on it curl would ask for a 100 first, and wait a second for it.
    let url = format!("https://{}/", proxy.addr);
    let output = curl(&["--header", "Expect:", "--upload-file", &file, &url]).await;
    assert!(output.stdout == body, "{} bytes: {}", output.stdout.len(), text(&output.stderr));
    assert!(upstream.accept().await.received.ends_with(&body));
}

/// curl, trusting the development CA and nobody's settings.
async fn curl(args: &[&str]) -> Output {
    curl_trusting(&repository("certs/ca.pem"), args).await
}

/// The same with an authority of one's own.
pub(super) async fn curl_trusting(ca: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program("curl"));
    command.args(["--disable", "--silent", "--show-error", "--noproxy", "*", "--cacert"]);
    command.arg(ca).args(args).kill_on_drop(true);
    within("curl", command.output()).await.unwrap()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
