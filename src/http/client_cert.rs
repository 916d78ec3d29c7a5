//! The value of `X-Forwarded-Client-Cert` in Envoy's form: what is told of a client's certificate.
//!
//! Plain text comes in; whoever read the certificate vouches that it was verified.

use std::fmt::Write as _;

/// One element, as Envoy documents it:
/// `Hash=<hex>;Subject="<RFC 4514>";URI=<...>;DNS=<...>`
/// (<https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert>).
///
/// `hash` is the SHA-256 of the certificate's DER in lower-case hex. `subject` is quoted always and ought
/// to hold no quote and to end in no backslash, as the subject that `tls::x509` writes does. Each of `uris` and `dns` is a
/// pair of its own, quoted where it holds what separates pairs and elements.
///
/// A quote within a value is `%22` here, not `\"`: so neither a reader that knows of escapes nor one that
/// does not can take it for the end. Control characters, blanks (but for the subject's), backslashes (the
/// same) and whatever is not ASCII are percent-encoded too.
pub fn element(hash: &str, subject: &str, uris: &[String], dns: &[String]) -> String {
    let mut out = format!("Hash={hash};Subject=\"");
    write_encoded(subject, b" \\", &mut out);
    out.push('"');
    let uris = uris.iter().map(|uri| ("URI", uri));
    let dns = dns.iter().map(|name| ("DNS", name));
    for (key, value) in uris.chain(dns) {
        let quote = if value.contains([',', ';', '=']) { "\"" } else { "" };
        out.extend([";", key, "=", quote]);
        write_encoded(value, b"", &mut out);
        out.push_str(quote);
    }
    out
}

/// Percent-encodes (RFC 3986, 2.1) what is no visible ASCII, quotes, and backslashes, save what is `kept`.
fn write_encoded(value: &str, kept: &[u8], out: &mut String) {
    for byte in value.bytes() {
        let is_plain = byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if is_plain || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::element;

    fn owned(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn an_element_names_each_value_in_order() {
        let uris = owned(&["spiffe://example.com/a", "https://example.com/"]);
        let dns = owned(&["a.example.com", "*.example.com"]);
        assert_eq!(
            element("ab12", r"CN=a\, b,O=c", &uris, &dns),
            "Hash=ab12;Subject=\"CN=a\\, b,O=c\";URI=spiffe://example.com/a;\
             URI=https://example.com/;DNS=a.example.com;DNS=*.example.com"
        );
        assert_eq!(element("ab12", "", &[], &[]), "Hash=ab12;Subject=\"\"");
    }

    #[test]
    fn a_value_with_separators_is_quoted_and_cannot_end_its_quotes() {
        for (uri, pair) in [
            ("https://a?b=c", r#"URI="https://a?b=c""#),
            ("a,Hash=forged", r#"URI="a,Hash=forged""#),
            ("a;Subject", r#"URI="a;Subject""#),
            (r#"a";Subject="CN=admin"#, r#"URI="a%22;Subject=%22CN=admin""#),
            (r#"a""#, "URI=a%22"),
            (r"a\", "URI=a%5C"),
            (r"a=\", r#"URI="a=%5C""#),
            ("a\r\nX: b c\0\x7f", "URI=a%0D%0AX:%20b%20c%00%7F"),
            ("\u{e4}", "URI=%C3%A4"),
            ("a%20b", "URI=a%20b"),
            ("", "URI="),
        ] {
            let found = element("ab", "CN=a", &owned(&[uri]), &[]);
            assert_eq!(found, format!("Hash=ab;Subject=\"CN=a\";{pair}"), "{uri:?}");
            let found = element("ab", "CN=a", &[], &owned(&[uri]));
            assert_eq!(
                found,
                format!("Hash=ab;Subject=\"CN=a\";{}", pair.replacen("URI", "DNS", 1))
            );
        }
    }

    #[test]
    fn a_subject_that_breaks_its_word_cannot_end_its_quotes() {
        let found = element("ab", "CN=a\";DNS=b\r\n\u{e4}", &[], &[]);
        assert_eq!(found, "Hash=ab;Subject=\"CN=a%22;DNS=b%0D%0A%C3%A4\"");
    }
}
