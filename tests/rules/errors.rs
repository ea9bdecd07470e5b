//! Chapters 2 and 6 of the rules, rejections and uncaught errors: R14–R18, R51–R58.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output. Where a program throws, the test unwinds with a
//! payload.

use std::cell::Cell;
use std::panic::Location;

use crate::common::releases::{V26, traces};
use crate::common::{Later, Log, log_uncaught, ms, rejected, resolved, throw, trace, try_trace};
use nodeloop::promise::try_with_resolver;
use nodeloop::time::{block_for, simulate_completion};
use nodeloop::{
    RunError, TimeoutHandle, UnhandledRejection, next_tick, on_exit, on_rejection_handled,
    on_uncaught, on_unhandled_rejection, queue_microtask, set_immediate, set_interval, set_timeout,
    spawn, try_spawn,
};

/// `process.on('unhandledRejection', (r) => console.log('unhandled', r))`
fn log_unhandled(log: &Log) {
    let log = log.clone();
    on_unhandled_rejection(move |rejection| {
        log.add(format_args!("unhandled {}", rejection.reason_text()));
    });
}

/// `process.on('rejectionHandled', () => console.log('handled'))`
fn log_handled(log: &Log) {
    let log = log.clone();
    on_rejection_handled(move |_| log.add("handled"));
}

/// `promise.catch(() => console.log(line))`
fn catch(promise: nodeloop::TryPromise<(), i32>, log: &Log, line: &'static str) {
    let log = log.clone();
    spawn(async move {
        promise.await.expect_err("it was rejected");
        log.add(line);
    })
    .detach();
}

/// `async (promise) => { await promise; }`
async fn following<E>(promise: nodeloop::TryPromise<(), E>) -> Result<(), E> {
    promise.await
}

/// R14: `19-rejection-after-drain.js`.
#[test]
fn a_rejection_is_reported_when_both_queues_are_empty() {
    trace(|log| {
        log_unhandled(&log);
        drop(rejected(1));
        let line = log.clone();
        queue_microtask(move || {
            line.add("m");
            next_tick(line.callback("t2"));
        });
        next_tick(log.callback("t1"));
        set_immediate(log.callback("immediate"));
    })
    .assert(["t1", "m", "t2", "unhandled 1", "immediate"]);
}

/// R14: `20-rejection-order.js`.
#[test]
fn rejections_are_reported_in_their_order() {
    trace(|log| {
        log_unhandled(&log);
        drop(rejected('a'));
        let b = rejected('b');
        let (_, d) = try_with_resolver::<(), char>();
        next_tick(move || d.reject('d'));
        drop(rejected('c'));
        next_tick(move || {
            queue_microtask(move || {
                queue_microtask(move || {
                    spawn(async move {
                        b.await.expect_err("it was rejected");
                        log.add("b caught");
                    })
                    .detach();
                });
            });
        });
    })
    .assert([
        "b caught", // in time, so b is not reported
        "unhandled 'a'",
        "unhandled 'c'",
        "unhandled 'd'",
    ]);
}

/// R15: `21-rejection-handler-schedules.js`.
#[test]
fn a_rejection_round_is_not_interrupted() {
    trace(|log| {
        let line = log.clone();
        on_unhandled_rejection(move |rejection| {
            let reason = rejection.reason_text();
            line.add(format_args!("unhandled {reason}"));
            next_tick(line.callback(format_args!("tick of {reason}")));
            queue_microtask(line.callback(format_args!("micro of {reason}")));
        });
        drop(rejected(1));
        drop(rejected(2));
        set_immediate(log.callback("immediate"));
    })
    .assert([
        "unhandled 1",
        "unhandled 2",
        "tick of 1",
        "tick of 2",
        "micro of 1",
        "micro of 2",
        "immediate",
    ]);
}

