//! Misuse of the API, and programs that fail: the message, its location, and the state afterwards.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, panic_any};
use std::pin::Pin;
use std::prelude::v1::test; // and not the attribute of nodeloop
use std::rc::Rc;
use std::sync::Once;
use std::task::Poll;
use std::time::Duration;

use crate::common;
use crate::common::limit::limit;
use crate::common::{Log, log_uncaught, ms, now_ms, rejected, resolved, text_of, throw, trace};
use futures::future::{FusedFuture, FutureExt};
use nodeloop::promise::{SharedPromise, try_with_resolver, with_resolver};
use nodeloop::time::{self, block_for, simulate_completion, sleep};
use nodeloop::*;

thread_local! {
    /// The file of the last panic of this thread. `Some` makes the hook record a panic instead of
    /// printing it.
    static PANICKED_AT: RefCell<Option<Option<String>>> = const { RefCell::new(None) };
}

/// The message and the file of the panic of `misuse`.
#[track_caller]
fn panic_of(misuse: impl FnOnce()) -> (String, String) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let at = info.location().expect("a panic has a location");
            let asked = PANICKED_AT.with_borrow_mut(|panicked_at| match panicked_at {
                Some(location) => {
                    *location = Some(at.file().to_owned());
                    true
                }
                None => false,
            });
            if !asked {
                default(info);
            }
        }));
    });
    PANICKED_AT.set(Some(None));
    let payload = catch_unwind(AssertUnwindSafe(misuse)).expect_err("it should panic");
    let location = PANICKED_AT.take().flatten();
    (text_of(&*payload), location.expect("the hook was called"))
}

