//! `AbortController`, and the functions that accept its signal. The order is that of Node, checked
//! with the same programs.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crate::common::limit::default_limit;
use crate::common::{Lines, ms, virtual_loop};
use nodeloop::{
    AbortController, AbortExt, AbortReason, AbortSignal, next_tick, on_uncaught, promise,
    queue_microtask, queue_work, set_immediate, set_interval, set_timeout, set_timeout_mut, spawn,
    spawn_blocking, time, why_alive,
};

/// Runs a script on virtual time and returns what it logged.
fn trace(script: impl FnOnce(Lines) + 'static) -> Vec<String> {
    let log = Lines::default();
    let inner = log.clone();
    let _limit = default_limit();
    let mut event_loop = virtual_loop();
    event_loop.run_script(move || script(inner)).unwrap();
    drop(event_loop);
    log.take()
}

fn logging(log: &Lines, text: &str) -> impl FnOnce() + 'static {
    let (log, text) = (log.clone(), text.to_owned());
    move || log.borrow_mut().push(text)
}

/// Node's `abortSignal` (`lib/internal/abort_controller.js`): listeners in order, then dependants. The
/// panic of a listener is raised in a tick.
#[test]
fn listeners_run_before_dependants_and_a_panic_is_raised_in_a_tick() {
    let log = trace(|log| {
        let uncaught = log.clone();
        on_uncaught(move |error| {
            let text = error.message();
            uncaught.borrow_mut().push(format!("uncaught {text}"));
        });
        let controller = AbortController::new();
        let signal = controller.signal();
        let any = AbortSignal::any([&signal]);
        any.on_abort(logging(&log, "any listener"));
        let first = logging(&log, "first listener");
        signal.on_abort(move || {
            first();
            std::panic::resume_unwind(Box::new("boom"));
        });
        signal.on_abort(logging(&log, "second listener"));
        next_tick(logging(&log, "tick before"));
        queue_microtask(logging(&log, "micro before"));
        controller.abort_with("why");
        assert!(signal.is_aborted() && any.is_aborted());
        assert_eq!(any.reason().unwrap().downcast_ref(), Some(&"why"));
        queue_microtask(logging(&log, "micro after"));
        next_tick(logging(&log, "tick after"));
        controller.abort_with("again");
        assert_eq!(signal.reason().unwrap().downcast_ref(), Some(&"why"));
        signal.on_abort(logging(&log, "late listener")); // never called
    });
    assert_eq!(
        log,
        [
            "first listener",
            "second listener",
            "any listener",
            "tick before",
            // The panic is raised again in a tick of its own, which ends that drain (R53); the
            // empty immediate of R51 causes a check phase, whose opening drains the rest (R12).
            "uncaught boom",
            "tick after",
            "micro before",
            "micro after",
        ]
    );
}

/// A signal made with `any` is aborted after the listeners of its sources, and its own dependants
/// after it.
#[test]
fn dependants_follow_in_order() {
    let log = trace(|log| {
        let controller = AbortController::new();
        let signal = controller.signal();
        let first = AbortSignal::any([&signal]);
        first.on_abort(logging(&log, "dependant"));
        let (own, seen) = (log.clone(), first.clone());
        signal.on_abort(move || {
            own.borrow_mut()
                .push(format!("own, dependant aborted: {}", seen.is_aborted()));
        });
        let second = AbortSignal::any([&first]);
        second.on_abort(logging(&log, "dependant of the dependant"));
        controller.abort();
        assert_eq!(
            second.reason().unwrap().downcast_ref(),
            Some(&AbortReason::Aborted)
        );
    });
    let expected = [
        "own, dependant aborted: false",
        "dependant",
        "dependant of the dependant",
    ];
    assert_eq!(log, expected);
}

/// A signal made of a dependent signal depends on the original sources, so that the order is that in
/// which the signals were made, as in Node. A signal made of one that is about to be aborted is aborted
/// at once; Node v20 fails an internal assertion there.
#[test]
fn nested_dependants_follow_in_the_order_in_which_they_were_made() {
    let log = trace(|log| {
        let (controller, other) = (AbortController::new(), AbortController::new());
        let first = AbortSignal::any([&controller.signal(), &other.signal()]);
        let second = AbortSignal::any([&other.signal()]);
        let third = AbortSignal::any([&first, &controller.signal()]);
        third.on_abort(logging(&log, "third"));
        second.on_abort(logging(&log, "second"));
        let (own, signal) = (log.clone(), third.clone());
        first.on_abort(move || {
            let made_meanwhile = AbortSignal::any([&signal]).is_aborted();
            own.borrow_mut()
                .push(format!("first, made meanwhile: {made_meanwhile}"));
        });
        other.abort();
    });
    assert_eq!(log, ["first, made meanwhile: true", "second", "third"]);
}

