//! Errors that the host of an engine reports without a panic. The programs are those of `errors.rs`, with
//! [`fail_callback`] at the end of a callback where these panic.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::common::{
    Later, Log, ms, reason_of, rejected, throw, trace, trace_with_leftovers, try_trace,
    virtual_loop,
};
use nodeloop::host::{fail_callback, trigger_uncaught_exception, trigger_uncaught_rejection};
use nodeloop::time::{block_for, simulate_completion};
use nodeloop::{
    NodeRelease, RunError, TimeoutHandle, Uncaught, UncaughtOrigin, next_tick, on_exit,
    on_uncaught, on_unhandled_rejection, queue_microtask, set_immediate, set_interval, set_timeout,
    spawn,
};

/// A value of an engine. It is not `Send`.
#[derive(Debug, Clone)]
struct Value(Rc<str>);

/// Reports a value, as a host does where the engine has returned an exception.
fn raise(text: &str) {
    fail_callback(Value(text.into()));
}

fn value_of(error: &Uncaught) -> String {
    let read = error.with_value(|value| value.downcast_ref::<Value>().map(|value| value.0.clone()));
    read.flatten().as_deref().unwrap_or("no value").to_owned()
}

/// `process.on('uncaughtException', (e) => console.log('uncaught', e))`
fn log_values(log: &Log) {
    let log = log.clone();
    on_uncaught(move |error| log.add(format_args!("uncaught {}", value_of(error))));
}

/// R52: `73-uncaught-main.js`.
#[test]
fn a_failed_main_script_is_drained() {
    trace(|log| {
        log_values(&log);
        next_tick(log.callback("tick"));
        queue_microtask(log.callback("micro"));
        set_immediate(log.callback("immediate"));
        raise("main");
    })
    .assert(["uncaught main", "tick", "micro", "immediate"]);
}

/// R53: `75-uncaught-tick-then-timers.js`.
#[test]
fn a_failed_tick_ends_its_drain() {
    trace(|log| {
        log_values(&log);
        set_timeout(ms(1), log.callback("timer"));
        next_tick(|| raise("tick 1"));
        next_tick(log.callback("tick 2"));
        block_for(ms(20));
    })
    .assert(["uncaught tick 1", "timer", "tick 2"]);
}

/// R54: `76-uncaught-microtask.js`, with a task as well.
#[test]
fn a_failed_microtask_ends_nothing() {
    trace(|log| {
        let listener = log.clone();
        on_uncaught(move |error| {
            listener.add(format_args!("uncaught {}", value_of(error)));
            next_tick(listener.callback("tick of listener"));
        });
        queue_microtask(|| raise("m1"));
        queue_microtask(log.callback("m2"));
        set_immediate(log.callback("immediate"));
    })
    .assert(["uncaught m1", "m2", "tick of listener", "immediate"]);
    trace(|log| {
        log_values(&log);
        let task = log.clone();
        drop(spawn(async move {
            crate::common::resolved().await;
            raise("task");
            task.add("the task goes on");
        }));
        queue_microtask(log.callback("microtask"));
        set_immediate(log.callback("immediate"));
    })
    .assert([
        "the task goes on",
        "uncaught task",
        "microtask",
        "immediate",
    ]);
}

/// R56: `77-uncaught-timer.js`.
#[test]
fn no_drain_follows_a_failed_timer() {
    trace(|log| {
        log_values(&log);
        let line = log.clone();
        set_timeout(ms(10), move || {
            next_tick(line.callback("tick of A"));
            raise("A");
        });
        set_timeout(ms(10), log.callback("B"));
        set_timeout(ms(12), log.callback("C"));
        block_for(ms(30));
    })
    .assert(["uncaught A", "B", "tick of A", "C"]);
}

/// R56: `79-uncaught-interval.js`.
#[test]
fn a_failed_interval_continues() {
    trace(|log| {
        log_values(&log);
        let (interval, n) = (Later::<TimeoutHandle>::new(), Cell::new(0));
        let own = interval.clone();
        interval.set(set_interval(ms(10), move || {
            n.set(n.get() + 1);
            if n.get() == 3 {
                own.get().clear();
            }
            raise(&n.get().to_string());
        }));
    })
    .assert(["uncaught 1", "uncaught 2", "uncaught 3"]);
}

/// R30, R51: `370-interval-armed-before-listener.js`.
#[test]
fn a_failed_interval_is_armed_before_the_listener_is_called() {
    trace(|log| {
        let listener = log.clone();
        on_uncaught(move |error| {
            listener.add(format_args!("uncaught {}", value_of(error)));
            set_timeout(ms(10), listener.callback("timer of the listener"));
        });
        let (interval, n) = (Later::<TimeoutHandle>::new(), Cell::new(0));
        let own = interval.clone();
        interval.set(set_interval(ms(10), move || {
            n.set(n.get() + 1);
            log.add(format_args!("interval {}", n.get()));
            match n.get() {
                1 => raise("x"),
                _ => own.get().clear(),
            }
        }));
    })
    .assert([
        "interval 1",
        "uncaught x",
        "interval 2",
        "timer of the listener",
    ]);
}

