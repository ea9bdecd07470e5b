//! Ctrl-C on Windows, pressed by a program in a console of its own (`.ci/wine/ctrl_c.c`).

use std::os::windows::process::CommandExt;
use std::thread;

use crate::common::limit::limit;
use crate::common::process::command_of;
use crate::common::skip::skip;
use crate::common::{block_on, real_loop};
use nodeloop::next_tick;
use nodeloop::process::{Command, Stdio};
use nodeloop::signal::{SignalKind, ctrl_c, on_signal};

/// Presses Ctrl-C in the console of this process.
const PRESS: &str = "nodeloop-ctrl-c";

/// Set in the child.
const IN_CONSOLE: &str = "NODELOOP_CONSOLE";

/// `CREATE_NEW_CONSOLE`
const NEW_CONSOLE: u32 = 0x10;

/// `STATUS_CONTROL_C_EXIT`
const CONTROL_C_EXIT: u32 = 0xC000_013A;

async fn press() {
    assert!(Command::new(PRESS).status().await.unwrap().success());
}

/// The program of the child.
#[test]
fn child() {
    let _limit = limit();
    if std::env::var_os(IN_CONSOLE).is_none() {
        return;
    }
    let mut event_loop = real_loop();
    let first = event_loop.run(async {
        let listener = on_signal(SignalKind::interrupt(), || {
            eprint!("listener ");
            next_tick(|| eprint!("tick "));
        });
        for _ in 0..2 {
            let pressed = ctrl_c();
            press().await;
            pressed.await.unwrap();
            eprint!("task ");
        }
        listener.unwrap().remove();
        eprint!("default");
    });
    first.unwrap();
    event_loop.run(press()).unwrap();
    loop {
        thread::park(); // until the default action ends the process
    }
}

#[test]
fn ctrl_c_calls_the_listeners_and_its_default_returns_without_them() {
    let _limit = limit();
    block_on(async {
        if Command::new(PRESS).arg("check").status().await.is_err() {
            return skip("no program that presses Ctrl-C: run `.ci/windows.sh`");
        }
        let mut command = command_of(child);
        command.env(IN_CONSOLE, "1").creation_flags(NEW_CONSOLE);
        let mut command = Command::from(command);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text, "listener tick task listener tick task default");
        assert_eq!(output.status.code(), Some(CONTROL_C_EXIT.cast_signed()));
    });
}
