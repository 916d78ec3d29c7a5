//! A request head is judged, and rewritten, as a slow model of SPEC has it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| wssgate_fuzz::request_head::judge(bytes));
