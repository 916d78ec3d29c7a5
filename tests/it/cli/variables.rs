//! Every flag as a variable: names, lists, and which of the two wins.

use super::help;
use crate::support::{Binary, certificate_arguments, eventually};

/// Every long flag of a help text, with its variable.
pub(crate) fn flags(help: &str) -> Vec<(String, Option<String>)> {
    let mut flags: Vec<(String, Option<String>)> = Vec::new();
    // A line may end between the word and the name.
    let unwrapped: Vec<&str> = help.split("[env:").map(str::trim_start).collect();
    for line in unwrapped.join("[env: ").lines() {
        // What says something of a flag stands further in, and may begin with another one's name.
        let (margin, words) = line.split_at(line.len().min("  -h, ".len()));
        let is_flag = margin.trim().is_empty() || ["-h,", "-V,", "-c,"].contains(&margin.trim());
        if let Some(flag) = words.strip_prefix("--").filter(|_| is_flag) {
            let end = flag.find(|c: char| !c.is_ascii_lowercase() && c != '-');
            flags.push((flag[..end.unwrap_or(flag.len())].to_owned(), None));
        }
        if let Some((_, rest)) = line.split_once("[env: ") {
            let variable = rest.split(['=', ']']).next().unwrap();
            flags.last_mut().unwrap().1 = Some(variable.to_owned());
        }
    }
    flags
}

#[tokio::test]
async fn every_flag_has_a_variable_of_its_name() {
    let help = help().await;
    let flags = flags(&help);
    assert!(flags.len() > 20, "the help is not understood any more: {flags:?}");
    for (flag, variable) in flags {
        let expected = match flag.as_str() {
            "help" | "version" => None,
            flag => Some(format!("WSSGATE_{}", flag.replace('-', "_").to_uppercase())),
        };
        assert_eq!(variable, expected, "--{flag}");
    }
}

/// A file with a certificate in it, and more than 32 bytes.
const AUTHORITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/certs/ca.pem");

/// A value for each variable that is not the default; they are set all at once.
const VARIABLES: [(&str, &str); 66] = [
    ("WSSGATE_LISTEN", "127.0.0.1:0,127.0.0.1:0"),
    ("WSSGATE_UPSTREAM", "wss://127.0.0.1:1,127.0.0.1:2"),
    ("WSSGATE_ROUTE", "one.example/chat=127.0.0.1:3,/two=127.0.0.1:4"),
    ("WSSGATE_UPSTREAM_CA", AUTHORITY),
    ("WSSGATE_UPSTREAM_CERT", concat!(env!("CARGO_MANIFEST_DIR"), "/certs/localhost.pem")),
    ("WSSGATE_UPSTREAM_KEY", concat!(env!("CARGO_MANIFEST_DIR"), "/certs/localhost.key")),
    ("WSSGATE_UPSTREAM_INSECURE", "true"),
    ("WSSGATE_RESOLVER", "127.0.0.53:53,::1"),
    ("WSSGATE_SELF_SIGNED", "localhost,one.example"),
    ("WSSGATE_STRICT_SNI", "true"),
    ("WSSGATE_TLS_MIN", "1.3"),
    ("WSSGATE_TLS_CIPHERS", "TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384"),
    ("WSSGATE_TLS_GROUPS", "X25519,P-256"),
    ("WSSGATE_TICKET_KEY_FILE", AUTHORITY),
    ("WSSGATE_KEY_LOG", "true"),
    ("WSSGATE_CLIENT_CA", AUTHORITY),
    ("WSSGATE_CLIENT_AUTH", "request"),
    ("WSSGATE_ALLOW_CN", "one,two"),
    ("WSSGATE_ALLOW_DNS", "one.example,two.example"),
    ("WSSGATE_ALLOW_URI", "spiffe://example.org/one,spiffe://example.org/two"),
    ("WSSGATE_ALLOW_OU", "one,two"),
    ("WSSGATE_CLIENT_CERT_HEADERS", "true"),
    ("WSSGATE_BALANCE", "least-connections"),
    ("WSSGATE_MAX_FAILS", "9"),
    ("WSSGATE_FAIL_TIMEOUT", "9s"),
    ("WSSGATE_HEALTH_CHECK", "ws:/chat"),
    ("WSSGATE_HEALTH_CHECK_INTERVAL", "9s"),
    ("WSSGATE_HEALTH_CHECK_TIMEOUT", "9s"),
    ("WSSGATE_HEALTH_CHECK_RISE", "9"),
    ("WSSGATE_HEALTH_CHECK_FALL", "9"),
    ("WSSGATE_ON_UPSTREAM_DOWN", "close"),
    ("WSSGATE_SLOW_START", "9s"),
    ("WSSGATE_MAX_CONNECTIONS_PER_UPSTREAM", "9"),
    ("WSSGATE_MAX_QUEUED", "9"),
    ("WSSGATE_ALLOW_ORIGIN", "https://one.example,*.two.example"),
    ("WSSGATE_REQUIRE_ORIGIN", "true"),
    ("WSSGATE_FORWARDED", "true"),
    ("WSSGATE_TRUSTED_PROXY", "10.0.0.0/8,::1"),
    ("WSSGATE_ACCEPT_PROXY", "true"),
    ("WSSGATE_SEND_PROXY", "v2"),
    ("WSSGATE_SETUP_TIMEOUT", "9s"),
    ("WSSGATE_CONNECT_TIMEOUT", "9s"),
    ("WSSGATE_UPGRADE_TIMEOUT", "9s"),
    ("WSSGATE_RESPONSE_TIMEOUT", "9s"),
    ("WSSGATE_IDLE_TIMEOUT", "9s"),
    ("WSSGATE_HALF_CLOSE_TIMEOUT", "9s"),
    ("WSSGATE_MAX_LIFETIME", "9s"),
    ("WSSGATE_DRAIN_DELAY", "0"),
    ("WSSGATE_DRAIN_TIMEOUT", "9s"),
    ("WSSGATE_KEEPALIVE", "9s"),
    ("WSSGATE_MAX_CONNECTIONS", "9"),
    ("WSSGATE_MAX_CONNECTIONS_PER_IP", "9"),
    ("WSSGATE_MAX_HANDSHAKES", "9"),
    ("WSSGATE_MAX_HEAD_SIZE", "9KiB"),
    ("WSSGATE_KEEPALIVE_TIMEOUT", "9s"),
    ("WSSGATE_MAX_REQUESTS", "9"),
    ("WSSGATE_REDIRECT_HTTP", "127.0.0.1:0"),
    ("WSSGATE_ACME_WEBROOT", "/srv/acme"),
    ("WSSGATE_HSTS", "9s"),
    ("WSSGATE_ADMIN", "127.0.0.1:0"),
    ("WSSGATE_ADMIN_ALLOW_REMOTE", "true"),
    ("WSSGATE_READY_NEEDS_UPSTREAM", "true"),
    ("WSSGATE_LOG_FORMAT", "json"),
    ("WSSGATE_LOG_LEVEL", "debug"),
    ("WSSGATE_LOG_QUERY", "true"),
    ("WSSGATE_NO_SANDBOX", "true"),
];

