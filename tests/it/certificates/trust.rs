//! The files that say which clients may come, changed under a running server.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use tokio::io::AsyncReadExt as _;
use wssgate::config::ClientAuth;

use super::{Pki, Site, replace};
use crate::support::{Authority, Client, Issued, Leaf, TlsOptions, Usage, upgrade_request, within};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whether a tunnel opens for who shows this certificate.
async fn lets_in(addr: SocketAddr, client: &TlsOptions, identity: &Issued) -> bool {
    let client = TlsOptions { identity: Some(identity.clone()), ..client.clone() };
    let Ok(mut client) = Client::connect_with(addr, client.connector()).await else {
        return false;
    };
    // In TLS 1.3 the server's verdict comes after the handshake.
    if client.try_send(upgrade_request().as_bytes()).await.is_err() {
        return false;
    }
    let mut head = [0; 12];
    let read = within("an answer", client.0.read_exact(&mut head)).await;
    read.is_ok() && head == *b"HTTP/1.1 101"
}

async fn until(
    what: &str,
    addr: SocketAddr,
    (client, identity): (&TlsOptions, &Issued),
    is_in: bool,
) {
    crate::support::until(what, || async { lets_in(addr, client, identity).await == is_in }).await;
}

#[tokio::test]
async fn new_authorities_and_revocations_take_effect() {
    let pki = Pki::new();
    let client = pki.client("localhost");
    let authorities = ["one", "two"].map(Authority::new);
    let leaf = Leaf { names: &[], usage: Usage::Client, ..Leaf::default() };
    let identities = [0, 1].map(|index: usize| authorities[index].issue(&leaf));
    let folder = tempfile::tempdir().unwrap();
    let (ca, crl) = (folder.path().join("ca.pem"), folder.path().join("crl.pem"));
    let next_update = SystemTime::now() + DAY;
    let lists = |revoked: &[_]| {
        authorities[0].crl(&[], next_update) + &authorities[1].crl(revoked, next_update)
    };
    fs::write(&ca, authorities[0].pem()).unwrap();
    fs::write(&crl, lists(&[])).unwrap();
    let auth = ClientAuth {
        ca: ca.clone(),
        crls: vec![crl.clone()],
        required: true,
        ..ClientAuth::default()
    };
    let site = Site::start(&[pki.issue(&["localhost"])], |config| {
        config.tls.client_auth = Some(auth);
    })
    .await;
    let addr = site.addr();
    assert!(lets_in(addr, &client, &identities[0]).await);
    assert!(!lets_in(addr, &client, &identities[1]).await);

    // One that is broken changes nothing.
    replace(&ca, "nothing\n");
    assert!(lets_in(addr, &client, &identities[0]).await);
    replace(&ca, &authorities[1].pem());
    until("the new authority's client comes in", addr, (&client, &identities[1]), true).await;
    assert!(!lets_in(addr, &client, &identities[0]).await, "the old authority is gone");

    replace(&crl, &lists(std::slice::from_ref(&identities[1].serial)));
    until("who was revoked stays out", addr, (&client, &identities[1]), false).await;
}
