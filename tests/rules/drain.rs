//! Chapter 2 of the rules, draining: R10–R13.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output.

use std::cell::Cell;
use std::rc::Rc;

use crate::common::{Log, ms, trace};
use nodeloop::time::{block_for, simulate_completion, wait_for_jobs};
use nodeloop::{next_tick, queue_microtask, queue_work, set_immediate, set_timeout};

/// R10: `11-ticks-before-microtasks.js`.
#[test]
fn ticks_come_before_microtasks() {
    trace(|log| {
        queue_microtask(log.callback("m1"));
        next_tick(log.callback("t1"));
        queue_microtask(log.callback("m2"));
        next_tick(log.callback("t2"));
    })
    .assert(["t1", "t2", "m1", "m2"]);
}

/// R10: `12-tick-from-microtask.js`.
#[test]
fn a_tick_of_a_microtask_waits_for_all_microtasks() {
    trace(|log| {
        let line = log.clone();
        queue_microtask(move || {
            line.add("m1");
            next_tick(line.callback("t from m1"));
            queue_microtask(move || {
                line.add("m3");
                queue_microtask(line.callback("m4"));
            });
        });
        queue_microtask(log.callback("m2"));
    })
    .assert(["m1", "m2", "m3", "m4", "t from m1"]);
}

/// R10: `13-microtask-from-tick.js`.
#[test]
fn a_microtask_of_a_tick_waits_for_all_ticks() {
    trace(|log| {
        let line = log.clone();
        next_tick(move || {
            line.add("t1");
            queue_microtask(line.callback("m from t1"));
            next_tick(move || {
                line.add("t3");
                next_tick(line.callback("t4"));
            });
        });
        next_tick(log.callback("t2"));
    })
    .assert(["t1", "t2", "t3", "t4", "m from t1"]);
}

/// R10: `14-drain-alternates.js`.
#[test]
fn a_drain_alternates_until_both_queues_are_empty() {
    fn a(log: Log, n: Rc<Cell<u32>>) {
        log.add(format_args!("t {}", n.get()));
        n.set(n.get() + 1);
        if n.get() <= 2 {
            queue_microtask(move || b(log, n));
        }
    }
    fn b(log: Log, n: Rc<Cell<u32>>) {
        log.add(format_args!("m {}", n.get()));
        next_tick(move || a(log, n));
    }
    trace(|log| {
        let line = log.clone();
        next_tick(move || a(line, Rc::default()));
        set_immediate(log.callback("immediate"));
    })
    .assert(["t 0", "m 1", "t 1", "m 2", "t 2", "immediate"]);
}

/// R11: `94-tick-starves.js`.
#[test]
fn ticks_that_queue_ticks_starve_the_loop() {
    fn again(n: Rc<Cell<u32>>) {
        n.set(n.get() + 1);
        if n.get() <= 1000 {
            next_tick(move || again(n));
        }
    }
    trace(|log| {
        let n = Rc::new(Cell::new(0));
        let seen = n.clone();
        set_immediate(move || log.add(format_args!("immediate after {}", seen.get())));
        again(n);
    })
    .assert(["immediate after 1001"]);
}

/// A callback that logs `x` and queues a microtask and a tick that log `mx` and `tx`.
fn with_drain(log: &Log, x: &'static str) -> impl FnOnce() + 'static {
    let log = log.clone();
    move || {
        log.add(x);
        queue_microtask(log.callback(format_args!("m{x}")));
        next_tick(log.callback(format_args!("t{x}")));
    }
}

/// R12: `15-drain-between-same-list.js`.
#[test]
fn a_drain_runs_between_two_timers_of_a_list() {
    trace(|log| {
        for x in ["A", "B"] {
            set_timeout(ms(10), with_drain(&log, x));
        }
        block_for(ms(30));
    })
    .assert(["A", "tA", "mA", "B", "tB", "mB"]);
}

/// R12: `16-drain-between-lists.js`.
#[test]
fn a_drain_runs_between_two_lists() {
    trace(|log| {
        set_timeout(ms(10), with_drain(&log, "10"));
        set_timeout(ms(15), with_drain(&log, "15"));
        block_for(ms(40));
    })
    .assert(["10", "t10", "m10", "15", "t15", "m15"]);
}

/// R12: `17-drain-between-immediates.js`.
#[test]
fn a_drain_runs_between_two_immediates() {
    trace(|log| {
        for x in ["A", "B"] {
            set_immediate(with_drain(&log, x));
        }
    })
    .assert(["A", "tA", "mA", "B", "tB", "mB"]);
}

/// R12, R61: `18-drain-between-io.js`.
#[test]
fn a_drain_runs_between_two_completions_of_one_poll_phase() {
    trace(|log| {
        for x in ["A", "B"] {
            let done = with_drain(&log, x);
            queue_work(|| (), |()| done());
            wait_for_jobs();
        }
    })
    .assert(["A", "tA", "mA", "B", "tB", "mB"]);
    trace(|log| {
        simulate_completion(ms(0), with_drain(&log, "A"));
        simulate_completion(ms(0), with_drain(&log, "B"));
    })
    .assert(["A", "tA", "mA", "B", "tB", "mB"]);
}

/// R13: promise jobs and `queue_microtask` share one queue, first in, first out; the promise part
/// of `57-then-on-pending.js`.
#[test]
fn promise_jobs_and_microtasks_share_a_queue() {
    trace(|log| {
        let (promise, resolver) = nodeloop::promise::with_resolver::<&str>();
        let line = log.clone();
        nodeloop::spawn(async move { line.add(promise.await) }).detach();
        queue_microtask(log.callback("m before resolve"));
        resolver.resolve("p1");
        resolver.resolve("ignored"); // R44
        queue_microtask(log.callback("m after resolve"));
    })
    .assert([
        "m before resolve",
        "p1", // queued when the promise settled, not when it was awaited
        "m after resolve",
    ]);
}
