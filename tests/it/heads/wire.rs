//! Cases over TLS, through a proxy, to an upstream that writes down what it gets.

use super::case::{Case, SMALL, Setting, Verdict};
use super::judge::assert_same;
use crate::support::{Client, Proxy, Upstream};
use wssgate::addr;
use wssgate::config::Listener;

/// Ends an exchange without a tunnel, whatever was asked for.
const ANSWER: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// A head that goes on, in every setting. When nothing came before it, what was refused did not go on.
const SENTINEL: &str = "GET /sentinel HTTP/1.1\r\nHost: sentinel\r\n\r\n";

/// How a head is written.
#[derive(Clone, Copy, Debug)]
enum Pace {
    Whole,
    ByteAWrite,
}

/// Sends each case whole, then a byte a write.
pub(super) async fn check(cases: &[Case]) {
    let mut settings: Vec<Setting> = Vec::new();
    for case in cases {
        if !settings.contains(&case.setting) {
            settings.push(case.setting);
        }
    }
    for setting in settings {
        let mut upstream = Upstream::answering(ANSWER).await;
        let proxy = Proxy::start_with(&[upstream.addr()], |config| apply(setting, config)).await;
        for case in cases.iter().filter(|case| case.setting == setting) {
            for pace in [Pace::Whole, Pace::ByteAWrite] {
                check_one(case, pace, &proxy, &mut upstream).await;
            }
        }
        assert_eq!(ask(&proxy, SENTINEL.as_bytes(), Pace::Whole).await.0, 404);
        let first = upstream.accept().await.text();
        assert!(first.starts_with("GET /sentinel "), "a refused head went on: {first}");
    }
}

fn apply(setting: Setting, config: &mut Listener) {
    let facts = setting.facts(0);
    config.forwarding.forwarded = facts.forwarded;
    if facts.trusted {
        let networks = ["127.0.0.0/8", "::1/128"];
        config.forwarding.trusted_proxies = networks.map(|net| net.parse().unwrap()).to_vec();
    }
    match setting {
        Setting::OthersTrusted => {
            let networks = ["10.0.0.0/8", "fd00::/8"];
            config.forwarding.trusted_proxies = networks.map(|net| net.parse().unwrap()).to_vec();
        }
        Setting::Small => config.limits.max_head_bytes = SMALL,
        setting if setting.is_ipv6() => {
            config.listen = vec![addr::Listen::Ip("[::1]:0".parse().unwrap())];
        }
        _ => {}
    }
}

async fn check_one(case: &Case, pace: Pace, proxy: &Proxy, upstream: &mut Upstream) {
    let port = proxy.addr.port();
    let how = format!("{pace:?} over TLS");
    let (status, body) = ask(proxy, &case.input, pace).await;
    let found = match case.verdict(port) {
        Verdict::Sent(_) => {
            assert_eq!(status, 404, "{}, {how}: {body}", case.name);
            Verdict::Sent(upstream.accept().await.received)
        }
        Verdict::Refused(_) => {
            if !case.input.starts_with(b"HEAD ") {
                assert!(body.starts_with(&format!("{status} ")), "{}, {how}: {body}", case.name);
            }
            Verdict::Refused(status)
        }
    };
    assert_same(case, &how, &found, port);
}

/// Sends a head and reads the answer: its status and body.
async fn ask(proxy: &Proxy, input: &[u8], pace: Pace) -> (u16, String) {
    let mut client = Client::connect(proxy.addr).await;
    match pace {
        Pace::Whole => client.send(input).await,
        Pace::ByteAWrite => {
            for byte in input {
                // Refused before its end: the answer is there already.
                if client.try_send(&[*byte]).await.is_err() {
                    break;
                }
            }
        }
    }
    let (head, body) = client.read_answer().await;
    (head[9..12].parse().unwrap(), body)
}