/// R14: `22-rejection-handled.js`.
#[test]
fn a_rejection_handled_late_is_reported_before_new_ones() {
    trace(|log| {
        log_unhandled(&log);
        log_handled(&log);
        let p = rejected(1);
        set_immediate(move || {
            drop(rejected(2));
            catch(p, &log, "caught");
            next_tick(log.callback("tick"));
            log.add("immediate");
        });
    })
    .assert([
        "unhandled 1",
        "immediate",
        "tick",
        "caught",
        "handled", // at the end of the drain in which the handler was added
        "unhandled 2",
    ]);
}

/// R16: `23-rejection-same-drain.js`.
#[test]
fn a_rejection_handled_in_the_same_drain_is_not_reported() {
    trace(|log| {
        log_unhandled(&log);
        log_handled(&log);
        let p = rejected(1);
        next_tick(move || {
            queue_microtask(move || {
                next_tick(move || catch(p, &log, "caught late but in time"));
            });
        });
    })
    .assert(["caught late but in time"]);
}

/// R14: a listener that handles another promise of its round does not prevent its report. Checked
/// against Node:
///
/// ```js
/// let b;
/// process.on('unhandledRejection', (r) => { console.log('unhandled', r); if (r === 1) b.catch(() => console.log('caught')); });
/// process.on('rejectionHandled', () => console.log('handled'));
/// Promise.reject(1); b = Promise.reject(2);
/// ```
#[test]
fn a_round_reports_also_what_its_listeners_handle() {
    trace(|log| {
        let b = Cell::new(None);
        let slot = std::rc::Rc::new(b);
        let (line, handle) = (log.clone(), slot.clone());
        on_unhandled_rejection(move |rejection| {
            line.add(format_args!("unhandled {}", rejection.reason_text()));
            if let Some(b) = handle.take() {
                catch(b, &line, "caught");
            }
        });
        log_handled(&log);
        drop(rejected(1));
        slot.set(Some(rejected(2)));
    })
    .assert(["unhandled 1", "unhandled 2", "caught"]);
}

/// R14, R53: a listener that panics ends its round, and the other rejections that were handled late
/// are reported in the next drain. Checked against Node:
///
/// ```js
/// process.on('uncaughtException', (e) => console.log('uncaught', e));
/// process.on('unhandledRejection', (r) => console.log('unhandled', r));
/// let n = 0;
/// process.on('rejectionHandled', () => { console.log('handled'); if (n++ === 0) throw 'h'; });
/// const a = Promise.reject(1), b = Promise.reject(2);
/// setImmediate(() => { a.catch(() => {}); b.catch(() => {}); Promise.reject(3); });
/// setImmediate(() => console.log('immediate 2'));
/// setImmediate(() => console.log('immediate 3'));
/// ```
#[test]
fn late_reports_survive_a_listener_that_panics() {
    trace(|log| {
        log_uncaught(&log);
        log_unhandled(&log);
        let (line, n) = (log.clone(), Cell::new(0));
        on_rejection_handled(move |_| {
            line.add("handled");
            n.set(n.get() + 1);
            if n.get() == 1 {
                throw("h");
            }
        });
        let (a, b) = (rejected(1), rejected(2));
        set_immediate(move || {
            a.mark_handled();
            b.mark_handled();
            drop(rejected(3));
        });
        set_immediate(log.callback("immediate 2"));
        set_immediate(log.callback("immediate 3"));
    })
    .assert([
        "unhandled 1",
        "unhandled 2",
        "handled",
        "uncaught h", // the end of this drain
        "immediate 2",
        "handled", // the next drain continues with the remaining reports
        "unhandled 3",
        "immediate 3",
    ]);
}

