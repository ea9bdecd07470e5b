//! Scripts of two peers of a stream: bytes arrive in order, ends once, and nothing is lost.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodeloop_fuzz::sockets::{self, Script};

fuzz_target!(|script: Script| sockets::run(&script));
