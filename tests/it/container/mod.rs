//! The container image as a sidecar: built, then run as strictly as a cluster would, beside an application on the
//! same network, with its certificate in the layout of a secret.

mod podman;

use std::fs;
use std::path::PathBuf;

use podman::{Container, Image};
use tempfile::TempDir;

use crate::certificates::{Kubernetes, Pki, becomes};
use crate::support::{Client, Issued, Process, refused, upgrade_request};

/// What the image may take, in bytes.
const LIMIT: u64 = 12_000_000;

/// A masked text frame with a mask of zeros, and what an echo makes of it.
const SENT: &[u8] = b"\x81\x82\0\0\0\0hi";
const ECHOED: &[u8] = b"\x81\x02hi";

/// An application, and the secret that a sidecar of it reads.
struct Pod {
    upstream: String,
    _application: Process,
    pki: Pki,
    issued: Issued,
    mount: Kubernetes,
    path: PathBuf,
    _folder: TempDir,
}

impl Pod {
    async fn start() -> Self {
        let mut application = Process::python("interop/echo_server.py", &[]);
        let upstream = application.listening().await;
        let pki = Pki::new();
        let issued = pki.issue(&["localhost"]);
        let folder = tempfile::tempdir().unwrap();
        // The folder above is for its owner alone.
        let path = folder.path().join("secret");
        fs::create_dir(&path).unwrap();
        let mount = Kubernetes::new(&path, &issued);
        Self { upstream, _application: application, pki, issued, mount, path, _folder: folder }
    }

    async fn sidecar(&self, image: &Image, drain: &str) -> Container {
        Container::run(image, &self.path, &self.upstream, drain).await
    }

    async fn tunnel(&self, sidecar: &Container) -> Client {
        let connector = self.pki.client("localhost").connector();
        let mut client = Client::connect_with(sidecar.addr, connector).await.unwrap();
        // The application speaks nothing else.
        let request = "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Version";
        let request = upgrade_request().replace("Sec-WebSocket-Version", request);
        client.send(request.as_bytes()).await;
        let (head, _) = client.read_head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        echo(&mut client).await;
        client
    }
}

async fn echo(client: &mut Client) {
    client.send(SENT).await;
    assert_eq!(client.read_exact(ECHOED.len()).await, ECHOED);
}

#[tokio::test]
#[ignore = "needs podman and Python"]
async fn the_image_is_small_and_serves_reloads_and_drains_as_a_sidecar() {
    let image = Image::build();
    has_what_it_should(&image);
    let mut pod = Pod::start().await;
    says_how_it_is(&image, &pod).await;
    takes_in_a_new_secret(&image, &mut pod).await;
    lets_a_tunnel_end(&image, &pod).await;
    cuts_a_tunnel_that_does_not(&image, &pod).await;
}

fn has_what_it_should(image: &Image) {
    let size: u64 = image.property(".Size").parse().unwrap();
    assert!(size < LIMIT, "{size} bytes");
    assert_eq!(image.property(".Config.User"), "65532:65532");
    assert_eq!(image.property(".Config.StopSignal"), "SIGTERM");
    assert_eq!(image.property(".Config.Healthcheck.Test"), "[CMD /wssgate healthcheck]");
    let version = image.property("index .Labels \"org.opencontainers.image.version\"");
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert_eq!(image.property("len .RootFS.Layers"), "1", "the program and nothing else");
}

async fn says_how_it_is(image: &Image, pod: &Pod) {
    let sidecar = pod.sidecar(image, "10s").await;
    let _client = pod.tunnel(&sidecar).await;
    assert_eq!(sidecar.healthcheck(), Some(0));
    assert_eq!(sidecar.exec(&["healthcheck", "--ready"]), Some(0));
    assert_eq!(sidecar.exec(&["healthcheck", "--admin", "127.0.0.1:1"]), Some(1));
}

async fn takes_in_a_new_secret(image: &Image, pod: &mut Pod) {
    let sidecar = pod.sidecar(image, "10s").await;
    let mut client = pod.tunnel(&sidecar).await;
    let new = pod.pki.issue(&["localhost"]);
    pod.mount.swap(&new);
    becomes(sidecar.addr, &pod.pki.client("localhost"), &pod.issued, &new).await;
    echo(&mut client).await;
    pod.issued = new;
}

async fn lets_a_tunnel_end(image: &Image, pod: &Pod) {
    let mut sidecar = pod.sidecar(image, "25s").await;
    let mut client = pod.tunnel(&sidecar).await;
    let stopping = sidecar.stop();
    refused(sidecar.addr).await;
    echo(&mut client).await;
    client.shutdown().await;
    client.read_to_end().await;
    assert_eq!(sidecar.attached.exit().await.code(), Some(0), "{:#?}", sidecar.attached.log());
    assert_eq!(stopping.ended().await.0, 0);
}

async fn cuts_a_tunnel_that_does_not(image: &Image, pod: &Pod) {
    let mut sidecar = pod.sidecar(image, "1s").await;
    let mut client = pod.tunnel(&sidecar).await;
    let stopping = sidecar.stop();
    let (_, how) = client.read_to_end_and_how().await;
    how.expect("the client is told: close_notify");
    assert_eq!(sidecar.attached.exit().await.code(), Some(1), "{:#?}", sidecar.attached.log());
    assert_eq!(stopping.ended().await.0, 0);
}
