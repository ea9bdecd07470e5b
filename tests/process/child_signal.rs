//! The signal of a child's end (R65), in a process of its own: no other test has children there.

use crate::common::limit::limit;
use crate::common::process::in_own_process;
use crate::common::trace;
use nodeloop::process::Command;
use nodeloop::signal::{SignalKind, on_signal};

/// `217-child-and-signals.js`
#[test]
fn the_end_of_a_child_comes_before_the_listeners_of_its_signal() {
    if in_own_process(the_end_of_a_child_comes_before_the_listeners_of_its_signal) {
        return;
    }
    let _limit = limit();
    trace(|log| {
        on_signal(SignalKind::child(), log.callback("SIGCHLD")).unwrap();
        let child = Command::new("true").spawn().unwrap();
        child.on_exit(move |_| log.add("exit"));
    })
    .assert(["exit", "SIGCHLD"]);
}
