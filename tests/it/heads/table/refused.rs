//! Heads that are refused: SPEC's table of the request head from its top to its end.

use crate::heads::case::{Case, SMALL, Setting, refused};

pub(in crate::heads) fn bare_lf() -> Vec<Case> {
    vec![
        refused("lf_after_request_line", 400, b"GET / HTTP/1.1\nHost: example.com\r\n\r\n"),
        refused("lf_after_header", 400, b"GET / HTTP/1.1\r\nHost: example.com\n\r\n"),
        refused("lf_as_empty_line", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\n\n"),
        refused("lf_everywhere", 400, b"GET / HTTP/1.1\nHost: example.com\n\n"),
        refused("lf_first", 400, b"\nGET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        refused("lf_in_target", 400, b"GET /a\nb HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        refused(
            "lf_hides_a_header",
            400,
            b"POST / HTTP/1.1\r\nHost: example.com\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n",
        ),
    ]
}

pub(in crate::heads) fn bare_cr() -> Vec<Case> {
    vec![
        refused("cr_after_request_line", 400, b"GET / HTTP/1.1\rHost: example.com\r\n\r\n"),
        refused("cr_in_value", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX: a\rb\r\n\r\n"),
        refused("cr_in_name", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX\rY: a\r\n\r\n"),
        refused("cr_twice", 400, b"GET / HTTP/1.1\r\r\nHost: example.com\r\n\r\n"),
        refused("cr_first", 400, b"\rGET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        refused("cr_as_empty_line", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\n\rX\r\n\r\n"),
        refused(
            "cr_hides_a_header",
            400,
            b"POST / HTTP/1.1\r\nHost: example.com\r\nX: a\rContent-Length: 5\r\n\r\n",
        ),
    ]
}

pub(in crate::heads) fn empty_line_first() -> Vec<Case> {
    vec![
        refused("crlf_first", 400, b"\r\nGET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        refused("two_crlf_first", 400, b"\r\n\r\nGET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        refused("crlf_alone", 400, b"\r\n"),
    ]
}

pub(in crate::heads) fn obs_fold() -> Vec<Case> {
    vec![
        refused("fold_by_space", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX: a\r\n b\r\n\r\n"),
        refused("fold_by_tab", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX: a\r\n\tb\r\n\r\n"),
        refused("fold_at_once", 400, b"GET / HTTP/1.1\r\n Host: example.com\r\n\r\n"),
        refused("fold_of_nothing", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\n \r\n\r\n"),
        refused("fold_of_an_empty_value", 400, b"GET / HTTP/1.1\r\nHost:\r\n example.com\r\n\r\n"),
        refused(
            "fold_hides_chunked",
            400,
            b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
        ),
    ]
}

pub(in crate::heads) fn space_before_colon() -> Vec<Case> {
    vec![
        refused("space_after_host", 400, b"GET / HTTP/1.1\r\nHost : example.com\r\n\r\n"),
        refused("tab_after_name", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX\t: a\r\n\r\n"),
        refused(
            "space_after_content_length",
            400,
            b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length : 5\r\n\r\n",
        ),
        refused(
            "space_after_transfer_encoding",
            400,
            b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding : chunked\r\n\r\n",
        ),
        refused(
            "space_after_upgrade",
            400,
            b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade : websocket\r\n\r\n",
        ),
    ]
}

pub(in crate::heads) fn control_characters() -> Vec<Case> {
    vec![
        refused("nul_in_value", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX: a\0b\r\n\r\n"),
        refused("nul_in_name", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX\0: a\r\n\r\n"),
        refused("nul_in_target", 400, b"GET /\0 HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        refused("nul_in_method", 400, b"GE\0T / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        refused("nul_in_version", 400, b"GET / HTTP\0/1.1\r\nHost: example.com\r\n\r\n"),
        refused("nul_first", 400, b"\0GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        refused("soh_in_host", 400, b"GET / HTTP/1.1\r\nHost: example\x01.com\r\n\r\n"),
        refused("bs_in_value", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX: a\x08\r\n\r\n"),
        refused("vt_in_value", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX: \x0ba\r\n\r\n"),
        refused("ff_in_value", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX: a\x0c\r\n\r\n"),
        refused("esc_in_value", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX: \x1b[2J\r\n\r\n"),
        refused("us_in_value", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX: \x1f\r\n\r\n"),
        refused("del_in_value", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX: \x7f\r\n\r\n"),
        refused("del_in_target", 400, b"GET /\x7f HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        refused("tab_in_target", 400, b"GET /\t HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        refused(
            "vt_before_chunked",
            400,
            b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
        ),
    ]
}

pub(in crate::heads) fn header_names() -> Vec<Case> {
    vec![
        refused("name_empty", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\n: a\r\n\r\n"),
        refused("name_without_colon", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX\r\n\r\n"),
        refused("name_with_space", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX Y: a\r\n\r\n"),
        refused("name_with_slash", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX/Y: a\r\n\r\n"),
        refused("name_in_brackets", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\n[X]: a\r\n\r\n"),
        refused("name_in_quotes", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\n\"X\": a\r\n\r\n"),
        refused("name_in_utf8", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\n\xc3\xa4: a\r\n\r\n"),
        refused("name_del", 400, b"GET / HTTP/1.1\r\nHost: example.com\r\nX\x7f: a\r\n\r\n"),
        refused(
            "second_request_line",
            400,
            b"GET / HTTP/1.1\r\nGET /b HTTP/1.1\r\nHost: example.com\r\n\r\n",
        ),
    ]
}

pub(in crate::heads) fn hosts() -> Vec<Case> {
    vec![
        refused("host_missing", 400, b"GET / HTTP/1.1\r\nX: a\r\n\r\n"),
        refused("no_header_at_all", 400, b"GET / HTTP/1.1\r\n\r\n"),
        refused("host_twice_the_same", 400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        refused("host_twice", 400, b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhOST: b\r\n\r\n"),
        refused("host_twice_in_1_0", 400, b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        refused("host_empty", 400, b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        refused("host_of_spaces", 400, b"GET / HTTP/1.1\r\nHost:  \t \r\n\r\n"),
        refused("host_empty_and_another", 400, b"GET / HTTP/1.1\r\nHost:\r\nHost: a\r\n\r\n"),
        refused("host_empty_in_1_0", 400, b"GET / HTTP/1.0\r\nHost: \r\n\r\n"),
        refused("host_with_space", 400, b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        refused("host_list", 400, b"GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n"),
        refused("host_with_user", 400, b"GET / HTTP/1.1\r\nHost: user@example.com\r\n\r\n"),
        refused("host_with_path", 400, b"GET / HTTP/1.1\r\nHost: example.com/a\r\n\r\n"),
        refused("host_with_query", 400, b"GET / HTTP/1.1\r\nHost: example.com?a\r\n\r\n"),
        refused("host_as_url", 400, b"GET / HTTP/1.1\r\nHost: http://example.com\r\n\r\n"),
        refused("host_with_quote", 400, b"GET / HTTP/1.1\r\nHost: a\";for=\"b\r\n\r\n"),
        refused("host_in_utf8", 400, b"GET / HTTP/1.1\r\nHost: ex\xc3\xa4mple.com\r\n\r\n"),
        refused("host_of_port_alone", 400, b"GET / HTTP/1.1\r\nHost: :443\r\n\r\n"),
        refused("host_with_letters_as_port", 400, b"GET / HTTP/1.1\r\nHost: a:https\r\n\r\n"),
        refused("host_with_two_ports", 400, b"GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n"),
        refused("host_with_a_long_port", 400, b"GET / HTTP/1.1\r\nHost: a:000443\r\n\r\n"),
        refused("host_ipv6_bare", 400, b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"),
        refused("host_ipv6_open", 400, b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
        refused("host_ipv6_empty", 400, b"GET / HTTP/1.1\r\nHost: []\r\n\r\n"),
        refused("host_ipv6_and_more", 400, b"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"),
    ]
}

pub(in crate::heads) fn both_framings() -> Vec<Case> {
    let both = |name, lines: &str| {
        refused(name, 400, format!("POST / HTTP/1.1\r\nHost: example.com\r\n{lines}\r\n"))
    };
    vec![
        both("length_then_chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        both("chunked_then_length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        both("length_zero_and_chunked", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
        both("length_and_identity", "Content-Length: 5\r\nTransfer-Encoding: identity\r\n"),
        both("length_and_gzip", "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n"),
        both("length_and_empty_coding", "Content-Length: 5\r\nTransfer-Encoding:\r\n"),
        both(
            "both_and_connection_names_one",
            "Connection: Content-Length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        both("both_in_odd_case", "cOnTeNt-LeNgTh: 5\r\ntRaNsFeR-eNcOdInG: cHuNkEd\r\n"),
    ]
}

pub(in crate::heads) fn content_lengths() -> Vec<Case> {
    let length = |name, lines: &str| {
        refused(name, 400, format!("POST / HTTP/1.1\r\nHost: example.com\r\n{lines}\r\n"))
    };
    vec![
        length("length_lines_differ", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        length("length_lines_equal", "Content-Length: 5\r\nContent-Length: 5\r\n"),
        length("length_list_differs", "Content-Length: 5, 6\r\n"),
        length("length_list_equal", "Content-Length: 5, 5\r\n"),
        length("length_trailing_comma", "Content-Length: 5,\r\n"),
        length("length_empty", "Content-Length:\r\n"),
        length("length_plus", "Content-Length: +5\r\n"),
        length("length_minus", "Content-Length: -5\r\n"),
        length("length_minus_zero", "Content-Length: -0\r\n"),
        length("length_hex", "Content-Length: 0x5\r\n"),
        length("length_letters", "Content-Length: five\r\n"),
        length("length_decimal", "Content-Length: 5.0\r\n"),
        length("length_exponent", "Content-Length: 5e0\r\n"),
        length("length_underscore", "Content-Length: 1_000\r\n"),
        length("length_with_space", "Content-Length: 1 0\r\n"),
        length("length_behind_a_tab", "Content-Length:\t5\r\n"),
        length("length_before_a_tab", "Content-Length: 5\t\r\n"),
        length("length_quoted", "Content-Length: \"5\"\r\n"),
        length("length_over_63_bits", "Content-Length: 9223372036854775808\r\n"),
        length("length_of_64_bits", "Content-Length: 18446744073709551615\r\n"),
        length("length_over_64_bits", "Content-Length: 18446744073709551616\r\n"),
        length("length_wraps_to_five", "Content-Length: 18446744073709551621\r\n"),
        length("length_in_fullwidth_digits", "Content-Length: \u{ff15}\r\n"),
        refused("length_malformed_in_1_0", 400, b"POST / HTTP/1.0\r\nContent-Length: 5,5\r\n\r\n"),
    ]
}

pub(in crate::heads) fn transfer_encoding_in_1_0() -> Vec<Case> {
    let coded = |name, lines: &str| {
        refused(name, 400, format!("POST / HTTP/1.0\r\nHost: example.com\r\n{lines}\r\n"))
    };
    vec![
        coded("chunked_in_1_0", "Transfer-Encoding: chunked\r\n"),
        coded("gzip_in_1_0", "Transfer-Encoding: gzip\r\n"),
        coded("both_in_1_0", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    ]
}

pub(in crate::heads) fn absolute_form() -> Vec<Case> {
    let differs = |name, target: &str| {
        refused(name, 400, format!("GET {target} HTTP/1.1\r\nHost: example.com\r\n\r\n"))
    };
    vec![
        differs("absolute_other_host", "http://example.org/"),
        differs("absolute_longer_host", "http://example.com.evil.example/"),
        differs("absolute_host_as_prefix", "http://example.co/"),
        differs("absolute_other_port", "https://example.com:8443/"),
        differs("absolute_default_port", "https://example.com:443/"),
        differs("absolute_with_user", "http://user@example.com/"),
        differs("absolute_user_trick", "http://example.com@evil.example/"),
        differs("absolute_without_authority", "http:///"),
        differs("absolute_with_three_slashes", "http:///example.com/"),
        differs("absolute_with_backslash", "http://example.com\\.evil.example/"),
        differs("absolute_scheme_ftp", "ftp://example.com/"),
        differs("absolute_scheme_empty", "://example.com/"),
        differs("absolute_one_slash", "http:/example.com/"),
        differs("absolute_no_slash", "http:example.com"),
        refused("absolute_without_host", 400, b"GET http://example.com/ HTTP/1.1\r\n\r\n"),
        refused("absolute_in_1_0_without_host", 400, b"GET http://example.com/ HTTP/1.0\r\n\r\n"),
        refused(
            "absolute_with_port_less_host",
            400,
            b"GET http://example.com/ HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
        ),
    ]
}

pub(in crate::heads) fn request_lines() -> Vec<Case> {
    let line = |name, line: &[u8]| {
        refused(name, 400, [line, b"\r\nHost: example.com\r\n\r\n".as_slice()].concat())
    };
    vec![
        line("target_with_fragment", b"GET /a#b HTTP/1.1"),
        line("target_of_fragment", b"GET # HTTP/1.1"),
        line("target_in_utf8", b"GET /\xc3\xa4 HTTP/1.1"),
        line("target_in_latin_1", b"GET /\xe4 HTTP/1.1"),
        line("target_in_utf8_query", b"GET /?q=\xe2\x82\xac HTTP/1.1"),
        line("target_without_slash", b"GET a HTTP/1.1"),
        line("target_of_query", b"GET ?a HTTP/1.1"),
        line("target_asterisk_of_get", b"GET * HTTP/1.1"),
        line("target_asterisk_and_more", b"OPTIONS */a HTTP/1.1"),
        line("target_authority_of_get", b"GET example.com:443 HTTP/1.1"),
        line("target_missing", b"GET HTTP/1.1"),
        line("target_empty", b"GET  HTTP/1.1"),
        line("target_with_space", b"GET /a b HTTP/1.1"),
        line("two_spaces_before_target", b"GET  / HTTP/1.1"),
        line("two_spaces_before_version", b"GET /  HTTP/1.1"),
        line("tab_for_space", b"GET\t/ HTTP/1.1"),
        line("space_first", b" GET / HTTP/1.1"),
        line("space_last", b"GET / HTTP/1.1 "),
        line("method_empty", b" / HTTP/1.1"),
        line("method_with_colon", b"GE:T / HTTP/1.1"),
        line("method_in_utf8", b"G\xc3\x84T / HTTP/1.1"),
        line("version_missing", b"GET /"),
        line("version_empty", b"GET / "),
        line("version_in_lower_case", b"GET / http/1.1"),
        line("version_of_something_else", b"GET / ICY/1.1"),
        line("version_and_a_digit", b"GET / HTTP/1.10"),
        line("version_and_more", b"GET / HTTP/1.1x"),
    ]
}

pub(in crate::heads) fn connection_options() -> Vec<Case> {
    let options = vec!["x"; 33].join(",");
    let lines = "Connection: close\r\n".repeat(33);
    vec![
        refused(
            "options_33_in_a_list",
            400,
            format!("GET / HTTP/1.1\r\nHost: example.com\r\nConnection: {options}\r\n\r\n"),
        ),
        refused(
            "options_33_in_lines",
            400,
            format!("GET / HTTP/1.1\r\nHost: example.com\r\n{lines}\r\n"),
        ),
    ]
}

pub(in crate::heads) fn transfer_encodings() -> Vec<Case> {
    let coded = |name, lines: &str| {
        refused(name, 501, format!("POST / HTTP/1.1\r\nHost: example.com\r\n{lines}\r\n"))
    };
    vec![
        coded("coding_gzip", "Transfer-Encoding: gzip\r\n"),
        coded("coding_gzip_chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        coded("coding_chunked_gzip", "Transfer-Encoding: chunked, gzip\r\n"),
        coded("coding_identity", "Transfer-Encoding: identity\r\n"),
        coded("coding_chunked_identity", "Transfer-Encoding: chunked, identity\r\n"),
        coded("coding_chunked_chunked", "Transfer-Encoding: chunked, chunked\r\n"),
        coded("coding_lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        coded("coding_other_line", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
        coded("coding_empty", "Transfer-Encoding:\r\n"),
        coded("coding_xchunked", "Transfer-Encoding: xchunked\r\n"),
        coded("coding_chunkedx", "Transfer-Encoding: chunkedx\r\n"),
        coded("coding_parameter", "Transfer-Encoding: chunked;a=b\r\n"),
        coded("coding_quoted", "Transfer-Encoding: \"chunked\"\r\n"),
        coded("coding_comma_last", "Transfer-Encoding: chunked,\r\n"),
        coded("coding_comma_first", "Transfer-Encoding: , chunked\r\n"),
        coded("coding_with_space", "Transfer-Encoding: chun ked\r\n"),
        coded("coding_behind_a_tab", "Transfer-Encoding: \tchunked\r\n"),
        coded("coding_before_a_tab", "Transfer-Encoding: chunked\t\r\n"),
        coded("coding_long_s", "Transfer-Encoding: chun\u{212a}ed\r\n"),
    ]
}

pub(in crate::heads) fn connect() -> Vec<Case> {
    vec![
        refused(
            "connect_authority",
            501,
            b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
        ),
        refused("connect_path", 501, b"CONNECT / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
        refused("connect_without_host", 501, b"CONNECT example.com:443 HTTP/1.1\r\n\r\n"),
        refused(
            "connect_to_websocket",
            501,
            b"CONNECT /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n\
              Upgrade: websocket\r\n\r\n",
        ),
    ]
}

pub(in crate::heads) fn versions() -> Vec<Case> {
    vec![
        refused("h2_preface", 505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        refused("version_2_0", 505, b"GET / HTTP/2.0\r\nHost: example.com\r\n\r\n"),
        refused("version_2", 505, b"GET / HTTP/2\r\nHost: example.com\r\n\r\n"),
        refused("version_3", 505, b"GET / HTTP/3\r\nHost: example.com\r\n\r\n"),
        refused("version_1_2", 505, b"GET / HTTP/1.2\r\nHost: example.com\r\n\r\n"),
        refused("version_0_9", 505, b"GET / HTTP/0.9\r\nHost: example.com\r\n\r\n"),
        refused("version_1", 505, b"GET / HTTP/1\r\nHost: example.com\r\n\r\n"),
        refused("version_11", 505, b"GET / HTTP/11\r\nHost: example.com\r\n\r\n"),
        refused("connect_in_2_0", 505, b"CONNECT a:1 HTTP/2.0\r\nHost: a:1\r\n\r\n"),
    ]
}

pub(in crate::heads) fn long_request_lines() -> Vec<Case> {
    let small = |name, status, length: usize, tail: &str| {
        let target = "a".repeat(length);
        refused(name, status, format!("GET /{target}{tail}")).with(Setting::Small)
    };
    vec![
        small("line_without_end", 414, SMALL, ""),
        small("line_over_by_one", 414, SMALL - 15, " HTTP/1.1\r\nHost: a\r\n\r\n"),
        small("line_far_over", 414, 2000, " HTTP/1.1\r\nHost: a\r\n\r\n"),
        refused("line_of_spaces", 414, vec![b' '; SMALL]).with(Setting::Small),
        // The line itself fits; what does not is the head.
        small("line_just_fits", 431, SMALL - 16, " HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]
}

pub(in crate::heads) fn long_heads() -> Vec<Case> {
    let small = |name, value: usize, tail: &str| {
        let value = "a".repeat(value);
        let head = format!("GET / HTTP/1.1\r\nHost: example.com\r\nCookie: {value}{tail}");
        refused(name, 431, head).with(Setting::Small)
    };
    // What stands before and behind the value is 16 + 19 + 8 + 4 bytes long.
    vec![
        small("head_without_end", SMALL, ""),
        small("head_over_by_one", SMALL - 47 + 1, "\r\n\r\n"),
        small("head_over_by_its_empty_line", SMALL - 47 + 2, "\r\n\r\n"),
        small("head_far_over", 2000, "\r\n\r\n"),
        refused(
            "head_of_many_lines",
            431,
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(60)),
        )
        .with(Setting::Small),
    ]
}

pub(in crate::heads) fn many_headers() -> Vec<Case> {
    let many = |name, count: usize| {
        let headers = "x: y\r\n".repeat(count - 1);
        refused(name, 431, format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n"))
    };
    vec![many("headers_101", 101), many("headers_300", 300)]
}