#[test]
fn a_call_outside_of_a_loop_panics_with_advice() {
    let _limit = limit();
    type Call = (&'static str, fn());
    #[rustfmt::skip]
    let calls: &[Call] = &[
        ("next_tick", || next_tick(|| ())),
        ("queue_microtask", || queue_microtask(|| ())),
        ("set_timeout", || drop(set_timeout(ms(1), || ()))),
        ("set_timeout_mut", || drop(set_timeout_mut(ms(1), || ()))),
        ("set_interval", || drop(set_interval(ms(1), || ()))),
        ("set_immediate", || drop(set_immediate(|| ()))),
        ("spawn", || drop(spawn(async {}))),
        ("spawn_lazy", || drop(spawn_lazy(async {}))),
        ("try_spawn", || drop(try_spawn(async { Ok::<(), ()>(()) }))),
        ("try_spawn_lazy", || drop(try_spawn_lazy(async { Ok::<(), ()>(()) }))),
        ("spawn_blocking", || drop(spawn_blocking(|| ()))),
        ("queue_work", || drop(queue_work(|| (), |()| ()))),
        ("yield_now", || drop(yield_now())),
        ("Handle::current", || drop(Handle::current())),
        ("keep_alive", || drop(keep_alive())),
        ("on_before_exit", || drop(on_before_exit(|| ()))),
        ("on_exit", || drop(on_exit(|_| ()))),
        ("on_uncaught", || drop(on_uncaught(|_| ()))),
        ("on_unhandled_rejection", || drop(on_unhandled_rejection(|_| ()))),
        ("on_rejection_handled", || drop(on_rejection_handled(|_| ()))),
        ("on_warning", || drop(on_warning(|_| ()))),
        ("emit_warning", || emit_warning("text")),
        ("exit", || exit(0)),
        ("AsyncLocalStorage::snapshot", || drop(AsyncLocalStorage::snapshot())),
        ("spawn_lazy", || _ = TaskGroup::new().spawn_lazy(async {})),
        ("spawn_blocking", || _ = TaskGroup::new().spawn_blocking(|| ())),
        ("promise::with_resolver", || drop(with_resolver::<()>())),
        ("promise::try_with_resolver", || drop(try_with_resolver::<(), ()>())),
        ("promise::ready", || drop(promise::ready(()))),
        ("promise::resolve", || drop(promise::resolve::<(), ()>(()))),
        ("promise::reject", || drop(promise::reject::<(), ()>(()))),
        ("time::sleep", || drop(sleep(ms(1)))),
        ("time::sleep_until", || drop(time::sleep_until(time::Instant::now()))),
        ("time::timeout", || drop(time::timeout(ms(1), pending::<()>()))),
        ("time::timeout_at", || {
            drop(time::timeout_at(time::Instant::now(), pending::<()>()));
        }),
        ("time::interval", || drop(time::interval(ms(1)))),
        ("time::interval_at", || {
            drop(time::interval_at(time::Instant::now(), ms(1)));
        }),
        ("time::block_for", || block_for(ms(1))),
        ("time::wait_for_jobs", time::wait_for_jobs),
        ("time::advance", || drop(time::advance(ms(1)))),
        ("time::simulate_completion", || simulate_completion(ms(1), || ())),
    ];
    for (name, call) in calls {
        let (text, file) = panic_of(call);
        let expected = format!("`{name}` was called outside of an event loop: call it from inside");
        assert!(text.starts_with(&expected), "{name}: {text}");
        // A function passed by its path has no caller in this file.
        assert!(
            file == file!() || *name == "time::wait_for_jobs",
            "{name}: {file}"
        );
    }
}

#[test]
fn a_loop_inside_a_loop_panics_with_advice() {
    let _limit = limit();
    type Call = (&'static str, fn());
    let calls: &[Call] = &[
        ("run", || run(async {})),
        ("run_script", || run_script(|| ())),
        ("block_on", || block_on(async {})),
        ("run", || common::virtual_loop().run(async {}).unwrap()),
        ("run_script", || {
            common::virtual_loop().run_script(|| ()).unwrap();
        }),
        ("block_on", || {
            common::virtual_loop().block_on(async {}).unwrap();
        }),
    ];
    for (name, call) in calls {
        trace(move |log| {
            let (text, file) = panic_of(call);
            assert!(
                text.starts_with(&format!(
                    "`{name}` was called inside a running event loop, and a thread can run only one \
                     loop at a time: await or spawn the future here"
                )),
                "{text}"
            );
            assert_eq!(file, file!());
            set_immediate(log.callback("and the outer loop goes on"));
        })
        .assert(["and the outer loop goes on"]);
    }
}

#[test]
fn a_pool_without_threads_is_refused() {
    let _limit = limit();
    let (text, file) = panic_of(|| {
        let _ = EventLoop::builder().blocking_threads(0);
    });
    assert!(text.contains("a loop needs at least one thread"), "{text}");
    assert_eq!(file, file!());
}

#[test]
fn advance_needs_a_virtual_clock() {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().build().unwrap();
    event_loop
        .run_script(|| {
            let (text, file) = panic_of(|| drop(time::advance(ms(1))));
            assert!(text.contains("build the loop with"), "{text}");
            assert_eq!(file, file!());
        })
        .unwrap();
}

/// R20 is for the functions of Node; `time::*` accepts any delay, rounded up.
#[test]
fn zero_and_huge_delays() {
    let _limit = limit();
    trace(|log| {
        spawn(async move {
            sleep(Duration::ZERO).await;
            log.add(now_ms()); // at least one
            sleep(Duration::from_micros(1_001)).await;
            log.add(now_ms());
            time::sleep_until(time::Instant::now()).await;
            log.add(now_ms());
            assert!(time::timeout(ms(0), pending::<()>()).await.is_err());
            log.add(now_ms());
            let mut interval = time::interval(ms(0));
            interval.tick().await;
            interval.tick().await;
            drop(interval);
            log.add(now_ms());
            sleep(ms(1 << 40)).await; // 34 years
            log.add(now_ms() - (1 << 40));
        })
        .detach();
    })
    .assert(["1", "3", "4", "5", "7", "7"]);
}

#[test]
fn the_end_of_time_can_be_reached() {
    let _limit = limit();
    trace(|log| {
        spawn(async move {
            sleep(Duration::MAX).await;
            log.add("slept");
            simulate_completion(Duration::MAX, log.callback("completed"));
            time::advance(Duration::MAX).await;
            log.add("advanced");
            block_for(Duration::MAX);
            log.add("blocked");
        })
        .detach();
    })
    .assert(["slept", "completed", "advanced", "blocked"]);
}

/// In a debug build `set_timeout` once panicked there: its milliseconds overflowed.
#[test]
fn timers_fire_at_the_end_of_time() {
    trace(|log| {
        block_for(Duration::MAX);
        set_timeout(ms(20), log.callback("timeout"));
        let fired = Rc::new(RefCell::new(None::<TimeoutHandle>));
        let handle = fired.clone();
        let mut interval = log.callback("interval");
        *fired.borrow_mut() = Some(set_interval(ms(5), move || {
            interval();
            handle.take().unwrap().clear();
        }));
        set_immediate(log.callback("immediate"));
    })
    .assert(["timeout", "interval", "immediate"]);
}

#[test]
fn a_future_polled_after_completion_panics_with_a_message() {
    let _limit = limit();
    async fn poll_once<F: Future + Unpin>(future: &mut F) -> String {
        poll_fn(|cx| {
            let (text, _) = panic_of(|| assert!(Pin::new(&mut *future).poll(cx).is_pending()));
            Poll::Ready(text)
        })
        .await
    }
    trace(|_| {
        spawn(async {
            let mut promise = resolved();
            (&mut promise).await;
            assert!(poll_once(&mut promise).await.contains("polled after"));
            let shared = resolved().shared();
            let mut clone = shared.clone();
            assert!(!clone.is_terminated());
            (&mut clone).await;
            assert!(clone.is_terminated() && !shared.is_terminated());
            let mut shared = try_spawn(async { Ok::<_, ()>(()) }).shared();
            assert!(!shared.is_terminated());
            (&mut shared).await.unwrap();
            assert!(shared.is_terminated());
            let line = line!() + 1;
            let mut future = pending::<()>().with_signal(&AbortSignal::aborted_with("no"));
            (&mut future).await.unwrap_err();
            assert!(future.is_terminated());
            let location = format!("{}:{line}:", file!());
            assert!(poll_once(&mut future).await.contains(&location));
            let mut future = std::future::ready(7).with_signal(&AbortSignal::default());
            assert!(!future.is_terminated());
            assert_eq!((&mut future).await.unwrap(), 7);
            assert!(future.is_terminated());
            assert!(poll_once(&mut future).await.contains("polled after"));
        })
        .detach();
    })
    .assert([]);
}

#[test]
fn a_yield_a_sleep_and_a_timeout_stay_ready() {
    let _limit = limit();
    trace(|log| {
        spawn(async move {
            let mut turn = yield_now();
            assert!(!turn.is_terminated());
            for _ in 0..2 {
                (&mut turn).await;
                assert!(turn.is_terminated());
            }
            let mut sleep = sleep(ms(1));
            assert!(!sleep.is_terminated());
            for _ in 0..2 {
                (&mut sleep).await;
                assert!(sleep.is_terminated() && sleep.is_elapsed());
            }
            // As `select!` does: the branch that is ready is polled in every round.
            let (mut other, mut rounds) = (time::sleep(ms(5)), 0);
            while !other.is_terminated() {
                poll_fn(|cx| match Pin::new(&mut other).poll(cx) {
                    Poll::Pending => Pin::new(&mut sleep).poll(cx),
                    ready => ready,
                })
                .await;
                rounds += 1;
                time::sleep(ms(1)).await;
            }
            log.add(format_args!("{rounds} rounds"));
            sleep.reset(time::Instant::now() + ms(2));
            assert!(!sleep.is_terminated());
            assert!((&mut sleep).now_or_never().is_none());
            sleep.await;
            let (promise, resolver) = with_resolver();
            let mut timeout = time::timeout(ms(1), promise);
            for _ in 0..2 {
                assert_eq!((&mut timeout).await, Err(time::Elapsed));
            }
            resolver.resolve("late");
            log.add((&mut timeout).await.unwrap());
        })
        .detach();
    })
    .assert(["6 rounds", "late"]);
}

#[test]
fn two_loops_on_one_thread_take_turns() {
    let _limit = limit();
    let log = Log::new();
    let (mut a, mut b) = (common::virtual_loop(), common::virtual_loop());
    // A task of each waits for a promise of the other.
    let (in_a, resolve_a) = a.block_on(async { with_resolver::<&str>() }).unwrap();
    let (in_b, resolve_b) = b.block_on(async { with_resolver::<&str>() }).unwrap();
    let line = log.clone();
    a.block_on(async move {
        set_timeout(ms(5), line.callback("timer of a"));
        spawn(async move { line.add(format_args!("a: {}", in_a.await)) }).detach();
    })
    .unwrap();
    let line = log.clone();
    b.block_on(async move {
        spawn(async move { line.add(format_args!("b: {}", in_b.await)) }).detach();
        resolve_a.resolve("from b"); // a wake from another loop is queued in the remote queue of a
    })
    .unwrap();
    log.add("a runs again");
    let line = log.clone();
    a.block_on(async move {
        line.add("main of a");
        sleep(ms(1)).await;
        assert_eq!(now_ms(), 1, "each loop has a clock of its own");
        resolve_b.resolve("from a");
    })
    .unwrap();
    log.add("both run dry");
    b.run(async {}).unwrap();
    a.run(async {}).unwrap();
    log.assert([
        "a runs again",
        "main of a",
        "a: from b", // the poll phase of this run
        "both run dry",
        "b: from a",
        "timer of a",
    ]);
}

#[test]
fn a_loop_can_be_dropped_inside_another() {
    let _limit = limit();
    let log = Log::new();
    let inner_log = log.clone();
    let mut outer = common::virtual_loop();
    let mut inner = common::virtual_loop();
    inner
        .block_on(async move {
            let guard = OnDrop::new(move || {
                inner_log.add("the inner task is dropped");
                next_tick(inner_log.callback("never: the inner loop has ended"));
            });
            spawn(async move {
                pending::<()>().await;
                drop(guard);
            })
            .detach();
        })
        .unwrap();
    let line = log.clone();
    outer
        .run_script(move || {
            line.add("before");
            drop(inner);
            line.add("after");
            next_tick(line.callback("tick of the outer loop"));
        })
        .unwrap();
    log.assert([
        "before",
        "the inner task is dropped",
        "after",
        "tick of the outer loop",
    ]);
}

/// Calls a function when it is dropped.
struct OnDrop(Option<Box<dyn FnOnce()>>);

impl OnDrop {
    fn new(callback: impl FnOnce() + 'static) -> OnDrop {
        OnDrop(Some(Box::new(callback)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.take().unwrap()();
    }
}

fn panics_when_dropped(text: &'static str) -> OnDrop {
    OnDrop::new(move || throw(text))
}

/// R56: a timer that panics both when it is called and when it is dropped starts the phase over.
#[test]
fn a_timer_may_panic_twice() {
    let _limit = limit();
    trace(|log| {
        log_uncaught(&log);
        let (line, guard) = (log.clone(), panics_when_dropped("drop"));
        drop(set_timeout_mut(ms(1), move || {
            let _ = &guard; // dropped after the call, because there is no handle
            next_tick(line.callback("tick"));
            throw("call");
        }));
        set_timeout(ms(1), log.callback("B"));
        set_timeout(ms(1), log.callback("C"));
        block_for(ms(5));
    })
    .assert(["uncaught call", "uncaught drop", "B", "tick", "C"]);
}

#[test]
fn a_destructor_that_panics_rejects_the_promise_of_its_task() {
    let _limit = limit();
    trace(|log| {
        let completed = spawn(async {
            let _guard = panics_when_dropped("completed");
            7
        });
        let completed_later = spawn(async {
            let _guard = panics_when_dropped("completed later");
            resolved().await;
            7
        });
        let aborted = spawn(async {
            let _guard = panics_when_dropped("aborted");
            pending::<i32>().await
        })
        .settled();
        aborted.abort();
        let both = spawn(async {
            let _guard = panics_when_dropped("not this one");
            resolved().await;
            // Two panics at a time would abort the process: this one is caught first.
            let _ = catch_unwind(|| throw("nor this one"));
            8
        });
        spawn(async move {
            for task in [
                completed.settled(),
                completed_later.settled(),
                aborted,
                both.settled(),
            ] {
                log.add(task.await.unwrap_err());
            }
        })
        .detach();
    })
    .assert([
        "the task panicked: completed",
        "the task panicked: completed later",
        "the task panicked: aborted",
        "the task panicked: not this one",
    ]);
}

#[test]
fn destructors_that_panic_at_the_end_of_the_loop_stop_nothing() {
    let _limit = limit();
    let log = Log::new();
    let line = log.clone();
    let mut event_loop = common::virtual_loop();
    event_loop
        .block_on(async move {
            for n in 1..=2 {
                let guard = panics_when_dropped("a task");
                let line = OnDrop::new(line.callback(format_args!("task {n}")));
                drop(spawn(async move {
                    pending::<()>().await;
                    drop((guard, line));
                }));
            }
            let each = |text: &'static str| {
                let line = OnDrop::new(line.callback(text));
                let guard = panics_when_dropped("a callback");
                move || drop((guard, line))
            };
            set_timeout(ms(1), each("timeout"));
            set_immediate(each("immediate"));
            simulate_completion(ms(1), each("completion"));
            next_tick(each("tick"));
            queue_microtask(each("microtask"));
            let listener = each("listener");
            let mut listener = Some(listener);
            on_before_exit(move || listener.take().unwrap()());
        })
        .unwrap();
    drop(event_loop);
    let mut lines = log.lines();
    lines.sort();
    assert_eq!(
        lines,
        [
            "completion",
            "immediate",
            "listener",
            "microtask",
            "task 1",
            "task 2",
            "tick",
            "timeout"
        ]
    );
}

#[test]
fn destructors_at_the_end_of_the_loop_may_call_into_it() {
    let _limit = limit();
    let log = Log::new();
    let line = log.clone();
    let mut event_loop = common::virtual_loop();
    event_loop
        .block_on(async move {
            let (promise, resolvers) = try_with_resolver::<(), OnDrop>();
            let other = spawn(pending::<()>()).settled();
            let guard = OnDrop::new(move || {
                let refused = |text| {
                    let line = OnDrop::new(line.callback(text));
                    move || drop(line)
                };
                next_tick(refused("tick"));
                queue_microtask(refused("microtask"));
                set_immediate(refused("immediate")).clear();
                let timer = set_timeout(ms(1), refused("timeout"));
                timer.refresh().clear();
                let task = refused("task");
                let dropped = spawn(async move { task() });
                assert!(dropped.is_finished());
                drop(spawn_lazy(async { unreachable!() }));
                drop(spawn_blocking(|| unreachable!()));
                drop(sleep(ms(1)));
                simulate_completion(ms(0), refused("completion"));
                other.abort();
                resolvers.reject(OnDrop::new(line.callback("the reason of a rejection")));
            });
            drop(spawn(async move {
                pending::<()>().await;
                drop((guard, promise));
            }));
        })
        .unwrap();
    drop(event_loop);
    log.assert([
        "tick",
        "microtask",
        "immediate",
        "timeout",
        "task",
        "completion",
        "the reason of a rejection", // not even its promise is left
    ]);
}

impl std::fmt::Debug for OnDrop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnDrop")
    }
}

/// A rejection after the end of the loop has no listener, and must not keep the memory of the loop.
#[test]
fn a_promise_rejected_after_the_end_of_its_loop_is_freed() {
    let _limit = limit();
    let log = Log::new();
    let mut event_loop = common::virtual_loop();
    let resolvers = event_loop
        .block_on(async {
            let (promise, resolvers) = try_with_resolver::<(), OnDrop>();
            drop(promise);
            resolvers
        })
        .unwrap();
    drop(event_loop);
    resolvers.reject(OnDrop::new(log.callback("the reason")));
    drop(resolvers);
    log.assert(["the reason"]);
}

#[test]
fn exit_in_a_destructor_at_the_end_of_the_loop_does_nothing() {
    let _limit = limit();
    let mut event_loop = common::virtual_loop();
    event_loop
        .block_on(async {
            on_exit(|_| unreachable!("the run has ended"));
            let guard = OnDrop::new(|| exit(1));
            drop(spawn(async move {
                pending::<()>().await;
                drop(guard);
            }));
            drop(spawn(pending::<()>()));
        })
        .unwrap();
    drop(event_loop);
}

#[test]
fn a_task_that_never_ends_is_in_the_report_and_cancelled_at_the_end() {
    let _limit = limit();
    let log = Log::new();
    let line = log.clone();
    let mut event_loop = common::virtual_loop();
    let task_line = Location::caller().line() + 5;
    let main_line = Location::caller().line() + 2;
    let error = event_loop
        .run(async move {
            let guard = OnDrop::new(line.callback("the task is dropped"));
            let task = spawn(async move {
                pending::<()>().await;
                drop(guard);
            });
            let _main = OnDrop::new(line.callback("main is dropped"));
            task.await;
        })
        .unwrap_err();
    let RunError::Stuck(stuck) = &error else {
        panic!("{error:?}");
    };
    let mut lines: Vec<_> = stuck
        .pending()
        .iter()
        .map(|location| location.line())
        .collect();
    lines.sort();
    assert_eq!(lines, [main_line, task_line], "{error}");
    assert!(
        stuck
            .pending()
            .iter()
            .all(|location| location.file() == file!())
    );
    assert!(error.to_string().contains("nothing keeps the loop alive"));
    log.assert(["main is dropped"]); // the task may still be wanted by a later run
    drop(event_loop);
    log.assert(["main is dropped", "the task is dropped"]);
}

#[test]
fn a_stuck_block_on_returns_the_error_too() {
    let _limit = limit();
    let result = common::virtual_loop().block_on(async {
        set_timeout(ms(1), || ());
        pending::<()>().await;
    });
    assert!(matches!(result, Err(RunError::Stuck(_))), "{result:?}");
}

/// A panic in the destructors of a stuck main future does not end the next run.
#[test]
fn the_destructors_of_a_stuck_main_future_may_panic() {
    let _limit = limit();
    let mut event_loop = common::virtual_loop();
    let result = event_loop.run(async {
        let _guard = OnDrop::new(|| queue_microtask(|| throw("x")));
        pending::<()>().await;
    });
    assert!(matches!(result, Err(RunError::Uncaught(_))), "{result:?}");
    assert_eq!(event_loop.run(async { 7 }).unwrap(), 7);
}

#[test]
fn a_panic_in_a_callback_is_the_error_of_the_run() {
    let _limit = limit();
    let line = Location::caller().line() + 3;
    let error = common::virtual_loop()
        .run_script(|| {
            set_timeout(ms(1), || throw("in a timer"));
        })
        .unwrap_err();
    let text = error.to_string();
    let RunError::Uncaught(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.location().line(), line);
    assert_eq!(error.message(), "in a timer");
    assert!(
        text.contains("uncaught panic in the callback created at"),
        "{text}"
    );
    assert_eq!(text_of(&*error.into_payload()), "in a timer");
}

#[test]
fn run_and_block_on_resume_the_panic_of_their_future() {
    let _limit = limit();
    for entry in [
        || run(async { throw("x") }),
        || block_on(async { throw("x") }),
    ] {
        let payload = catch_unwind(entry).unwrap_err();
        assert_eq!(text_of(&*payload), "x");
    }
    let payload = catch_unwind(|| run_script(|| throw("x"))).unwrap_err();
    assert_eq!(text_of(&*payload), "x");
    let payload = catch_unwind(|| block_on(async { panic_any(7_u8) })).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&7_u8));
}

