//! Tasks that a macrotask wakes (R12, R13, R41). A loop without observers polls such a task without the
//! microtask queue if nothing else is queued. Each script runs in such a loop and in one with an observer,
//! which queues the task, and prints the same lines.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::thread;

use futures::channel::oneshot;
use futures::future::{Either, select};

use crate::common::limit::{default_limit, watch};
use crate::common::{Later, Log, log_uncaught, reason_of, throw};
use nodeloop::host::{MicrotaskSource, fail_callback, set_microtask_source};
use nodeloop::observe::{Event, EventContext};
use nodeloop::promise::{Settled, with_resolver};
use nodeloop::{
    AsyncLocalStorage, EventLoop, exit, next_tick, on_exit, on_unhandled_rejection,
    queue_microtask, set_immediate, spawn, yield_now,
};

/// Runs the script in both kinds of loop, and asserts what each prints.
#[track_caller]
fn assert_both<const N: usize>(script: impl Fn(Log) + Clone + 'static, expected: [&str; N]) {
    let _limit = default_limit();
    for kind in ["plain", "observed"] {
        let (log, mut event_loop) = (Log::new(), new_loop(kind));
        let (lines, script) = (log.clone(), script.clone());
        if let Err(error) = event_loop.run_script(move || script(lines)) {
            log.add(error);
        }
        drop(event_loop);
        assert_eq!(log.lines(), expected, "{kind}");
    }
}

fn new_loop(kind: &str) -> EventLoop {
    let builder = match kind {
        "plain" => EventLoop::builder(),
        _ => EventLoop::builder().observer(|_: &Event, _: &EventContext<'_>| {}),
    };
    let event_loop = builder.build().unwrap();
    watch(event_loop.handle());
    event_loop
}

/// Queues a tick, what `between` queues, and a microtask.
fn queue_both(log: &Log, between: impl FnOnce()) {
    next_tick(log.callback("tick"));
    between();
    queue_microtask(log.callback("microtask"));
}

/// Writes a line when it is dropped.
struct Dropped(Log);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add("dropped");
    }
}

/// R10: the task runs in the microtasks of its drain, so those that it queues precede its tick:
/// `391-microtasks-of-a-yield.js`.
#[test]
fn the_microtasks_of_a_woken_task_precede_its_ticks() {
    assert_both(
        |log| {
            let (promise, resolver) = with_resolver();
            let (line, other) = (log.clone(), log.clone());
            spawn(async move {
                yield_now().await;
                line.add("resumed");
                queue_both(&line, || resolver.resolve(()));
            })
            .detach();
            spawn(async move {
                promise.await;
                other.add("other");
            })
            .detach();
            set_immediate(log.callback("next"));
        },
        ["resumed", "other", "microtask", "tick", "next"],
    );
}

/// The same for a wake by another thread, which is a macrotask of the poll phase.
#[test]
fn the_microtasks_of_a_task_that_a_thread_has_woken_precede_its_ticks() {
    assert_both(
        |log| {
            let (sender, receiver) = oneshot::channel();
            spawn(async move {
                let keep_alive = nodeloop::keep_alive();
                receiver.await.unwrap();
                log.add("resumed");
                queue_both(&log, || drop(keep_alive));
                set_immediate(log.callback("immediate"));
            })
            .detach();
            set_immediate(move || drop(thread::spawn(|| sender.send(()))));
        },
        ["resumed", "microtask", "tick", "immediate"],
    );
}

/// The same for the jobs of an engine.
#[test]
fn the_jobs_of_a_woken_task_precede_its_ticks() {
    type Jobs = Rc<RefCell<Vec<Box<dyn FnOnce()>>>>;
    struct Engine(Jobs);
    impl MicrotaskSource for Engine {
        fn run_job(&self) -> bool {
            let job = self.0.borrow_mut().pop();
            job.map(|job| job()).is_some()
        }
    }
    assert_both(
        |log| {
            let line = log.clone();
            spawn(async move {
                yield_now().await;
                line.add("resumed");
                let jobs = Jobs::default();
                set_microtask_source(Engine(jobs.clone()));
                next_tick(line.callback("tick"));
                jobs.borrow_mut().push(Box::new(line.callback("job")));
            })
            .detach();
            set_immediate(log.callback("next"));
        },
        ["resumed", "job", "tick", "next"],
    );
}

/// R55: what an immediate that has panicked has queued runs before the task of the next one.
#[test]
fn what_was_left_in_the_queue_precedes_a_woken_task() {
    assert_both(
        |log| {
            log_uncaught(&log);
            let line = log.clone();
            set_immediate(move || {
                queue_both(&line, || {});
                throw("A");
            });
            spawn(async move {
                yield_now().await;
                log.add("resumed");
            })
            .detach();
        },
        ["uncaught A", "tick", "microtask", "resumed"],
    );
}

/// R13: the wake of a task that is queued has no effect.
#[test]
fn a_task_that_is_queued_is_not_polled_earlier() {
    assert_both(
        |log| {
            log_uncaught(&log);
            let (promise, resolver) = with_resolver();
            let line = log.clone();
            set_immediate(move || {
                queue_microtask(line.callback("first"));
                resolver.resolve(());
                queue_microtask(line.callback("last"));
                throw("A");
            });
            spawn(async move {
                match select(promise, yield_now()).await {
                    Either::Left(_) => log.add("promise"),
                    Either::Right(_) => log.add("yield"),
                }
            })
            .detach();
        },
        ["uncaught A", "first", "promise", "last"],
    );
}

