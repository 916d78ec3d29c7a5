//! However bytes are cut, they are the same PROXY header or none; what it says can be written and read back.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| wssgate_fuzz::proxy_header::judge(bytes));
