//! mkcert, as people make a certificate that their own browser trusts.

use tokio::process::Command;

use super::curl::{curl_trusting, text};
use crate::support::{Binary, Upstream, program, within};

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
#[ignore = "needs mkcert and curl"]
async fn what_mkcert_makes_is_served_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    // Its authority stands in the folder too, and is installed nowhere.
    let mut mkcert = Command::new(program("mkcert"));
    mkcert.env("CAROOT", dir.path()).args(["-cert-file", &cert, "-key-file", &key]);
    mkcert.args(["localhost", "127.0.0.1"]).kill_on_drop(true);
    let output = within("mkcert", mkcert.output()).await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));

    let upstream = Upstream::answering(PAGE).await.addr();
    let fixed = ["--listen", "127.0.0.1:0", "--log-format", "json", "--upstream", &upstream];
    let binary = Binary::start(&[&fixed[..], &["--cert", &cert, "--key", &key]].concat());
    let addr = binary.listening().await;
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/", addr.port());
        let output = curl_trusting(&dir.path().join("rootCA.pem"), &[&url]).await;
        assert_eq!(text(&output.stdout), "hello", "{host}: {}", text(&output.stderr));
    }
}
