use super::*;
use crate::status::{Certificate, Listener, Member, OpenTunnels, Upstream};

fn member(address: &str, up: bool, connect_failures: u64) -> Member {
    let address = address.into();
    Member { address, up, live: 0, connect_failures, weight: 1, backup: false }
}

fn pool(name: &str, members: Vec<Member>) -> Upstream {
    Upstream { name: name.into(), routes: vec![name.into()], members }
}

fn open(upstream: &str, open: u64) -> OpenTunnels {
    OpenTunnels { listener: "[::]:8443".into(), upstream: upstream.into(), open }
}

fn status() -> Status {
    Status {
        listeners: vec![Listener { name: "[::]:8443".into(), speaks: "tls".into(), tunnels: 3 }],
        upstreams: vec![
            pool("/chat", vec![member("10.0.0.1:1", true, 1), member("10.0.0.2:1", true, 0)]),
            pool("/", vec![member("10.0.0.1:1", false, 2)]),
        ],
        tunnels: vec![open("10.0.0.1:1", 0), open("10.0.0.2:1", 3)],
        certificates: vec![Certificate {
            name: "a.pem".into(),
            names: vec!["a.example".into()],
            not_after: 2_000_000_000,
            days_left: 9,
            problem: None,
        }],
        ..Status::default()
    }
}

#[track_caller]
fn assert_lines(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|other| other == *line), "{line} in\n{text}");
    }
}

#[test]
fn what_is_so_now_is_told_and_what_is_gone_is_not() {
    let metrics = Metrics::new().unwrap();
    let text = metrics.render(&status()).unwrap();
    assert_lines(
        &text,
        &[
            r#"wssgate_upstream_up{upstream="10.0.0.1:1"} 0"#,
            r#"wssgate_upstream_up{upstream="10.0.0.2:1"} 1"#,
            r#"wssgate_upstream_connect_failures_total{upstream="10.0.0.1:1"} 3"#,
            r#"wssgate_tunnels_open{listener="[::]:8443",upstream="10.0.0.1:1"} 0"#,
            r#"wssgate_tunnels_open{listener="[::]:8443",upstream="10.0.0.2:1"} 3"#,
            r#"wssgate_certificate_expiry_timestamp_seconds{certificate="a.pem"} 2000000000"#,
            &format!(r#"wssgate_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")),
        ],
    );
    assert!(text.contains("process_resident_memory_bytes"), "{text}");
    let mut later = status();
    later.upstreams[0].members.pop();
    later.tunnels.pop();
    let text = metrics.render(&later).unwrap();
    let is_left = |line: &&str| line.contains("10.0.0.2:1") && !line.contains("_total");
    assert_eq!(text.lines().find(is_left), None);
}

#[test]
fn a_counter_goes_on_when_its_upstream_comes_back() {
    let metrics = Metrics::new().unwrap();
    let with = |failures| Status {
        upstreams: vec![Upstream {
            members: vec![member("10.0.0.1:1", true, failures)],
            ..status().upstreams.remove(0)
        }],
        ..Status::default()
    };
    for (status, count) in
        [(with(3), 3), (with(5), 5), (Status::default(), 5), (with(0), 5), (with(2), 7)]
    {
        let text = metrics.render(&status).unwrap();
        let line =
            format!(r#"wssgate_upstream_connect_failures_total{{upstream="10.0.0.1:1"}} {count}"#);
        assert_lines(&text, &[&line]);
    }
}

#[test]
fn what_was_counted_is_read_back() {
    let metrics = Metrics::new().unwrap();
    let held = metrics.hold_connection();
    metrics.connection_accepted("one");
    metrics.connection_accepted("two");
    metrics.handshake("1.3", true, Duration::from_millis(3));
    metrics.handshake_failed("closed");
    metrics.failure("head", "client");
    metrics.head_refused("no host");
    for status in [200, 204, 308, 404, 502] {
        metrics.request(status);
    }
    metrics.moved(5, 7);
    metrics.reloaded(Err("a.pem: no such file".into()));
    let mut status = status();
    metrics.fill(&mut status);
    let totals = &status.totals;
    assert_eq!((totals.connections_accepted, totals.connections_open), (2, 1));
    assert_eq!((totals.failed, totals.requests, totals.tunnels_open), (1, 5, 3));
    assert_eq!((totals.to_upstream_bytes, totals.to_client_bytes), (5, 7));
    let resumed = Handshakes { version: "1.3".into(), resumed: true, count: 1 };
    assert!(status.handshakes.contains(&resumed));
    assert_eq!(status.handshakes_failed, [FailedHandshakes { kind: "closed".into(), count: 1 }]);
    let failure = Failures { stage: "head".into(), side: "client".into(), count: 1 };
    assert_eq!(status.failures, [failure]);
    assert_eq!((status.reloads.done, status.reloads.refused), (0, 1));
    assert!(status.reloads.last.as_ref().is_some_and(|last| !last.done && last.at > 0));
    let text = metrics.render(&status).unwrap();
    assert_lines(
        &text,
        &[
            r#"wssgate_requests_total{code="2xx"} 2"#,
            r#"wssgate_heads_refused_total{reason="no host"} 1"#,
            r#"wssgate_bytes_total{direction="to_client"} 7"#,
            r#"wssgate_handshake_seconds_bucket{le="0.005"} 1"#,
            "wssgate_connections_open 1",
        ],
    );
    drop(held);
    assert!(metrics.render(&status).unwrap().contains("wssgate_connections_open 0"));
}

#[test]
fn a_status_is_the_same_after_a_way_through_json() {
    let metrics = Metrics::new().unwrap();
    metrics.reloaded(Ok(()));
    let mut status = status();
    metrics.fill(&mut status);
    let json = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
}
