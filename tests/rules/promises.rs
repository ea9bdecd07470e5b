//! Chapter 5 of the rules, promises: R42–R46, without reactions.
//!
//! A test that names a file of `tests/node/probes/` reproduces that program, recorded from Node
//! v20.20.2, and expects its recorded output. The numbers in the expected lines are those of
//! `ruler`: one line per turn of the microtask queue.

use crate::common::{rejected, resolved, ruler, trace, trace_with_leftovers};
use nodeloop::promise::{try_with_resolver, with_resolver};
use nodeloop::{on_unhandled_rejection, queue_microtask, spawn, spawn_lazy, try_spawn};

/// R43: `58-adopt-two-turns.js`.
#[test]
fn resolving_with_a_promise_costs_two_turns() {
    trace(|log| {
        let (promise, resolver) = with_resolver();
        resolver.resolve_with(resolved());
        let line = log.clone();
        spawn(async move {
            promise.await;
            line.add("adopted");
        })
        .detach();
        ruler(&log, 4);
    })
    .assert(["1", "2", "adopted", "3", "4"]);
}

/// R43: a pending promise is followed two turns after its settling. Checked against Node:
///
/// ```js
/// let y; const inner = new Promise((r) => { y = r; });
/// new Promise((r) => r(inner)).then(() => console.log('adopted'));
/// queueMicrotask(() => { queueMicrotask(() => { y(); ruler(3); }); });
/// ```
#[test]
fn adopting_a_pending_promise_costs_one_turn_after_its_settling() {
    trace(|log| {
        let (inner, settle) = with_resolver();
        let (promise, resolver) = with_resolver();
        resolver.resolve_with(inner);
        let line = log.clone();
        spawn(async move {
            promise.await;
            line.add("adopted");
        })
        .detach();
        queue_microtask(move || {
            queue_microtask(move || {
                settle.resolve(());
                ruler(&log, 3);
            });
        });
    })
    .assert(["1", "adopted", "2", "3"]);
}

/// R44: the second part of `57-then-on-pending.js`.
#[test]
fn only_the_first_resolution_counts() {
    trace(|log| {
        let (promise, resolvers) = try_with_resolver::<&str, &str>();
        resolvers.resolve("first");
        resolvers.reject("second");
        resolvers.clone().resolve("third");
        spawn(async move { log.add(format_args!("{:?}", promise.await)) }).detach();
    })
    .assert(["Ok(\"first\")"]);
}

/// R44: also if the first resolution is an adoption still in progress.
#[test]
fn an_adoption_in_progress_is_the_first_resolution() {
    trace(|log| {
        let (inner, settle) = try_with_resolver::<&str, &str>();
        let (promise, resolvers) = try_with_resolver();
        resolvers.resolve_with(inner);
        resolvers.reject("ignored");
        settle.resolve("adopted");
        spawn(async move { log.add(format_args!("{:?}", promise.await)) }).detach();
    })
    .assert(["Ok(\"adopted\")"]);
}

/// R44: `60-self-resolution.js`. The promise was moved into its own resolver, so its rejection
/// can only be reported.
#[test]
fn a_promise_resolved_with_itself_is_rejected() {
    trace_with_leftovers(|log| {
        let line = log.clone();
        on_unhandled_rejection(move |rejection| line.add(rejection.reason_text()));
        let (promise, resolver) = with_resolver::<()>();
        resolver.resolve_with(promise);
        // A cycle of two hangs.
        let (a, resolve_a) = with_resolver::<()>();
        let (b, resolve_b) = with_resolver::<()>();
        resolve_a.resolve_with(b);
        resolve_b.resolve_with(a);
    })
    .assert(["SelfResolution"]);
}

/// R45: `61-await-one-turn.js`. Rust cannot `await` a plain value. Awaiting a ready future costs
/// no turn, because its poll is a plain call.
#[test]
fn awaiting_a_settled_promise_costs_one_turn() {
    trace(|log| {
        let line = log.clone();
        spawn(async move {
            resolved().await;
            line.add("after promise");
        })
        .detach();
        let line = log.clone();
        spawn(async move {
            spawn(async { 7 }).await;
            line.add("after value");
        })
        .detach();
        let line = log.clone();
        spawn(async move {
            std::future::ready(7).await;
            line.add("after a ready future");
        })
        .detach();
        ruler(&log, 2);
    })
    .assert([
        "after a ready future", // at once
        "after promise",
        "after value",
        "1",
        "2",
    ]);
}

