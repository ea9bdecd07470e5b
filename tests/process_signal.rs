//! The signal of a child's end (R65), in a program of its own: no other test has children here.

#![cfg(unix)]

mod common;

use common::trace;
use nodeloop::process::Command;
use nodeloop::signal::{SignalKind, on_signal};

/// `217-child-and-signals.js`
#[test]
fn the_end_of_a_child_comes_before_the_listeners_of_its_signal() {
    trace(|log| {
        on_signal(SignalKind::child(), log.callback("SIGCHLD")).unwrap();
        let child = Command::new("true").spawn().unwrap();
        child.on_exit(move |_| log.add("exit"));
    })
    .assert(["exit", "SIGCHLD"]);
}
