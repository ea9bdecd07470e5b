//! The time limits of `tests/common/limit.rs`. Each test runs a test that hangs, in a process of its
//! own, and reads its failure.

use std::thread;
use std::time::Duration;

use crate::common::block_on;
use crate::common::limit::{FACTOR_VARIABLE, limit, limit_of};
use crate::common::process::{command_of, name_of};
use nodeloop::{set_immediate, set_interval};

const SHORT: Duration = Duration::from_millis(50);

/// What a hanging test prints. It must have failed.
fn failure_of<F: Fn() + Copy>(test: F) -> String {
    let mut command = command_of(test);
    let output = command.env_remove(FACTOR_VARIABLE).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(101), "{text}");
    let line = format!("test {} at tests/kit/time_limits.rs:", name_of(test));
    assert!(text.contains(&line), "{text}");
    assert!(text.contains("has not ended within 50ms"), "{text}");
    text
}

#[test]
#[ignore = "hangs on purpose, run by `a_loop_that_never_ends_fails_its_test_alone`"]
fn never_ends() {
    let _limit = limit_of(SHORT, "it is expected to expire");
    block_on(async {
        set_interval(Duration::from_secs(3600), || ());
        std::future::pending::<()>().await;
    });
}

#[test]
fn a_loop_that_never_ends_fails_its_test_alone() {
    let _limit = limit();
    let text = failure_of(never_ends);
    assert!(text.contains("why_alive: the loop is alive:"), "{text}");
    assert!(text.contains("an interval, due in "), "{text}");
    assert!(text.contains("0 passed; 1 failed"), "{text}");
}

#[test]
#[ignore = "hangs on purpose, run by `a_loop_that_does_not_answer_ends_the_process`"]
fn blocks_its_loop() {
    let _limit = limit_of(SHORT, "it is expected to expire");
    block_on(async {
        set_immediate(|| {
            loop {
                thread::park();
            }
        });
        std::future::pending::<()>().await;
    });
}

#[test]
fn a_loop_that_does_not_answer_ends_the_process() {
    let _limit = limit();
    let text = failure_of(blocks_its_loop);
    assert!(
        text.contains("no loop of its thread answers: the test process"),
        "{text}"
    );
}

#[test]
#[ignore = "hangs on purpose, run by `a_hang_outside_of_a_loop_ends_the_process`"]
fn hangs_without_a_loop() {
    let _limit = limit_of(SHORT, "it is expected to expire");
    loop {
        thread::park();
    }
}

#[test]
fn a_hang_outside_of_a_loop_ends_the_process() {
    let _limit = limit();
    let text = failure_of(hangs_without_a_loop);
    assert!(
        text.contains("no loop of its thread answers: the test process"),
        "{text}"
    );
}
