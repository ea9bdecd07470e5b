//! Rejected promises of an engine, next to those of the crate.

use std::rc::{Rc, Weak};

use crate::common::{Log, ms, reason_of, rejected, trace, try_trace};
use nodeloop::host::{TrackedRejection, track_rejection};
use nodeloop::{
    AsyncLocalStorage, Rejection, RunError, UncaughtOrigin, next_tick, on_rejection_handled,
    on_uncaught, on_unhandled_rejection, queue_microtask, set_immediate, set_timeout,
};

/// A promise of an engine, and why it was rejected.
#[derive(Debug)]
struct Rejected {
    reason: &'static str,
    _engine: Weak<()>, // not `Send`
}

fn reject(reason: &'static str) -> TrackedRejection {
    let _engine = Weak::new();
    track_rejection(Rejected { reason, _engine })
}

fn text_of(rejection: &Rejection) -> String {
    let own = rejection.with_reason(|reason| Some(reason.downcast_ref::<Rejected>()?.reason));
    own.map_or_else(|| reason_of(rejection), str::to_owned)
}

fn log_unhandled(log: &Log) {
    let log = log.clone();
    on_unhandled_rejection(move |rejection| {
        log.add(format_args!("unhandled {}", text_of(rejection)))
    });
}

/// R14: `19-rejection-after-drain.js`.
#[test]
fn a_rejection_is_reported_when_both_queues_are_empty() {
    trace(|log| {
        log_unhandled(&log);
        reject("1");
        let script = log.clone();
        queue_microtask(move || {
            script.add("m");
            next_tick(script.callback("t2"));
        });
        next_tick(log.callback("t1"));
        set_immediate(log.callback("immediate"));
    })
    .assert(["t1", "m", "t2", "unhandled 1", "immediate"]);
}

/// R14, R16: `20-rejection-order.js`, where each second promise is one of the crate.
#[test]
fn rejections_are_reported_in_order_and_those_handled_in_time_are_not() {
    trace(|log| {
        log_unhandled(&log);
        let script = log.clone();
        reject("a");
        let b = reject("b");
        next_tick(|| drop(rejected("d")));
        drop(rejected("c"));
        next_tick(move || {
            queue_microtask(move || {
                queue_microtask(move || {
                    b.handled();
                    script.add("b caught");
                });
            });
        });
    })
    .assert(["b caught", "unhandled a", "unhandled c", "unhandled d"]);
}

/// R14: `22-rejection-handled.js`.
#[test]
fn a_rejection_that_is_handled_late_is_reported_again() {
    trace(|log| {
        log_unhandled(&log);
        let listener = log.clone();
        on_rejection_handled(move |rejection| {
            listener.add(format_args!("handled {}", text_of(rejection)))
        });
        let first = reject("1");
        set_immediate(move || {
            reject("2");
            first.handled();
            first.handled(); // no effect
            next_tick(log.callback("tick"));
            log.add("immediate");
        });
    })
    .assert([
        "unhandled 1",
        "immediate",
        "tick",
        "handled 1",
        "unhandled 2",
    ]);
}

#[test]
fn the_listener_runs_in_the_context_of_the_rejection() {
    static REQUEST: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
    trace(|log| {
        on_unhandled_rejection(move |_| log.add(format_args!("{:?}", REQUEST.get())));
        REQUEST.run(7, || reject("x"));
        reject("y");
    })
    .assert(["Some(7)", "None"]);
}

/// R18.
#[test]
fn without_a_listener_it_is_an_uncaught_error_with_the_value() {
    trace(|log| {
        on_uncaught(move |error| {
            assert_eq!(error.origin(), UncaughtOrigin::Rejection);
            log.add(text_of(&error.rejection().unwrap()));
        });
        reject("x");
    })
    .assert(["x"]);
    let (result, _) = try_trace(|_| {
        reject("no");
        set_timeout(ms(1), || unreachable!("the run has ended"));
    });
    let Err(RunError::Unhandled { reason, location }) = result else {
        panic!("{result:?}");
    };
    let value = reason.with_value(|value| value.downcast_ref::<Rejected>().unwrap().reason);
    assert_eq!(value, Some("no"));
    assert_eq!(location.file(), file!());
}

/// Nothing is searched or moved, so that this ends in time.
#[test]
fn many_rejections_that_are_handled_at_once() {
    const COUNT: usize = if cfg!(miri) { 100 } else { 100_000 };
    let value = Rc::new(());
    let held = value.clone();
    trace(move |log| {
        log_unhandled(&log);
        let all: Vec<_> = (0..COUNT).map(|_| track_rejection(held.clone())).collect();
        all.iter().rev().for_each(TrackedRejection::handled);
        drop(all);
        log.add(Rc::strong_count(&held)); // nothing is kept
    })
    .assert(["2"]);
    assert_eq!(Rc::strong_count(&value), 1);
}
