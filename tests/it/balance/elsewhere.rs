//! Which requests are tried elsewhere: those whose head was not yet sent, and no other.

use super::member::{Member, Mode};
use super::{NEVER, open, pool, serve, try_open};
use crate::support::{Client, eventually};

#[tokio::test]
async fn a_request_whose_head_was_read_is_not_tried_elsewhere() {
    let [a, b] = Member::several().await;
    for mode in [Mode::Close, Mode::Garbage] {
        let proxy = serve(&[&a, &b], |config| config.fail_timeout = NEVER).await;
        a.set(mode);
        let before = a.heads().len();
        assert_eq!(try_open(proxy.addr).await.err(), Some(502));
        assert_eq!(a.heads().len(), before + 1);
        eventually("its place is free", || pool(&proxy).members()[0].live() == 0).await;
        assert!(b.heads().is_empty(), "it was tried elsewhere");
    }
}

#[tokio::test]
async fn nor_is_one_with_a_body() {
    let [a, b] = Member::several().await;
    let proxy = serve(&[&a, &b], |config| config.fail_timeout = NEVER).await;
    a.set(Mode::Close);
    let request = "POST /pay HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\n\r\n4.20";
    let (head, _) = Client::connect(proxy.addr).await.ask(request).await;
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    assert!(b.heads().is_empty(), "it was tried elsewhere");
}

#[tokio::test]
async fn a_request_that_was_refused_a_connection_is_tried_elsewhere() {
    let [mut a, mut b, c] = Member::several().await;
    let proxy = serve(&[&a, &b, &c], |config| config.max_fails = 0).await;
    a.stop().await;
    b.stop().await;
    for _ in 0..4 {
        assert_eq!(open(proxy.addr).await.member, 'C');
    }
    let request = "POST /pay HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\n\r\n4.20";
    let (head, _) = Client::connect(proxy.addr).await.ask(request).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(c.heads().len(), 5, "each came once");
}
