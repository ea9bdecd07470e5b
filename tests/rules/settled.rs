//! The future of `promise.settled()`: what aborts a promise, and that an abort is an error.

use std::future::pending;
use std::rc::Rc;

use futures::future::FusedFuture;

use crate::common::{ms, throw, trace};
use crate::promise_api::SaysBye;
use nodeloop::promise::{PromiseError, Rejected, try_with_resolver, with_resolver};
use nodeloop::time::sleep;
use nodeloop::{AbortController, queue_microtask, set_immediate, set_timeout, spawn, try_spawn};

/// The handle aborts the promise that a task awaits, and the task receives an `Err`.
#[test]
fn an_abort_handle_aborts_what_another_task_awaits() {
    trace(|log| {
        let guard = SaysBye(log.clone(), "the task");
        let task = spawn(async move {
            let _guard = guard;
            pending::<()>().await
        })
        .settled();
        let (handle, other) = (task.abort_handle(), task.abort_handle());
        set_immediate(move || {
            handle.clone().abort();
            log.add(format_args!("finished: {}", handle.is_finished()));
            spawn(async move {
                log.add(format_args!("{:?}", task.await));
                log.add(format_args!("finished: {}", other.is_finished()));
                other.abort(); // does nothing
            })
            .detach();
        });
    })
    .assert([
        "finished: false",
        "the task is dropped",
        "Err(Aborted)",
        "finished: true",
    ]);
}

/// A handle keeps neither the promise nor its output.
#[test]
fn an_abort_handle_owns_nothing() {
    trace(|log| {
        let value = Rc::new(());
        let task = spawn(std::future::ready(value.clone())).settled();
        let handle = task.abort_handle();
        assert_eq!(Rc::strong_count(&value), 2);
        drop(task);
        assert_eq!(Rc::strong_count(&value), 1);
        assert!(handle.is_finished());
        let settled = spawn(async {}).settled();
        assert!(settled.abort_handle().is_finished());
        handle.abort();
        log.add(format_args!("{handle:?}"));
    })
    .assert(["AbortHandle { is_finished: true, .. }"]);
}

/// Only dropping the future aborts; an await that has ended and `detach` do not.
#[test]
fn a_promise_can_be_aborted_when_it_is_dropped() {
    trace(|log| {
        let task = |name| {
            let (line, guard) = (log.clone(), SaysBye(log.clone(), name));
            spawn(async move {
                let _guard = guard;
                sleep(ms(5)).await;
                line.add(format_args!("{} has slept", _guard.1));
            })
            .settled()
            .abort_on_drop()
        };
        let (dropped, awaited, detached) = (task("dropped"), task("awaited"), task("detached"));
        drop(dropped);
        detached.detach();
        spawn(async move { awaited.await.unwrap() }).detach();
    })
    .assert([
        "dropped is dropped",
        "awaited has slept",
        "awaited is dropped",
        "detached has slept",
        "detached is dropped",
    ]);
}

/// Each kind of promise: its abort is an `Err`, one turn later at the latest.
#[test]
fn every_kind_of_promise_is_aborted_as_an_error() {
    trace(|log| {
        let (by_resolver, _resolver) = with_resolver::<u8>();
        let (fallible, _resolvers) = try_with_resolver::<u8, String>();
        let (plain, fallible) = (by_resolver.settled(), fallible.settled());
        let shared = spawn(pending::<u8>()).shared();
        let (mapped, derived) = (
            shared.clone().settled(),
            shared.then(|value| value).settled(),
        );
        plain.abort();
        fallible.abort();
        mapped.abort();
        spawn(async move {
            log.add(format_args!("{:?}", plain.await));
            log.add(format_args!("{:?}", fallible.await));
            log.add(format_args!("{:?}", mapped.await));
            log.add(format_args!("{:?}", derived.await)); // its source has no value
        })
        .detach();
    })
    .assert(["Err(Aborted)"; 4]);
}

#[test]
fn a_nested_result_can_be_flattened() {
    trace(|log| {
        let fulfilled = try_spawn(async { Ok::<_, String>(7) }).settled();
        let rejected = try_spawn(async { Err::<u8, _>("no".to_owned()) }).settled();
        let panicked = try_spawn(async { throw("oh") as Result<u8, String> }).settled();
        let aborted = try_spawn(pending::<Result<u8, String>>()).settled();
        aborted.abort();
        spawn(async move {
            assert!(matches!(fulfilled.flatten().await, Ok(7)));
            assert!(
                matches!(rejected.flatten().await, Err(Rejected::Error(error)) if error == "no")
            );
            assert!(matches!(
                panicked.flatten().await,
                Err(Rejected::Failed(PromiseError::Panicked(_)))
            ));
            assert!(matches!(
                aborted.flatten().await,
                Err(Rejected::Failed(PromiseError::Aborted))
            ));
            log.add("all four");
        })
        .detach();
    })
    .assert(["all four"]);
}

/// A signal aborts a promise whose awaiter receives an `Err`, and is not awaited at all.
#[test]
fn a_signal_aborts_what_is_awaited_or_detached() {
    trace(|log| {
        let controller = AbortController::new();
        let signal = controller.signal();
        let sleeper = |name| {
            let guard = SaysBye(log.clone(), name);
            spawn(async move {
                let _guard = guard;
                sleep(ms(1000)).await;
            })
        };
        sleeper("detached").settled().abort_on(&signal).detach();
        let awaited = sleeper("awaited").settled().abort_on(&signal);
        let line = log.clone();
        spawn(async move { line.add(format_args!("{:?}", awaited.await)) }).detach();
        set_timeout(ms(1), move || controller.abort());
    })
    .assert(["detached is dropped", "awaited is dropped", "Err(Aborted)"]);
}

/// For `select!` in a loop: a future whose outcome was taken is terminated.
#[test]
fn a_settled_future_is_fused() {
    trace(|log| {
        let mut task = spawn(std::future::ready(1)).settled();
        assert!(!task.is_terminated());
        spawn(async move {
            assert_eq!((&mut task).await.unwrap(), 1);
            assert!(task.is_terminated());
            queue_microtask(log.callback("terminated"));
        })
        .detach();
    })
    .assert(["terminated"]);
}
