//! An address reads as it prints.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| wssgate_fuzz::address::judge(text));