/// A listener may remove and add listeners while they are called, as in Node.
#[test]
fn listeners_change_while_they_are_called() {
    let log = trace(|log| {
        let controller = AbortController::new();
        let signal = controller.signal();
        let removed = Rc::new(RefCell::new(None));
        let (own, remove, listened) = (log.clone(), removed.clone(), signal.clone());
        signal.on_abort(move || {
            logging(&own, "first")();
            let second: nodeloop::Listener = remove.take().unwrap();
            assert!(second.remove());
            assert!(!second.remove());
            listened.on_abort(logging(&own, "added, never called"));
        });
        let second = signal.on_abort(logging(&log, "second, never called"));
        removed.replace(Some(second));
        signal.on_abort(logging(&log, "third"));
        controller.abort();
    });
    assert_eq!(log, ["first", "third"]);
}

/// The timer of `AbortSignal.timeout` is unref'd; when it fires the reason is a timeout.
#[test]
fn a_timeout_signal_is_unrefd_and_names_its_reason() {
    let log = trace(|log| {
        let signal = AbortSignal::timeout(ms(5));
        let error = signal.clone();
        let own = log.clone();
        signal.on_abort(move || {
            let timed_out = error.check().unwrap_err().is_timeout();
            own.borrow_mut().push(format!("timed out: {timed_out}"));
        });
        set_timeout(ms(10), logging(&log, "10 ms"));
        let never = AbortSignal::timeout(ms(50));
        never.on_abort(logging(
            &log,
            "never: nothing keeps the loop alive until then",
        ));
        let _ = set_timeout(ms(20), move || drop((signal, never)));
    });
    assert_eq!(log, ["timed out: true", "10 ms"]);
}

/// Node clears the timer of a signal that was collected (`lib/internal/abort_controller.js`,
/// `clearTimeoutRegistry`). A server that limits each request would otherwise keep a timer for each
/// until it is due.
#[test]
fn the_timer_of_a_timeout_signal_ends_with_the_signal() {
    trace(|_| {
        let timers = || why_alive().active_resources().len();
        let signal = AbortSignal::timeout(ms(3_600_000));
        let any = AbortSignal::any([&signal]);
        let clone = signal.clone();
        drop(signal);
        drop(clone);
        assert_eq!(timers(), 1, "a signal depends on it");
        drop(any);
        assert_eq!(timers(), 0);
    });
}

/// Node calls the listener of a signal that the program no longer holds; this is a documented deviation.
#[test]
fn a_timeout_signal_that_was_dropped_calls_no_listener() {
    let log = trace(|log| {
        let kept = AbortSignal::timeout(ms(10));
        kept.on_abort(logging(&log, "kept"));
        AbortSignal::timeout(ms(10)).on_abort(logging(&log, "dropped"));
        set_timeout(ms(20), move || {
            drop(kept);
            log.borrow_mut().push("end".to_owned());
        });
    });
    assert_eq!(log, ["kept", "end"]);
}

/// The abort drops the future, and the error is returned one turn later.
#[test]
fn aborting_drops_the_future() {
    let log = trace(|log| {
        let controller = AbortController::new();
        let signal = controller.signal();
        let own = log.clone();
        drop(spawn(async move {
            let error = time::sleep(ms(1000))
                .with_signal(&signal)
                .await
                .unwrap_err();
            own.borrow_mut().push(format!("sleep: {error}"));
            let late = time::sleep(ms(1000)).with_signal(&signal).await;
            assert!(late.is_err());
            own.borrow_mut().push("late".into());
            assert_eq!(time::Instant::now().elapsed(), Duration::ZERO);
        }));
        controller.abort();
        queue_microtask(logging(&log, "micro 1"));
        let own = log.clone();
        queue_microtask(move || queue_microtask(logging(&own, "micro 2")));
        // The sleeps are disarmed, so the loop ends.
        let own = log.clone();
        nodeloop::on_exit(move |_| {
            own.borrow_mut()
                .push(format!("exit at {:?}", time::Instant::now()))
        });
    });
    assert_eq!(log[0], "sleep: the operation was aborted");
    assert_eq!(log[1..4], ["micro 1", "late", "micro 2"]);
    assert!(log[4].ends_with("since_base: 0ns }"), "{}", log[4]);
}

#[test]
fn a_future_that_aborts_its_own_signal_ends_one_turn_later() {
    let log = trace(|log| {
        let controller = AbortController::new();
        let signal = controller.signal();
        let own = log.clone();
        drop(spawn(async move {
            let aborts = std::future::poll_fn(|_| -> std::task::Poll<()> {
                controller.abort();
                std::task::Poll::Pending
            });
            assert!(aborts.with_signal(&signal).await.is_err());
            own.borrow_mut().push("ended".into());
        }));
        queue_microtask(logging(&log, "after one turn"));
    });
    assert_eq!(log, ["ended", "after one turn"]);
}