/// R45: `settled()` costs the same turn, and so does a promise that is pending when awaited.
#[test]
fn every_way_to_await_costs_one_turn() {
    trace(|log| {
        let line = log.clone();
        spawn(async move {
            resolved().settled().await.unwrap();
            line.add("settled");
        })
        .detach();
        let (pending, resolver) = with_resolver();
        let line = log.clone();
        spawn(async move {
            pending.await;
            line.add("was pending");
        })
        .detach();
        let line = log.clone();
        spawn(async move {
            rejected("x").await.unwrap_err();
            line.add("rejected");
        })
        .detach();
        resolver.resolve(());
        ruler(&log, 2);
    })
    .assert(["settled", "rejected", "was pending", "1", "2"]); // all in the turn of 1
}

/// R46: `62-async-sync-part.js`.
#[test]
fn spawn_runs_up_to_the_first_wait() {
    trace(|log| {
        let line = log.clone();
        let f = || {
            let line = line.clone();
            spawn(async move {
                line.add("in f");
                resolved().await;
                line.add("rest of f");
            })
        };
        log.add("before");
        let done = f();
        let line = log.clone();
        spawn(async move {
            done.await;
            line.add("f done");
        })
        .detach();
        log.add("after");
    })
    .assert(["before", "in f", "after", "rest of f", "f done"]);
}

/// R46: `63-async-return-value.js`.
#[test]
fn a_returned_value_settles_at_once() {
    trace(|log| {
        let returned = spawn(async { 1 });
        assert!(returned.is_finished());
        let line = log.clone();
        spawn(async move {
            returned.await;
            line.add("returned");
        })
        .detach();
        ruler(&log, 2);
    })
    .assert(["returned", "1", "2"]);
}

/// R43, R46: `64-async-return-promise.js`. What `return promise` does to the promise of an async
/// function is `resolve_with` here.
#[test]
fn a_returned_promise_costs_two_turns_more_than_an_awaited_one() {
    trace(|log| {
        let (returned, resolver) = with_resolver();
        resolver.resolve_with(resolved());
        let awaited = spawn(async { resolved().await });
        for (promise, text) in [(returned, "return promise"), (awaited, "return await")] {
            let line = log.clone();
            spawn(async move {
                promise.await;
                line.add(text);
            })
            .detach();
        }
        ruler(&log, 4);
    })
    .assert(["1", "return await", "2", "return promise", "3", "4"]);
}

/// R46, R14: `65-async-throw.js`.
#[test]
fn a_failed_async_function_is_a_rejected_promise() {
    trace(|log| {
        let line = log.clone();
        on_unhandled_rejection(move |rejection| {
            line.add(format_args!("unhandled {}", rejection.reason_text()));
        });
        try_spawn(async { Err::<(), _>("early") });
        try_spawn(async {
            resolved().await;
            Err::<(), _>("late")
        });
        spawn(async move {
            if let Err(error) = rejected("x").await {
                log.add(format_args!("caught {error}"));
            }
        })
        .detach();
        let (_, resolvers) = try_with_resolver();
        resolvers.resolve_with(rejected("y")); // `return Promise.reject('y')`
    })
    .assert([
        "caught x",
        "unhandled \"early\"", // in the order of rejection
        "unhandled \"late\"",
        "unhandled \"y\"",
    ]);
}

/// The lazy form: the first poll is a turn of its own.
#[test]
fn a_lazy_spawn_costs_one_turn() {
    trace(|log| {
        spawn_lazy({
            let log = log.clone();
            async move { log.add("lazy") }
        })
        .detach();
        log.add("main end");
        ruler(&log, 2);
    })
    .assert(["main end", "lazy", "1", "2"]);
}
