//! What is said of the client: by itself, by a proxy that is trusted, and by wssgate.

use crate::heads::case::{Case, Setting, sent};

/// A plain head with these lines behind its Host; what the upstream gets behind the Host is `expected`.
fn told(name: &'static str, setting: Setting, lines: &str, expected: &str) -> Case {
    sent(
        name,
        format!("GET / HTTP/1.1\r\nHost: example.com\r\n{lines}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: example.com\r\n{expected}{{close}}"),
    )
    .with(setting)
}

pub(in crate::heads) fn forged() -> Vec<Case> {
    let forged = |name, lines: &str| told(name, Setting::Ordinary, lines, "{own}");
    vec![
        forged("forged_for", "X-Forwarded-For: 6.6.6.6\r\n"),
        forged("forged_for_in_lines", "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\n"),
        forged("forged_real_ip", "X-Real-IP: 6.6.6.6\r\nx-real-ip: 7.7.7.7\r\n"),
        forged("forged_proto", "X-Forwarded-Proto: http\r\n"),
        forged("forged_host", "X-Forwarded-Host: evil.example\r\n"),
        forged("forged_port", "X-Forwarded-Port: 1\r\n"),
        forged("forged_forwarded", "Forwarded: for=6.6.6.6;proto=http\r\n"),
        forged(
            "forged_client_cert",
            "X-Forwarded-Client-Cert: Hash=6\r\nx-FORWARDED-client-cert: Hash=7;Subject=\"CN=a\"\r\n",
        ),
        forged(
            "forged_client_cert_with_underscores",
            "X_Forwarded_Client_Cert: Hash=6\r\nX-Forwarded-Client_Cert: Hash=7\r\n",
        ),
        forged(
            "forged_client_cert_and_nominated",
            "Connection: X-Forwarded-Client-Cert\r\nX-Forwarded-Client-Cert: Hash=6\r\n",
        ),
        forged("forged_in_any_case", "x-FORWARDED-for: 6.6.6.6\r\nfORWARDED: for=6.6.6.6\r\n"),
        forged(
            "forged_with_underscores",
            "X_Forwarded_For: 6\r\nX_Real_IP: 6\r\nX_Forwarded_Proto: 6\r\n\
             X_Forwarded_Host: 6\r\nX_Forwarded_Port: 6\r\n",
        ),
        forged(
            "forged_with_one_underscore",
            "X-Forwarded_For: 6\r\nX_Forwarded-For: 6\r\nX_Real-IP: 6\r\nx-real_ip: 6\r\n",
        ),
        forged("forged_empty", "X-Forwarded-For:\r\nX-Real-IP: \r\nForwarded:\r\n"),
        forged(
            "forged_and_nominated",
            "Connection: X-Forwarded-For, X_Forwarded_For\r\nX-Forwarded-For: 6.6.6.6\r\n\
             X_Forwarded_For: 6.6.6.6\r\n",
        ),
        told(
            "look_alikes_stay",
            Setting::Ordinary,
            "X-Forwarded: a\r\nX-Forwarded-For-X: b\r\nXForwardedFor: c\r\nForwarded-For: d\r\n\
             X.Real.IP: e\r\nX-Forwarded-Client-Cert-X: f\r\n",
            "X-Forwarded: a\r\nX-Forwarded-For-X: b\r\nXForwardedFor: c\r\nForwarded-For: d\r\n\
             X.Real.IP: e\r\nX-Forwarded-Client-Cert-X: f\r\n{own}",
        ),
        told(
            "forged_while_others_are_trusted",
            Setting::OthersTrusted,
            "X-Forwarded-For: 10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n",
            "{own}",
        ),
        sent(
            "forged_on_a_websocket",
            b"GET / HTTP/1.1\r\nX-Forwarded-For: 6.6.6.6\r\nHost: example.com\r\n\
              Upgrade: websocket\r\nX_Real_IP: 6.6.6.6\r\nConnection: Upgrade, X-Real-IP\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: example.com\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{own}{upgrade}",
        ),
    ]
}

pub(in crate::heads) fn forwarded() -> Vec<Case> {
    let element = "Forwarded: for=127.0.0.1;host=\"example.com\";proto=https\r\n";
    vec![
        told("forwarded", Setting::Forwarded, "", &format!("{{own}}{element}")),
        told(
            "forwarded_replaces_a_forged_one",
            Setting::Forwarded,
            "Forwarded: for=6.6.6.6\r\nforwarded: for=7.7.7.7\r\n",
            &format!("{{own}}{element}"),
        ),
        sent(
            "forwarded_host_with_port",
            b"GET / HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: [::1]:8443\r\n{own [::1]:8443}\
              Forwarded: for=127.0.0.1;host=\"[::1]:8443\";proto=https\r\n{close}",
        )
        .with(Setting::Forwarded),
        sent(
            "forwarded_without_host",
            b"GET / HTTP/1.0\r\n\r\n",
            b"GET / HTTP/1.0\r\n{own -}Forwarded: for=127.0.0.1;proto=https\r\n{close}",
        )
        .with(Setting::Forwarded),
    ]
}

