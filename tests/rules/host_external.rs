//! Macrotasks from outside of the loop, and callback scopes.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;

use crate::common::limit::limit;
use crate::common::{Log, log_uncaught, ms, real_loop, throw, trace, try_trace, virtual_loop};
use nodeloop::host::{
    Operation, fail_callback, queue_callback_scopes, queue_macrotask, request_exit,
};
use nodeloop::observe::{Event, EventContext, StepKind};
use nodeloop::{
    AsyncLocalStorage, EventLoop, Handle, NodeRelease, RunError, next_tick, promise,
    queue_microtask, set_immediate, set_timeout, spawn, why_alive,
};

static REQUEST: AsyncLocalStorage<u32> = AsyncLocalStorage::new();

/// R12, R61: the order of `18-drain-between-io.js`.
#[test]
fn a_drain_follows_each_macrotask() {
    trace(|log| {
        for name in ["A", "B"] {
            let log = log.clone();
            queue_macrotask(move || {
                log.add(name);
                next_tick(log.callback(format_args!("t{name}")));
                queue_microtask(log.callback(format_args!("m{name}")));
            });
        }
    })
    .assert(["A", "tA", "mA", "B", "tB", "mB"]);
}

/// R3, R6, R66: it runs in the poll phase, keeps the loop alive, and is in one order with messages.
#[test]
fn a_macrotask_belongs_to_the_next_poll_phase() {
    trace(|log| {
        set_immediate(log.callback("immediate"));
        set_timeout(ms(1), log.callback("timer")).unref();
        let outer = log.clone();
        REQUEST.run(7, || {
            queue_macrotask(move || {
                outer.add(format_args!("macrotask {:?}", REQUEST.get()));
                queue_macrotask(outer.callback("macrotask of the next poll phase"));
                set_immediate(outer.callback("immediate of the macrotask"));
            });
        });
        Handle::current().post(|| ()).unwrap();
        assert_eq!(why_alive().keeping_alive().count(), 3); // the immediate and two messages
    })
    .assert([
        "macrotask Some(7)",
        "immediate",
        "immediate of the macrotask",
        "macrotask of the next poll phase",
    ]);
}

