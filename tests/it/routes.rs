//! Which requests go where: by host, by path, and what there is no route for.

use wssgate::config::Timeouts;
use wssgate::config::route::parse_route;

use crate::support::{
    Binary, Client, Conversation, KEY, Proxy, TlsOptions, Upstream, echo, switching_response,
};

/// A server with a route to an upstream for each pattern; the upstream answers with the pattern.
struct Site {
    proxy: Proxy,
    upstreams: Vec<Upstream>,
}

impl Site {
    /// With `fallback` the last upstream is for everything else, and its name is `else`.
    async fn start(patterns: &[&'static str], fallback: bool) -> Self {
        let mut upstreams = Vec::new();
        let mut routes = Vec::new();
        for pattern in patterns {
            let upstream = named(pattern).await;
            routes.push(parse_route(&format!("{pattern}={}", upstream.addr())).unwrap());
            upstreams.push(upstream);
        }
        let mut others = Vec::new();
        if fallback {
            let upstream = named("else").await;
            others.push(upstream.addr());
            upstreams.push(upstream);
        }
        let tweak = |config: &mut wssgate::config::Listener| {
            config.routes = routes;
            config.timeouts.keepalive_timeout = Timeouts::default().keepalive_timeout;
        };
        Self { proxy: Proxy::start_with(&others, tweak).await, upstreams }
    }

    /// The body of the answer when it is a 200, else its status.
    async fn ask(&self, request: &str) -> String {
        let mut client = Client::connect(self.proxy.addr).await;
        answer(client.ask(request).await)
    }

    /// The same for a GET of `path` at `host`.
    async fn get(&self, host: &str, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        self.ask(&request).await
    }
}

fn answer((head, body): (String, String)) -> String {
    let status = head.split(' ').nth(1).unwrap();
    if status == "200" { body } else { status.to_owned() }
}

/// An upstream that answers with its name; through a WebSocket it says it first and then echoes.
async fn named(name: &'static str) -> Upstream {
    Upstream::serving(move |mut conversation: Conversation| async move {
        if conversation.read_head().await.contains("\r\nUpgrade: websocket\r\n") {
            let first = format!("{}{name}", switching_response());
            conversation.send(first.as_bytes()).await;
            let (mut read, mut write) = conversation.stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        } else {
            let length = name.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}");
            conversation.send(answer.as_bytes()).await;
            conversation.finish().await;
        }
        conversation
    })
    .await
}

#[tokio::test]
async fn a_name_comes_before_a_domain_and_a_domain_before_any_host() {
    let patterns = ["a.example.com", "*.example.com", "*.b.example.com"];
    let site = Site::start(&patterns, true).await;
    for (host, name) in [
        ("a.example.com", "a.example.com"),
        ("c.example.com", "*.example.com"),
        ("x.y.example.com", "*.example.com"),
        ("c.b.example.com", "*.b.example.com"),
        ("b.example.com", "*.example.com"),
        ("example.com", "else"),
        ("evilexample.com", "else"),
        ("a.example.com.evil.org", "else"),
    ] {
        assert_eq!(site.get(host, "/").await, name, "{host}");
    }
}

#[tokio::test]
async fn a_host_is_known_with_its_port_a_dot_at_its_end_and_in_any_case() {
    let site = Site::start(&["chat.example.com", "*.b.example", "[::1]", "10.0.0.1"], true).await;
    for (host, name) in [
        ("chat.example.com:8443", "chat.example.com"),
        ("chat.example.com:", "chat.example.com"),
        ("chat.example.com.", "chat.example.com"),
        ("Chat.Example.COM.:443", "chat.example.com"),
        ("a.B.example.:1", "*.b.example"),
        ("[::1]", "[::1]"),
        ("[::1]:8443", "[::1]"),
        ("[::2]:8443", "else"),
        ("10.0.0.1:8443", "10.0.0.1"),
        ("chat.example.com..", "else"),
    ] {
        assert_eq!(site.get(host, "/").await, name, "{host}");
    }
}