/// R57: `54-immediate-throw.js`.
#[test]
fn no_drain_follows_a_failed_immediate() {
    trace(|log| {
        log_values(&log);
        let line = log.clone();
        set_immediate(move || {
            next_tick(line.callback("tick of A"));
            raise("A");
        });
        set_immediate(log.callback("B"));
        set_immediate(log.callback("C"));
    })
    .assert(["uncaught A", "B", "tick of A", "C"]);
}

/// R57: `55-immediate-throw-last.js`.
#[test]
fn a_failed_last_immediate_begins_a_new_round() {
    trace(|log| {
        log_values(&log);
        set_immediate(move || {
            set_immediate(log.callback("next"));
            set_timeout(ms(1), log.callback("timer"));
            block_for(ms(10));
            next_tick(log.callback("tick"));
            raise("A");
        });
    })
    .assert(["uncaught A", "next", "tick", "timer"]);
}

/// R55: the first half of `80-uncaught-io.js`.
#[test]
fn no_drain_follows_a_failed_completion() {
    trace(|log| {
        log_values(&log);
        let line = log.clone();
        simulate_completion(ms(0), move || {
            next_tick(line.callback("tick of A"));
            raise("A");
        });
        simulate_completion(ms(0), log.callback("B"));
    })
    .assert(["uncaught A", "B", "tick of A"]);
}

/// R51: `81-uncaught-keeps-loop.js`.
#[test]
fn a_reported_error_keeps_the_loop_for_one_check_phase() {
    trace(|log| {
        log_values(&log);
        set_immediate(log.callback("unref immediate")).unref();
        raise("x");
    })
    .assert(["uncaught x", "unref immediate"]);
}

/// R14: `105-unhandled-listener-throws.js`, up to the loss of the third rejection.
#[test]
fn a_failed_rejection_listener_ends_the_round() {
    let log = Log::new();
    let script = log.clone();
    let built = nodeloop::EventLoop::builder()
        .virtual_time()
        .node(NodeRelease::V24)
        .build();
    let result = built.unwrap().run_script(move || {
        log_values(&script);
        let listener = script.clone();
        on_unhandled_rejection(move |rejection| {
            listener.add(format_args!("unhandled {}", reason_of(rejection)));
            next_tick(listener.callback("tick of report"));
            if reason_of(rejection) == "2" {
                raise("listener");
            }
        });
        for reason in [1, 2, 3] {
            drop(rejected(reason));
        }
        set_immediate(script.callback("immediate"));
    });
    result.unwrap();
    log.assert([
        "unhandled 1",
        "unhandled 2",
        "uncaught listener",
        "tick of report",
        "tick of report",
        "immediate",
    ]);
}

/// R18: `371-rejections-uncaught.js`. A listener for rejections that declines is none, and an error that is
/// triggered in it ends nothing.
#[test]
fn an_uncaught_rejection_does_not_end_the_round() {
    #[derive(Clone, Copy)]
    enum Listener {
        None,
        Declines,
        Triggers,
    }
    for way in [Listener::None, Listener::Declines, Listener::Triggers] {
        trace_with_leftovers(move |log| {
            let listener = log.clone();
            on_uncaught(move |error| {
                let rejection = error.rejection().expect("it comes from one");
                let reason = error.with_value(|reason| format!("{reason:?}")).unwrap();
                assert_eq!(reason, format!("{:?}", reason_of(&rejection)));
                assert_eq!(error.location(), rejection.location());
                let origin = match error.origin() {
                    UncaughtOrigin::Rejection => "unhandledRejection",
                    origin => unreachable!("{origin:?}"),
                };
                listener.add(format_args!("uncaught {} {origin}", reason_of(&rejection)));
                next_tick(listener.callback("tick"));
            });
            match way {
                Listener::None => {}
                Listener::Declines => {
                    on_unhandled_rejection(|rejection| rejection.decline());
                }
                Listener::Triggers => {
                    on_unhandled_rejection(trigger_uncaught_rejection);
                }
            }
            drop(rejected("a"));
            drop(rejected("b"));
            set_immediate(log.callback("immediate"));
        })
        .assert([
            "uncaught a unhandledRejection",
            "uncaught b unhandledRejection",
            "tick",
            "tick",
            "immediate",
        ]);
    }
}

#[test]
fn a_triggered_error_does_not_let_the_callback_fail() {
    trace(|log| {
        log_values(&log);
        let line = log.clone();
        set_immediate(move || {
            next_tick(line.callback("tick of A"));
            trigger_uncaught_exception(Value("A".into()));
            line.add("A goes on");
        });
        set_immediate(log.callback("B"));
    })
    .assert(["uncaught A", "A goes on", "tick of A", "B"]);
}

/// A value that the callback has reported before is reported when the callback returns.
#[test]
fn a_triggered_error_comes_before_the_one_of_the_callback() {
    trace(|log| {
        log_values(&log);
        set_immediate(move || {
            raise("callback");
            trigger_uncaught_exception(Value("triggered".into()));
            log.add("returns");
        });
    })
    .assert(["uncaught triggered", "returns", "uncaught callback"]);
}

