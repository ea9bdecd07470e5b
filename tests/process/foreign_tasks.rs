//! `Handle::schedule`: tasks of `async_task`, which the loop polls and does not own.

use std::future::{Future, pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread::{self, ThreadId};

use crate::common::limit::limit;
use crate::common::{Log, real_loop, virtual_loop};
use futures::channel::{mpsc, oneshot};
use futures::executor::block_on as elsewhere;
use nodeloop::async_task::{self, Builder, FallibleTask, Runnable, Task};
use nodeloop::{
    AsyncLocalStorage, EventLoop, Handle, RunError, next_tick, on_uncaught, queue_microtask,
    set_immediate, spawn,
};

/// Makes a task and schedules it.
#[track_caller]
fn spawn_on<F>(handle: &Handle, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let handle = handle.clone();
    let (runnable, task) = async_task::spawn(future, move |runnable: Runnable| {
        let _ = handle.schedule(runnable);
    });
    runnable.schedule();
    task
}

/// Sends the thread on which it is dropped.
struct Guard(std::sync::mpsc::Sender<ThreadId>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().id());
    }
}

/// On the thread of the running loop, the first poll and those after a wake are microtasks.
#[test]
fn a_poll_on_the_thread_of_the_loop_is_a_microtask() {
    let _limit = limit();
    let log = Log::new();
    let lines = log.clone();
    let (sender, mut received) = mpsc::unbounded();
    let mut event_loop = virtual_loop();
    let handle = event_loop.handle();
    event_loop
        .run_script(move || {
            // The future is `Send`, so it cannot own the log.
            let (said, say) = (sender.clone(), sender);
            let add = move |line: &'static str| said.unbounded_send(line).unwrap();
            let (tick, immediate, first, second) =
                (add.clone(), add.clone(), add.clone(), add.clone());
            set_immediate(move || immediate("immediate"));
            queue_microtask(move || first("microtask 1"));
            let (wake, woken) = oneshot::channel();
            spawn_on(&handle, async move {
                add("first poll");
                woken.await.unwrap();
                add("second poll");
            })
            .detach();
            queue_microtask(move || {
                wake.send(()).unwrap();
                second("microtask 2");
                queue_microtask(move || second("microtask 3"));
            });
            next_tick(move || tick("tick"));
            say.unbounded_send("main").unwrap();
        })
        .unwrap();
    while let Ok(line) = received.try_recv() {
        lines.add(line);
    }
    log.assert([
        "main",
        "tick",
        "microtask 1",
        "first poll",
        "microtask 2",
        "second poll", // woken before the last microtask was queued
        "microtask 3",
        "immediate",
    ]);
}

/// Elsewhere it is a message, in one order with callbacks, and has a drain of its own.
#[test]
fn a_poll_that_another_thread_schedules_is_a_message() {
    let _limit = limit();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let mut event_loop = real_loop();
    let handle = event_loop.handle();
    let seen = lines.clone();
    let step = move |name: &'static str| {
        let (now, tick) = (seen.clone(), seen.clone());
        move || {
            now.lock().unwrap().push(name.to_owned());
            next_tick(move || tick.lock().unwrap().push(format!("tick of {name}")));
        }
    };
    thread::spawn(move || {
        handle.post(step("post 1")).unwrap();
        let poll = step("poll");
        spawn_on(&handle, async move { poll() }).detach();
        handle.post(step("post 2")).unwrap();
    })
    .join()
    .unwrap();
    let immediate = lines.clone();
    event_loop
        .run_script(move || {
            set_immediate(move || immediate.lock().unwrap().push("immediate".to_owned()));
        })
        .unwrap();
    let expected = [
        "post 1",
        "tick of post 1",
        "poll",
        "tick of poll",
        "post 2",
        "tick of post 2",
        "immediate",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}

/// Another thread wakes the task, and awaits it, while the loop sleeps.
#[test]
fn a_task_is_woken_and_awaited_by_another_thread() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let handle = event_loop.handle();
    let (polled, is_polled) = channel();
    let token = handle.keep_alive();
    let other = thread::spawn(move || {
        let (wake, woken) = oneshot::channel();
        let task = spawn_on(&handle, async move {
            polled.send(thread::current().id()).unwrap();
            (woken.await.unwrap(), thread::current().id())
        });
        let first = is_polled.recv().unwrap();
        wake.send(7).unwrap();
        let (value, second) = elsewhere(task);
        drop(token);
        (value, first, second)
    });
    event_loop.run(async {}).unwrap();
    let here = thread::current().id();
    assert_eq!(other.join().unwrap(), (7, here, here));
}

/// Dropping the task on another thread drops its future on the thread of the loop.
#[test]
fn a_task_is_cancelled_by_another_thread() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let handle = event_loop.handle();
    let (sender, drops) = channel();
    let (polled, is_polled) = channel();
    let token = handle.keep_alive();
    let other = thread::spawn(move || {
        let guard = Guard(sender);
        let task = spawn_on(&handle, async move {
            let _guard = guard;
            polled.send(()).unwrap();
            pending::<()>().await;
        });
        is_polled.recv().unwrap();
        drop(task);
        let dropped_by = drops.recv().unwrap();
        drop(token);
        dropped_by
    });
    event_loop.run(async {}).unwrap();
    assert_eq!(other.join().unwrap(), thread::current().id());
}