#[tokio::test]
async fn a_path_goes_by_whole_segments_and_the_longest_wins() {
    let patterns = ["/chat", "/chat/old", "/api/", "a.example.com/chat", "a.example.com/chat/new"];
    let site = Site::start(&patterns, true).await;
    for (host, path, name) in [
        ("b.example.com", "/chat", "/chat"),
        ("b.example.com", "/chat/", "/chat"),
        ("b.example.com", "/chat/1?x=/chat/old", "/chat"),
        ("b.example.com", "/chat?x", "/chat"),
        ("b.example.com", "/chat/old", "/chat/old"),
        ("b.example.com", "/chat/older", "/chat"),
        ("b.example.com", "/chat/old/1", "/chat/old"),
        ("b.example.com", "/chats", "else"),
        ("b.example.com", "/CHAT", "else"),
        ("b.example.com", "/x/chat", "else"),
        ("b.example.com", "/?/chat", "else"),
        ("b.example.com", "/api", "/api/"),
        ("b.example.com", "/api/1", "/api/"),
        // The host counts more than the path: all of its own routes come first.
        ("a.example.com", "/chat/old", "a.example.com/chat"),
        ("a.example.com", "/chat/new/1", "a.example.com/chat/new"),
        ("a.example.com", "/api", "/api/"),
        ("a.example.com", "/", "else"),
    ] {
        assert_eq!(site.get(host, path).await, name, "{host}{path}");
    }
}

#[tokio::test]
async fn a_path_is_matched_as_it_came_and_never_rewritten() {
    let mut site = Site::start(&["/chat", "/a%2Fb"], true).await;
    for (path, index) in [
        ("/chat/x?a=1&b=%20", 0),
        ("/chat?", 0),
        ("/chat//", 0),
        ("/chat//x", 0),
        // Dots are what the upstream takes them for: nothing is resolved before a route is chosen.
        ("/chat/../admin", 0),
        ("/chat/%2e%2e/admin", 0),
        ("/a%2Fb/c", 1),
        ("/a%2fb", 2),
        ("/a/b", 2),
        ("/%63hat", 2),
        ("//chat", 2),
        ("/./chat", 2),
        ("/x/../chat", 2),
        ("/chat;a", 2),
        ("/chat%2Fx", 2),
    ] {
        let name = ["/chat", "/a%2Fb", "else"][index];
        assert_eq!(site.get("example.com", path).await, name, "{path}");
        let got = site.upstreams[index].accept().await.text();
        let line = format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n");
        assert!(got.starts_with(&line), "{path}: {got}");
    }
}

#[tokio::test]
async fn a_target_in_absolute_form_goes_by_its_path() {
    let mut site = Site::start(&["a.example.com/chat"], true).await;
    assert_eq!(
        site.get("a.example.com", "http://a.example.com/chat/1?x").await,
        "a.example.com/chat"
    );
    let got = site.upstreams[0].accept().await.text();
    assert!(got.starts_with("GET /chat/1?x HTTP/1.1\r\n"), "{got}");
}