/// The headers in their order, as they are without a word from the client.
const REAL_IP: &str = "X-Real-IP: {ip}\r\n";
const PROTO: &str = "X-Forwarded-Proto: https\r\n";
const HOST: &str = "X-Forwarded-Host: example.com\r\n";
const PORT: &str = "X-Forwarded-Port: {port}\r\n";

pub(in crate::heads) fn appended() -> Vec<Case> {
    let listed = |name, lines: &str, list: &str| {
        let list = format!("X-Forwarded-For: {list}\r\n{REAL_IP}{PROTO}{HOST}{PORT}");
        told(name, Setting::Trusted, lines, &list)
    };
    vec![
        listed("trusted_for", "X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4, {ip}"),
        listed("trusted_for_ipv6", "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1, {ip}"),
        listed("trusted_for_list", "X-Forwarded-For: 1.2.3.4,5.6.7.8\r\n", "1.2.3.4,5.6.7.8, {ip}"),
        listed(
            "trusted_for_lines",
            "X-Forwarded-For: 1.2.3.4\r\nx-forwarded-for: 2001:db8::1\r\n",
            "1.2.3.4, 2001:db8::1, {ip}",
        ),
        listed("trusted_for_empty", "X-Forwarded-For: \r\n", "{ip}"),
        listed("trusted_for_unknown", "X-Forwarded-For: unknown\r\n", "unknown, {ip}"),
        listed("trusted_with_underscores", "X_Forwarded_For: 6.6.6.6\r\n", "{ip}"),
        listed(
            "trusted_and_nominated",
            "Connection: X-Forwarded-For\r\nX-Forwarded-For: 1.2.3.4\r\n",
            "1.2.3.4, {ip}",
        ),
    ]
}

pub(in crate::heads) fn trusted() -> Vec<Case> {
    let trusted = |name, lines: &str, expected: &str| told(name, Setting::Trusted, lines, expected);
    let first = "X-Forwarded-For: {ip}\r\n";
    vec![
        trusted("trusted_says_nothing", "", "{own}"),
        trusted(
            "trusted_client_cert_is_not_kept",
            "X-Forwarded-Client-Cert: Hash=6\r\nX_Forwarded_Client_Cert: Hash=7\r\n",
            "{own}",
        ),
        trusted(
            "trusted_real_ip",
            "X-Real-IP: 1.2.3.4\r\n",
            &format!("{first}X-Real-IP: 1.2.3.4\r\n{PROTO}{HOST}{PORT}"),
        ),
        trusted(
            "trusted_proto",
            "x-forwarded-proto: http\r\n",
            &format!("{first}{REAL_IP}X-Forwarded-Proto: http\r\n{HOST}{PORT}"),
        ),
        trusted(
            "trusted_host_and_port",
            "X-Forwarded-Host: public.example\r\nX-Forwarded-Port: 443\r\n",
            &format!(
                "{first}{REAL_IP}{PROTO}X-Forwarded-Host: public.example\r\n\
                 X-Forwarded-Port: 443\r\n"
            ),
        ),
        trusted(
            "trusted_forwarded_is_kept",
            "Forwarded: for=1.2.3.4;proto=http\r\n",
            "{own}Forwarded: for=1.2.3.4;proto=http\r\n",
        ),
        told(
            "trusted_forwarded_is_appended_to",
            Setting::TrustedForwarded,
            "Forwarded: for=1.2.3.4\r\nForwarded: for=\"[2001:db8::1]\"\r\n",
            "{own}Forwarded: for=1.2.3.4, for=\"[2001:db8::1]\", \
             for=127.0.0.1;host=\"example.com\";proto=https\r\n",
        ),
        told(
            "trusted_all_at_once",
            Setting::TrustedForwarded,
            "X-Forwarded-Port: 443\r\nForwarded: for=a\r\nX-Forwarded-Host: b\r\n\
             X-Forwarded-Proto: c\r\nX-Real-IP: d\r\nX-Forwarded-For: e\r\n",
            "X-Forwarded-For: e, {ip}\r\nX-Real-IP: d\r\nX-Forwarded-Proto: c\r\n\
             X-Forwarded-Host: b\r\nX-Forwarded-Port: 443\r\n\
             Forwarded: for=a, for=127.0.0.1;host=\"example.com\";proto=https\r\n",
        ),
    ]
}

pub(in crate::heads) fn ipv6() -> Vec<Case> {
    let element = "for=\"[::1]\";host=\"example.com\";proto=https\r\n";
    vec![
        told(
            "ipv6",
            Setting::Ipv6,
            "X-Forwarded-For: 6.6.6.6\r\n",
            &format!("{{own}}Forwarded: {element}"),
        ),
        told(
            "ipv6_trusted",
            Setting::Ipv6Trusted,
            "X-Forwarded-For: 2001:db8::1\r\nForwarded: for=\"[2001:db8::1]\"\r\n",
            &format!(
                "X-Forwarded-For: 2001:db8::1, ::1\r\n{REAL_IP}{PROTO}{HOST}{PORT}\
                 Forwarded: for=\"[2001:db8::1]\", {element}"
            ),
        ),
    ]
}
