//! A short soak passes, and fails for every fault that is planted in it.

#![cfg(target_os = "linux")]

use std::process::{Command, Output};

/// Runs the soak for a moment. It has a watchdog, so it ends.
fn soak(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nodeloop-soak"));
    command.args(["soak", "--seed", "7"]).args(arguments);
    command.output().expect("the program was built")
}

/// Expects that a planted fault makes the soak fail, and that it is named.
#[track_caller]
fn expect_failure(plant: &str, text: &str) {
    let output = soak(&["--seconds", "2", "--plant", plant]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(printed.contains(text), "{printed}");
    assert!(printed.contains("seed 7"), "{printed}");
}

#[test]
fn a_short_soak_passes() {
    let output = soak(&["--seconds", "2"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    assert!(printed.contains("everything came back"), "{printed}");
}

#[test]
fn a_descriptor_that_is_left_is_found() {
    expect_failure("leak-descriptor", "/dev/null");
}

#[test]
fn a_reply_that_is_lost_is_found() {
    expect_failure("lose-reply", "replies");
}

#[test]
fn a_task_that_is_left_is_found() {
    expect_failure("leak-task", "a task is left");
}

#[test]
fn memory_that_is_left_is_found() {
    expect_failure("leak-memory", "bytes more in the second half");
}

#[test]
fn a_zombie_is_found() {
    expect_failure("leave-zombie", "a child is left");
}

#[test]
fn a_thread_that_is_left_is_found() {
    expect_failure("leave-thread", "planted");
}
