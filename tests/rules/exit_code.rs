//! The exit code of a run: R9, `process.exitCode`.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output.

use crate::common::limit::limit;
use crate::common::process::command_of;
use crate::common::{Log, ms, rejected, throw, virtual_loop};
use nodeloop::{
    RunError, exit, exit_code, on_before_exit, on_exit, on_uncaught, set_exit_code, set_immediate,
    set_interval, set_timeout,
};

/// `process.on('exit', (code) => { console.log(name, code, process.exitCode); … })`
fn log_exit(log: &Log, name: &'static str, set: Option<i32>) {
    let log = log.clone();
    on_exit(move |code| {
        log.add(format_args!("{name} {code} {}", exit_code()));
        set.into_iter().for_each(set_exit_code);
    });
}

/// R9: `283-exit-code.js`.
#[test]
fn a_code_ends_nothing_and_exit_listeners_can_change_it() {
    let log = Log::new();
    let logged = log.clone();
    let mut event_loop = virtual_loop();
    let result = event_loop.run_script(move || {
        log_exit(&logged, "first exit", Some(9));
        log_exit(&logged, "second exit", None);
        set_exit_code(7);
        set_timeout(ms(1), logged.callback("timer"));
    });
    result.unwrap();
    log.assert(["timer", "first exit 7 7", "second exit 7 9"]);
    assert_eq!(event_loop.exit_code(), 9);
}

/// R9: `284-exit-code-and-exit.js`.
#[test]
fn exit_sets_the_code_and_its_listeners_can_change_it() {
    let log = Log::new();
    let logged = log.clone();
    let mut event_loop = virtual_loop();
    let result = event_loop.run_script(move || {
        log_exit(&logged, "first exit", Some(5));
        log_exit(&logged, "second exit", None);
        set_exit_code(7);
        set_immediate(|| exit(3));
    });
    log.assert(["first exit 3 3", "second exit 3 5"]);
    assert!(matches!(result, Err(RunError::Exit(5))), "{result:?}");
    assert_eq!(event_loop.exit_code(), 5);
}

/// R9: `285-exit-code-and-errors.js`.
#[test]
fn an_uncaught_error_sets_the_code_to_one() {
    let log = Log::new();
    let logged = log.clone();
    let mut event_loop = virtual_loop();
    let result = event_loop.run_script(move || {
        log_exit(&logged, "exit", None);
        set_exit_code(7);
        set_immediate(|| throw("no"));
    });
    log.assert(["exit 1 1"]);
    assert!(matches!(result, Err(RunError::Uncaught(_))), "{result:?}");
    assert_eq!(event_loop.exit_code(), 1);
}

/// `process.exitCode = undefined`: Node ends with the code that it has without a setting.
#[test]
fn a_code_can_be_unset() {
    let mut event_loop = virtual_loop();
    let result = event_loop.run_script(|| {
        set_exit_code(7);
        set_exit_code(None);
        assert_eq!(exit_code(), 0);
    });
    assert_eq!((result.unwrap(), event_loop.exit_code()), ((), 0));

    let log = Log::new();
    let logged = log.clone();
    let result = event_loop.run_script(move || {
        on_exit(move |code| {
            set_exit_code(None);
            logged.add(format_args!("exit {code} {}", exit_code()));
        });
        set_immediate(|| exit(3));
    });
    assert!(matches!(result, Err(RunError::Exit(0))), "{result:?}");

    // The listener is called again, and the error keeps its code.
    let result = event_loop.run_script(|| drop(set_immediate(|| throw("no"))));
    assert!(matches!(result, Err(RunError::Uncaught(_))), "{result:?}");
    assert_eq!(event_loop.exit_code(), 1);
    log.assert(["exit 3 0", "exit 1 0"]);
}

/// `exit` in a listener of uncaught errors is no failure of that listener.
#[test]
fn a_listener_of_errors_can_exit() {
    let log = Log::new();
    let logged = log.clone();
    let mut event_loop = virtual_loop();
    let result = event_loop.run_script(move || {
        log_exit(&logged, "exit", None);
        on_uncaught(|_| exit(4));
        set_immediate(|| throw("no"));
    });
    log.assert(["exit 4 4"]);
    assert!(matches!(result, Err(RunError::Exit(4))), "{result:?}");
    assert_eq!(event_loop.exit_code(), 4);
}

