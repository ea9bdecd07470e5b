//! Errors and their listeners, where two rules interact: R14, R15, R51–R58.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::common::releases::{V22, V26, traces};
use crate::common::{Later, Log, log_uncaught, ms, rejected, throw, trace};
use nodeloop::events::{Event, EventEmitter};
use nodeloop::signal::{SignalKind, on_signal};
use nodeloop::time::{block_for, simulate_completion};
use nodeloop::{
    AbortController, Listener, TimeoutHandle, TryPromise, emit_warning, next_tick, on_before_exit,
    on_exit, on_rejection_handled, on_uncaught, on_unhandled_rejection, on_warning,
    queue_microtask, set_immediate, set_interval, set_timeout, spawn,
};

/// `promise.catch(() => console.log(line))`
fn catch<E: nodeloop::Reason>(promise: TryPromise<(), E>, log: &Log, line: &'static str) {
    let log = log.clone();
    spawn(async move {
        promise.await.expect_err("it was rejected");
        log.add(line);
    })
    .detach();
}

/// An `uncaughtException` listener that logs, and queues a tick and a microtask that log.
fn log_uncaught_and_queue(log: &Log, names_error: bool) {
    let log = log.clone();
    on_uncaught(move |error| {
        let text = error.message();
        let tail = if names_error {
            format!(" for {text}")
        } else {
            String::new()
        };
        log.add(format_args!("uncaught {text}"));
        next_tick(log.callback(format_args!("tick of listener{tail}")));
        queue_microtask(log.callback(format_args!("micro of listener{tail}")));
    });
}

