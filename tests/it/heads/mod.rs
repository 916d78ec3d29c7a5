//! The request head: SPEC's table, row by row, each row a test of its own name.
//!
//! A case is an input and its verdict: the status that it is refused with, or the exact bytes that the
//! upstream gets. Every case is judged in memory (whole, a byte at a time, cut anywhere) and over TLS
//! (whole, a byte a write). [`table`] holds the cases and nothing else.

mod case;
mod judge;
mod properties;
mod silence;
mod table;
mod wire;

use table::{forwarding, refused, sent, websocket};

/// A test for each row.
macro_rules! rows {
    ($($test:ident => $row:path),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                let cases = $row();
                judge::check(&cases).await;
                wire::check(&cases).await;
            }
        )*

        /// Every case of every row.
        fn all() -> Vec<case::Case> {
            [$($row()),*].into_iter().flatten().collect()
        }
    };
}

rows! {
    a_bare_lf_is_400 => refused::bare_lf,
    a_bare_cr_is_400 => refused::bare_cr,
    an_empty_line_before_the_request_line_is_400 => refused::empty_line_first,
    obs_fold_is_400 => refused::obs_fold,
    space_before_the_colon_is_400 => refused::space_before_colon,
    nul_and_control_characters_are_400 => refused::control_characters,
    a_malformed_header_name_is_400 => refused::header_names,
    no_host_two_hosts_or_a_malformed_one_is_400 => refused::hosts,
    both_content_length_and_transfer_encoding_are_400 => refused::both_framings,
    a_differing_or_malformed_content_length_is_400 => refused::content_lengths,
    transfer_encoding_in_http_1_0_is_400 => refused::transfer_encoding_in_1_0,
    absolute_form_that_differs_from_host_is_400 => refused::absolute_form,
    a_malformed_request_line_is_400 => refused::request_lines,
    too_many_connection_options_are_400 => refused::connection_options,
    transfer_encoding_not_exactly_chunked_is_501 => refused::transfer_encodings,
    connect_is_501 => refused::connect,
    the_h2_preface_and_other_versions_are_505 => refused::versions,
    a_request_line_over_the_limit_is_414 => refused::long_request_lines,
    a_head_over_the_limit_is_431 => refused::long_heads,
    too_many_headers_are_431 => refused::many_headers,
    a_websocket_request_is_known_in_any_dress => websocket::asked,
    what_a_websocket_request_says_goes_on => websocket::sent,
    a_websocket_request_without_one_key_of_16_bytes_is_400 => websocket::keys,
    what_says_websocket_and_breaks_its_rules_is_400 => websocket::rules,
    any_other_upgrade_is_dropped => websocket::plain,
    request_lines_go_on_as_they_came => sent::request_lines,
    absolute_form_becomes_origin_form => sent::absolute_form,
    host_goes_on_byte_for_byte => sent::hosts,
    other_headers_keep_order_case_and_spacing => sent::headers,
    hop_by_hop_headers_are_removed => sent::hop_by_hop,
    what_connection_names_is_removed => sent::nominated,
    connection_never_removes_what_is_protected => sent::protected,
    framing_headers_go_on => sent::framing,
    http_1_0_goes_on => sent::http_1_0,
    heads_at_the_limits_go_on => sent::at_the_limits,
    forged_forwarding_headers_are_gone => forwarding::forged,
    forwarded_is_sent_when_asked_for => forwarding::forwarded,
    a_trusted_proxy_is_appended_to => forwarding::appended,
    the_values_of_a_trusted_proxy_are_kept => forwarding::trusted,
    ipv6_clients_are_named => forwarding::ipv6,
}

/// Every input, by its case's name.
pub(crate) fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    all().into_iter().map(|case| (case.name, case.input)).collect()
}

#[test]
fn case_names_are_unique_and_the_table_is_long() {
    let mut names: Vec<&str> = all().iter().map(|case| case.name).collect();
    let count = names.len();
    names.sort_unstable();
    for pair in names.windows(2) {
        assert_ne!(pair[0], pair[1], "two cases of one name");
    }
    assert!(count >= 120, "only {count} cases");
}
