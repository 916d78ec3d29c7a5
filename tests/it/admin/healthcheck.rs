//! `wssgate healthcheck`: its exit code, and the one line that says what is wrong.

use std::net::TcpListener;

use wssgate::server::Order;

use super::{start, tunnel};
use crate::support::{Binary, Proxy, Upstream, free_port, refused};

/// Runs it: the exit code, and what it said.
async fn check(args: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let (code, said) =
        Binary::start_with(&[&["healthcheck"], args].concat(), variables).ended().await;
    assert!(said.len() <= 1, "{said:#?}");
    (code, said.join(""))
}

#[tokio::test]
async fn a_server_that_is_well_is_well_by_every_name() {
    let upstream = Upstream::echo().await;
    let (_proxy, admin) = start(&upstream, |_| {}).await;
    let (port, addr) = (admin.port().to_string(), admin.to_string());
    let any = [format!("0.0.0.0:{port}"), format!("[::]:{port}"), format!(":{port}")];
    let others = [port.clone(), addr.clone(), format!("localhost:{port}")];
    for name in any.iter().chain(&others) {
        assert_eq!(check(&["--admin", name], &[]).await, (0, String::new()), "{name}");
        assert_eq!(check(&["--admin", name, "--ready"], &[]).await, (0, String::new()), "{name}");
    }
    assert_eq!(check(&[], &[("WSSGATE_ADMIN", &addr)]).await, (0, String::new()));
}

#[tokio::test]
async fn it_asks_over_a_unix_socket() {
    let upstream = Upstream::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("unix:{}?mode=0600", folder.path().join("admin.sock").display());
    let _proxy = Proxy::start_all(&[upstream.addr()], |config| {
        config.admin.listen = Some(listen.parse().unwrap());
    })
    .await;
    assert_eq!(check(&["--admin", &listen], &[]).await, (0, String::new()));
}

#[tokio::test]
async fn a_server_that_drains_is_well_and_not_ready() {
    let upstream = Upstream::echo().await;
    let (proxy, admin) = start(&upstream, |_| {}).await;
    let _client = tunnel(&proxy).await;
    proxy.order(Order::Drain).await;
    refused(proxy.addr).await;
    let admin = admin.to_string();
    assert_eq!(check(&["--admin", &admin], &[]).await.0, 0);
    let (code, said) = check(&["--admin", &admin, "--ready"], &[]).await;
    assert_eq!((code, said.as_str()), (1, "wssgate: answered 503: draining"));
}

#[tokio::test]
async fn nobody_who_listens_is_not_well() {
    let nobody = free_port().to_string();
    let (code, said) = check(&["--admin", &nobody], &[]).await;
    assert_eq!(code, 1);
    assert!(said.contains(&nobody) && said.contains("refused"), "{said}");
}

#[tokio::test]
async fn a_silent_server_is_not_well() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, said) = check(&["--admin", &silent.local_addr().unwrap().to_string()], &[]).await;
    assert_eq!(code, 1);
    assert!(said.contains("no answer within 3s"), "{said}");
}

#[tokio::test]
async fn without_an_address_it_is_a_wrong_use() {
    let (code, said) = check(&[], &[]).await;
    assert_eq!(code, 2);
    assert!(said.contains("--admin") && said.contains("WSSGATE_ADMIN"), "{said}");
    assert_eq!(check(&["--admin", "fd:admin"], &[]).await.0, 2);
}
