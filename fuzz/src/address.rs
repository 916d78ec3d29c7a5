//! Addresses, and what is made of them: what is read is printed so that it reads as the same again, and names
//! nothing that was not written.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use wssgate::addr::{Listen, Place, Upstream};
use wssgate::config::route::{Goal, Pattern, parse_route};
use wssgate::config::{OriginPattern, format_duration, parse_duration, parse_network};

/// Panics when a text is not read as the same once it was printed.
pub fn judge(text: &str) {
    if let Ok(listen) = text.parse::<Listen>() {
        let again: Listen = listen.to_string().parse().expect("what is printed is an address");
        assert!(again.is_same_place(&listen), "{again:?}, but it was {listen:?}");
        assert_eq!(again.to_string(), listen.to_string());
        judge_listen(text, &listen);
    }
    if let Some(upstream) = judge_printed::<Upstream>(text) {
        judge_upstream(text, &upstream);
    }
    judge_printed::<Goal>(text);
    judge_printed::<Pattern>(text);
    if let Ok(route) = parse_route(text) {
        let [goal] = &route.goals[..] else { panic!("one goal: {route:?}") };
        let again = parse_route(&format!("{}={goal}", route.pattern));
        assert_eq!(again.expect("what is printed is a route"), route);
    }
    if let Ok(duration) = parse_duration(text) {
        assert_eq!(parse_duration(&format_duration(duration)).unwrap(), duration);
    }
    if let Ok(network) = parse_network(text) {
        assert_eq!(parse_network(&network.to_string()).unwrap(), network);
    }
    if let Ok(pattern) = text.parse::<OriginPattern>() {
        assert!(!pattern.allows(""), "no page at all");
    }
}

fn judge_printed<T>(text: &str) -> Option<T>
where
    T: FromStr<Err: Debug> + Display + Debug + PartialEq,
{
    let read: T = text.parse().ok()?;
    let printed = read.to_string();
    let again: T = printed.parse().unwrap_or_else(|error| panic!("{printed:?}: {error:?}"));
    assert_eq!(again, read, "{printed:?}");
    Some(read)
}

/// Whether the address says what was written, found by looking at the text from both ends.
fn judge_listen(text: &str, listen: &Listen) {
    match listen {
        Listen::Port(port) => assert_eq!(port_of(text), *port),
        Listen::Ip(address) => {
            assert_eq!(port_of(text), address.port());
            assert!(text.contains(['.', ']']), "{text:?} is {address}");
        }
        Listen::Name(name, port) => assert_eq!(text, with_port(text, name, *port)),
        Listen::Unix(path, mode) => {
            let path = path.to_str().unwrap();
            let mode = mode.map(|_| text.rsplit("?mode=").next().unwrap());
            let mode = mode.map(|mode| format!("?mode={mode}")).unwrap_or_default();
            assert_eq!(text, format!("unix:{path}{mode}"));
        }
        Listen::Fd(name) => assert_eq!(text, format!("fd:{name}")),
    }
}

fn judge_upstream(text: &str, upstream: &Upstream) {
    let is_tls = text.starts_with("wss://") || text.starts_with("https://");
    assert_eq!(upstream.is_tls, is_tls);
    let address = text.split_once("://").map_or(text, |(_, rest)| rest.trim_end_matches('/'));
    match &upstream.place {
        Place::Unix(path) => assert_eq!(text, format!("unix:{}", path.display())),
        Place::Ip(ip) => assert!(address.starts_with('[') == ip.is_ipv6(), "{text:?} is {ip}"),
        Place::Name(name, port) => {
            // What is left out: the host of this machine, the port of a scheme.
            let name = if address.starts_with(name.as_str()) { name } else { "" };
            let is_short = text.contains("://") && address == name && [80, 443].contains(port);
            let is_port = || name.is_empty() && *address == with_port(address, "", *port)[1..];
            let is_whole = is_short || is_port() || address == with_port(address, name, *port);
            assert!(is_whole, "{text:?} is {name}:{port}");
        }
    }
}

/// The digits at the end.
fn port_of(text: &str) -> u16 {
    text.rsplit(':').next().unwrap().parse().unwrap()
}

/// As it was written, zeros in front included.
fn with_port(text: &str, name: &str, port: u16) -> String {
    assert_eq!(port_of(text), port);
    format!("{name}:{}", text.rsplit(':').next().unwrap())
}
