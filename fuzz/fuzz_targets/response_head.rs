//! A response head is judged, and rewritten, as a slow model of the RFCs has it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| wssgate_fuzz::response_head::judge(bytes));
