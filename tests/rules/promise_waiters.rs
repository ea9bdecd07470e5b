//! Waiters of a promise that are dropped, move to another task, or abort themselves: R13 for cases
//! that do not exist in JavaScript.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, Waker};

use futures::future::FusedFuture;

use crate::common::limit::default_limit;
use crate::common::{Later, Log, ms, tag, throw, trace, trace_with_leftovers};
use nodeloop::promise::{PromiseError, Settled, ready, resolve, try_with_resolver, with_resolver};
use nodeloop::time::sleep;
use nodeloop::{
    BlockedOn, EventLoop, RunError, StuckPolicy, queue_microtask, set_immediate, spawn,
    spawn_blocking, spawn_lazy, yield_now,
};

/// Polls once and drops the future.
async fn poll_once(mut future: Pin<&mut impl Future<Output = ()>>) {
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Polls `future` once in a task that then ends, and afterwards spawns a task that is never woken.
fn outlive_its_waiter(log: &Log, future: impl Future<Output = ()> + Unpin + 'static) {
    let future = Rc::new(RefCell::new(future)); // longer than the task that polls it
    let waiter = future.clone();
    spawn(async move {
        ready(()).await; // from its second poll on, the loop knows the task by its place in a list
        poll_once(pin!(poll_fn(|cx| {
            Pin::new(&mut *waiter.borrow_mut()).poll(cx)
        })))
        .await;
    })
    .detach();
    let line = log.clone();
    queue_microtask(move || {
        let polled = move || {
            let _ = &future;
            line.add("polled");
        };
        spawn(poll_fn(move |_| -> Poll<()> {
            polled();
            Poll::Pending
        }))
        .detach();
    });
}

/// A promise whose waiter has ended does not wake the task that takes its place in the loop's list.
#[test]
fn a_promise_whose_waiter_has_ended_wakes_no_other_task() {
    trace_with_leftovers(|log| {
        let (promise, resolver) = with_resolver::<()>();
        outlive_its_waiter(&log, promise);
        set_immediate(move || {
            resolver.resolve(());
            queue_microtask(log.callback("microtask"));
        });
    })
    .assert(["polled", "microtask"]);
}

/// The same for the immediate of `yield_now`.
#[test]
fn an_immediate_whose_waiter_has_ended_wakes_no_other_task() {
    trace_with_leftovers(|log| {
        outlive_its_waiter(&log, yield_now());
        set_immediate(log.callback("immediate"));
    })
    .assert(["polled", "immediate"]);
}

/// A main future that awaits a task is not out of reach, because the loop does not know what wakes the task.
#[test]
fn a_main_future_that_awaits_a_task_can_be_woken() {
    let _limit = default_limit();
    for turns in 0..2 {
        let builder = EventLoop::builder().stuck_policy(StuckPolicy::Error);
        let main = async {
            for _ in 0..turns {
                ready(()).await; // from its second poll on, it is awaited by its key
            }
            spawn(pending::<()>()).await;
        };
        match builder.build().unwrap().run(main) {
            Err(RunError::Stuck(stuck)) => {
                let text = stuck.to_string();
                assert!(text.starts_with("the main future is pending and"), "{text}");
                assert!(text.contains("it waits for the promise created"), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A dropped waiter of a shared promise does not wake its task: the task would be queued as a microtask
/// too early.
#[test]
fn a_dropped_waiter_does_not_queue_its_task() {
    trace(|log| {
        let (first, resolve_first) = with_resolver::<()>();
        let (second, resolve_second) = with_resolver::<()>();
        let first = first.shared();
        let line = log.clone();
        spawn(async move {
            poll_once(pin!(first.clone())).await;
            second.await;
            line.add("task");
        })
        .detach();
        set_immediate(move || {
            resolve_first.resolve(());
            queue_microtask(log.callback("microtask"));
            resolve_second.resolve(());
        });
    })
    .assert(["microtask", "task"]);
}

/// Of several waiters, only the dropped one is removed.
#[test]
fn only_the_dropped_waiter_is_removed() {
    trace(|log| {
        let (promise, resolver) = with_resolver::<()>();
        let promise = promise.shared();
        promise.then(tag(&log, "a")).detach();
        let b = promise.then(tag(&log, "b")).settled();
        promise.then(tag(&log, "c")).detach();
        b.abort();
        set_immediate(move || resolver.resolve(()));
    })
    .assert(["a", "c"]);
}

/// The same for each place in the list, and for tasks that await the promise.
#[test]
fn each_waiter_can_be_dropped_alone() {
    for dropped in 0..4 {
        let log = trace(move |log| {
            let (promise, resolver) = with_resolver::<()>();
            let promise = promise.shared();
            let tasks = ["a", "b", "c", "d"].map(|name| {
                let (promise, log) = (promise.clone(), log.clone());
                let task = async move {
                    promise.await;
                    log.add(name);
                };
                spawn(task).settled()
            });
            tasks[dropped].abort();
            set_immediate(move || resolver.resolve(()));
        });
        let mut expected = vec!["a", "b", "c", "d"];
        expected.remove(dropped);
        assert_eq!(log.lines(), expected);
    }
}

/// A promise that was polled in one task and is awaited in another wakes the other.
#[test]
fn a_promise_that_moves_to_another_task_wakes_that_one() {
    trace(|log| {
        let (promise, resolver) = with_resolver::<()>();
        spawn(async move {
            let mut promise = promise;
            poll_once(Pin::new(&mut promise)).await;
            spawn(async move {
                promise.await;
                log.add("moved");
            })
            .detach();
        })
        .detach();
        set_immediate(move || resolver.resolve(()));
    })
    .assert(["moved"]);
}

/// The same for one waiter of several: the others keep their wakers and their places.
#[test]
fn one_waiter_of_several_may_move() {
    trace(|log| {
        let (promise, resolver) = with_resolver::<()>();
        let promise = promise.shared();
        promise.then(tag(&log, "a")).detach();
        let (mut moving, line) = (promise.clone(), log.clone());
        spawn(async move {
            poll_once(Pin::new(&mut moving)).await;
            spawn(async move {
                moving.await;
                line.add("moved");
            })
            .detach();
        })
        .detach();
        promise.then(tag(&log, "b")).detach();
        set_immediate(move || resolver.resolve(()));
    })
    .assert(["a", "moved", "b"]);
}

/// A task that aborts itself ends with the poll in which it does.
#[test]
fn a_task_that_aborts_itself_ends_at_its_next_wait() {
    trace(|log| {
        let (this, line) = (Later::<Settled<()>>::new(), log.clone());
        let itself = this.clone();
        this.set(
            spawn(async move {
                sleep(ms(1)).await;
                itself.get().abort();
                line.add(format_args!("finished {}", itself.get().is_finished()));
                let seen = itself.clone();
                queue_microtask(move || {
                    line.add(format_args!("finished {}", seen.get().is_finished()))
                });
                pending::<()>().await;
            })
            .settled(),
        );
    })
    .assert(["finished false", "finished true"]);
}

/// Spawns a task that logs its polls and its end, and is woken by the waker that it returns.
fn spawn_woken(log: &Log, name: &'static str) -> (Settled<()>, Rc<RefCell<Option<Waker>>>) {
    let (waker, end) = (Rc::new(RefCell::new(None)), Logs(log.clone(), name));
    let kept = waker.clone();
    let task = spawn(poll_fn(move |cx| -> Poll<()> {
        end.0.add(format_args!("{name} is polled"));
        kept.replace(Some(cx.waker().clone()));
        Poll::Pending
    }));
    (task.settled(), waker)
}

struct Logs(Log, &'static str);

impl Drop for Logs {
    fn drop(&mut self) {
        self.0.add(format_args!("{} is dropped", self.1));
    }
}

/// A task that is aborted between two polls ends in its next turn, whether or not it was queued before. A
/// second abort has no effect.
#[test]
fn a_task_that_is_aborted_ends_in_its_next_turn() {
    trace(|log| {
        let (idle, _) = spawn_woken(&log, "idle");
        let (queued, waker) = spawn_woken(&log, "queued");
        let waker: Waker = waker.take().expect("it was polled");
        waker.wake_by_ref();
        idle.abort();
        queued.abort();
        idle.abort();
        waker.wake();
        log.add("script");
        queue_microtask(log.callback("microtask"));
        spawn(async move {
            for task in [idle, queued] {
                assert!(matches!(task.await, Err(PromiseError::Aborted)));
            }
            log.add("both are aborted");
        })
        .detach();
    })
    .assert([
        "idle is polled",
        "queued is polled",
        "script",
        "queued is dropped",
        "idle is dropped",
        "microtask",
        "both are aborted",
    ]);
}

/// A task that is woken and then aborted in its own poll ends with that poll. One that has a value in that poll
/// has it.
#[test]
fn a_task_that_is_aborted_in_its_poll_ends_with_it() {
    trace(|log| {
        for is_ready in [false, true] {
            let (this, line) = (Later::<Settled<()>>::new(), log.clone());
            let (itself, end) = (this.clone(), Logs(log.clone(), "future"));
            let task = spawn_lazy(poll_fn(move |cx| {
                let _ = &end;
                queue_microtask(line.callback("microtask"));
                cx.waker().wake_by_ref();
                itself.get().abort();
                itself.get().abort();
                cx.waker().wake_by_ref();
                if is_ready {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }));
            let (seen, line) = (this.clone(), log.clone());
            this.set(task.settled());
            set_immediate(move || line.add(seen.get().is_finished()));
        }
    })
    .assert([
        "future is dropped",
        "future is dropped",
        "microtask",
        "microtask",
        "true",
        "true",
    ]);
}

/// The `Debug` output and state of a promise; marking it as handled suppresses the report.
#[test]
fn a_shared_promise_has_the_state_methods_of_an_unshared_one() {
    trace(|log| {
        let (plain, resolver) = with_resolver::<()>();
        let (fallible, resolvers) = try_with_resolver::<(), &str>();
        let (plain, fallible) = (plain.shared(), fallible.shared());
        assert!(!plain.is_finished() && !fallible.is_finished());
        resolver.resolve(());
        fallible.mark_handled(); // so nothing is reported
        resolvers.settle(Err("unhandled"));
        assert!(plain.is_finished() && fallible.is_finished());

        let panicking = spawn(async {
            if true {
                throw("unhandled, too")
            }
        })
        .shared();
        panicking.mark_handled();
        let alone = spawn(async {
            if true {
                throw("unhandled as well")
            }
        });
        alone.mark_handled();
        let aborted = spawn(pending::<()>()).settled();
        aborted.abort();
        spawn(async move {
            log.add(aborted.await.unwrap_err());
        })
        .detach();
    })
    .assert(["the promise was aborted, or its loop has ended"]);
}

#[test]
fn a_promise_error_reports_its_kind() {
    let what = |failure: PromiseError| (failure.is_panic(), failure.is_aborted());
    trace(move |log: Log| {
        let panicked = spawn(async {
            if true {
                throw("text")
            }
        });
        let aborted = spawn(pending::<()>()).settled();
        aborted.abort();
        spawn(async move {
            assert_eq!(ready(1).settled().await.unwrap(), 1);
            log.add(format_args!(
                "{:?}",
                what(panicked.settled().await.unwrap_err())
            ));
            log.add(format_args!("{:?}", what(aborted.await.unwrap_err())));
        })
        .detach();
    })
    .assert(["(true, false)", "(false, true)"]);
}

/// For `select!` in a loop: a promise whose value was taken is terminated.
#[test]
fn a_promise_whose_value_was_taken_is_terminated() {
    trace(|log| {
        let mut plain = ready(());
        let mut fallible = resolve::<(), &str>(());
        assert!(!plain.is_terminated() && !fallible.is_terminated());
        spawn(async move {
            (&mut plain).await;
            (&mut fallible).await.unwrap();
            assert!(plain.is_terminated() && fallible.is_terminated());
            log.add("both");
        })
        .detach();
    })
    .assert(["both"]);
}

/// Whether it is known that the promise of the only task never settles; `None` if the task waits for
/// something else.
fn is_out_of_reach() -> Option<bool> {
    let report = nodeloop::why_alive();
    let [task] = report.tasks() else {
        panic!("{report}");
    };
    match task.blocked_on() {
        [BlockedOn::Promise { out_of_reach, .. }] => Some(*out_of_reach),
        [BlockedOn::Resource(_)] => None,
        _ => panic!("{report}"),
    }
}

/// A promise can never settle if its resolvers were dropped, unless it follows another one.
#[test]
fn a_report_knows_what_can_never_settle() {
    trace_with_leftovers(|_| {
        let (promise, resolver) = with_resolver::<()>();
        let task = spawn(promise).settled();
        assert_eq!(is_out_of_reach(), Some(false));
        drop(resolver);
        assert_eq!(is_out_of_reach(), Some(true));
        task.abort();
        set_immediate(|| {
            let job = spawn(spawn_blocking(|| ()));
            assert_eq!(is_out_of_reach(), None);
            job.detach();
        });
    });
}