/// A pending task does not keep the loop alive.
#[test]
fn a_pending_task_does_not_keep_the_loop_alive() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let handle = event_loop.handle();
    let (sender, drops) = channel();
    let guard = Guard(sender);
    let task = spawn_on(&handle, async move {
        let _guard = guard;
        pending::<()>().await;
    });
    event_loop.run(async {}).unwrap();
    drop(event_loop);
    assert!(drops.try_recv().is_err(), "the loop does not own it");
    drop(task); // its runnable is refused, and dropped
    assert_eq!(drops.try_recv(), Ok(thread::current().id()));
}

/// The error returns the runnable, which another executor can run, or which cancels the task.
#[test]
fn a_loop_that_has_ended_returns_the_runnable() {
    let _limit = limit();
    let event_loop = real_loop();
    let handle = event_loop.handle();
    drop(event_loop);
    let (refused, errors) = channel();
    let (sender, drops) = channel();
    let make = |guard: Guard| {
        let (handle, refused) = (handle.clone(), refused.clone());
        let schedule = move |runnable: Runnable<&'static str>| {
            refused
                .send(handle.schedule(runnable).unwrap_err())
                .unwrap();
        };
        let future = async move {
            drop(guard);
            7
        };
        Builder::new()
            .metadata("the metadata")
            .spawn(|_| future, schedule)
    };
    let (runnable, task) = make(Guard(sender.clone()));
    runnable.schedule();
    let error = errors.recv().unwrap();
    assert!(drops.try_recv().is_err(), "the error has the runnable");
    assert_eq!(
        error.to_string(),
        "the event loop has ended and cannot poll the task; run its runnable elsewhere, or drop it to \
         cancel the task"
    );
    assert_eq!(format!("{error:?}"), error.to_string());
    let runnable = error.into_runnable();
    assert_eq!(*runnable.metadata(), "the metadata");
    runnable.run();
    assert_eq!(elsewhere(task), 7);

    let (runnable, task) = make(Guard(sender.clone()));
    runnable.schedule();
    drop(errors.recv().unwrap());
    let awaiting = thread::spawn(move || elsewhere(task)).join();
    let payload = awaiting.unwrap_err();
    assert_eq!(
        payload
            .downcast_ref::<&str>()
            .copied()
            .or(payload.downcast_ref::<String>().map(|it| &**it)),
        Some("Task polled after completion")
    );

    let (runnable, task) = make(Guard(sender));
    runnable.schedule();
    let task: FallibleTask<_, _> = task.fallible();
    let other = thread::spawn(move || {
        drop(errors.recv().unwrap());
        thread::current().id()
    });
    let other = other.join().unwrap();
    assert_eq!(drops.iter().nth(2), Some(other));
    assert_eq!(elsewhere(task), None);
}

/// A queued message and a queued microtask are dropped on the thread of the loop.
#[test]
fn a_queued_runnable_is_dropped_with_the_loop() {
    let _limit = limit();
    let (sender, drops) = channel();
    let here = thread::current().id();

    let event_loop = real_loop();
    let (handle, guard) = (event_loop.handle(), Guard(sender.clone()));
    let task = thread::spawn(move || spawn_on(&handle, async move { drop(guard) }));
    let task = task.join().unwrap().fallible();
    assert!(drops.try_recv().is_err());
    drop(event_loop);
    assert_eq!(drops.try_recv(), Ok(here));
    assert_eq!(elsewhere(task), None);

    let mut event_loop = virtual_loop();
    let (handle, guard) = (event_loop.handle(), Guard(sender));
    let task = Arc::new(Mutex::new(None));
    let slot = task.clone();
    let result = event_loop.run_script(move || {
        let spawned = spawn_on(&handle, async move {
            drop(guard);
            unreachable!("the run has ended");
        });
        *slot.lock().unwrap() = Some(spawned);
        nodeloop::exit(3);
    });
    assert!(matches!(result, Err(RunError::Exit(3))), "{result:?}");
    drop(event_loop);
    assert_eq!(drops.try_recv(), Ok(here));
    let task: Task<()> = task.lock().unwrap().take().unwrap();
    assert_eq!(elsewhere(task.fallible()), None);
}

/// A wake by a destructor while the loop cancels its tasks is refused.
#[test]
fn a_loop_that_is_cancelling_returns_the_runnable() {
    let _limit = limit();
    let (sender, results) = channel();
    let mut event_loop = virtual_loop();
    let handle = event_loop.handle();
    event_loop
        .run(async move {
            let (wake, woken) = oneshot::channel::<()>();
            let future = async move {
                let _ = woken.await;
                unreachable!("the loop is cancelling");
            };
            let schedule = move |runnable: Runnable| {
                let accepted = handle.schedule(runnable).is_ok();
                sender.send((accepted, handle.is_closed())).unwrap();
            };
            let (runnable, task) = async_task::spawn(future, schedule);
            runnable.schedule();
            task.detach();
            spawn(async move {
                let _wake = wake;
                pending::<()>().await;
            })
            .detach();
        })
        .unwrap();
    drop(event_loop);
    // The queue of other threads closes after everything was cancelled.
    assert_eq!(
        results.iter().collect::<Vec<_>>(),
        [(true, false), (false, false)]
    );
}

