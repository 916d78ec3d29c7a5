//! Any story of a connection ends, and comes to what a slow model allows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wssgate_fuzz::connection::{Story, judge};

fuzz_target!(|story: Story| judge(&story));