#[test]
fn run_panics_on_an_unhandled_rejection() {
    let _limit = limit();
    let (text, file) = panic_of(|| run(async { drop(rejected("no")) }));
    assert!(
        text.contains("unhandled rejection of the promise created at"),
        "{text}"
    );
    assert!(text.contains("\"no\""), "{text}");
    assert_eq!(file, file!());
}

#[test]
fn awaiting_a_shared_promise_that_was_aborted_panics_with_a_message() {
    let _limit = limit();
    let line = line!() + 3;
    let location = format!("{}:{line}:23", file!());
    trace(|log| {
        let aborted = spawn(pending::<()>()).shared();
        aborted.settled().abort();
        spawn(async move {
            let text = AssertCatch(aborted).await;
            log.add(text);
        }).detach();
    })
    .assert([&*format!(
        "awaited the promise created at {location}, which has no value: the promise was aborted, or \
         its loop has ended; await `promise.settled()` to receive this as an error"
    )]);
}

/// Awaits a promise and returns the text of the panic.
struct AssertCatch(SharedPromise<()>);

impl Future for AssertCatch {
    type Output = String;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<String> {
        let mut polled = Poll::Pending;
        let promise = Pin::new(&mut self.0);
        match catch_unwind(AssertUnwindSafe(|| polled = promise.poll(cx))) {
            Ok(()) => {
                assert!(polled.is_pending(), "it should panic");
                Poll::Pending
            }
            Err(payload) => Poll::Ready(text_of(&*payload)),
        }
    }
}

