//! Certificates that change under the built binary, in its sandbox.

use super::layout::Kubernetes;
use super::{Pki, becomes};
use crate::support::{Binary, Client, Upstream, echo};

#[tokio::test]
async fn a_secret_of_kubernetes_is_taken_in_from_within_the_sandbox() {
    let pki = Pki::new();
    let [first, second, third] = [(); 3].map(|()| pki.issue(&["localhost"]));
    let folder = tempfile::tempdir().unwrap();
    let mut mount = Kubernetes::new(folder.path(), &first);
    let files = mount.files();
    let upstream = Upstream::echo().await.addr();
    let binary = Binary::start(&[
        "--listen=127.0.0.1:0",
        "--log-format=json",
        &format!("--upstream={upstream}"),
        &format!("--cert={}", files.chain.display()),
        &format!("--key={}", files.key.display()),
    ]);
    let addr = binary.listening().await;
    assert!(binary.line("sandbox").await["landlock"].as_str().unwrap().starts_with("ABI "));
    let client = pki.client("localhost");
    let mut tunnel = Client::connect_with(addr, client.connector()).await.unwrap();
    tunnel.upgrade().await;

    mount.swap(&second);
    becomes(addr, &client, &first, &second).await;
    mount.swap(&third);
    binary.signal("HUP").await;
    becomes(addr, &client, &second, &third).await;
    echo(&mut tunnel, "still here").await;
}