#[tokio::test]
async fn the_name_of_the_handshake_counts_only_where_there_is_no_host() {
    let site = Site::start(&["localhost", "a.example.com"], false).await;
    for (server_name, host, expected) in [
        ("localhost", None, "localhost"),
        ("localhost", Some("a.example.com"), "a.example.com"),
        ("localhost", Some("b.example.com"), "421"),
        // An address is no name: nothing says which host is meant.
        ("127.0.0.1", None, "421"),
        ("127.0.0.1", Some("localhost"), "localhost"),
    ] {
        let options = TlsOptions { server_name: server_name.into(), ..TlsOptions::default() };
        let connecting = Client::connect_with(site.proxy.addr, options.connector());
        let mut client = connecting.await.unwrap();
        let host_line = host.map(|host| format!("Host: {host}\r\n")).unwrap_or_default();
        let asked = client.ask(format!("GET / HTTP/1.0\r\n{host_line}\r\n")).await;
        assert_eq!(answer(asked), expected, "{server_name} {host:?}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_not_found_and_an_unknown_host_is_misdirected() {
    let mut site = Site::start(&["a.example.com/chat", "*.b.example/chat"], false).await;
    for (host, path, status, reason) in [
        ("a.example.com", "/", "404 Not Found", "no route for this path"),
        ("a.example.com", "/chats", "404 Not Found", "no route for this path"),
        ("x.b.example", "/", "404 Not Found", "no route for this path"),
        ("b.example", "/chat", "421 Misdirected Request", "no route for this host"),
        ("other.org", "/chat", "421 Misdirected Request", "no route for this host"),
    ] {
        let mut client = Client::connect(site.proxy.addr).await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let (head, body) = client.ask(request).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{host}{path}: {head}");
        assert_eq!(body, format!("{status}: {reason}\n"), "{host}{path}");
    }
    assert_eq!(site.get("a.example.com", "/chat").await, "a.example.com/chat");
    assert_eq!(site.upstreams[0].accept().await.number, 0, "nothing else has come");
    assert!(site.upstreams[1].accepted().is_none());
}

#[tokio::test]
async fn where_one_path_of_every_host_is_known_every_host_is() {
    let site = Site::start(&["/chat"], false).await;
    assert_eq!(site.get("any.example", "/chat").await, "/chat");
    assert_eq!(site.get("any.example", "/").await, "404");
    assert_eq!(site.ask("GET /chat HTTP/1.0\r\n\r\n").await, "/chat");
}

#[tokio::test]
async fn options_of_the_whole_server_go_where_every_path_does() {
    let request = |host| format!("OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let mut site = Site::start(&["/chat", "a.example.com", "b.example.com/chat"], true).await;
    assert_eq!(site.ask(&request("other.org")).await, "else");
    assert_eq!(site.ask(&request("a.example.com")).await, "a.example.com");
    assert_eq!(site.ask(&request("b.example.com")).await, "else");
    let got = site.upstreams[1].accept().await.text();
    assert!(got.starts_with("OPTIONS * HTTP/1.1\r\n"), "{got}");
    let site = Site::start(&["/chat"], false).await;
    assert_eq!(site.ask(&request("other.org")).await, "404");
}

#[tokio::test]
async fn routes_of_one_pattern_take_turns() {
    let (one, two) = (named("one").await, named("two").await);
    let proxy = Proxy::start_with(&[], |config| {
        let routes = [format!("/chat={}", one.addr()), format!("/chat/={}", two.addr())];
        config.routes = routes.iter().map(|text| parse_route(text).unwrap()).collect();
    })
    .await;
    let mut names = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(proxy.addr).await;
        names.push(answer(client.ask("GET /chat HTTP/1.1\r\nHost: a\r\n\r\n").await));
    }
    names.sort();
    assert_eq!(names, ["one", "one", "two", "two"]);
}

#[tokio::test]
async fn each_request_of_a_connection_goes_its_own_way() {
    let site = Site::start(&["/one", "b.example.com/two"], false).await;
    let mut client = Client::connect(site.proxy.addr).await;
    for (host, path, name) in [
        ("a.example.com", "/one", "/one"),
        ("b.example.com", "/two", "b.example.com/two"),
        ("b.example.com", "/one", "/one"),
    ] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await;
        let (head, mut body) = client.read_head().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body.extend(client.read_exact(name.len() - body.len()).await);
        assert_eq!(body, name.as_bytes(), "{host}{path}");
    }
    let refused = client.ask("GET /two HTTP/1.1\r\nHost: a.example.com\r\n\r\n").await;
    assert_eq!(answer(refused), "404", "a route that was taken before opens no other");
}

#[tokio::test]
async fn tunnels_go_by_route() {
    let site = Site::start(&["/chat", "a.example.com/chat"], true).await;
    for (host, path, name) in [
        ("a.example.com", "/chat/1", "a.example.com/chat"),
        ("b.example.com", "/chat/1", "/chat"),
        ("b.example.com", "/", "else"),
    ] {
        let mut client = Client::connect(site.proxy.addr).await;
        client.send(upgrade(host, path).as_bytes()).await;
        let (head, mut first) = client.read_head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        first.extend(client.read_exact(name.len() - first.len()).await);
        assert_eq!(first, name.as_bytes(), "{host}{path}");
        echo(&mut client, "through").await;
    }
    let site = Site::start(&["a.example.com/chat"], false).await;
    assert_eq!(site.ask(&upgrade("a.example.com", "/")).await, "404");
    assert_eq!(site.ask(&upgrade("b.example.com", "/chat")).await, "421");
}

fn upgrade(host: &str, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

const FIXED: [&str; 3] = ["--listen=127.0.0.1:0", "--log-format=json", "--self-signed"];

#[tokio::test]
async fn routes_from_flags_and_from_a_variable_are_named_in_the_log() {
    let flags =
        ["--route=Chat.example.com/ws/=127.0.0.1:1", "--route=*.example.com=unix:/a=b.sock"];
    let routes = "chat.example.com/ws=127.0.0.1:1,*.example.com/=unix:/a=b.sock";
    let binary = Binary::start(&[&FIXED[..], &flags[..]].concat());
    assert_eq!(binary.line("listening").await["upstream"], routes, "without --upstream");

    let variables = [("WSSGATE_ROUTE", routes), ("WSSGATE_UPSTREAM", "127.0.0.1:2")];
    let binary = Binary::start_with(&FIXED, &variables);
    let upstream = binary.line("listening").await["upstream"].clone();
    assert_eq!(upstream, format!("127.0.0.1:2,{routes}"));

    let binary =
        Binary::start_with(&[&FIXED[..], &["--route=/a=127.0.0.1:3"]].concat(), &variables);
    let upstream = binary.line("listening").await["upstream"].clone();
    assert_eq!(upstream, "127.0.0.1:2,/a=127.0.0.1:3", "the flag beats the variable");
}

#[tokio::test]
async fn a_route_that_is_none_is_said_so_with_exit_code_2() {
    for (text, part) in [
        ("9000", "\"9000\" is not a route; write HOST/PREFIX=ADDR"),
        ("", "is not a route"),
        ("/a?b=9000", "\"/a?b\" is not the beginning of a path"),
        ("a b/=9000", "\"a b\" is not a host"),
        ("example.com:8443/a=9000", "\"example.com:8443\" is not a host without a port"),
        ("https://example.com/a=9000", "is not a host"),
        ("a/b=nonsense", "is not an address"),
        ("a/b=", "is not an address"),
        ("a/b=ftp://app:9000", "unknown scheme"),
        ("a/b=http://app:9000/c", "no path"),
        ("/a=127.0.0.1:1,/b", "\"/b\" is not a route"),
    ] {
        let flag = format!("--route={text}");
        let by_flag = Binary::start(&[&FIXED[..], &[&flag]].concat()).ended().await;
        let by_variable = Binary::start_with(&FIXED, &[("WSSGATE_ROUTE", text)]).ended().await;
        for (code, said) in [by_flag, by_variable] {
            assert_eq!(code, 2, "{text}: {said:#?}");
            let line = &said[0];
            // What could be the name of an upstream is known to be none when all is known.
            let is_name = line.starts_with("wssgate: upstream \"nonsense\"");
            let is_named = is_name || line.starts_with("error: ") && line.contains("--route");
            assert!(is_named && line.contains(part), "{text}: {said:#?}");
        }
    }
}