#[test]
fn a_promise_that_is_polled_after_its_output_names_its_creation() {
    let _limit = limit();
    let line = line!() + 2;
    let text = nodeloop::block_on(async {
        let mut promise = nodeloop::promise::ready(1);
        assert_eq!((&mut promise).await, 1);
        let again = catch_unwind(AssertUnwindSafe(|| {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            Pin::new(&mut promise).poll(&mut cx)
        }));
        text_of(&*again.expect_err("it must panic"))
    });
    let location = format!("{}:{line}", file!());
    assert!(
        text.starts_with(&format!("the promise created at {location}:")),
        "{text}"
    );
    assert!(
        text.contains("was polled after it had returned its output: await it once"),
        "{text}"
    );
}

#[test]
fn after_a_good_run_what_is_pending_stays() {
    let _limit = limit();
    let log = Log::new();
    let line = log.clone();
    let mut event_loop = common::virtual_loop();
    let resolver = event_loop
        .run(async move {
            let (promise, resolver) = with_resolver();
            set_timeout(ms(50), line.callback("unref'd timer")).unref();
            set_immediate(line.callback("unref'd immediate")).unref();
            sleep(ms(10)).await;
            let before_exit = line.clone();
            on_before_exit(move || before_exit.add("before exit"));
            spawn(async move {
                promise.await;
                line.add("task");
            })
            .detach();
            resolver
        })
        .unwrap();
    log.add("second run");
    let line = log.clone();
    event_loop
        .run(async move {
            assert_eq!(now_ms(), 10, "virtual time continues");
            resolver.resolve(());
            sleep(ms(100)).await;
            line.add("main");
        })
        .unwrap();
    log.assert([
        "unref'd immediate", // ran during the sleep of the first run
        "before exit",
        "second run",
        "task",
        "unref'd timer",
        "main",
        "before exit", // listeners stay
    ]);
}

