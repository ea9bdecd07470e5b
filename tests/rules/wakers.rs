//! The wakers of tasks: a waker is lent to one poll after another, also of different tasks, until a poll
//! clones it.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::common::limit::limit;
use crate::common::{Log, real_loop, throw, trace, trace_with_leftovers};
use nodeloop::promise::{all, resolve, try_with_resolver, with_resolver};
use nodeloop::{
    EventLoop, TryPromise, exit, on_unhandled_rejection, queue_microtask, set_immediate, spawn,
    spawn_lazy, why_alive,
};

/// Returns a clone of the waker of a task that ends in its first poll.
fn waker_of_an_ended_task() -> Waker {
    let kept = Rc::new(RefCell::new(None));
    let waker = kept.clone();
    spawn(poll_fn(move |cx| {
        waker.replace(Some(cx.waker().clone()));
        Poll::Ready(())
    }))
    .detach();
    kept.take().expect("the first poll is at once")
}

/// Spawns a task that logs each poll and never ends.
fn spawn_pending(log: &Log, line: &'static str) {
    let log = log.clone();
    spawn(poll_fn(move |_| -> Poll<()> {
        log.add(line);
        Poll::Pending
    }))
    .detach();
}

#[test]
fn the_waker_of_an_ended_task_wakes_no_other_task() {
    trace_with_leftovers(|log| {
        let waker = waker_of_an_ended_task();
        spawn_pending(&log, "polled"); // takes its place in the list
        waker.wake_by_ref();
        set_immediate(move || {
            waker.wake();
            queue_microtask(log.callback("microtask"));
        });
    })
    .assert(["polled", "microtask"]);
}

#[test]
fn a_wake_from_another_thread_of_an_ended_task_wakes_no_other_task() {
    let _limit = limit();
    let log = Log::new();
    let lines = log.clone();
    real_loop()
        .run(async move {
            let waker = waker_of_an_ended_task();
            spawn_pending(&lines, "polled");
            let other = waker.clone();
            thread::spawn(move || other.wake()).join().unwrap();
            let (promise, resolver) = with_resolver();
            set_immediate(move || {
                thread::spawn(move || waker.wake()).join().unwrap();
                set_immediate(move || resolver.resolve(()));
            });
            promise.await;
        })
        .unwrap();
    log.assert(["polled"]);
}

/// Each of the tasks keeps a clone of its waker, in a poll within a poll of another one.
#[test]
fn tasks_within_tasks_have_wakers_of_their_own() {
    trace_with_leftovers(|log| {
        let wakers = Rc::new(RefCell::new(Vec::new()));
        fn nested(depth: usize, log: &Log, wakers: &Rc<RefCell<Vec<Waker>>>) {
            let (log, wakers) = (log.clone(), wakers.clone());
            let mut is_first = true;
            spawn(poll_fn(move |cx| -> Poll<()> {
                if !std::mem::take(&mut is_first) {
                    log.add(depth);
                    return Poll::Pending;
                }
                if depth < 3 {
                    nested(depth + 1, &log, &wakers);
                }
                wakers.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }))
            .detach();
        }
        nested(0, &log, &wakers);
        set_immediate(move || wakers.take().into_iter().for_each(Waker::wake));
    })
    .assert(["3", "2", "1", "0"]);
}

/// A clone that is dropped lets the loop lend the waker again; one that is kept does not.
#[test]
fn a_clone_of_a_waker_wakes_its_task_after_polls_of_others() {
    trace_with_leftovers(|log| {
        let kept = Rc::new(RefCell::new(None));
        let (waker, line) = (kept.clone(), log.clone());
        spawn(poll_fn(move |cx| -> Poll<()> {
            line.add("first");
            drop(cx.waker().clone());
            waker.borrow_mut().get_or_insert_with(|| cx.waker().clone());
            Poll::Pending
        }))
        .detach();
        for _ in 0..3 {
            spawn_pending(&log, "other");
        }
        set_immediate(move || kept.take().expect("a waker").wake());
    })
    .assert(["first", "other", "other", "other", "first"]);
}

/// A wake that is on its way from another thread is the only one: a wake of the loop's own thread has no
/// effect until it has arrived.
#[test]
fn a_task_whose_wake_is_on_its_way_is_queued_once() {
    let _limit = limit();
    let log = Log::new();
    let lines = log.clone();
    real_loop()
        .run(async move {
            let kept = Rc::new(RefCell::new(None));
            let (waker, line) = (kept.clone(), lines.clone());
            spawn(poll_fn(move |cx| -> Poll<()> {
                line.add("polled");
                waker.replace(Some(cx.waker().clone()));
                Poll::Pending
            }))
            .detach();
            let (promise, resolver) = with_resolver();
            set_immediate(move || {
                let waker = kept.take().expect("a waker");
                let other = waker.clone();
                thread::spawn(move || other.wake()).join().unwrap();
                waker.wake();
                queue_microtask(lines.callback("microtask"));
                set_immediate(move || {
                    set_immediate(move || resolver.resolve(()));
                });
            });
            promise.await;
        })
        .unwrap();
    log.assert(["polled", "microtask", "polled"]);
}

