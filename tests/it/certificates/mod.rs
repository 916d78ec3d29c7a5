//! Certificates as they come and go: which one a client is shown, and what becomes of it when its files
//! change under a running server.

mod broken;
mod check;
mod choice;
mod flood;
mod host;
mod kinds;
mod layout;
mod reload;
mod sandboxed;
mod start;
mod swaps;
mod tickets;
mod trust;

pub(crate) use layout::Kubernetes;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio_rustls::rustls;
use wssgate::config::{Certificates, Files, Listener};

use crate::support::{Authority, Client, Issued, Leaf, Proxy, TlsOptions, Upstream, within};

/// An authority that signs by way of an intermediate: a chain that is not whole is not verified.
pub(crate) struct Pki {
    root: Authority,
    issuer: Authority,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let root = Authority::new("root");
        let issuer = root.intermediate("issuer");
        Self { root, issuer }
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issuer.issue(&Leaf { names, ..Leaf::default() })
    }

    /// A client that trusts this root and asks for this name.
    pub(crate) fn client(&self, name: &str) -> TlsOptions {
        TlsOptions {
            roots: Some(self.root.pem()),
            server_name: name.to_owned(),
            ..TlsOptions::default()
        }
    }
}

/// A server, and the folder that its files lie in.
struct Site {
    folder: TempDir,
    files: Vec<Files>,
    proxy: Proxy,
}

impl Site {
    /// An echo behind these pairs, from `0.pem` and `0.key` on.
    async fn start(pairs: &[Issued], tweak: impl FnOnce(&mut Listener)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |(index, issued): (usize, &Issued)| {
            let (chain, key) = issued.write(folder.path(), &index.to_string());
            Files { chain, key }
        };
        let files: Vec<Files> = pairs.iter().enumerate().map(write).collect();
        let proxy = serve(files.clone(), tweak).await;
        Self { folder, files, proxy }
    }

    fn addr(&self) -> SocketAddr {
        self.proxy.addr
    }
}

/// An echo behind the pairs in these files.
async fn serve(files: Vec<Files>, tweak: impl FnOnce(&mut Listener)) -> Proxy {
    let upstream = Upstream::echo().await;
    Proxy::start_with(&[upstream.addr()], |config| {
        config.tls.certificates = Certificates::Files(files);
        tweak(config);
    })
    .await
}

/// The certificate that a full handshake shows; its chain and its signature were verified.
async fn shown(addr: SocketAddr, client: &TlsOptions) -> CertificateDer<'static> {
    let client = Client::connect_with(addr, client.connector()).await.unwrap();
    assert!(!client.resumed());
    client.server_certificate().clone()
}

/// Waits until full handshakes show this certificate. Until then each shows the one before.
pub(crate) async fn becomes(addr: SocketAddr, client: &TlsOptions, before: &Issued, now: &Issued) {
    let change = async {
        loop {
            let shown = shown(addr, client).await;
            if shown == now.certificate {
                return;
            }
            assert_eq!(shown, before.certificate, "neither the one before nor the new one");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within("the new certificate is shown", change).await;
}

/// Why rustls, as a client, could not finish a handshake.
async fn failure(addr: SocketAddr, client: &TlsOptions) -> rustls::Error {
    let error = Client::connect_with(addr, client.connector()).await.err().expect("a failure");
    let error = error.into_inner().expect("an error of rustls").downcast::<rustls::Error>();
    *error.unwrap()
}

/// Puts a file in place as careful programs do: written beside it, then renamed.
fn replace(path: &Path, content: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, content).unwrap();
    std::fs::rename(&beside, path).unwrap();
}
