//! Files of the flight recorder: any bytes are refused, or they can be read and replayed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodeloop_fuzz::recordings;

fuzz_target!(|input: &[u8]| recordings::check(input));