#[test]
fn without_a_listener_the_run_ends_with_the_value() {
    let (log, mut event_loop) = (Log::new(), virtual_loop());
    let script = log.clone();
    let result = event_loop.run_script(move || {
        let exit = script.clone();
        on_exit(move |code| exit.add(format_args!("exit {code}")));
        set_timeout(ms(1), || raise("no"));
    });
    let Err(RunError::Uncaught(error)) = result else {
        panic!("{result:?}");
    };
    log.assert(["exit 1"]);
    assert_eq!(event_loop.exit_code(), 1);
    assert_eq!(error.origin(), UncaughtOrigin::Callback);
    assert_eq!(value_of(&error), "no");
    assert_eq!(error.message(), r#"Value("no")"#);
    assert!(error.rejection().is_none());
    assert_eq!(error.location().file(), file!());
    let text = error.to_string();
    assert!(
        text.starts_with("uncaught error in the callback created at tests/rules/"),
        "{text}"
    );
    let elsewhere = std::thread::spawn(move || (error.with_value(|_| ()), error.message()));
    assert_eq!(
        elsewhere.join().unwrap(),
        (None, r#"Value("no")"#.to_owned())
    );
}

#[test]
fn the_text_names_a_microtask_as_such() {
    let result = virtual_loop().run_script(|| queue_microtask(|| raise("no")));
    let text = result.unwrap_err().to_string();
    let start = format!("uncaught error in the microtask queued at {}:", file!());
    assert!(text.starts_with(&start), "{text}");
}

/// A listener that declines is none, one that fails ends the run with code 7 and without `exit`.
#[test]
fn the_exit_code_tells_a_listener_that_fails_from_none() {
    type Hook = fn(&Uncaught);
    let cases: [(Hook, UncaughtOrigin, i32, &[&str]); 3] = [
        (Uncaught::decline, UncaughtOrigin::Callback, 1, &["exit 1"]),
        (|_| raise("again"), UncaughtOrigin::Listener, 7, &[]),
        (|_| throw("again"), UncaughtOrigin::Listener, 7, &[]),
    ];
    for (hook, origin, code, lines) in cases {
        let (log, mut event_loop) = (Log::new(), virtual_loop());
        let script = log.clone();
        let result = event_loop.run_script(move || {
            on_exit(move |code| script.add(format_args!("exit {code}")));
            on_uncaught(hook);
            set_timeout(ms(1), || raise("no"));
            set_timeout(ms(2), || unreachable!("the run has ended"));
        });
        let Err(RunError::Uncaught(error)) = result else {
            panic!("{result:?}");
        };
        assert_eq!((error.origin(), event_loop.exit_code()), (origin, code));
        let is_second = error.message().contains("again");
        assert_eq!(is_second, origin == UncaughtOrigin::Listener, "{error}");
        assert_eq!(log.lines(), lines);
    }
}

#[test]
fn one_listener_that_takes_the_error_is_enough() {
    let (result, log) = try_trace(|log| {
        let takes = log.clone();
        on_uncaught(Uncaught::decline);
        on_uncaught(move |error| takes.add(format_args!("taken {}", value_of(error))));
        on_uncaught(Uncaught::decline);
        raise("x");
        set_immediate(log.callback("immediate"));
    });
    result.unwrap();
    log.assert(["taken x", "immediate"]);
}

#[test]
fn a_rejection_that_all_listeners_decline_ends_the_run() {
    let (result, log) = try_trace(|log| {
        let (first, second) = (log.clone(), log);
        on_unhandled_rejection(move |rejection| {
            first.add("unhandled");
            rejection.decline();
        });
        on_uncaught(move |error| {
            second.add("uncaught");
            error.decline();
        });
        drop(rejected("no"));
    });
    let Err(RunError::Unhandled { reason, .. }) = result else {
        panic!("{result:?}");
    };
    assert_eq!(reason.with_value(|value| value.is::<&str>()), Some(true));
    log.assert(["unhandled", "uncaught"]);
}

#[test]
fn declining_outside_of_a_listener_is_refused() {
    let kept = Rc::new(RefCell::new(None));
    let (result, log) = try_trace(move |log| {
        let keep = kept.clone();
        on_unhandled_rejection(move |rejection| {
            let again = nodeloop::Rejection::clone(rejection);
            *keep.borrow_mut() = Some(again);
        });
        on_uncaught(move |error| log.add(error.message()));
        drop(rejected("x"));
        set_immediate(move || kept.borrow().as_ref().unwrap().decline());
    });
    result.unwrap();
    let lines = log.lines();
    assert!(
        lines[0].contains("`Rejection::decline` was called when no listener"),
        "{lines:?}"
    );
}

#[test]
#[should_panic(expected = "`host::fail_callback` was called outside of an event loop")]
fn an_error_outside_of_a_loop_is_refused() {
    raise("nowhere");
}
