//! Scripts of two peers of a stream in a simulated world with faults: the same as in reality, and the same twice.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodeloop_fuzz::worlds::{self, Input};

fuzz_target!(|input: Input| worlds::run(&input));
