//! Text that the crate reads from outside, and text that it writes for others to read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodeloop_fuzz::formats::{self, Input};

fuzz_target!(|input: Input| formats::check(&input));