/// By default a panic is an uncaught error of the loop, and the awaiter panics, too.
#[test]
fn a_panic_is_an_uncaught_error() {
    let _limit = limit();
    async fn fails() {
        std::panic::resume_unwind(Box::new("broken"))
    }
    let mut event_loop = virtual_loop();
    let handle = event_loop.handle();
    let result = event_loop.run_script(move || spawn_on(&handle, fails()).detach());
    match result {
        Err(RunError::Uncaught(error)) => assert_eq!(error.message(), "broken"),
        other => panic!("{other:?}"),
    }

    // As a message, with a listener.
    let log = Log::new();
    let lines = log.clone();
    let mut event_loop = real_loop();
    let handle = event_loop.handle();
    let task = thread::spawn(move || spawn_on(&handle, fails()))
        .join()
        .unwrap();
    event_loop
        .run_script(move || {
            let after = lines.clone();
            on_uncaught(move |error| lines.add(error.message()));
            set_immediate(move || after.add("the loop runs on"));
        })
        .unwrap();
    log.assert(["broken", "the loop runs on"]);
    assert!(thread::spawn(move || elsewhere(task)).join().is_err());
}

/// With `propagate_panic` only the awaiter panics.
#[test]
fn a_panic_is_propagated_to_the_awaiter() {
    let _limit = limit();
    let mut event_loop = virtual_loop();
    let handle = event_loop.handle();
    let task = Arc::new(Mutex::new(None));
    let slot = task.clone();
    event_loop
        .run_script(move || {
            let (runnable, task) = Builder::new().propagate_panic(true).spawn(
                |()| async { std::panic::resume_unwind(Box::new("broken")) },
                move |runnable| drop(handle.schedule(runnable)),
            );
            runnable.schedule();
            *slot.lock().unwrap() = Some(task);
        })
        .unwrap();
    let task: Task<()> = task.lock().unwrap().take().unwrap();
    let payload = thread::spawn(move || elsewhere(task)).join().unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"broken"));
}

/// A thread that runs another loop schedules messages, even though a loop runs there.
#[test]
fn a_thread_with_another_loop_schedules_messages() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let handle = event_loop.handle();
    let token = handle.keep_alive();
    let worker = thread::spawn(move || {
        let mut own = EventLoop::new().unwrap();
        let task = async move {
            let _token = token;
            spawn_on(&handle, async { thread::current().id() }).await
        };
        let alive = own.handle().keep_alive();
        let thread = own.block_on(task).unwrap();
        drop(alive);
        thread
    });
    event_loop.run(async {}).unwrap();
    assert_eq!(worker.join().unwrap(), thread::current().id());
}

/// Wakes of many threads are not lost, and the future is never polled twice at a time.
#[test]
fn no_wake_of_a_foreign_task_is_lost() {
    let _limit = limit();
    const EACH: usize = if cfg!(miri) { 50 } else { 2_000 };
    let mut event_loop = real_loop();
    let handle = event_loop.handle();
    let token = handle.keep_alive();
    let (count, is_polled) = (Arc::new(AtomicUsize::new(0)), AtomicBool::new(false));
    let waker = Arc::new(Mutex::new(None::<std::task::Waker>));
    let (of_task, slot) = (count.clone(), waker.clone());
    let task = spawn_on(&handle, async move {
        poll_fn(|cx| {
            assert!(!is_polled.swap(true, Ordering::SeqCst));
            *slot.lock().unwrap() = Some(cx.waker().clone());
            let is_done = of_task.load(Ordering::SeqCst) == 4 * EACH;
            is_polled.store(false, Ordering::SeqCst);
            if is_done {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        drop(token);
    });
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (count, waker) = (count.clone(), waker.clone());
            thread::spawn(move || {
                for _ in 0..EACH {
                    count.fetch_add(1, Ordering::SeqCst);
                    let waker = waker.lock().unwrap().clone();
                    waker.inspect(std::task::Waker::wake_by_ref);
                }
            })
        })
        .collect();
    event_loop.run(async {}).unwrap();
    elsewhere(task);
    threads.into_iter().for_each(|it| it.join().unwrap());
}

/// The poll has no async context, not that of the code that wakes the task.
#[test]
fn a_poll_has_no_async_context() {
    let _limit = limit();
    static STORAGE: AsyncLocalStorage<u32> = AsyncLocalStorage::new();
    let mut event_loop = virtual_loop();
    let handle = event_loop.handle();
    let seen = event_loop.block_on(async move {
        STORAGE
            .run(7, || spawn_on(&handle, async { STORAGE.get().is_none() }))
            .await
    });
    assert!(seen.unwrap());
}
