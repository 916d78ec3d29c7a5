//! Members that are looked at without a request.

use std::time::Duration;

use wssgate::config::{Check, CheckKind, Upstreams};
use wssgate::http::websocket;

use super::member::{Member, Mode};
use super::{NEVER, letters, open_many, serve, up};
use crate::support::{
    Binary, Conversation, Proxy, Upstream, certificate_arguments, eventually, switching_response,
};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

fn check(kind: CheckKind) -> impl FnOnce(&mut Upstreams) {
    let timeout = Duration::from_secs(2);
    move |config| {
        config.check = Some(Check { interval: INTERVAL, timeout, rise: 2, fall: 2, kind });
        config.fail_timeout = NEVER;
    }
}

#[tokio::test]
async fn tcp_sees_who_refuses() {
    let [mut a, b] = Member::several().await;
    let proxy = serve(&[&a, &b], check(CheckKind::Tcp)).await;
    assert_eq!(letters(&open_many(proxy.addr, 2).await), "AB", "all are up at first");
    a.stop().await;
    eventually("A is out", || up(&proxy) == [false, true]).await;
    assert_eq!(letters(&open_many(proxy.addr, 3).await), "BBB");
    a.start_again().await;
    eventually("A is back", || up(&proxy) == [true, true]).await;
    assert_eq!(super::counts(&open_many(proxy.addr, 4).await, 2), [2, 2]);
}

#[tokio::test]
async fn http_wants_a_good_status() {
    let [a, b] = Member::several().await;
    a.set(Mode::Status(503));
    let proxy = serve(&[&a, &b], check(CheckKind::Http("/up?deep=1".into()))).await;
    eventually("A is out", || up(&proxy) == [false, true]).await;
    let expected = format!(
        "GET /up?deep=1 HTTP/1.1\r\nHost: {}\r\nUser-Agent: wssgate\r\nConnection: close\r\n\r\n",
        a.addr
    );
    assert_eq!(a.heads()[0], expected);
    a.set(Mode::Status(302));
    eventually("A is back", || up(&proxy) == [true, true]).await;
    for mode in [Mode::Garbage, Mode::Close, Mode::Status(404)] {
        a.set(mode);
        eventually("A is out", || up(&proxy) == [false, true]).await;
        a.set(Mode::Good);
        eventually("A is back", || up(&proxy) == [true, true]).await;
    }
}

#[tokio::test]
async fn a_member_that_accepts_and_refuses_upgrades_is_out_by_ws_and_in_by_tcp() {
    let [a, b] = Member::several().await;
    a.set(Mode::Status(500));
    let by_ws = serve(&[&a, &b], check(CheckKind::Ws("/chat".into()))).await;
    let by_tcp = serve(&[&a, &b], check(CheckKind::Tcp)).await;
    eventually("A is out", || up(&by_ws) == [false, true]).await;
    assert_eq!(letters(&open_many(by_ws.addr, 4).await), "BBBB");
    let seen = a.heads().len();
    eventually("A is looked at again", || a.heads().len() > seen + 3).await;
    assert_eq!(up(&by_ws), [false, true]);
    assert_eq!(up(&by_tcp), [true, true]);
    a.set(Mode::Good);
    eventually("A is back", || up(&by_ws) == [true, true]).await;
    assert_eq!(super::counts(&open_many(by_ws.addr, 4).await, 2), [2, 2]);
}

#[tokio::test]
async fn a_look_that_gets_no_answer_is_a_bad_one() {
    let [a, b] = Member::several().await;
    a.set(Mode::Silence);
    let proxy = serve(&[&a, &b], |config| {
        check(CheckKind::Ws("/".into()))(config);
        config.check.as_mut().unwrap().timeout = Duration::from_millis(300);
    })
    .await;
    eventually("A is out", || up(&proxy) == [false, true]).await;
}