/// A report in the task that is polled neither wakes it nor keeps it from being woken.
#[test]
fn a_report_of_the_task_that_is_polled_changes_no_wake() {
    trace(|log| {
        let (promise, resolver) = with_resolver();
        let mut promise = Some(promise);
        let line = log.clone();
        let mut polls = 0;
        spawn(poll_fn(move |cx| {
            polls += 1;
            line.add(format!("poll {polls}, {} tasks", why_alive().tasks().len()));
            if polls == 1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let waker = cx.waker().clone();
            if let Some(promise) = promise.take() {
                spawn(async move {
                    promise.await;
                    waker.wake();
                })
                .detach();
                return Poll::Pending;
            }
            Poll::Ready(())
        }))
        .detach();
        set_immediate(move || resolver.resolve(()));
    })
    .assert(["poll 1, 0 tasks", "poll 2, 1 tasks", "poll 3, 1 tasks"]);
}

/// A task may poll a promise with the waker of another task, as a combinator of futures does.
#[test]
fn a_promise_wakes_the_task_with_whose_waker_it_was_polled() {
    trace(|log| {
        let (waker, own) = (Rc::new(RefCell::new(None)), Rc::new(RefCell::new(None)));
        let (promise, resolver) = with_resolver();
        let (lent, lines, mut polls) = (waker.clone(), log.clone(), 0);
        spawn(poll_fn(move |cx| {
            polls += 1;
            lines.add(format_args!("poll {polls}"));
            lent.replace(Some(cx.waker().clone()));
            if polls == 2 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
        .detach();
        own.replace(Some(promise)); // is not dropped with the task that polls it
        let polled = own.clone();
        spawn(poll_fn(move |cx| {
            let waker: Waker = waker.take().expect("the other task has been polled");
            assert!(!waker.will_wake(cx.waker()));
            let mut promise = polled.borrow_mut();
            let promise = promise.as_mut().expect("it is kept");
            let poll = Pin::new(promise).poll(&mut Context::from_waker(&waker));
            assert!(poll.is_pending());
            log.add("polled");
            Poll::Ready(())
        }))
        .detach();
        set_immediate(move || {
            resolver.resolve(());
            set_immediate(move || drop(own));
        });
    })
    .assert(["poll 1", "polled", "poll 2"]);
}

/// Between two polls the loop must not remember the waker of a task: that of a task that is spawned later may
/// take its place in memory.
#[test]
fn a_promise_that_is_polled_between_polls_wakes_the_task_of_the_waker() {
    trace(|log| {
        let first = Rc::new(RefCell::new(None));
        let clone = first.clone();
        spawn_lazy(poll_fn(move |cx| {
            clone.replace(Some(cx.waker().clone()));
            Poll::Ready(())
        }))
        .detach();
        queue_microtask(move || {
            drop(first.take()); // its last owner
            let kept = Rc::new(RefCell::new(None));
            let (waker, mut polls) = (kept.clone(), 0);
            let size = [0_u8; 200]; // so that the future does not take that place
            spawn(poll_fn(move |cx| {
                let _ = &size;
                polls += 1;
                log.add(format_args!("poll {polls}"));
                waker.replace(Some(cx.waker().clone()));
                if polls < 2 {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            }))
            .detach();
            let waker: Waker = kept.take().expect("the task has been polled");
            let (mut promise, resolver) = with_resolver();
            let poll = Pin::new(&mut promise).poll(&mut Context::from_waker(&waker));
            assert!(poll.is_pending());
            set_immediate(move || {
                resolver.resolve(());
                set_immediate(move || drop(promise));
            });
        });
    })
    .assert(["poll 1", "poll 2"]);
}

struct Logs(Log, &'static str);

impl Drop for Logs {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

/// The end of a run drops what the members of a combinator have, whether or not they have settled.
#[test]
fn the_end_of_a_run_drops_the_members_of_a_combinator() {
    let _limit = limit();
    let log = Log::new();
    let lines = log.clone();
    let run = EventLoop::builder()
        .virtual_time()
        .build()
        .unwrap()
        .run(async move {
            let (first, resolver) = with_resolver();
            let (second, _never) = with_resolver::<Logs>();
            let values = all([first, second]);
            resolver.resolve(Logs(lines.clone(), "value"));
            set_immediate(|| exit(0));
            drop(values);
            pending::<()>().await;
        });
    assert!(run.is_err(), "{run:?}");
    log.assert(["value"]);
}

/// A panic of a value that a combinator drops is reported as a rejection that no code handles.
#[test]
fn a_panic_of_a_value_that_a_combinator_drops_is_reported() {
    struct Panics(Rc<Cell<bool>>);
    impl Drop for Panics {
        fn drop(&mut self) {
            if self.0.take() {
                throw("dropped");
            }
        }
    }
    trace(|log| {
        let line = log.clone();
        on_unhandled_rejection(move |rejection| line.add(rejection.reason_text()));
        let value = Panics(Rc::new(Cell::new(true)));
        let (rejected, resolver) = try_with_resolver();
        let members: [TryPromise<Panics, &str>; 2] = [resolve(value), rejected];
        let values = all(members);
        resolver.reject("no");
        let line = log.clone();
        spawn(async move { line.add(values.await.is_err()) }).detach();
    })
    .assert(["true", "panic: dropped"]);
}
