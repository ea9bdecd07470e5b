//! Leaving a run without unwinding, and hooks that are registered before it.

use std::rc::Rc;

use crate::common::{Log, ms, throw, try_trace, virtual_loop};
use nodeloop::host::{fail_callback, is_stopping, request_exit};
use nodeloop::{
    RunError, exit_code, next_tick, on_before_exit, on_exit, on_uncaught, queue_microtask,
    set_exit_code, set_immediate, set_timeout, spawn,
};

/// R9: `85-process-exit.js`, and nothing runs after the callback.
#[test]
fn an_exit_that_was_requested_ends_the_run_when_the_callback_returns() {
    let (result, log) = try_trace(|log| {
        let exit = log.clone();
        on_exit(move |code| exit.add(format_args!("exit {code}")));
        on_before_exit(|| unreachable!("`exit` skips it"));
        queue_microtask(|| unreachable!("there is no drain"));
        assert!(!is_stopping());
        request_exit(3);
        assert!(is_stopping());
        next_tick(|| unreachable!("ticks are refused"));
        log.add("the callback goes on");
    });
    assert!(matches!(result, Err(RunError::Exit(3))), "{result:?}");
    log.assert(["exit 3", "the callback goes on"]);
    assert!(!is_stopping());
}

/// R9: `284-exit-code-and-exit.js`.
#[test]
fn exit_listeners_can_change_the_code_of_a_request() {
    let log = Log::new();
    let mut event_loop = virtual_loop();
    let (first, second) = (log.clone(), log.clone());
    let result = event_loop.run_script(move || {
        on_exit(move |code| {
            first.add(format_args!("first exit {code} {}", exit_code()));
            set_exit_code(5);
        });
        on_exit(move |code| second.add(format_args!("second exit {code} {}", exit_code())));
        set_exit_code(7);
        set_immediate(|| request_exit(3));
    });
    assert!(matches!(result, Err(RunError::Exit(5))), "{result:?}");
    log.assert(["first exit 3 3", "second exit 3 5"]);
    assert_eq!(event_loop.exit_code(), 5);
}

/// R9: `exit` in a listener of `exit` skips the others.
#[test]
fn a_request_of_an_exit_listener_skips_the_others() {
    for unwinds in [false, true] {
        let log = Log::new();
        let mut event_loop = virtual_loop();
        let script = log.clone();
        let result = event_loop.run_script(move || {
            on_exit(move |code| {
                script.add(format_args!("first {code}"));
                match unwinds {
                    true => nodeloop::exit(4),
                    false => request_exit(4),
                }
            });
            on_exit(|_| unreachable!("the second listener"));
            set_timeout(ms(1), || throw("no"));
        });
        assert!(matches!(result, Err(RunError::Exit(4))), "{result:?}");
        log.assert(["first 1"]);
        assert_eq!(event_loop.exit_code(), 4);
        // The next run has its own listeners again.
        assert!(matches!(
            event_loop.run_script(|| ()),
            Err(RunError::Exit(4))
        ));
    }
}

/// R9, R51: `372-uncaught-codes.js`.
#[test]
fn the_codes_after_an_error() {
    let run = |name: &str, hooks: fn(Log)| {
        let (log, mut event_loop) = (Log::new(), virtual_loop());
        let script = log.clone();
        let result = event_loop.run_script(move || {
            hooks(script);
            set_timeout(ms(1), || fail_callback("no"));
        });
        assert!(result.is_err());
        format!(
            "{name} {} {}",
            event_loop.exit_code(),
            log.lines().join(", ")
        )
    };
    let lines = [
        run("no listener", |log| {
            on_exit(move |code| log.add(format_args!("exit {code}")));
        }),
        run("listener throws", |log| {
            on_exit(|_| unreachable!("it is not called"));
            on_uncaught(move |_| {
                log.add("uncaught");
                fail_callback("again");
            });
        }),
        run("code 0", |log| {
            on_exit(move |code| {
                log.add(format_args!("exit {code}"));
                set_exit_code(0);
            });
        }),
        run("exit in exit", |log| {
            on_exit(move |code| {
                log.add(format_args!("first {code}"));
                request_exit(4);
            });
            on_exit(|_| unreachable!("the second listener"));
        }),
    ];
    let expected = [
        "no listener 1 exit 1",
        "listener throws 7 uncaught",
        "code 0 0 exit 1",
        "exit in exit 4 first 1",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_task_that_requests_the_exit_is_dropped_at_its_next_await() {
    let guard = Rc::new(());
    let (held, weak) = (guard.clone(), Rc::downgrade(&guard));
    drop(guard);
    let (result, log) = try_trace(move |log| {
        drop(spawn(async move {
            let _held = held;
            crate::common::resolved().await;
            request_exit(0);
            log.add("until the next await");
            crate::common::resolved().await;
            unreachable!("the run has ended");
        }));
    });
    assert!(matches!(result, Err(RunError::Exit(0))), "{result:?}");
    log.assert(["until the next await"]);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_turn_of_a_host_returns_the_exit() {
    let mut event_loop = virtual_loop();
    let script = || {
        set_immediate(|| request_exit(2));
    };
    event_loop.start_script(script).unwrap();
    assert!(matches!(event_loop.turn(), Err(RunError::Exit(2))));
    assert_eq!(event_loop.exit_code(), 2);
}

#[test]
fn hooks_can_be_registered_before_the_run() {
    let log = Log::new();
    let mut event_loop = virtual_loop();
    let (before, exit) = (log.clone(), log.clone());
    let registered = event_loop.with_current(move || {
        next_tick(before.callback("tick"));
        set_immediate(before.callback("immediate"));
        on_exit(move |code| exit.add(format_args!("exit {code}")))
    });
    log.assert([]); // no macrotask and no drain
    let script = log.clone();
    event_loop.run_script(move || script.add("main")).unwrap();
    log.assert(["main", "tick", "immediate", "exit 0"]);
    assert!(event_loop.with_current(|| registered.remove()));
}

#[test]
fn a_panic_while_hooks_are_registered_reaches_the_caller() {
    let mut event_loop = virtual_loop();
    let call = || event_loop.with_current(|| throw("no hook"));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    assert_eq!(crate::common::text_of(&*result.unwrap_err()), "no hook");
    event_loop.run_script(|| ()).unwrap();
}

#[test]
#[should_panic(expected = "no run can end there")]
fn an_exit_before_the_run_is_refused() {
    virtual_loop().with_current(|| request_exit(1));
}