/// R55, R51.
#[test]
fn a_macrotask_that_fails_is_not_drained() {
    trace(|log| {
        log_uncaught(&log);
        let first = log.clone();
        queue_macrotask(move || {
            next_tick(first.callback("tick of A"));
            fail_callback("A");
        });
        queue_macrotask(log.callback("B"));
    })
    .assert([r#"uncaught "A""#, "B", "tick of A"]);
}

#[test]
fn an_operation_completes_on_another_thread() {
    let _limit = limit();
    let log = Log::new();
    let script = log.clone();
    let result = real_loop().run_script(move || {
        let local = Rc::new(Cell::new(0)); // the callback is not `Send`
        let operation = REQUEST.run(7, || {
            Operation::new(move |value: u32| {
                local.set(value);
                script.add(format_args!("done {} {:?}", local.get(), REQUEST.get()));
                next_tick(script.callback("tick"));
            })
        });
        set_immediate(move || drop(thread::spawn(move || operation.complete(55))));
    });
    result.unwrap();
    log.assert(["done 55 Some(7)", "tick"]);
}

#[test]
fn an_operation_that_is_dropped_drops_its_callback_and_lets_the_loop_end() {
    let _limit = limit();
    let value = Rc::new(());
    let held = value.clone();
    let result = real_loop().run_script(move || {
        let operation = Operation::new(move |(): ()| drop(held));
        assert!(why_alive().is_alive());
        drop(thread::spawn(move || drop(operation)));
    });
    result.unwrap();
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn an_operation_outlives_its_run_and_its_loop() {
    let log = Log::new();
    let mut event_loop = virtual_loop();
    let (first, second) = event_loop.with_current(|| {
        let callback = log.callback("never");
        let mut callback = Some(callback);
        let first = Operation::new(move |(): ()| callback.take().unwrap()());
        (first, Operation::new(|(): ()| ()))
    });
    let ended = event_loop.run_script(|| request_exit(0));
    assert!(matches!(ended, Err(RunError::Exit(0))), "{ended:?}");
    first.complete(()).unwrap(); // its callback was dropped
    drop(event_loop);
    assert!(second.complete(()).is_err());
    log.assert([]);
}

/// Twenty, so that the order of a hash map would be noticed.
#[test]
fn callbacks_left_at_the_end_are_dropped_in_order() {
    struct LogOnDrop(Log, usize);
    impl Drop for LogOnDrop {
        fn drop(&mut self) {
            self.0.add(self.1);
        }
    }

    let log = Log::new();
    let logs = log.clone();
    let mut event_loop = virtual_loop();
    let result = event_loop.run_script(move || {
        for number in 0..20 {
            let on_drop = LogOnDrop(logs.clone(), number);
            queue_macrotask(move || drop(on_drop));
        }
        request_exit(0);
    });
    assert!(matches!(result, Err(RunError::Exit(0))), "{result:?}");
    log.assert([
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
        "17", "18", "19",
    ]);
}

/// `373-nested-callback-scope.js`.
#[test]
fn a_nested_scope_drains_nothing() {
    trace(|log| {
        let context = AsyncLocalStorage::snapshot();
        queue_callback_scopes(move |scopes| {
            scopes.run(&context, || {
                let nested = scopes.run(&context, || {
                    log.add("nested");
                    next_tick(log.callback("tick of nested"));
                    queue_microtask(log.callback("micro of nested"));
                    1
                });
                assert_eq!(nested, Some(1));
                log.add("after nested");
                next_tick(log.callback("tick"));
                set_immediate(log.callback("immediate"));
            });
        });
    })
    .assert([
        "nested",
        "after nested",
        "tick of nested",
        "tick",
        "micro of nested",
        "immediate",
    ]);
}

/// R12: `374-callback-scopes-of-one-event.js`.
#[test]
fn a_drain_follows_each_outermost_scope() {
    trace(|log| {
        let context = AsyncLocalStorage::snapshot();
        queue_callback_scopes(move |scopes| {
            for name in ["a", "b"] {
                scopes.run(&context, || {
                    log.add(name);
                    next_tick(log.callback(format_args!("tick of {name}")));
                    queue_microtask(log.callback(format_args!("micro of {name}")));
                });
            }
        });
    })
    .assert([
        "a",
        "tick of a",
        "micro of a",
        "b",
        "tick of b",
        "micro of b",
    ]);
}

/// R55: what a failed scope has queued runs after the next one, or at the start of the check phase.
#[test]
fn a_failed_scope_drains_nothing() {
    for panics in [false, true] {
        let fail = move |text: &'static str| match panics {
            true => throw(text),
            false => fail_callback(text),
        };
        let log = Log::new();
        let script = log.clone();
        let built = EventLoop::builder()
            .virtual_time()
            .node(NodeRelease::V24)
            .build();
        let result = built.unwrap().run_script(move || {
            log_uncaught(&script);
            let context = AsyncLocalStorage::snapshot();
            set_immediate(script.callback("immediate"));
            queue_callback_scopes(move |scopes| {
                let result = scopes.run(&context, || {
                    next_tick(script.callback("tick of A"));
                    fail("A")
                });
                assert_eq!(result.is_none(), panics);
                scopes.run(&context, || script.add("B"));
                scopes.run(&context, || {
                    next_tick(script.callback("tick of C"));
                    fail("C")
                });
                script.add("native code goes on");
            });
        });
        result.unwrap();
        let lines = log.lines().join(", ").replace('"', "");
        let expected =
            "uncaught A, B, tick of A, uncaught C, native code goes on, tick of C, immediate";
        assert_eq!(lines, expected);
    }
}

#[test]
fn a_scope_runs_in_its_context() {
    trace(|log| {
        let outer = AsyncLocalStorage::snapshot();
        let (seven, eight) = (
            REQUEST.run(7, AsyncLocalStorage::snapshot),
            REQUEST.run(8, AsyncLocalStorage::snapshot),
        );
        queue_callback_scopes(move |scopes| {
            let add = |place: &str| log.add(format_args!("{place} {:?}", REQUEST.get()));
            add("native");
            scopes.run(&seven, || {
                add("scope");
                scopes.run(&eight, || add("nested"));
                add("after nested");
            });
            add("after scope");
            scopes.run(&outer, || add("empty"));
        });
    })
    .assert([
        "native None",
        "scope Some(7)",
        "nested Some(8)",
        "after nested Some(7)",
        "after scope None",
        "empty None",
    ]);
}

/// A drain of a scope polls the main future, too.
#[test]
fn the_drain_of_a_scope_polls_the_main_future() {
    let log = Log::new();
    let result = virtual_loop().run(async {
        let (promise, resolver) = promise::with_resolver();
        let context = AsyncLocalStorage::snapshot();
        let native = log.clone();
        queue_callback_scopes(move |scopes| {
            scopes.run(&context, || resolver.resolve(()));
            native.add("native code goes on");
        });
        promise.await;
        log.add("main future");
    });
    result.unwrap();
    log.assert(["main future", "native code goes on"]);
}

#[test]
fn no_scope_opens_when_the_run_is_ending() {
    let (result, log) = try_trace(|log| {
        let context = AsyncLocalStorage::snapshot();
        queue_callback_scopes(move |scopes| {
            scopes.run(&context, || request_exit(3));
            assert_eq!(
                scopes.run(&context, || unreachable!("the run is ending")),
                None::<()>
            );
            log.add("native code goes on");
        });
        queue_callback_scopes(|_| unreachable!("the run has ended"));
    });
    assert!(matches!(result, Err(RunError::Exit(3))), "{result:?}");
    log.assert(["native code goes on"]);
}

/// Native code is no step, and its scopes are, so that steps and drains do not nest.
#[test]
fn observers_see_scopes_and_drains_in_turn() {
    let log = Log::new();
    let seen = log.clone();
    let observer = move |event: &Event, _: &EventContext<'_>| match event {
        Event::StepBegin(step) if step.kind == StepKind::Message => seen.add("begin"),
        Event::StepEnd(step) if step.kind == StepKind::Message => seen.add("end"),
        Event::StepBegin(step) if step.kind == StepKind::Task => seen.add("task"),
        _ => {}
    };
    let builder = EventLoop::builder().virtual_time().observer(observer);
    let result = builder.build().unwrap().run_script(|| {
        let context = AsyncLocalStorage::snapshot();
        queue_callback_scopes(move |scopes| {
            for _ in 0..2 {
                scopes.run(&context, || spawn(promise::ready(())).detach());
            }
        });
    });
    result.unwrap();
    log.assert(["begin", "end", "task", "begin", "end", "task"]);
}
