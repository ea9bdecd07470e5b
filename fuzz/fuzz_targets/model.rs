//! Programs of operations on the crate and on a naive model of the rules: the logs must be equal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nodeloop_fuzz::program::Program;
use nodeloop_fuzz::{model, subject};

fuzz_target!(|program: Program| {
    let expected = model::run(&program);
    let logged = subject::run(&program);
    if let Some(at) = nodeloop_fuzz::first_difference(&expected, &logged) {
        panic!("{program:#?}\n{at}");
    }
});
