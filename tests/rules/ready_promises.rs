//! R45, R46: the promise of a task that is ready at its first poll has no state until something needs one.
//! It behaves as any other promise that has settled, which each test shows by doing the same with both.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::{FusedFuture, poll_fn};

use crate::common::{Log, ruler, trace};
use nodeloop::promise::{self, Promise, TryPromise};
use nodeloop::{AsyncLocalStorage, on_unhandled_rejection, spawn, try_spawn};

/// The same promise, without a state and with one.
const WAYS: [fn(&'static str) -> Promise<&'static str>; 2] =
    [|value| spawn(async move { value }), promise::ready];

type Fallible = TryPromise<&'static str, &'static str>;

const FALLIBLE_WAYS: [fn(&'static str) -> Fallible; 2] = [
    |value| try_spawn(async move { Ok(value) }),
    |value| promise::resolve(value),
];

/// Asserts that `script` logs these lines for both promises.
#[track_caller]
fn assert_both(script: fn(Log, Promise<&'static str>), expected: &[&str]) {
    for way in WAYS {
        let log = trace(move |log| script(log, way("value")));
        assert_eq!(log.labels(), expected);
    }
}

fn poll_with<F: Future + Unpin>(future: &mut F, cx: &mut Context<'_>) -> Poll<F::Output> {
    Pin::new(future).poll(cx)
}

fn log_unhandled(log: &Log) {
    let log = log.clone();
    on_unhandled_rejection(move |rejection| {
        log.add(format_args!("unhandled {}", rejection.reason_text()));
    });
}

#[test]
fn its_progress_is_kept() {
    assert_both(
        |log, mut promise| {
            let line = log.clone();
            spawn(async move {
                let polls = poll_fn(|cx| {
                    let first = poll_with(&mut promise, cx).is_pending();
                    Poll::Ready((first, poll_with(&mut promise, cx)))
                });
                line.add(format_args!("{:?}", polls.await));
                let is_done = promise.is_terminated() && promise.is_finished();
                line.add(format_args!("{is_done}"));
                promise.mark_handled();
            })
            .detach();
            ruler(&log, 1);
        },
        &["(true, Ready(\"value\"))", "true", "1"],
    );
}

/// The turn of the first poll counts if the promise gets a state after it.
#[test]
fn a_state_does_not_cost_another_turn() {
    assert_both(
        |log, mut promise| {
            let line = log.clone();
            spawn(async move {
                let first = poll_fn(|cx| Poll::Ready(poll_with(&mut promise, cx))).await;
                let mut settled = promise.settled();
                let second = poll_fn(|cx| Poll::Ready(poll_with(&mut settled, cx))).await;
                line.add(format_args!("{first:?} {second:?}"));
            })
            .detach();
            ruler(&log, 1);
        },
        &["Pending Ready(Ok(\"value\"))", "1"],
    );
}

#[test]
fn it_cannot_be_awaited_twice() {
    assert_both(
        |log, mut promise| {
            let text = format!("{promise:?}");
            assert!(text.contains("is_finished: true"), "{text}");
            let again = spawn(async move {
                (&mut promise).await;
                promise.await
            });
            let line = log.clone();
            spawn(async move {
                let text = again.settled().await.unwrap_err().to_string();
                line.add(text.contains("was polled after it had returned its output"));
            })
            .detach();
        },
        &["true"],
    );
    assert_both(
        |log, mut promise| {
            let again = spawn(async move {
                (&mut promise).await;
                promise
                    .then(|_| ())
                    .settled()
                    .await
                    .unwrap_err()
                    .to_string()
            });
            spawn(async move { log.add(again.await) }).detach();
        },
        &["the task panicked: the value of this promise has been taken already"],
    );
}

#[test]
fn reactions_and_combinators_take_their_turns() {
    assert_both(
        |log, promise| {
            let line = log.clone();
            let shared = promise.shared();
            let add = move |text: &'static str| {
                let line = line.clone();
                move |value: &'static str| line.add(format_args!("{text} {value}"))
            };
            shared.then(add("then")).detach();
            shared.then(add("again")).detach();
            let all = promise::all([shared.clone()]);
            let line = log.clone();
            spawn(async move { line.add(format_args!("{:?}", all.await)) }).detach();
            ruler(&log, 3);
        },
        &[
            "then value",
            "again value",
            "1",
            "Ok([\"value\"])",
            "2",
            "3",
        ],
    );
}

#[test]
fn an_abort_comes_too_late() {
    assert_both(
        |log, promise| {
            let settled = promise.settled();
            let handle = settled.abort_handle();
            handle.abort();
            settled.abort();
            assert!(handle.is_finished() && settled.is_finished());
            spawn(async move { log.add(format_args!("{:?}", settled.await)) }).detach();
        },
        &["Ok(\"value\")"],
    );
}

/// R17: what was polled or marked is handled, also if it counts as a rejection only later.
#[test]
fn it_remembers_that_it_was_handled() {
    type Way = fn(&'static str) -> Promise<Result<(), &'static str>>;
    let ways: [Way; 2] = [
        |reason| spawn(async move { Err(reason) }),
        |reason| promise::ready(Err(reason)),
    ];
    for way in ways {
        trace(move |log| {
            log_unhandled(&log);
            way("new").tracked();
            let marked = way("marked");
            marked.mark_handled();
            marked.tracked();
            spawn(async move {
                let mut polled = way("polled");
                let poll = poll_fn(|cx| Poll::Ready(poll_with(&mut polled, cx))).await;
                assert!(poll.is_pending());
                polled.tracked();
            })
            .detach();
        })
        .assert(["unhandled \"new\""]);
    }
    for way in FALLIBLE_WAYS {
        trace(move |log| {
            log_unhandled(&log);
            way("fulfilled").mark_handled();
            way("fulfilled")
                .untracked()
                .tracked()
                .catch(|_| Ok::<_, ()>(""));
            ruler(&log, 1);
        })
        .assert(["1"]);
    }
}

static CONTEXT: AsyncLocalStorage<&str> = AsyncLocalStorage::new();

/// The report of a rejection runs in the context in which the promise was created.
#[test]
fn it_keeps_the_context_of_its_creation() {
    type Way = fn() -> Promise<Result<(), &'static str>>;
    let ways: [Way; 2] = [
        || spawn(async { Err("reason") }),
        || promise::ready(Err("reason")),
    ];
    for way in ways {
        trace(move |log| {
            on_unhandled_rejection(move |_| log.add(format_args!("{:?}", CONTEXT.get())));
            let promise = CONTEXT.run("inner", way);
            CONTEXT.run("outer", || promise.tracked());
        })
        .assert(["Some(\"inner\")"]);
    }
}

/// A promise that was polled once is ready in its second poll, also if it was marked meanwhile.
#[test]
fn marking_a_polled_promise_costs_no_turn() {
    assert_both(
        |log, mut promise| {
            let mut has_marked = false;
            spawn(poll_fn(move |cx| {
                let poll = poll_with(&mut promise, cx);
                log.add(format_args!("{poll:?}"));
                if !std::mem::replace(&mut has_marked, true) {
                    promise.mark_handled();
                }
                poll.map(drop)
            }))
            .detach();
        },
        &["Pending", "Ready(\"value\")"],
    );
}
