//! Any split of any sequence of requests gives the upstream the same bytes as sending them one at a time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wssgate_fuzz::keepalive::{Sequence, compare};

fuzz_target!(|sequence: Sequence| compare(&sequence));
