//! Keys of every kind, in every form of file.

use std::fs;

use tokio_rustls::rustls;
use wssgate::config::Files;

use super::{Pki, serve, shown};
use crate::support::{Binary, Client, Key, Leaf, TlsOptions};

#[tokio::test]
async fn keys_of_every_kind_serve_both_versions() {
    let pki = Pki::new();
    for key in [Key::P256, Key::P384, Key::Ed25519, Key::Rsa] {
        let issued = pki.issuer.issue(&Leaf { key, ..Leaf::default() });
        let folder = tempfile::tempdir().unwrap();
        let (chain, key_file) = issued.write(folder.path(), "server");
        let proxy = serve(vec![Files { chain, key: key_file }], |_| {}).await;
        for version in rustls::ALL_VERSIONS {
            let client = TlsOptions { versions: vec![version], ..pki.client("localhost") };
            assert_eq!(shown(proxy.addr, &client).await, issued.certificate, "{key:?}");
        }
    }
}

#[tokio::test]
async fn older_forms_of_keys_are_read() {
    let pki = Pki::new();
    for (key, label) in [(Key::P256, "BEGIN EC PRIVATE KEY"), (Key::Rsa, "BEGIN RSA PRIVATE KEY")] {
        let issued = pki.issuer.issue(&Leaf { key, ..Leaf::default() });
        let folder = tempfile::tempdir().unwrap();
        let (chain, key_file) = issued.write(folder.path(), "server");
        let traditional = issued.traditional_key();
        assert!(traditional.contains(label));
        // `openssl ecparam -genkey` writes these before the key.
        let parameters =
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        for text in [traditional.clone(), parameters.to_owned() + &traditional] {
            fs::write(&key_file, text).unwrap();
            let files = Files { chain: chain.clone(), key: key_file.clone() };
            let proxy = serve(vec![files], |_| {}).await;
            let shown = shown(proxy.addr, &pki.client("localhost")).await;
            assert_eq!(shown, issued.certificate, "{key:?}");
        }
    }
}

/// By the command line: `--cert` alone.
#[tokio::test]
async fn one_file_may_hold_key_and_chain_in_any_order() {
    let pki = Pki::new();
    let issued = pki.issue(&["localhost"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.pem");
    let cert = path.display().to_string();
    for text in [issued.combined(), issued.chain.clone() + &issued.key] {
        fs::write(&path, text).unwrap();
        let fixed = ["--listen", "127.0.0.1:0", "--upstream", "1", "--log-format", "json"];
        let binary = Binary::start(&[&fixed[..], &["--cert", &cert]].concat());
        let addr = binary.listening().await;
        let connector = pki.client("localhost").connector();
        let client = Client::connect_with(addr, connector).await.unwrap();
        assert_eq!(*client.server_certificate(), issued.certificate);
    }
}
