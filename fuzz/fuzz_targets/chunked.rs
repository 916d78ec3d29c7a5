//! A body ends, and goes on, as a slow decoder has it, however it is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wssgate_fuzz::chunked::{Body, judge};

fuzz_target!(|body: Body| judge(&body));
