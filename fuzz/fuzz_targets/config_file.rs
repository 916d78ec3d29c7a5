//! A configuration file is read or refused in one way, in words of one line.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| wssgate_fuzz::config_file::judge(text));