/// R13: two immediates wake the same task, each in a macrotask of its own.
#[test]
fn a_task_that_waits_for_two_immediates_is_polled_twice() {
    assert_both(
        |log| {
            let line = log.clone();
            let first = yield_now();
            set_immediate(log.callback("between"));
            let second = yield_now();
            spawn(async move {
                if let Either::Left((_, second)) = select(first, second).await {
                    line.add("first");
                    second.await;
                    line.add("second");
                }
            })
            .detach();
            set_immediate(log.callback("last"));
        },
        ["first", "between", "second", "last"],
    );
}

/// R13: a task that wakes itself is queued after what it has queued before.
#[test]
fn a_woken_task_that_wakes_itself_is_queued() {
    assert_both(
        |log| {
            let line = log.clone();
            spawn(async move {
                yield_now().await;
                line.add("resumed");
                queue_microtask(line.callback("before"));
                let mut is_woken = false;
                poll_fn(|cx| {
                    if std::mem::replace(&mut is_woken, true) {
                        return Poll::Ready(());
                    }
                    cx.waker().wake_by_ref();
                    Poll::Pending
                })
                .await;
                queue_both(&line, || line.add("again"));
            })
            .detach();
            set_immediate(log.callback("next"));
        },
        ["resumed", "before", "again", "microtask", "tick", "next"],
    );
}

/// R38: the immediate of a task that is aborted in the same round is cleared with the future.
#[test]
fn a_task_that_is_aborted_in_its_round_is_not_resumed() {
    assert_both(
        |log| {
            let task = Later::<Settled<()>>::new();
            let (line, aborted) = (log.clone(), task.clone());
            set_immediate(move || {
                queue_microtask(line.callback("before"));
                aborted.get().abort();
                queue_both(&line, || line.add("aborted"));
            });
            let line = log.clone();
            let promise = spawn(async move {
                let _dropped = Dropped(line.clone());
                yield_now().await;
                line.add("never");
            });
            task.set(promise.settled());
            set_immediate(log.callback("next"));
        },
        ["aborted", "tick", "before", "dropped", "microtask", "next"],
    );
}

/// R54: a panic of a woken task rejects its promise, after the microtasks of the drain.
#[test]
fn a_panic_of_a_woken_task_is_reported_before_the_next_immediate() {
    assert_both(
        |log| {
            let line = log.clone();
            on_unhandled_rejection(move |rejection| line.add(reason_of(rejection)));
            let line = log.clone();
            spawn(async move {
                yield_now().await;
                queue_both(&line, || {});
                throw("A");
            })
            .detach();
            set_immediate(log.callback("next"));
        },
        ["microtask", "tick", "panic: A", "next"],
    );
}

/// R54: an error that a woken task reports is handled at once and ends nothing.
#[test]
fn an_error_that_a_woken_task_reports_does_not_end_its_drain() {
    assert_both(
        |log| {
            log_uncaught(&log);
            let line = log.clone();
            spawn(async move {
                yield_now().await;
                queue_both(&line, || fail_callback("A"));
            })
            .detach();
            set_immediate(log.callback("next"));
        },
        ["uncaught \"A\"", "microtask", "tick", "next"],
    );
}

/// R9: nothing runs after the exit of a woken task except the `exit` listeners.
#[test]
fn the_exit_of_a_woken_task_ends_the_run() {
    assert_both(
        |log| {
            let line = log.clone();
            on_exit(move |code| line.add(format_args!("exit {code}")));
            let line = log.clone();
            spawn(async move {
                yield_now().await;
                queue_both(&line, || line.add("resumed"));
                exit(3);
            })
            .detach();
            set_immediate(log.callback("never"));
        },
        ["resumed", "exit 3", "the program called `exit(3)`"],
    );
}

/// The context of a woken task is not that of the next callback, whether the task ends or waits again.
#[test]
fn the_context_of_a_woken_task_ends_with_its_poll() {
    assert_both(
        |log| {
            let storage = AsyncLocalStorage::<u32>::new();
            for yields in 1..=2 {
                let (own, line) = (storage.clone(), log.clone());
                storage.run(yields, || {
                    spawn(async move {
                        for _ in 0..yields {
                            yield_now().await;
                        }
                        line.add(format_args!("task {:?}", own.get()));
                    })
                    .detach();
                });
                let (own, line) = (storage.clone(), log.clone());
                set_immediate(move || line.add(format_args!("immediate {:?}", own.get())));
            }
        },
        [
            "task Some(1)",
            "immediate None",
            "immediate None",
            "task Some(2)",
        ],
    );
}

/// R41: the main future resumes in the drain after its immediate, as a task does.
#[test]
fn the_main_future_resumes_as_a_task_does() {
    let _limit = default_limit();
    for kind in ["plain", "observed"] {
        let (log, mut event_loop) = (Log::new(), new_loop(kind));
        let line = log.clone();
        let main = async move {
            set_immediate(line.callback("before"));
            let turn = yield_now();
            set_immediate(line.callback("after"));
            turn.await;
            queue_both(&line, || line.add("main"));
            yield_now().await;
            line.add("second turn");
        };
        event_loop.run(main).unwrap();
        let expected = [
            "before",
            "main",
            "microtask",
            "tick",
            "after",
            "second turn",
        ];
        assert_eq!(log.lines(), expected, "{kind}");
    }
}