/// Counts the wakes of a task. The number of its owners is that of the wakers, and one more.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A poll adds no second listener, and dropping the future removes the one that there is.
#[test]
fn the_abort_wakes_the_task_of_the_last_poll() {
    let tasks = [(); 2].map(|()| Arc::new(Wakes::default()));
    let kept = || tasks.each_ref().map(|task| Arc::strong_count(task) - 1);
    let woken = || tasks.each_ref().map(|task| task.0.load(Ordering::Relaxed));
    let controller = AbortController::new();
    let new = || Box::pin(std::future::pending::<()>().with_signal(&controller.signal()));
    let (mut dropped, mut future) = (new(), new());
    for task in [0, 1, 1] {
        let waker = Waker::from(tasks[task].clone());
        let mut cx = Context::from_waker(&waker);
        assert!(dropped.as_mut().poll(&mut cx).is_pending());
        assert!(future.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!((kept(), woken()), ([0, 2], [0, 0]));
    drop(dropped);
    assert_eq!((kept(), woken()), ([0, 1], [0, 0]));
    controller.abort();
    assert_eq!((kept(), woken()), ([0, 0], [0, 1]));
    assert!(!controller.signal().check().unwrap_err().is_timeout());
}

/// A future that is ready returns its output, and no listener is left.
#[test]
fn a_future_that_is_ready_leaves_no_listener() {
    let log = trace(|log| {
        let controller = AbortController::new();
        let signal = controller.signal();
        drop(spawn(async move {
            for _ in 0..100 {
                assert!(promise::ready(1).with_signal(&signal).await.is_ok());
            }
            controller.abort();
            log.borrow_mut().push("done".into());
        }));
    });
    assert_eq!(log, ["done"]);
}

#[test]
fn timers_immediates_tasks_and_jobs_accept_a_signal() {
    let log = trace(|log| {
        let controller = AbortController::new();
        let signal = controller.signal();
        set_timeout(ms(5), logging(&log, "timer: never")).abort_on(&signal);
        set_immediate(logging(&log, "immediate: never")).abort_on(&signal);
        let task = spawn(std::future::pending::<()>())
            .settled()
            .abort_on(&signal);
        // Four jobs keep the pool busy until the fifth has been aborted.
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let receiver = std::sync::Arc::new(std::sync::Mutex::new(receiver));
        for _ in 0..4 {
            let receiver = receiver.clone();
            queue_work(
                move || {
                    let _ = receiver.lock().unwrap().recv();
                },
                |()| {},
            );
        }
        let job = spawn_blocking(|| panic!("it must not start"))
            .settled()
            .abort_on(&signal);
        let own = log.clone();
        drop(spawn(async move {
            let task = task.await.unwrap_err();
            own.borrow_mut()
                .push(format!("task aborted: {}", task.is_aborted()));
            let job: Result<(), _> = job.await;
            own.borrow_mut()
                .push(format!("job aborted: {}", job.unwrap_err().is_aborted()));
        }));
        controller.abort();
        drop(sender);
    });
    assert_eq!(log, ["task aborted: true", "job aborted: true"]);
}

/// The signal removes the operations that are over, and aborts all others.
#[test]
fn many_operations_are_aborted() {
    let log = trace(|log| {
        let controller = AbortController::new();
        let signal = controller.signal();
        let mut tasks = Vec::new();
        for _ in 0..100 {
            set_timeout(ms(5), || unreachable!()).abort_on(&signal);
            set_immediate(|| unreachable!()).abort_on(&signal);
            set_timeout(ms(5), || unreachable!())
                .abort_on(&signal)
                .clear();
            let task = spawn(std::future::pending::<()>()).settled();
            tasks.push(task.abort_on(&signal));
        }
        controller.abort();
        drop(spawn(async move {
            for task in tasks {
                assert!(task.await.unwrap_err().is_aborted());
            }
            log.borrow_mut().push("all".into());
        }));
    });
    assert_eq!(log, ["all"]);
}

/// A listener can be removed, and those of completed operations are removed.
#[test]
fn listeners_are_removed() {
    let log = trace(|log| {
        let controller = AbortController::new();
        let signal = controller.signal();
        signal.on_abort(logging(&log, "removed")).remove();
        let inner = signal.clone();
        drop(spawn(async move {
            let rounds = if cfg!(miri) { 100 } else { 10_000 };
            for _ in 0..rounds {
                promise::ready(()).settled().abort_on(&inner).await.unwrap();
            }
            let text = format!("{:?}", inner);
            assert!(text.contains("AbortSignal"), "{text}");
            controller.abort();
        }));
    });
    assert_eq!(log, [""; 0]);
}

/// Listeners of operations that are over are removed from time to time. An interval that is running,
/// and a timer that has fired and may be refreshed, are not over.
#[test]
fn a_timer_that_may_run_again_is_still_aborted() {
    let log = trace(|log| {
        let controller = AbortController::new();
        let signal = controller.signal();
        let (in_interval, line) = (signal.clone(), log.clone());
        let interval = set_interval(ms(10), move || {
            line.borrow_mut().push("interval".into());
            for _ in 0..100 {
                set_timeout(ms(1), || {}).abort_on(&in_interval);
            }
        });
        interval.abort_on(&signal);
        let line = log.clone();
        let fired = set_timeout_mut(ms(5), move || line.borrow_mut().push("timer".into()));
        fired.abort_on(&signal);
        set_timeout(ms(15), move || {
            fired.refresh();
            controller.abort();
            assert!(!fired.is_pending() && !interval.is_pending());
        });
    });
    assert_eq!(log, ["timer", "interval"]);
}
