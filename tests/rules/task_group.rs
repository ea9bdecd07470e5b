//! Groups of tasks: the order and the turns of their results, aborting, and what is reported.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use futures::stream::FusedStream;
use futures::{FutureExt, Stream, StreamExt};

use crate::common::{
    Log, block_on, ms, then_ruler as ruler, throw, trace, trace_with_leftovers, virtual_loop,
};
use nodeloop::promise::{PromiseError, ready, with_resolver};
use nodeloop::task_group::TaskId;
use nodeloop::time::sleep;
use nodeloop::{BlockedOn, TaskGroup, on_unhandled_rejection, queue_microtask, spawn};

/// A task that takes some turns, and logs its begin and its end, also if it is aborted.
async fn task(log: Log, name: &'static str, turns: usize) -> &'static str {
    let mut guard = LogsItsEnd(log, name, false);
    guard.0.add(format_args!("{name} begins"));
    for _ in 0..turns {
        ready(()).await;
    }
    guard.2 = true;
    name
}

struct LogsItsEnd(Log, &'static str, bool);

impl Drop for LogsItsEnd {
    fn drop(&mut self) {
        let verb = if self.2 { "ends" } else { "is dropped" };
        self.0.add(format_args!("{} {verb}", self.1));
    }
}

/// A task that logs its end after a while.
fn sleeper(
    log: Log,
    name: &'static str,
    after_ms: u64,
) -> impl Future<Output = &'static str> + 'static {
    let guard = LogsItsEnd(log, name, false);
    async move {
        let mut guard = guard; // all of it, not the copy of a field
        sleep(ms(after_ms)).await;
        guard.2 = true;
        name
    }
}

fn describe(result: Option<Result<&'static str, PromiseError>>) -> String {
    match result {
        Some(Ok(name)) => format!("joined {name}"),
        Some(Err(error)) => format!("joined {error:?}"),
        None => "joined none".into(),
    }
}

async fn join_each(log: Log, mut group: TaskGroup<&'static str>, count: usize) {
    for _ in 0..count {
        log.add(describe(group.join_next().await));
    }
}

fn log_unhandled(log: &Log) {
    let log = log.clone();
    on_unhandled_rejection(move |rejection| log.add(rejection.reason_text()));
}

/// R45, probe 300-task-group.js.
#[test]
fn each_result_costs_one_turn_in_the_order_of_the_ends() {
    let log = trace(|log| {
        ruler(&log, 8);
        let mut group = TaskGroup::new();
        group.spawn(task(log.clone(), "a", 5));
        group.spawn(task(log.clone(), "b", 2));
        group.spawn(task(log.clone(), "c", 2));
        group.spawn(task(log.clone(), "d", 0));
        spawn(join_each(log.clone(), group, 4)).detach();
        log.add("main ends");
    });
    log.assert([
        "a begins",
        "b begins",
        "c begins",
        "d begins",
        "d ends",
        "main ends",
        "1",
        "joined d",
        "2",
        "b ends",
        "c ends",
        "3",
        "joined b",
        "4",
        "joined c",
        "5",
        "a ends",
        "6",
        "joined a",
        "7",
        "8",
    ]);
}

/// A group of one task costs what awaiting its promise costs (R45).
#[test]
fn joining_costs_what_awaiting_the_promise_costs() {
    let log = trace(|log| {
        let promise = spawn(task(log.clone(), "of the promise", 1));
        let awaited = log.clone();
        spawn(async move {
            promise.await;
            awaited.add("awaited");
        })
        .detach();
        let mut group = TaskGroup::new();
        group.spawn(task(log.clone(), "of the group", 1));
        spawn(join_each(log.clone(), group, 2)).detach();
        ruler(&log, 3);
    });
    log.assert([
        "of the promise begins",
        "of the group begins",
        "of the promise ends",
        "of the group ends",
        "1",
        "awaited",
        "joined of the group",
        "joined none", // without a turn
        "2",
        "3",
    ]);
}

#[test]
fn a_lazy_task_is_polled_in_a_microtask() {
    let log = trace(|log| {
        let mut group = TaskGroup::new();
        group.spawn_lazy(task(log.clone(), "lazy", 0));
        group.spawn(task(log.clone(), "eager", 0));
        log.add(format_args!("{} tasks", group.len()));
        spawn(join_each(log.clone(), group, 3)).detach();
    });
    log.assert([
        "eager begins",
        "eager ends",
        "2 tasks",
        "lazy begins",
        "lazy ends",
        "joined eager",
        "joined lazy",
        "joined none",
    ]);
}

#[test]
fn join_all_costs_one_turn_after_the_last_end() {
    let log = trace(|log| {
        ruler(&log, 5);
        let mut group = TaskGroup::new();
        for (name, turns) in [("a", 3), ("b", 1), ("c", 3), ("d", 0)] {
            group.spawn(task(log.clone(), name, turns));
        }
        let joined = log.clone();
        spawn(async move {
            let values = group.join_all().await;
            joined.add(format_args!("{:?}", values.unwrap()));
        })
        .detach();
        let logs = log.clone();
        let empty: TaskGroup<()> = TaskGroup::new();
        spawn(async move { logs.add(format_args!("{:?}", empty.join_all().await.unwrap())) })
            .detach();
    });
    log.assert([
        "a begins",
        "b begins",
        "c begins",
        "d begins",
        "d ends",
        "[]",
        "1",
        "b ends",
        "2",
        "3",
        "a ends",
        "c ends",
        "4",
        r#"["d", "b", "a", "c"]"#,
        "5",
    ]);
}

#[test]
fn join_all_returns_the_first_failure_and_aborts_the_others() {
    let log = trace(|log| {
        let mut group = TaskGroup::new();
        group.spawn(sleeper(log.clone(), "slow", 100));
        group.spawn(async {
            sleep(ms(10)).await;
            throw("a defect")
        });
        spawn(async move { log.add(format_args!("{:?}", group.join_all().await)) }).detach();
    });
    log.assert([r#"Err(Panicked("a defect"))"#, "slow is dropped"]);
}

/// Each task drops its future in a microtask, in the order of spawning.
#[test]
fn dropping_the_group_aborts_its_tasks() {
    let log = trace(|log| {
        let mut group = TaskGroup::new();
        group.spawn(sleeper(log.clone(), "a", 10));
        group.spawn_lazy(sleeper(log.clone(), "b", 10));
        group.spawn(sleeper(log.clone(), "c", 10));
        queue_microtask(log.callback("microtask"));
        drop(group);
        log.add("dropped");
    });
    // The first poll of b was queued before the wakes.
    log.assert([
        "dropped",
        "b is dropped",
        "microtask",
        "a is dropped",
        "c is dropped",
    ]);
}

#[test]
fn abort_all_keeps_the_tasks_in_the_group() {
    let log = trace(|log| {
        let mut group = TaskGroup::new();
        group.spawn(task(log.clone(), "a", 0));
        group.spawn(sleeper(log.clone(), "b", 10));
        let c = group.spawn(sleeper(log.clone(), "c", 10));
        group.abort_all();
        group.abort_all(); // no effect
        assert!(group.abort(c) && group.len() == 3);
        spawn(join_each(log.clone(), group, 4)).detach();
    });
    log.assert([
        "a begins",
        "a ends",
        "b is dropped",
        "c is dropped",
        "joined a",
        "joined Aborted",
        "joined Aborted",
        "joined none",
    ]);
}

#[test]
fn one_task_is_aborted_by_its_id() {
    let log = trace(|log| {
        spawn(async move {
            let mut group = TaskGroup::new();
            let ids: [TaskId; 2] =
                ["a", "b"].map(|name| group.spawn(sleeper(log.clone(), name, 10)));
            assert!(ids[0] < ids[1] && group.abort(ids[0]));
            let (id, result) = group.join_next_with_id().await.unwrap();
            assert!(id == ids[0] && result.unwrap_err().is_aborted());
            assert!(!group.abort(ids[0]), "it has ended");
            let (id, result) = group.join_next_with_id().await.unwrap();
            assert_eq!((id, result.unwrap()), (ids[1], "b"));
            assert!(group.try_join_next_with_id().is_none());
        })
        .detach();
    });
    log.assert(["a is dropped", "b ends"]);
}

#[test]
fn shutdown_waits_until_all_futures_are_dropped() {
    let log = trace(|log| {
        let mut group = TaskGroup::new();
        group.spawn(task(log.clone(), "a", 0));
        group.spawn(sleeper(log.clone(), "b", 10));
        group.spawn_lazy(sleeper(log.clone(), "c", 10));
        spawn(async move {
            group.shutdown().await;
            log.add(format_args!("{} tasks", group.len()));
            group.spawn(task(log.clone(), "d", 0));
            log.add(describe(group.join_next().await));
            group.shutdown().await; // at once
            log.add("over");
        })
        .detach();
    });
    log.assert([
        "a begins",
        "a ends",
        "c is dropped",
        "b is dropped",
        "0 tasks",
        "d begins",
        "d ends",
        "joined d",
        "over",
    ]);
}

#[test]
fn detached_tasks_continue() {
    let log = trace(|log| {
        log_unhandled(&log);
        let mut group = TaskGroup::new();
        group.spawn(task(log.clone(), "a", 0));
        group.spawn(sleeper(log.clone(), "b", 10));
        group.spawn(async {
            sleep(ms(20)).await;
            throw("detached")
        });
        group.detach_all();
        assert!(group.is_empty());
        drop(group);
    });
    log.assert(["a begins", "a ends", "b ends", "panic: detached"]);
}

/// Detaching wakes the code that waits; a task that is spawned meanwhile is waited for.
#[test]
fn detaching_ends_the_wait() {
    let log = trace(|log| {
        spawn(async move {
            let mut group = TaskGroup::new();
            group.spawn(sleeper(log.clone(), "a", 10));
            assert!(group.next().now_or_never().is_none());
            group.detach_all();
            group.spawn(sleeper(log.clone(), "b", 20));
            log.add(describe(group.next().await));
            log.add(describe(group.next().await));
        })
        .detach();
    });
    log.assert(["a ends", "b ends", "joined b", "joined none"]);
}

/// The group returns the panic of a task, so it is not reported, however late it is joined.
#[test]
fn a_panic_is_a_result() {
    let log = trace(|log| {
        log_unhandled(&log);
        let mut group = TaskGroup::new();
        group.spawn(async { throw("a defect") });
        spawn(async move {
            sleep(ms(10)).await;
            let error = group.join_next().await.unwrap().unwrap_err();
            let PromiseError::Panicked(payload) = error else {
                panic!("{error}");
            };
            log.add(payload.message());
        })
        .detach();
    });
    log.assert(["a defect"]);
}

#[test]
fn a_panic_that_nobody_has_joined_is_reported() {
    let log = trace(|log| {
        log_unhandled(&log);
        let group_with = |text: &'static str| {
            let mut group = TaskGroup::<()>::new();
            group.spawn(async move { throw(text) });
            group.spawn(async { throw("second") });
            group
        };
        drop(group_with("dropped"));
        group_with("detached").detach_all();
        spawn(async move {
            let mut group = group_with("shut down");
            group.shutdown().await;
        })
        .detach();
        let mut joined = group_with("joined");
        assert!(joined.try_join_next().is_some() && joined.try_join_next().is_some());
    });
    log.assert([
        "panic: dropped",
        "panic: second",
        "panic: detached",
        "panic: second",
        "panic: shut down",
        "panic: second",
    ]);
}

/// A future that was dropped while it waited has taken nothing, and the next call costs its turn.
#[test]
fn joining_is_cancel_safe() {
    let log = trace(|log| {
        ruler(&log, 5);
        spawn(async move {
            let mut group = TaskGroup::new();
            group.spawn(task(log.clone(), "a", 1));
            assert!(group.join_next().now_or_never().is_none());
            ready(()).await;
            ready(()).await;
            assert!(
                group.join_next().now_or_never().is_none(),
                "a has ended, but no turn has passed"
            );
            log.add("dropped twice");
            log.add(describe(group.join_next().await));
        })
        .detach();
    });
    log.assert([
        "a begins",
        "1",
        "a ends",
        "2",
        "dropped twice",
        "3",
        "joined a",
        "4",
        "5",
    ]);
}

#[test]
fn a_future_that_has_returned_refuses_to_be_polled() {
    let result = virtual_loop().block_on(async {
        let mut group = TaskGroup::new();
        group.spawn(async {});
        let mut next = pin!(group.join_next());
        assert!(next.as_mut().await.is_some());
        next.await;
    });
    let error = result.unwrap_err().to_string();
    assert!(error.contains("call `join_next` again"), "{error}");
}

/// A task is identified by its id until it is joined, and aborted by a handle until it has ended.
#[test]
fn a_group_reports_what_is_left() {
    nodeloop::test::run(async |_| {
        let mut group = TaskGroup::new();
        assert!(group.is_terminated());
        let waiting = group.spawn(pending::<u32>());
        let ended = group.spawn(async { 2 });
        assert_eq!(group.size_hint(), (2, Some(2)));
        assert!(!group.is_terminated());
        assert!(group.abort_handle(ended).is_none());
        let (id, result) = group.try_join_next_with_id().expect("one has ended");
        assert_eq!((id, result.unwrap()), (ended, 2));
        assert!(group.try_join_next_with_id().is_none());
        let handle = group.abort_handle(waiting).expect("it is running");
        assert!(!handle.is_finished());
        handle.abort();
        assert!(group.join_next().await.unwrap().unwrap_err().is_aborted());
        assert!(handle.is_finished());
        assert_eq!(group.size_hint(), (0, Some(0)));
        assert!(group.is_terminated());
    });
}

#[test]
fn jobs_of_the_pool_are_members() {
    let mut group = TaskGroup::new();
    let sum = block_on(async move {
        for n in 1..=10 {
            group.spawn_blocking(move || n);
        }
        group.join_all().await.unwrap().into_iter().sum::<u32>()
    });
    assert_eq!(sum, 55);
}

/// `why_alive` names the group that a task waits for.
#[test]
fn a_report_names_the_group() {
    let log = trace_with_leftovers(|log| {
        let line = line!();
        let mut group = TaskGroup::new();
        group.spawn(pending::<()>());
        spawn(async move { drop(group.join_next().await) }).detach();
        let report = nodeloop::why_alive();
        for task in report.tasks() {
            for wait in task.blocked_on() {
                let BlockedOn::Promise {
                    location,
                    out_of_reach,
                } = wait
                else {
                    panic!("{wait:?}");
                };
                // A group has no resolvers.
                log.add(format_args!("{} {out_of_reach}", location.line() - line));
            }
        }
    });
    log.assert(["1 false"]);
}

/// The end of the loop cancels the tasks; the group, which outlives it, returns that.
#[test]
fn a_group_outlives_its_loop() {
    let mut group = TaskGroup::new();
    let log = Log::new();
    let owned = log.clone();
    let mut event_loop = virtual_loop();
    group = event_loop
        .block_on(async move {
            group.spawn(async move {
                let _guard = LogsItsEnd(owned, "a", false);
                pending::<()>().await;
            });
            group.spawn(async { throw("a defect") });
            group
        })
        .unwrap();
    drop(event_loop);
    log.assert(["a is dropped"]);
    let results: Vec<_> = std::iter::from_fn(|| group.try_join_next()).collect();
    assert_eq!(
        format!("{results:?}"),
        r#"[Err(Panicked("a defect")), Err(Aborted)]"#
    );
}

#[test]
fn futures_are_collected_and_added() {
    nodeloop::test::run(async |t| {
        let log = t.log();
        let task = |name: &'static str| {
            let log = log.clone();
            async move {
                log.add(name);
                name
            }
        };
        let mut group: TaskGroup<_> = ["a", "b"].map(task).into_iter().collect();
        group.extend(Some(task("c")));
        log.add("extended");
        log.assert_order(["a", "b", "c", "extended"]);
        assert_eq!(group.join_all().await.unwrap(), ["a", "b", "c"]);
    });
}

/// The time is linear: each task is visited once when it ends, once when it is joined, and once when
/// all are aborted.
#[test]
fn a_hundred_thousand_tasks() {
    const COUNT: usize = 100_000;
    let polls = Rc::new(Cell::new(0_usize));
    let counted = polls.clone();
    let joined = virtual_loop().block_on(async move {
        let mut group = TaskGroup::new();
        for n in 0..COUNT {
            let (promise, resolver) = with_resolver();
            queue_microtask(move || resolver.resolve(n));
            group.spawn(promise);
        }
        let all = poll_fn(|cx| {
            counted.set(counted.get() + 1);
            loop {
                match group.poll_join_next(cx) {
                    Poll::Ready(Some(result)) => drop(result.unwrap()),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        all.await;
        for _ in 0..COUNT {
            group.spawn(pending());
        }
        group.abort_all();
        let mut aborted = 0;
        while let Some(result) = group.join_next().await {
            aborted += usize::from(result.is_err_and(|error| error.is_aborted()));
        }
        aborted
    });
    assert_eq!(joined.unwrap(), COUNT);
    assert!(polls.get() <= COUNT + 2, "{} polls", polls.get());
}
