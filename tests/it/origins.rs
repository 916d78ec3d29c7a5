//! Which pages may open WebSockets (`--allow-origin`, `--require-origin`).

use crate::support::{Binary, Client, KEY, Proxy, Upstream, echo};

/// A WebSocket request with these `Origin` lines.
fn request(origins: &[&str]) -> String {
    let lines: String = origins.iter().map(|origin| format!("Origin: {origin}\r\n")).collect();
    format!(
        "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         {lines}Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

async fn start(allowed: &[&str], required: bool) -> (Proxy, Upstream) {
    let upstream = Upstream::manual().await;
    let proxy = Proxy::start_with(&[upstream.addr()], |config| {
        config.origins.allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
        config.origins.required = required;
    })
    .await;
    (proxy, upstream)
}

/// Each of `passing` opens a tunnel; each of `refused` gets a 403, and nothing of it reaches the upstream.
async fn judged(allowed: &[&str], required: bool, passing: &[&[&str]], refused: &[&[&str]]) {
    let (proxy, mut upstream) = start(allowed, required).await;
    for origins in refused {
        let mut client = Client::connect(proxy.addr).await;
        let (head, body) = client.ask(request(origins)).await;
        assert!(head.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{origins:?}: {head}");
        assert_eq!(body, "403 Forbidden: origin not allowed\n", "{origins:?}");
    }
    for (number, origins) in passing.iter().enumerate() {
        let mut client = Client::connect(proxy.addr).await;
        client.send(request(origins).as_bytes()).await;
        let mut conversation = upstream.accept().await;
        assert_eq!(conversation.number, number, "what was refused has reached the upstream");
        let got = conversation.agree().await;
        for origin in *origins {
            assert!(got.contains(&format!("\r\nOrigin: {origin}\r\n")), "{origins:?}: {got}");
        }
        assert!(client.read_head().await.0.starts_with("HTTP/1.1 101 "), "{origins:?}");
    }
    assert!(upstream.accepted().is_none());
}

#[tokio::test]
async fn only_the_page_that_is_allowed_opens_a_websocket() {
    judged(
        &["https://app.example.com"],
        false,
        &[&["https://app.example.com"], &["https://App.Example.com:443"], &[]],
        &[
            &["https://evil.example"],
            &["https://app.example.com.evil.example"],
            &["http://app.example.com"],
            &["https://app.example.com:8443"],
            &["https://example.com"],
            &["https://app.example.com/"],
            &["null"],
            &[""],
        ],
    )
    .await;
}

#[tokio::test]
async fn a_domain_allows_what_is_below_it() {
    judged(
        &["*.example.com"],
        false,
        &[&["https://a.example.com"], &["https://a.b.example.com"]],
        &[&["https://example.com"], &["https://evilexample.com"], &["http://a.example.com"]],
    )
    .await;
}

#[tokio::test]
async fn any_of_several_is_enough() {
    judged(
        &["app.example.com", "*.test", "http://localhost:3000", "null"],
        false,
        &[&["https://app.example.com"], &["https://a.test"], &["http://localhost:3000"], &["null"]],
        &[&["https://localhost:3000"], &["https://b.example.com"]],
    )
    .await;
}

#[tokio::test]
async fn two_origins_are_refused_be_they_allowed_or_not() {
    judged(
        &["*.example.com"],
        false,
        &[],
        &[
            &["https://a.example.com", "https://a.example.com"],
            &["https://a.example.com", "https://evil.example"],
            &["https://a.example.com https://evil.example"],
            &["https://a.example.com, https://a.example.com"],
        ],
    )
    .await;
}

#[tokio::test]
async fn who_is_no_page_passes_unless_an_origin_is_required() {
    judged(&["app.example.com"], false, &[&[]], &[]).await;
    judged(&["app.example.com"], true, &[&["https://app.example.com"]], &[&[], &["null"]]).await;
}

#[tokio::test]
async fn without_a_list_every_page_passes() {
    judged(&[], false, &[&["https://evil.example"], &["null"], &[]], &[]).await;
}

#[tokio::test]
async fn plain_requests_are_not_judged() {
    for required in [false, true] {
        let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        let proxy = Proxy::start_with(&[upstream.addr()], |config| {
            config.origins.allowed = vec!["app.example.com".parse().unwrap()];
            config.origins.required = required;
        })
        .await;
        for line in ["", "Origin: https://evil.example\r\n", "Origin: null\r\nOrigin: null\r\n"] {
            let mut client = Client::connect(proxy.addr).await;
            let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{line}\r\n");
            let (head, body) = client.ask(request).await;
            assert!(head.starts_with("HTTP/1.1 200 ") && body == "ok", "{line}: {head}{body}");
        }
    }
}

const FIXED: [&str; 4] =
    ["--listen=127.0.0.1:0", "--log-format=json", "--cert=certs/localhost.pem", "--upstream"];

/// [`FIXED`], the upstream, the development key, and more.
fn args<'a>(upstream: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&FIXED[..], &[upstream, "--key=certs/localhost.key"], more].concat()
}

#[tokio::test]
async fn flags_and_variables_say_the_same() {
    let upstream = Upstream::echo().await;
    let addr = upstream.addr();
    let flags = ["--allow-origin=app.example.com", "--allow-origin=*.test", "--require-origin"];
    let variables =
        [("WSSGATE_ALLOW_ORIGIN", "app.example.com,*.test"), ("WSSGATE_REQUIRE_ORIGIN", "true")];
    for binary in
        [Binary::start(&args(&addr, &flags)), Binary::start_with(&args(&addr, &[]), &variables)]
    {
        let addr = binary.listening().await;
        for origin in ["https://app.example.com", "https://a.test"] {
            let mut client = Client::connect(addr).await;
            client.send(request(&[origin]).as_bytes()).await;
            assert!(client.read_head().await.0.starts_with("HTTP/1.1 101 "), "{origin}");
            echo(&mut client, "through").await;
        }
        for origins in [&["https://evil.example"][..], &[]] {
            let mut client = Client::connect(addr).await;
            let (head, _) = client.ask(request(origins)).await;
            assert!(head.starts_with("HTTP/1.1 403 "), "{origins:?}: {head}");
        }
    }
}

#[tokio::test]
async fn an_origin_that_is_none_is_said_so_with_exit_code_2() {
    for text in ["*", "", "://a", "https://a/b", "https://a:70000", "app.example.com,a b"] {
        let flag = format!("--allow-origin={text}");
        let by_flag = Binary::start(&args("1", &[&flag])).ended().await;
        let variables = [("WSSGATE_ALLOW_ORIGIN", text)];
        let by_variable = Binary::start_with(&args("1", &[]), &variables).ended().await;
        for (code, said) in [by_flag, by_variable] {
            assert_eq!(code, 2, "{text}: {said:#?}");
            let line = &said[0];
            let is_named = line.starts_with("error: ") && line.contains("--allow-origin");
            assert!(is_named && line.contains("is not an origin"), "{text}: {said:#?}");
        }
    }
}

#[tokio::test]
async fn an_origin_cannot_be_required_where_all_are_allowed() {
    let (code, said) = Binary::start(&args("1", &["--require-origin"])).ended().await;
    assert_eq!((code, said.len()), (2, 1), "{said:#?}");
    assert!(said[0].contains("--require-origin without --allow-origin"), "{said:#?}");
    // A variable that says no asks for nothing.
    for no in ["false", "0", ""] {
        let variables = [("WSSGATE_REQUIRE_ORIGIN", no)];
        Binary::start_with(&args("1", &[]), &variables).listening().await;
    }
}