#[tokio::test]
async fn variables_do_as_flags_and_lists_are_comma_separated() {
    let known = flags(&help().await);
    // A certificate of one's own stands in for the first two; the others are tried with their own tests.
    let elsewhere = ["cert", "key", "client-crl", "config"];
    for (flag, variable) in known.iter().filter(|(flag, _)| !elsewhere.contains(&flag.as_str())) {
        let listed = VARIABLES.iter().any(|(name, _)| Some(*name) == variable.as_deref());
        assert!(listed || variable.is_none(), "no value here for --{flag}");
    }
    let key_log = [("SSLKEYLOGFILE", "/dev/null")];
    let binary = Binary::start_with(&[], &[&VARIABLES[..], &key_log].concat());
    eventually("it listens twice", || binary.lines("listening").len() == 2).await;
    for line in binary.lines("listening") {
        let upstreams = "wss://127.0.0.1:1,127.0.0.1:2";
        let routes = "one.example/chat=127.0.0.1:3,/two=127.0.0.1:4";
        assert_eq!(line["upstream"], format!("{upstreams},{routes}"));
    }
    let line = binary.line("serving certificate").await;
    assert_eq!(line["names"], "localhost,one.example");
}

#[tokio::test]
async fn a_value_that_is_wrong_in_a_variable_is_an_error_that_names_the_flag() {
    for (name, _) in VARIABLES {
        // Names and paths may be anything until they are used, and so may what is true.
        let anything =
            ["SELF_SIGNED", "FORWARDED", "LOG_QUERY", "ACME_WEBROOT", "STRICT_SNI", "NO_SANDBOX"];
        let of_tls = ["TICKET_KEY_FILE", "KEY_LOG", "CLIENT_CA", "CLIENT_CERT_HEADERS"];
        let of_clients =
            ["ALLOW_CN", "ALLOW_DNS", "ALLOW_URI", "ALLOW_OU", "REQUIRE_ORIGIN", "ACCEPT_PROXY"];
        let of_upstreams = ["UPSTREAM_CA", "UPSTREAM_CERT", "UPSTREAM_KEY", "UPSTREAM_INSECURE"];
        let of_admin = ["ADMIN_ALLOW_REMOTE", "READY_NEEDS_UPSTREAM"];
        if anything
            .iter()
            .chain(&of_tls)
            .chain(&of_clients)
            .chain(&of_upstreams)
            .chain(&of_admin)
            .any(|end| name.ends_with(end))
        {
            continue;
        }
        let others: Vec<_> = VARIABLES.into_iter().filter(|(other, _)| *other != name).collect();
        let binary = Binary::start_with(&[], &[&others[..], &[(name, "?!")]].concat());
        let (code, said) = binary.ended().await;
        let flag = name.trim_start_matches("WSSGATE_").replace('_', "-").to_lowercase();
        assert_eq!(code, 2, "{name}: {said:#?}");
        assert!(said.join("\n").contains(&format!("--{flag}")), "{name}: {said:#?}");
    }
}

#[tokio::test]
async fn a_flag_beats_its_variable() {
    let variables = [("WSSGATE_UPSTREAM", "127.0.0.1:1"), ("WSSGATE_LISTEN", "nonsense")];
    let [cert, key] = certificate_arguments();
    let fixed = ["--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:2", "--log-format", "json"];
    let binary = Binary::start_with(&[&fixed[..], &[&cert, &key]].concat(), &variables);
    let line = binary.line("listening").await;
    assert_eq!(line["upstream"], "127.0.0.1:2");
}

#[tokio::test]
async fn the_demo_starts_whatever_the_variables_of_the_server_say() {
    let variables = [("WSSGATE_UPSTREAM", "127.0.0.1:1"), ("WSSGATE_LISTEN", "127.0.0.1:0")];
    let binary = Binary::start_with(&["demo"], &variables);
    let said = || binary.log().iter().any(|line| line.contains("open https://localhost:"));
    eventually("the demo says where it is", said).await;
    binary.signal("INT").await;
    assert_eq!(binary.ended().await.0, 0);
}