/// R14: after a listener of unhandled rejections that panics, the rest of its round is lost. Checked
/// against Node:
///
/// ```js
/// process.on('uncaughtException', (e) => console.log('uncaught', e));
/// process.on('unhandledRejection', (r) => { console.log('unhandled', r); if (r === 1) throw 'x'; });
/// Promise.reject(1); Promise.reject(2);
/// setImmediate(() => { console.log('immediate'); Promise.reject(3); });
/// ```
#[test]
fn a_listener_that_panics_ends_its_round() {
    trace(|log| {
        log_uncaught(&log);
        let line = log.clone();
        on_unhandled_rejection(move |rejection| {
            let reason = rejection.reason_text();
            line.add(format_args!("unhandled {reason}"));
            if reason == "1" {
                throw("x");
            }
        });
        drop(rejected(1));
        drop(rejected(2));
        set_immediate(move || {
            log.add("immediate");
            drop(rejected(3));
        });
    })
    .assert(["unhandled 1", "uncaught x", "immediate", "unhandled 3"]);
}

/// R17: `24-rejection-propagates.js`, with async functions for `then`: awaiting marks its source.
#[test]
fn only_the_end_of_a_chain_is_reported() {
    trace(|log| {
        let first = rejected("x");
        let middle = try_spawn(following(first));
        let last_line = Location::caller().line() + 1;
        drop(try_spawn(following(middle)));
        on_unhandled_rejection(move |rejection| {
            let is_last = rejection.location().line() == last_line;
            log.add(format_args!(
                "unhandled {} {is_last}",
                rejection.reason_text()
            ));
        });
    })
    .assert(["unhandled \"x\" true"]);
}

/// R17: `25-rejected-twice-tracking.js`.
#[test]
fn adopting_a_rejected_promise_marks_it_handled() {
    trace(|log| {
        let inner = rejected("x");
        let outer_line = Location::caller().line() + 1;
        let (_outer, resolvers) = try_with_resolver();
        resolvers.resolve_with(inner);
        on_unhandled_rejection(move |rejection| {
            let is_outer = rejection.location().line() == outer_line;
            let which = if is_outer { "outer" } else { "inner" };
            log.add(format_args!(
                "unhandled {} {which}",
                rejection.reason_text()
            ));
        });
    })
    .assert(["unhandled \"x\" outer"]);
}

/// R17: `96-await-rejected.js`.
#[test]
fn awaiting_moves_a_rejection_to_the_async_function() {
    trace(|log| {
        let p = rejected("x");
        let f_line = Location::caller().line() + 1;
        let _f = try_spawn(following(p));
        on_unhandled_rejection(move |rejection| {
            let is_f = rejection.location().line() == f_line;
            log.add(format_args!("unhandled {} {is_f}", rejection.reason_text()));
        });
    })
    .assert(["unhandled \"x\" true"]);
}

/// R18: `26-unhandled-without-listener.js`. Here the error has one type, whatever
/// the reason is.
#[test]
fn without_a_listener_a_rejection_is_an_uncaught_error() {
    trace(|log| {
        on_uncaught(move |error| {
            error.payload().with_payload(|payload| {
                let rejection: &UnhandledRejection = payload.downcast_ref().unwrap();
                log.add(format_args!("uncaught {}", rejection.reason_text()));
            });
        });
        drop(rejected("boom"));
        drop(rejected("text"));
    })
    .assert(["uncaught \"boom\"", "uncaught \"text\""]);
}

/// R18: without any listener the run ends at the first, and passes 1 to the `exit` listeners. Checked
/// against Node:
///
/// ```js
/// process.on('exit', (c) => console.log('exit', c));
/// Promise.reject(1); Promise.reject(2);
/// process.nextTick(() => console.log('tick'));
/// ```
#[test]
fn without_any_listener_a_rejection_ends_the_run() {
    let (result, log) = try_trace(|log| {
        let line = log.clone();
        on_exit(move |code| line.add(format_args!("exit {code}")));
        drop(rejected(1));
        drop(rejected(2));
        next_tick(log.callback("tick"));
        set_immediate(log.callback("never"));
    });
    log.assert(["tick", "exit 1"]);
    match result {
        Err(RunError::Unhandled { reason, location }) => {
            assert_eq!(reason.text(), "1");
            assert_eq!(location.file(), file!());
        }
        other => panic!("{other:?}"),
    }
}