#[test]
fn after_a_block_on_the_rest_of_its_turn_stays() {
    let _limit = limit();
    let log = Log::new();
    let mut event_loop = common::virtual_loop();
    let line = log.clone();
    event_loop
        .block_on(async move {
            let (promise, resolver) = with_resolver();
            simulate_completion(ms(5), move || resolver.resolve(()));
            simulate_completion(ms(5), line.callback("completion of the same poll phase"));
            queue_work(|| (), {
                let line = line.clone();
                move |()| line.add("job")
            });
            time::wait_for_jobs();
            promise.await;
            set_immediate(line.callback("immediate"));
            next_tick(line.callback("tick"));
            queue_microtask(line.callback("microtask"));
        })
        .unwrap();
    log.assert(["job"]);
    let line = log.clone();
    event_loop.run_script(move || line.add("main")).unwrap();
    log.assert([
        "job",
        "main",
        "tick",
        "microtask",
        "completion of the same poll phase",
        "immediate",
    ]);
}

/// Events that a poll phase has not delivered keep the loop alive.
#[test]
fn after_a_block_on_a_completion_that_has_arrived_is_delivered() {
    let _limit = limit();
    let log = Log::new();
    let mut event_loop = common::virtual_loop();
    let line = log.clone();
    event_loop
        .block_on(async move {
            let (promise, resolver) = with_resolver();
            simulate_completion(ms(5), move || resolver.resolve(()));
            simulate_completion(ms(5), line.callback("completion"));
            promise.await;
        })
        .unwrap();
    event_loop.run_script(|| ()).unwrap();
    log.assert(["completion"]);
}