/// Answers the next look with what is right, or not; what it was sent until it said good-bye.
async fn answer(upstream: &mut Upstream, good: bool) -> Conversation {
    let mut conversation = upstream.accept().await;
    let head = conversation.read_head().await;
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let ours = websocket::accept(crate::support::KEY.as_bytes());
    let theirs = if good { websocket::accept(key.as_bytes()) } else { ours.clone() };
    conversation.received.clear();
    conversation.send(switching_response().replace(&ours, &theirs).as_bytes()).await;
    conversation.read_to_end().await;
    conversation
}

#[tokio::test]
async fn ws_makes_an_upgrade_that_is_in_order_and_says_good_bye() {
    let mut upstream = Upstream::manual().await;
    let _proxy = Proxy::start_with(&[upstream.addr()], |config| {
        check(CheckKind::Ws("/chat?x=1".into()))(&mut config.balancing);
    })
    .await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let mut conversation = upstream.accept().await;
        let head = conversation.read_head().await;
        let line = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let key = line.unwrap().to_owned();
        assert!(websocket::is_key(key.as_bytes()), "{key}");
        assert_eq!(
            head,
            format!(
                "GET /chat?x=1 HTTP/1.1\r\nHost: {}\r\nUser-Agent: wssgate\r\n\
                 Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\n\r\n",
                upstream.addr()
            )
        );
        keys.push(key);
    }
    assert_ne!(keys[0], keys[1]);
    let conversation = answer(&mut upstream, true).await;
    // A close frame, masked, as a client's has to be.
    assert_eq!(conversation.received, [0x88, 0x80, 0, 0, 0, 0]);
}

#[tokio::test]
async fn rise_and_fall_are_looks_in_a_row() {
    let mut upstream = Upstream::manual().await;
    let proxy = Proxy::start_with(&[upstream.addr()], |config| {
        check(CheckKind::Ws("/".into()))(&mut config.balancing);
        let check = config.balancing.check.as_mut().unwrap();
        (check.rise, check.fall) = (2, 3);
    })
    .await;
    // The letter says how the look went, the digit whether the member is up after it.
    let looks = ["b1", "b1", "g1", "b1", "b1", "b0", "b0", "g0", "b0", "g0", "g1", "b1", "g1"];
    for (number, look) in looks.into_iter().enumerate() {
        let (good, expected) = (look.starts_with('g'), look.ends_with('1'));
        answer(&mut upstream, good).await;
        // It says how it stands some time between the good-bye and the next look.
        eventually(&format!("{look}, number {number}"), || up(&proxy) == [expected]).await;
        if let Some(next) = looks.get(number + 1)
            && next.ends_with('1') == expected
        {
            assert_eq!(up(&proxy), [expected]);
        }
    }
}

#[tokio::test]
async fn the_log_says_once_that_one_is_down_and_once_that_it_is_back() {
    let [mut a, b] = Member::several().await;
    let [cert, key] = certificate_arguments();
    let upstreams = format!("{},{}", a.addr, b.addr);
    let args = [
        &["--listen=127.0.0.1:0", "--log-format=json", "--upstream", &upstreams, &cert, &key][..],
        &["--health-check=tcp", "--health-check-interval=50ms", "--health-check-fall=1"],
        &["--fail-timeout=1h"],
    ]
    .concat();
    let binary = Binary::start(&args);
    let addr = binary.listening().await;
    for round in 1..=2 {
        a.stop().await;
        eventually("the line", || binary.lines("upstream is down").len() == round).await;
        // By requests as well there is nothing new to say.
        assert_eq!(letters(&open_many(addr, 3).await), "BBB");
        tokio::time::sleep(INTERVAL * 4).await;
        a.start_again().await;
        eventually("the line", || binary.lines("upstream is up again").len() == round).await;
        tokio::time::sleep(INTERVAL * 4).await;
        let lines = ["upstream is down", "upstream is up again"].map(|text| binary.lines(text));
        for line in lines.iter().flatten() {
            assert_eq!(line["upstream"], a.addr.to_string());
        }
        assert_eq!(lines.map(|lines| lines.len()), [round, round]);
    }
    assert_eq!(binary.line("upstream is down").await["level"], "WARN");
    assert_eq!(binary.line("upstream is up again").await["level"], "INFO");
}
