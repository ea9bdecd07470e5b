//! Chapter 4 of the rules, immediates: R37–R41.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output.

use crate::common::releases::{V26, traces};
use crate::common::{Later, log_uncaught, ms, now_ms, throw, trace};
use nodeloop::time::{block_for, simulate_completion, sleep};
use nodeloop::{ImmediateHandle, next_tick, set_immediate, set_timeout, spawn, yield_now};

/// R37: `52-immediate-snapshot.js`.
#[test]
fn an_immediate_of_an_immediate_waits_for_the_next_check_phase() {
    trace(|log| {
        let line = log.clone();
        set_immediate(move || {
            line.add("A");
            set_immediate(line.callback("A2"));
            set_timeout(ms(1), line.callback("timer"));
            block_for(ms(10));
        });
        set_immediate(log.callback("B"));
    })
    .assert([
        "A", "B", "timer", // due by now, and timers end the turn
        "A2",
    ]);
}

/// R37: an immediate made by the drain between two immediates waits too.
#[test]
fn an_immediate_of_a_drain_waits_for_the_next_check_phase() {
    trace(|log| {
        let line = log.clone();
        set_immediate(move || {
            line.add("A");
            next_tick(move || drop(set_immediate(line.callback("of the tick"))));
        });
        set_immediate(log.callback("B"));
    })
    .assert(["A", "B", "of the tick"]);
}

/// R37, R55: `265-immediate-of-the-opening-drain.js`.
#[test]
fn an_immediate_of_the_drain_that_opens_the_check_phase_belongs_to_it() {
    traces(|log| {
        log_uncaught(&log);
        simulate_completion(ms(0), move || {
            log.add("poll");
            set_timeout(ms(1), log.callback("timer"));
            next_tick(move || {
                log.add("tick");
                set_immediate(log.callback("immediate"));
            });
            block_for(ms(20));
            throw("x");
        });
    })
    .assert(..V26, ["poll", "uncaught x", "tick", "immediate", "timer"])
    .assert(V26.., ["poll", "uncaught x", "tick", "timer", "immediate"]);
}

/// R38: an immediate is pending until it is called or cleared, also inside the running snapshot.
#[test]
fn an_immediate_is_pending_until_it_runs_or_is_cleared() {
    trace(|log| {
        let (line, next) = (log.clone(), Later::<ImmediateHandle>::new());
        let (b, clear) = (next.clone(), next.clone());
        let a = set_immediate(move || {
            line.add(format_args!("B {}", b.get().is_pending()));
            clear.get().clear();
            line.add(format_args!("B {}", b.get().is_pending()));
        });
        next.set(set_immediate(log.callback("cleared")));
        log.add(format_args!("A {}", a.is_pending()));
        set_immediate(move || log.add(format_args!("A {}", a.is_pending())));
    })
    .assert(["A true", "B true", "B false", "A false"]);
}

/// R38: `53-immediate-clear.js`.
#[test]
fn clearing_reaches_into_the_running_snapshot() {
    trace(|log| {
        let (b, c) = (
            Later::<ImmediateHandle>::new(),
            Later::<ImmediateHandle>::new(),
        );
        let (line, clear_b, clear_c) = (log.clone(), b.clone(), c.clone());
        set_immediate(move || {
            line.add("A");
            clear_b.get().clear();
            next_tick(move || {
                line.add("tick");
                clear_c.get().clear();
            });
        });
        b.set(set_immediate(log.callback("B")));
        c.set(set_immediate(log.callback("C")));
        set_immediate(log.callback("D"));
    })
    .assert(["A", "tick", "D"]);
}

/// R39: `10-unref-immediate-rides-along.js`.
#[test]
fn an_unrefd_immediate_neither_wakes_the_poll_nor_is_lost() {
    trace(|log| {
        let line = log.clone();
        set_immediate(move || {
            line.add(format_args!("unref immediate {}", now_ms() > 35));
        })
        .unref();
        set_timeout(ms(40), log.callback("timer"));
    })
    .assert(["unref immediate true", "timer"]); // poll waits for 40, check, timers
}

/// R41: `72-timers-promises.js`.
#[test]
fn sleeps_and_yields_share_the_lists_of_timers_and_immediates() {
    trace(|log| {
        let line = log.clone();
        spawn(async move {
            sleep(ms(10)).await;
            line.add("sleep v");
        })
        .detach();
        set_timeout(ms(10), log.callback("timer behind"));
        let line = log.clone();
        spawn(async move {
            yield_now().await;
            line.add("yield w");
        })
        .detach();
        set_immediate(log.callback("immediate behind"));
        block_for(ms(30));
    })
    .assert([
        "sleep v", // in the drain after its timer
        "timer behind",
        "yield w", // in the drain after its immediate
        "immediate behind",
    ]);
}

/// R38, R57: `132-immediate-throw-rest-cleared.js`.
#[test]
fn a_panic_followed_only_by_cleared_immediates_counts_as_that_of_the_last() {
    trace(|log| {
        log_uncaught(&log);
        let c = Later::<ImmediateHandle>::new();
        let (line, last) = (log.clone(), c.clone());
        set_immediate(move || {
            line.add("A");
            last.get().clear();
            set_immediate(line.callback("new"));
            set_timeout(ms(1), line.callback("timer"));
            block_for(ms(30));
        });
        let line = log.clone();
        set_immediate(move || {
            next_tick(line.callback("tick of B"));
            throw("B")
        });
        c.set(set_immediate(log.callback("never")));
    })
    .assert([
        "A",
        "uncaught B",
        "new", // the new round of the same check phase
        "tick of B",
        "timer",
    ]);
}

/// R38, R57: `133-immediate-throw-tick-clears-rest.js`.
#[test]
fn clearing_the_remaining_immediates_after_a_panic_ends_the_check_phase() {
    trace(|log| {
        log_uncaught(&log);
        let c = Later::<ImmediateHandle>::new();
        let (line, last) = (log.clone(), c.clone());
        set_immediate(move || {
            let tick = line.clone();
            next_tick(move || {
                tick.add("tick of A");
                last.get().clear();
            });
            set_immediate(line.callback("new"));
            set_timeout(ms(1), line.callback("timer"));
            block_for(ms(30));
            throw("A")
        });
        set_immediate(log.callback("B"));
        c.set(set_immediate(log.callback("never")));
    })
    .assert(["uncaught A", "B", "tick of A", "timer", "new"]);
}