#[test]
fn after_a_run_that_ended_early_nothing_stays() {
    let _limit = limit();
    type End = (&'static str, fn());
    let ends: [End; 3] = [
        ("Exit", || exit(1)),
        ("Uncaught", || throw("x")),
        ("Unhandled", || drop(rejected("x"))),
    ];
    for (kind, end) in ends {
        let log = Log::new();
        let line = log.clone();
        let mut event_loop = common::virtual_loop();
        let error = event_loop
            .run_script(move || {
                let exit_line = line.clone();
                on_exit(move |code| exit_line.add(format_args!("exit {code}")));
                set_timeout(ms(50), line.callback("never")).unref();
                set_interval(ms(50), line.callback("never"));
                set_immediate(line.callback("never"));
                simulate_completion(ms(1), line.callback("never"));
                let guard = OnDrop::new(line.callback("task dropped"));
                drop(spawn(async move {
                    sleep(ms(1)).await;
                    drop(guard);
                }));
                block_for(ms(30));
                queue_microtask(end);
            })
            .unwrap_err();
        assert!(
            format!("{error:?}").starts_with(kind) || kind == "Uncaught",
            "{error:?}"
        );
        log.add("second run");
        let line = log.clone();
        event_loop
            .run_script(move || {
                assert_eq!(now_ms(), 30, "the clock does not go back");
                set_timeout(ms(100), line.callback("timer"));
            })
            .unwrap();
        log.assert([
            "exit 1",
            "task dropped",
            "second run",
            "timer",
            "exit 0", // listeners stay until the loop is dropped
        ]);
    }
}

#[test]
fn handles_of_a_loop_that_has_ended_do_nothing() {
    let _limit = limit();
    let log = Log::new();
    let line = log.clone();
    let mut event_loop = common::virtual_loop();
    let (timer, fired, immediate, task, promise, resolver) = event_loop
        .block_on(async move {
            let fired = set_timeout_mut(ms(1), line.callback("fired"));
            sleep(ms(5)).await;
            let (promise, resolver) = with_resolver::<i32>();
            (
                set_timeout(ms(50), line.callback("never")),
                fired,
                set_immediate(line.callback("never")),
                spawn(pending::<()>()).settled(),
                promise,
                resolver,
            )
        })
        .unwrap();
    let remote = event_loop.handle();
    drop(event_loop);
    for timer in [&timer, &fired, &timer.clone()] {
        timer.refresh().unref().ref_();
        timer.clear();
        assert!(!timer.is_pending());
    }
    immediate.ref_().unref().clear();
    assert!(!immediate.has_ref());
    task.abort();
    assert!(task.is_finished());
    assert!(futures::executor::block_on(task).unwrap_err().is_aborted());
    resolver.resolve(7);
    assert_eq!(futures::executor::block_on(promise), 7);
    assert!(remote.is_closed());
    assert!(remote.post(|| unreachable!()).is_err());
    drop((timer, fired, immediate));
    log.assert(["fired"]);
}

/// Handles of two runs of one loop, the first of which ended early.
#[test]
fn handles_of_a_cancelled_run_do_nothing_in_the_next() {
    let _limit = limit();
    let kept = Rc::new(RefCell::new(None));
    let mut event_loop = common::virtual_loop();
    let keep = kept.clone();
    let result = event_loop.run_script(move || {
        *keep.borrow_mut() = Some((
            set_timeout(ms(1), || unreachable!()),
            set_interval(ms(1), || unreachable!()),
            set_immediate(|| unreachable!()),
            queue_work(|| (), |()| unreachable!()),
        ));
        exit(0)
    });
    assert!(matches!(result, Err(RunError::Exit(0))), "{result:?}");
    let log = Log::new();
    let line = log.clone();
    event_loop
        .run_script(move || {
            let (timeout, interval, immediate, work) = kept.take().unwrap();
            timeout.refresh();
            interval.refresh();
            assert!(!timeout.is_pending() && !interval.is_pending());
            let new = set_immediate(line.callback("the immediate of this run"));
            immediate.clear();
            assert!(new.has_ref());
            assert!(!work.cancel());
            set_timeout(ms(1), line.callback("the timer of this run"));
            timeout.clear();
            interval.clear();
        })
        .unwrap();
    log.assert(["the immediate of this run", "the timer of this run"]);
}

/// R35: a timer that was cleared after it had fired, and then refreshed, is pending without a callback when
/// its run ends early.
#[test]
fn a_timer_without_a_callback_ends_with_its_run() {
    let _limit = limit();
    let mut event_loop = common::virtual_loop();
    let result = event_loop.run_script(|| {
        let timer = set_timeout_mut(ms(1), || {});
        set_timeout(ms(2), move || {
            timer.clear();
            timer.refresh();
            assert!(timer.is_pending());
            exit(0)
        });
    });
    assert!(matches!(result, Err(RunError::Exit(0))), "{result:?}");
    event_loop
        .run_script(|| assert!(!nodeloop::why_alive().is_alive()))
        .unwrap();
}

thread_local! {
    static KEPT_LOOP: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
}

/// A loop in a thread-local is dropped when other thread-locals may be gone already. Its destructors find it running, as
/// at any other end.
#[test]
fn a_loop_can_be_dropped_by_the_end_of_its_thread() {
    let _limit = limit();
    let (sender, dropped) = std::sync::mpsc::channel();
    for used_first in [false, true] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            if used_first {
                KEPT_LOOP.with(|_| ()); // registers its destructor before the library's
            }
            let mut event_loop = common::virtual_loop();
            event_loop
                .block_on(async move {
                    let guard = OnDrop::new(move || {
                        sender
                            .send(nodeloop::Handle::try_current().is_ok())
                            .unwrap();
                    });
                    drop(spawn(async move {
                        pending::<()>().await;
                        drop(guard);
                    }));
                    set_timeout(ms(1), || ());
                })
                .unwrap();
            KEPT_LOOP.set(Some(event_loop));
        })
        .join()
        .unwrap();
        assert_eq!(dropped.try_recv(), Ok(true), "the task was dropped");
    }
}

