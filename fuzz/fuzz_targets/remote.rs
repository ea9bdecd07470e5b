//! Threads that use the handle of a loop: each message is run or dropped, once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodeloop_fuzz::remote::{self, Script};

fuzz_target!(|script: Script| remote::run(&script));