/// R18: the same for a panic.
#[test]
fn without_any_listener_a_panic_ends_the_run() {
    let (result, log) = try_trace(|log| {
        let line = log.clone();
        on_exit(move |code| line.add(format_args!("exit {code}")));
        next_tick(|| throw("x"));
        next_tick(log.callback("never"));
        queue_microtask(log.callback("never"));
    });
    log.assert(["exit 1"]);
    match result {
        Err(RunError::Uncaught(error)) => {
            assert_eq!(error.message(), "x");
            assert_eq!(error.location().file(), file!());
        }
        other => panic!("{other:?}"),
    }
}

/// R52: `73-uncaught-main.js`.
#[test]
fn a_panic_in_main_is_followed_by_its_drain() {
    trace(|log| {
        log_uncaught(&log);
        next_tick(log.callback("tick"));
        queue_microtask(log.callback("micro"));
        set_immediate(log.callback("immediate"));
        throw("main")
    })
    .assert(["uncaught main", "tick", "micro", "immediate"]);
}

/// R53, R55, R58: `74-uncaught-tick.js`.
#[test]
fn a_panicking_tick_ends_its_drain() {
    traces(|log| {
        log_uncaught(&log);
        for x in 1..=3 {
            set_immediate(log.callback(format_args!("immediate {x}")));
        }
        for x in 1..=3 {
            next_tick(move || throw(format_args!("tick {x}")));
        }
        next_tick(log.callback("tick 4"));
        queue_microtask(log.callback("micro"));
    })
    .assert(
        ..V26,
        [
            "uncaught tick 1", // the drain of main
            "uncaught tick 2", // the opening of the check phase
            "immediate 1",
            "uncaught tick 3", // between two immediates
            "immediate 2",     // without another drain
            "tick 4",
            "micro",
            "immediate 3",
        ],
    )
    .assert(
        V26..,
        [
            "uncaught tick 1",
            "immediate 1",
            "uncaught tick 2",
            "immediate 2",
            "uncaught tick 3",
            "immediate 3",
            "tick 4",
            "micro",
        ],
    );
}

/// R53: `75-uncaught-tick-then-timers.js`.
#[test]
fn a_left_over_tick_waits_for_a_drain_point() {
    trace(|log| {
        log_uncaught(&log);
        set_timeout(ms(1), log.callback("timer"));
        next_tick(|| throw("tick 1"));
        next_tick(log.callback("tick 2"));
        block_for(ms(20));
    })
    .assert(["uncaught tick 1", "timer", "tick 2"]);
}

/// R54: `76-uncaught-microtask.js`.
#[test]
fn a_panicking_microtask_does_not_end_the_drain() {
    trace(|log| {
        let line = log.clone();
        on_uncaught(move |error| {
            line.add(format_args!("uncaught {}", error.message()));
            next_tick(line.callback("tick of listener"));
        });
        queue_microtask(|| throw("m1"));
        queue_microtask(log.callback("m2"));
        set_immediate(log.callback("immediate"));
    })
    .assert(["uncaught m1", "m2", "tick of listener", "immediate"]);
}

/// R54: a panic in a task is a rejection of its promise, not an uncaught error.
#[test]
fn a_panic_in_a_task_rejects_its_promise() {
    trace(|log| {
        log_uncaught(&log);
        log_unhandled(&log);
        spawn(async { throw("at once") }).detach();
        spawn(async {
            resolved().await;
            throw("later")
        })
        .detach();
    })
    .assert(["unhandled panic: at once", "unhandled panic: later"]);
}

/// R56: `77-uncaught-timer.js`.
#[test]
fn a_panicking_timer_starts_the_phase_over() {
    trace(|log| {
        log_uncaught(&log);
        let line = log.clone();
        set_timeout(ms(10), move || {
            next_tick(line.callback("tick of A"));
            throw("A")
        });
        set_timeout(ms(10), log.callback("B"));
        set_timeout(ms(12), log.callback("C"));
        block_for(ms(30));
    })
    .assert([
        "uncaught A",
        "B", // no drain in between
        "tick of A",
        "C",
    ]);
}