/// R9: `286-exit-code-after-rejection.js`.
#[test]
fn an_unhandled_rejection_sets_the_code_to_one() {
    let log = Log::new();
    let logged = log.clone();
    let mut event_loop = virtual_loop();
    let result = event_loop.run_script(move || {
        log_exit(&logged, "first exit", Some(4));
        log_exit(&logged, "second exit", None);
        set_exit_code(7);
        drop(rejected("no"));
    });
    log.assert(["first exit 1 1", "second exit 1 4"]);
    assert!(
        matches!(result, Err(RunError::Unhandled { .. })),
        "{result:?}"
    );
    assert_eq!(event_loop.exit_code(), 4);
}

/// R2: `287-exit-code-before-exit.js`.
#[test]
fn a_code_can_be_set_before_exit() {
    let log = Log::new();
    let logged = log.clone();
    let mut event_loop = virtual_loop();
    let result = event_loop.run_script(move || {
        let line = logged.clone();
        on_before_exit(move || {
            line.add(format_args!("beforeExit {}", exit_code()));
            if exit_code() != 2 {
                set_exit_code(2);
                set_immediate(|| {});
            }
        });
        on_exit(move |code| logged.add(format_args!("exit {code}")));
    });
    result.unwrap();
    log.assert(["beforeExit 0", "beforeExit 2", "exit 2"]);
}

#[test]
fn each_run_begins_with_the_code_zero() {
    let mut event_loop = virtual_loop();
    event_loop.run_script(|| set_exit_code(7)).unwrap();
    assert_eq!(event_loop.exit_code(), 7);
    event_loop
        .run_script(|| assert_eq!(exit_code(), 0))
        .unwrap();
    assert_eq!(event_loop.exit_code(), 0);
    let result = event_loop.block_on(async { throw("no") });
    assert!(result.is_err());
    assert_eq!(event_loop.exit_code(), 1);
    let failed = event_loop.run(async {
        set_exit_code(5);
        Err::<(), _>("no")
    });
    assert_eq!((failed.unwrap(), event_loop.exit_code()), (Err("no"), 1));
    // `uncaughtException` listeners that throw: the `exit` listeners are skipped, and the code is 7.
    let result = event_loop.run_script(|| {
        on_exit(|_| panic!("not called"));
        on_uncaught(|_| throw("again"));
        throw("first");
    });
    assert!(result.is_err());
    assert_eq!(event_loop.exit_code(), 7);
}

/// Prints when it is dropped, so that the tests below see what the end of the process has skipped.
struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        println!("dropped");
    }
}

#[test]
#[ignore = "ends the process, as a child of `run_ends_the_process_with_the_code`"]
fn a_run_with_a_code() {
    let _limit = limit();
    let dropped = Dropped;
    nodeloop::run(async move {
        let _dropped = dropped;
        set_exit_code(42);
        set_interval(ms(1), || {}).unref();
        nodeloop::yield_now().await;
        println!("done");
    });
    println!("returned");
}

#[test]
#[ignore = "ends the process, as a child of `run_ends_the_process_with_the_code`"]
fn a_script_with_a_code() {
    let _limit = limit();
    nodeloop::run_script(|| set_exit_code(43));
    println!("returned");
}

#[test]
#[ignore = "fails, as a child of `run_ends_the_process_with_the_code`"]
fn a_failure_with_a_code() {
    let _limit = limit();
    let failed = nodeloop::run(async {
        on_exit(|_| set_exit_code(44));
        Err::<(), _>("no")
    });
    println!("returned {failed:?}");
}

#[test]
#[cfg_attr(miri, ignore = "Miri cannot start a process")]
fn run_ends_the_process_with_the_code() {
    let _limit = limit();
    let output = command_of(a_run_with_a_code).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(42), "{text}");
    assert!(
        text.contains("done\ndropped\n") && !text.contains("returned"),
        "{text}"
    );

    let output = command_of(a_script_with_a_code).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(43), "{text}");
    assert!(!text.contains("returned"), "{text}");

    let output = command_of(a_failure_with_a_code).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("returned Err(\"no\")"), "{text}");
}