/// A hook that panics ends the run. Checked against Node, which exits with code 7 and calls no `exit`
/// listener:
///
/// ```js
/// process.on('exit', (code) => console.log('never'));
/// process.on('uncaughtException', (e) => { throw 'in the hook'; });
/// setImmediate(() => { throw 'first'; });
/// ```
#[test]
fn an_uncaught_hook_that_panics_ends_the_run() {
    let _limit = limit();
    let error = common::virtual_loop()
        .run_script(|| {
            on_exit(|_| unreachable!());
            on_uncaught(|_| throw("in the hook"));
            set_immediate(|| throw("first"));
            set_immediate(|| unreachable!());
        })
        .unwrap_err();
    assert!(error.to_string().contains("in the hook"), "{error}");
}

#[test]
fn a_listener_may_add_listeners_and_fail() {
    let _limit = limit();
    trace(|log| {
        log_uncaught(&log);
        let (line, times) = (log.clone(), Cell::new(0));
        on_before_exit(move || {
            times.set(times.get() + 1);
            if times.get() == 1 {
                on_before_exit(line.callback("added while listeners were called"));
                throw("in a listener")
            }
        });
    })
    .assert([
        "uncaught in a listener",
        "added while listeners were called", // the error has kept the loop alive (R51)
    ]);
}

/// A run that ends early aborts its jobs, waiting or running, and awaiters of their promises receive
/// `Aborted`.
#[test]
fn the_promise_of_a_job_is_aborted_when_its_run_ends_early() {
    let _limit = limit();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let mut event_loop = EventLoop::builder().blocking_threads(1).build().unwrap();
    let promises = Rc::new(RefCell::new(Vec::new()));
    let kept = promises.clone();
    let ended = event_loop.run(async move {
        let running = spawn_blocking(move || {
            let _ = released.recv();
        });
        let waiting = spawn_blocking(|| panic!("its thread is busy"));
        kept.borrow_mut().extend([running, waiting]);
        nodeloop::exit(3);
    });
    assert!(matches!(ended, Err(RunError::Exit(3))));
    for promise in promises.take() {
        assert!(promise.is_finished());
        let settled = event_loop.block_on(promise.settled()).unwrap();
        assert!(settled.unwrap_err().is_aborted());
    }
    drop(release);
}