/// R56: `78-uncaught-timer-last.js`.
#[test]
fn the_end_of_the_timers_phase_drains_what_a_panicking_timer_queued() {
    trace(|log| {
        log_uncaught(&log);
        set_timeout(ms(10), move || {
            next_tick(log.callback("tick of A"));
            set_immediate(log.callback("immediate"));
            throw("A")
        });
    })
    .assert(["uncaught A", "tick of A", "immediate"]);
}

/// R56: `79-uncaught-interval.js`.
#[test]
fn a_panicking_interval_continues() {
    trace(|log| {
        log_uncaught(&log);
        let (interval, n) = (Later::<TimeoutHandle>::new(), Cell::new(0));
        let own = interval.clone();
        interval.set(set_interval(ms(10), move || {
            n.set(n.get() + 1);
            if n.get() == 3 {
                own.get().clear();
            }
            throw(n.get())
        }));
    })
    .assert(["uncaught 1", "uncaught 2", "uncaught 3"]);
}

/// R30, R51: `370-interval-armed-before-listener.js`.
#[test]
fn an_interval_is_armed_before_the_listener_is_called() {
    trace(|log| {
        let listener = log.clone();
        on_uncaught(move |error| {
            listener.add(format_args!("uncaught {}", error.message()));
            set_timeout(ms(10), listener.callback("timer of the listener"));
        });
        let (interval, n) = (Later::<TimeoutHandle>::new(), Cell::new(0));
        let own = interval.clone();
        interval.set(set_interval(ms(10), move || {
            n.set(n.get() + 1);
            log.add(format_args!("interval {}", n.get()));
            if n.get() == 1 {
                throw("x");
            }
            own.get().clear();
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
fn no_drain_follows_a_panicking_immediate() {
    trace(|log| {
        log_uncaught(&log);
        let line = log.clone();
        set_immediate(move || {
            next_tick(line.callback("tick of A"));
            throw("A")
        });
        set_immediate(log.callback("B"));
        set_immediate(log.callback("C"));
    })
    .assert(["uncaught A", "B", "tick of A", "C"]);
}

/// R57: `55-immediate-throw-last.js`.
#[test]
fn a_panic_of_the_last_immediate_starts_a_round_with_the_new_ones() {
    trace(|log| {
        log_uncaught(&log);
        set_immediate(move || {
            set_immediate(log.callback("next"));
            set_timeout(ms(1), log.callback("timer"));
            block_for(ms(10));
            next_tick(log.callback("tick"));
            throw("A")
        });
    })
    .assert([
        "uncaught A",
        "next", // in the same check phase
        "tick",
        "timer",
    ]);
}

/// R55: `80-uncaught-io.js`.
#[test]
fn no_drain_follows_a_panicking_completion() {
    traces(|log| {
        log_uncaught(&log);
        let line = log.clone();
        simulate_completion(ms(0), move || {
            next_tick(line.callback("tick of A"));
            throw("A")
        });
        simulate_completion(ms(0), move || {
            log.add("B");
            simulate_completion(ms(0), move || {
                next_tick(log.callback("tick of C"));
                set_immediate(log.callback("immediate"));
                throw("C")
            });
        });
    })
    .assert(
        ..V26,
        [
            "uncaught A",
            "B",
            "tick of A", // the drain after the next callback of the phase
            "uncaught C",
            "tick of C", // or the opening of the check phase
            "immediate",
        ],
    )
    .assert(
        V26..,
        [
            "uncaught A",
            "B",
            "tick of A",
            "uncaught C",
            "immediate",
            "tick of C",
        ],
    );
}

/// R51: `81-uncaught-keeps-loop.js`.
#[test]
fn a_handled_error_keeps_the_loop_alive_for_one_check_phase() {
    trace(|log| {
        log_uncaught(&log);
        set_immediate(log.callback("unref immediate")).unref();
        throw("x")
    })
    .assert(["uncaught x", "unref immediate"]);
}