/// A callback that queues a tick and panics.
fn throwing(log: &Log, name: &'static str) -> impl FnOnce() + 'static {
    let log = log.clone();
    move || {
        next_tick(log.callback(format_args!("tick of {name}")));
        throw(name)
    }
}

/// R56: `101-uncaught-timer-then-next-list.js`.
#[test]
fn after_a_panicking_timer_its_emptied_list_is_visited_first() {
    trace(|log| {
        log_uncaught(&log);
        let line = log.clone();
        set_timeout(ms(20), move || {
            next_tick(line.callback("tick of A"));
            queue_microtask(line.callback("micro of A"));
            throw("A")
        });
        set_timeout(ms(40), log.callback("B"));
        set_timeout(ms(60), log.callback("C"));
        block_for(ms(100));
    })
    .assert([
        "uncaught A",
        "tick of A", // between the visited list and the next one there is a drain
        "micro of A",
        "B",
        "C",
    ]);
}

/// R56: `102-uncaught-interval-then-next-list.js`.
#[test]
fn after_a_panicking_interval_its_list_is_visited_first() {
    trace(|log| {
        log_uncaught(&log);
        let (interval, calls) = (Later::<TimeoutHandle>::new(), Cell::new(0));
        let (own, line) = (interval.clone(), log.clone());
        interval.set(set_interval(ms(20), move || {
            calls.set(calls.get() + 1);
            if calls.get() == 2 {
                own.get().clear();
            }
            next_tick(line.callback(format_args!("tick of call {}", calls.get())));
            throw(format_args!("call {}", calls.get()))
        }));
        set_timeout(ms(40), log.callback("B"));
        set_immediate(log.callback("immediate"));
        block_for(ms(100));
    })
    .assert([
        "uncaught call 1",
        "tick of call 1",
        "B",
        "immediate",
        "uncaught call 2",
        "tick of call 2",
    ]);
}

/// R58: `103-uncaught-drain-between-lists.js`.
#[test]
fn a_drain_that_panics_between_lists_is_not_repeated() {
    trace(|log| {
        log_uncaught(&log);
        let line = log.clone();
        set_timeout(ms(20), move || {
            line.add("A");
            next_tick(|| throw("tick 1"));
            next_tick(line.callback("tick 2"));
            queue_microtask(line.callback("micro"));
        });
        set_timeout(ms(40), log.callback("B"));
        set_timeout(ms(60), log.callback("C"));
        block_for(ms(100));
    })
    .assert(["A", "uncaught tick 1", "B", "tick 2", "micro", "C"]);
}

/// R54: `104-uncaught-microtask-between-lists.js`.
#[test]
fn a_panicking_microtask_does_not_end_the_drain_between_lists() {
    trace(|log| {
        let line = log.clone();
        on_uncaught(move |error| {
            line.add(format_args!("uncaught {}", error.message()));
            next_tick(line.callback("tick of listener"));
        });
        let line = log.clone();
        set_timeout(ms(20), move || {
            line.add("A");
            queue_microtask(|| throw("micro 1"));
            queue_microtask(line.callback("micro 2"));
        });
        set_timeout(ms(40), log.callback("B"));
        block_for(ms(100));
    })
    .assert(["A", "uncaught micro 1", "micro 2", "tick of listener", "B"]);
}

/// R14, R15: `105-unhandled-listener-throws.js`.
#[test]
fn after_a_listener_that_panics_the_rest_of_the_round_is_lost() {
    traces(|log| {
        log_uncaught(&log);
        let line = log.clone();
        on_rejection_handled(move |rejection| {
            line.add(format_args!("handled {}", rejection.reason_text()));
        });
        let line = log.clone();
        on_unhandled_rejection(move |rejection| {
            let reason = rejection.reason_text();
            line.add(format_args!("unhandled {reason}"));
            next_tick(line.callback(format_args!("tick of report {reason}")));
            queue_microtask(line.callback(format_args!("micro of report {reason}")));
            if reason == "2" {
                throw("listener")
            }
        });
        let kept = [1, 2, 3].map(rejected);
        set_timeout(ms(100), log.callback("timer"));
        let line = log.clone();
        set_immediate(move || {
            line.add("immediate");
            drop(rejected(4));
        });
        set_timeout(ms(200), move || {
            kept.iter().for_each(TryPromise::mark_handled);
            log.add("all caught");
        });
    })
    .assert(
        ..V26,
        [
            "unhandled 1",
            "unhandled 2",
            "uncaught listener", // 3 is never reported
            "tick of report 1",
            "tick of report 2",
            "micro of report 1",
            "micro of report 2",
            "immediate",
            "unhandled 4",
            "tick of report 4",
            "micro of report 4",
            "timer",
            "all caught",
            "handled 1",
            "handled 2",
        ],
    )
    .assert(
        V26..,
        [
            "unhandled 1",
            "unhandled 2",
            "uncaught listener",
            "immediate",
            "tick of report 1",
            "tick of report 2",
            "micro of report 1",
            "micro of report 2",
            "unhandled 4",
            "tick of report 4",
            "micro of report 4",
            "timer",
            "all caught",
            "handled 1",
            "handled 2",
        ],
    );
}

/// R14, R15: `106-unhandled-listener-handles-next.js`.
#[test]
fn a_listener_may_handle_and_reject_others() {
    trace(|log| {
        let (a, b) = (Rc::new(Cell::new(None)), Rc::new(Cell::new(None)));
        let line = log.clone();
        on_rejection_handled(move |rejection| {
            line.add(format_args!("handled {}", rejection.reason_text()));
        });
        let (line, take_a, take_b) = (log.clone(), a.clone(), b.clone());
        on_unhandled_rejection(move |rejection| {
            let reason = rejection.reason_text();
            line.add(format_args!("unhandled {reason}"));
            match &*reason {
                "'a'" => {
                    catch(take_b.take().unwrap(), &line, "b caught");
                    drop(rejected('c'));
                    catch(rejected('d'), &line, "d caught");
                    next_tick(line.callback("tick"));
                }
                "'b'" => catch(take_a.take().unwrap(), &line, "a caught"),
                _ => {}
            }
        });
        a.set(Some(rejected('a')));
        b.set(Some(rejected('b')));
        set_immediate(log.callback("immediate"));
    })
    .assert([
        "unhandled 'a'",
        "unhandled 'b'", // the round had been taken before b was handled
        "tick",
        "b caught",
        "d caught",
        "a caught",
        "handled (handled meanwhile; the reason has been taken)", // a
        "unhandled 'c'",
        "immediate",
    ]);
}

/// R14: `107-rejection-handled-listener-throws.js`.
#[test]
fn after_a_panicking_rejection_handled_listener_the_rest_is_kept() {
    trace(|log| {
        log_uncaught(&log);
        let line = log.clone();
        on_unhandled_rejection(move |rejection| {
            line.add(format_args!("unhandled {}", rejection.reason_text()));
        });
        let (line, events) = (log.clone(), Cell::new(0));
        on_rejection_handled(move |_| {
            events.set(events.get() + 1);
            line.add(format_args!("handled {}", events.get()));
            if events.get() == 1 {
                throw("listener")
            }
        });
        let (a, b) = (rejected('a'), rejected('b'));
        let line = log.clone();
        set_immediate(move || {
            line.add("immediate 1");
            catch(a, &line, "a caught");
            catch(b, &line, "b caught");
            drop(rejected('c'));
        });
        set_immediate(log.callback("immediate 2"));
        set_immediate(log.callback("immediate 3"));
    })
    .assert([
        "unhandled 'a'",
        "unhandled 'b'",
        "immediate 1",
        "a caught",
        "b caught",
        "handled 1",
        "uncaught listener",
        "immediate 2",
        "handled 2",
        "unhandled 'c'",
        "immediate 3",
    ]);
}

/// R51, R52: `108-listener-queues-main.js`.
#[test]
fn what_a_listener_queues_for_main_comes_last_in_its_drain() {
    trace(|log| {
        log_uncaught_and_queue(&log, false);
        next_tick(log.callback("tick"));
        queue_microtask(log.callback("micro"));
        set_immediate(log.callback("immediate"));
        throw("main")
    })
    .assert([
        "uncaught main",
        "tick",
        "tick of listener",
        "micro",
        "micro of listener",
        "immediate",
    ]);
}

/// R51, R53: `109-listener-queues-tick.js`.
#[test]
fn what_a_listener_queues_for_a_tick_waits_for_a_drain_point() {
    traces(|log| {
        log_uncaught_and_queue(&log, false);
        next_tick(|| throw("tick 1"));
        next_tick(log.callback("tick 2"));
        queue_microtask(log.callback("micro"));
        set_immediate(move || {
            log.add("immediate");
            let line = log.clone();
            set_timeout(ms(20), move || {
                line.add("A");
                next_tick(|| throw("tick 3"));
                next_tick(line.callback("tick 4"));
            });
            set_timeout(ms(40), log.callback("B"));
            block_for(ms(80));
        });
    })
    .assert(
        ..V26,
        [
            "uncaught tick 1",
            "tick 2", // the opening of the check phase
            "tick of listener",
            "micro",
            "micro of listener",
            "immediate",
            "A",
            "uncaught tick 3",
            "B", // and the drain after the next timer
            "tick 4",
            "tick of listener",
            "micro of listener",
        ],
    )
    .assert(
        V26..,
        [
            "uncaught tick 1",
            "immediate",
            "tick 2",
            "tick of listener",
            "micro",
            "micro of listener",
            "A",
            "uncaught tick 3",
            "B",
            "tick 4",
            "tick of listener",
            "micro of listener",
        ],
    );
}

/// R51, R54: `110-listener-queues-microtask.js`.
#[test]
fn what_a_listener_queues_for_a_microtask_runs_in_the_same_drain() {
    trace(|log| {
        log_uncaught_and_queue(&log, false);
        queue_microtask(|| throw("m1"));
        queue_microtask(log.callback("m2"));
        set_immediate(log.callback("immediate"));
    })
    .assert([
        "uncaught m1",
        "m2",
        "micro of listener",
        "tick of listener",
        "immediate",
    ]);
}

/// R51, R56: `111-listener-queues-timer.js`.
#[test]
fn what_a_listener_queues_for_a_timer_waits_past_the_next_one() {
    trace(|log| {
        log_uncaught_and_queue(&log, true);
        set_timeout(ms(20), throwing(&log, "A"));
        set_timeout(ms(20), log.callback("B"));
        set_timeout(ms(40), throwing(&log, "C"));
        set_immediate(log.callback("immediate"));
        block_for(ms(80));
    })
    .assert([
        "uncaught A",
        "B",
        "tick of A",
        "tick of listener for A",
        "micro of listener for A",
        "uncaught C",
        "tick of C", // the end of the phase
        "tick of listener for C",
        "micro of listener for C",
        "immediate",
    ]);
}

/// R51, R57: `112-listener-queues-immediate.js`.
#[test]
fn what_a_listener_queues_for_an_immediate_waits_past_the_next_one() {
    trace(|log| {
        log_uncaught_and_queue(&log, true);
        set_immediate(throwing(&log, "A"));
        set_immediate(log.callback("B"));
        set_immediate(log.callback("C"));
        set_immediate(throwing(&log, "D"));
    })
    .assert([
        "uncaught A",
        "B",
        "tick of A",
        "tick of listener for A",
        "micro of listener for A",
        "C",
        "uncaught D",
        "tick of D",
        "tick of listener for D",
        "micro of listener for D",
    ]);
}

/// R51, R55: `113-listener-queues-poll.js`.
#[test]
fn what_a_listener_queues_for_a_completion_waits_past_the_next_one() {
    trace(|log| {
        log_uncaught_and_queue(&log, true);
        simulate_completion(ms(0), throwing(&log, "A"));
        simulate_completion(ms(0), log.callback("B"));
        simulate_completion(ms(0), move || {
            next_tick(log.callback("tick of C"));
            set_immediate(log.callback("immediate"));
            throw("C")
        });
    })
    .assert([
        "uncaught A",
        "B",
        "tick of A",
        "tick of listener for A",
        "micro of listener for A",
        "uncaught C",
        "tick of C", // the opening of the check phase
        "tick of listener for C",
        "micro of listener for C",
        "immediate",
    ]);
}

/// R57: `116-listener-immediate-last-threw.js`.
#[test]
fn an_immediate_of_the_listener_runs_in_the_round_after_the_last() {
    trace(|log| {
        let line = log.clone();
        on_uncaught(move |error| {
            line.add(format_args!("uncaught {}", error.message()));
            let line = line.clone();
            set_immediate(move || {
                line.add("immediate of listener");
                set_immediate(line.callback("next check"));
            });
        });
        set_immediate(move || {
            set_timeout(ms(1), log.callback("timer"));
            set_immediate(log.callback("immediate of A"));
            next_tick(log.callback("tick of A"));
            block_for(ms(30));
            throw("A")
        });
    })
    .assert([
        "uncaught A",
        "immediate of A", // the same check phase
        "tick of A",
        "immediate of listener",
        "timer",
        "next check",
    ]);
}

/// R57: `117-listener-immediate-not-last.js`.
#[test]
fn an_immediate_of_the_listener_waits_if_the_snapshot_goes_on() {
    trace(|log| {
        let line = log.clone();
        on_uncaught(move |error| {
            line.add(format_args!("uncaught {}", error.message()));
            set_immediate(line.callback("immediate of listener"));
        });
        let line = log.clone();
        set_immediate(move || {
            set_timeout(ms(1), line.callback("timer"));
            block_for(ms(30));
            throw("A")
        });
        set_immediate(log.callback("B"));
    })
    .assert(["uncaught A", "B", "timer", "immediate of listener"]);
}

/// R53, R24: `123-uncaught-in-last-drain.js`.
#[test]
fn the_last_drain_of_the_timers_phase_may_panic() {
    traces(|log| {
        log_uncaught(&log);
        let line = log.clone();
        set_timeout(ms(20), move || {
            line.add("A");
            set_immediate(line.callback("immediate 1"));
            next_tick(|| throw("tick 1"));
            next_tick(line.callback("tick 2"));
        });
        let line = log.clone();
        set_timeout(ms(100), move || {
            line.add("B");
            set_immediate(line.callback("immediate 2"));
            block_for(ms(60));
            next_tick(|| {
                set_timeout(ms(100), || ());
                throw("tick 3")
            });
            next_tick(line.callback("tick 4"));
        });
        set_timeout(ms(130), log.callback("C"));
    })
    .assert(
        ..V22,
        [
            "A",
            "uncaught tick 1",
            "tick 2", // the opening of the check phase
            "immediate 1",
            "B",
            "uncaught tick 3",
            "C", // the pass is repeated
            "tick 4",
            "immediate 2",
        ],
    )
    .assert(
        V22..V26,
        [
            "A",
            "uncaught tick 1",
            "tick 2",
            "immediate 1",
            "B",
            "uncaught tick 3",
            "tick 4",
            "immediate 2",
            "C",
        ],
    )
    .assert(
        V26..,
        [
            "A",
            "uncaught tick 1",
            "immediate 1",
            "tick 2",
            "B",
            "uncaught tick 3",
            "immediate 2",
            "tick 4",
            "C",
        ],
    );
}

/// R56: `124-uncaught-timer-rest-not-due.js`.
#[test]
fn after_a_panicking_timer_a_list_that_is_not_due_is_visited_first() {
    trace(|log| {
        log_uncaught(&log);
        set_timeout(ms(100), throwing(&log, "A"));
        set_timeout(ms(130), log.callback("B"));
        block_for(ms(80));
        set_timeout(ms(100), log.callback("A2"));
        block_for(ms(90));
    })
    .assert(["uncaught A", "tick of A", "B", "A2"]);
}

/// R29, R56: `125-uncaught-timer-cleared-list.js`.
#[test]
fn a_removed_list_is_not_visited_after_a_panic() {
    fn round(log: &Log, unref: bool) {
        let second = Later::<TimeoutHandle>::new();
        let (line, clear) = (log.clone(), second.clone());
        set_timeout(ms(40), move || {
            next_tick(line.callback("tick of A"));
            clear.get().clear();
            throw("A")
        });
        second.set(set_timeout(ms(40), log.callback("never")));
        if unref {
            second.get().unref();
        }
        set_timeout(ms(60), log.callback("B"));
        block_for(ms(100));
    }
    trace(|log| {
        log_uncaught(&log);
        round(&log, false);
        set_timeout(ms(200), move || round(&log, true));
    })
    .assert([
        "uncaught A",
        "B", // no list to visit, so no drain
        "tick of A",
        "uncaught A",
        "tick of A", // the empty list has stayed
        "B",
    ]);
}

/// R29, R56: `126-uncaught-own-clear.js`.
#[test]
fn a_timer_that_clears_itself_and_panics_removes_its_list() {
    trace(|log| {
        log_uncaught(&log);
        let a = Later::<TimeoutHandle>::new();
        let (line, own) = (log.clone(), a.clone());
        a.set(set_timeout(ms(20), move || {
            next_tick(line.callback("tick of A"));
            own.get().clear();
            throw("A")
        }));
        set_timeout(ms(50), log.callback("B"));
        block_for(ms(100));
    })
    .assert(["uncaught A", "B", "tick of A"]);
}

/// R29, R58: `127-uncaught-drain-clears-picked.js`.
#[test]
fn a_drain_may_clear_the_picked_timer_and_panic() {
    fn round(log: &Log, unref: bool) {
        let b = Later::<TimeoutHandle>::new();
        let (line, clear) = (log.clone(), b.clone());
        set_timeout(ms(40), move || {
            line.add("A");
            next_tick(move || {
                clear.get().clear();
                throw("tick 1")
            });
            next_tick(line.callback("tick 2"));
        });
        b.set(set_timeout(ms(40), log.callback("never")));
        if unref {
            b.get().unref();
        }
        set_timeout(ms(60), log.callback("C"));
        block_for(ms(100));
    }
    trace(|log| {
        log_uncaught(&log);
        round(&log, false);
        set_timeout(ms(200), move || round(&log, true));
    })
    .assert([
        "A",
        "uncaught tick 1",
        "C",
        "tick 2",
        "A",
        "uncaught tick 1",
        "tick 2",
        "C",
    ]);
}

/// R2, R51: `129-before-exit-throws.js`.
#[test]
fn before_exit_may_panic() {
    traces(|log| {
        log_uncaught(&log);
        let (line, times) = (log.clone(), Cell::new(0));
        on_before_exit(move || {
            times.set(times.get() + 1);
            line.add(format_args!("beforeExit {}", times.get()));
            if times.get() == 1 {
                next_tick(line.callback("tick"));
                set_immediate(line.callback("immediate"));
                throw("x")
            }
        });
        on_exit(move |code| log.add(format_args!("exit {code}")));
    })
    .assert(
        ..V26,
        [
            "beforeExit 1",
            "uncaught x",
            "tick", // the opening of the check phase
            "immediate",
            "beforeExit 2",
            "exit 0",
        ],
    )
    .assert(
        V26..,
        [
            "beforeExit 1",
            "uncaught x",
            "immediate",
            "tick",
            "beforeExit 2",
            "exit 0",
        ],
    );
}

/// R9: `130-exit-throws.js`.
#[test]
fn an_exit_listener_that_panics_is_the_last() {
    trace(|log| {
        log_uncaught(&log);
        let line = log.clone();
        on_exit(move |_| {
            line.add("exit 1");
            queue_microtask(line.callback("micro"));
            throw("x")
        });
        on_exit(move |_| log.add("exit 2"));
    })
    .assert(["exit 1", "uncaught x"]);
}

/// R14, R12: `131-unhandled-in-last-drain.js`.
#[test]
fn all_rounds_of_a_drain_come_before_the_next_timer() {
    trace(|log| {
        let line = log.clone();
        on_unhandled_rejection(move |rejection| {
            let reason: i32 = rejection.reason_text().parse().unwrap();
            line.add(format_args!("unhandled {reason}"));
            if reason < 3 {
                drop(rejected(reason + 2));
            }
            next_tick(line.callback(format_args!("tick of {reason}")));
        });
        let line = log.clone();
        set_timeout(ms(20), move || {
            line.add("A");
            drop(rejected(1));
            drop(rejected(2));
        });
        set_timeout(ms(20), log.callback("B"));
        block_for(ms(50));
    })
    .assert([
        "A",
        "unhandled 1",
        "unhandled 2",
        "tick of 1",
        "tick of 2",
        "unhandled 3",
        "unhandled 4",
        "tick of 3",
        "tick of 4",
        "B",
    ]);
}

/// R2, R51: `140-removed-listeners.js`.
#[test]
fn a_listener_removed_while_its_event_is_dispatched_is_called_this_once() {
    trace(|log| {
        let listeners = Rc::new(RefCell::new(Vec::<Listener>::new()));
        let (line, ours) = (log.clone(), listeners.clone());
        let first = on_before_exit(move || {
            line.add("first");
            ours.take().iter().for_each(|listener| {
                assert!(listener.remove());
                assert!(!listener.remove());
            });
            set_timeout(ms(1), line.callback("timeout"));
        });
        let second = on_before_exit(log.callback("second"));
        listeners.borrow_mut().extend([second, first]);
        let (line, mut turns) = (log.clone(), 0);
        on_before_exit(move || {
            turns += 1;
            line.add(format_args!("third {turns}"));
        });

        let line = log.clone();
        let listener = on_uncaught(move |error| {
            line.add(format_args!("uncaught {}", error.message()));
        });
        let line = log.clone();
        on_uncaught(move |error| {
            line.add(format_args!("also {}", error.message()));
            listener.remove();
        });
        set_immediate(|| throw("1"));
        set_immediate(|| throw("2"));
    })
    .assert([
        "uncaught 1",
        "also 1",
        "also 2",
        "first",
        "second",
        "third 1",
        "timeout",
        "third 2",
    ]);
}

/// Every kind of listener has the same handle, with the same rule: dropping it removes nothing, and
/// only the first `remove` of its clones does.
#[test]
#[cfg_attr(miri, ignore = "Miri has no `sigaction`")]
fn all_listeners_have_the_same_handle() {
    trace(|log| {
        let emitter = EventEmitter::new();
        let controller = AbortController::new();
        const EVENT: Event<()> = Event::new("event");
        let add = |log: &Log| {
            let (abort, event) = (log.callback("abort"), log.clone());
            let (exit, warning) = (log.clone(), log.clone());
            vec![
                on_exit(move |_| exit.add("exit")),
                on_warning(move |_| warning.add("warning")),
                controller.signal().on_abort(abort),
                emitter.on(EVENT, move |()| event.add("event")),
                Listener::from(on_signal(SignalKind::interrupt(), || {}).unwrap()),
            ]
        };
        for listener in add(&log) {
            let clone = listener.clone();
            assert!(clone.remove(), "{listener:?}");
            assert!(!clone.remove() && !listener.remove(), "{listener:?}");
        }
        let kept = add(&log);
        let texts: Vec<String> = kept.iter().map(|kept| format!("{kept:?}")).collect();
        assert_eq!(
            texts[..4],
            [
                "Listener(Exit)",
                "Listener(Warning)",
                "Listener(\"abort\")",
                "Listener(Key(\"event\"))"
            ]
        );
        let aborted = kept[2].clone();
        drop(kept);
        emitter.emit(EVENT, &());
        controller.abort();
        assert!(!aborted.remove(), "it was called");
        emit_warning("text");
    })
    .assert(["event", "abort", "warning", "exit"]);
}
