//! Panics of destructors: one rule for every value that the loop drops (R51, R54).

use std::cell::Cell;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::common::limit::limit;
use crate::common::{Log, ms, throw, trace, try_trace, virtual_loop};
use nodeloop::observe::{Event, EventContext};
use nodeloop::promise::{try_with_resolver, with_resolver};
use nodeloop::{
    RunError, next_tick, on_before_exit, on_exit, on_uncaught, on_warning, promise,
    queue_microtask, queue_work, set_immediate, set_interval, set_timeout, set_timeout_mut, spawn,
    spawn_blocking, yield_now,
};

/// Panics when it is dropped. It is `Send`, for jobs.
#[derive(Debug)]
struct Bomb(&'static str);

impl Bomb {
    fn check(&self) {
        assert!(!self.0.is_empty());
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            throw(self.0)
        }
    }
}

/// Returns a callback that must not be called, and whose destructor panics.
fn never(text: &'static str) -> impl FnMut() + 'static {
    let bomb = Bomb(text);
    move || unreachable!("{bomb:?}")
}

/// Runs a script and asserts that each destructor was reported with the line on which the owner of
/// its value was created. The script returns these lines.
#[track_caller]
fn assert_reported(script: impl FnOnce() -> Vec<(&'static str, u32)> + 'static) {
    let expected = Rc::new(Cell::new(Vec::new()));
    let lines = expected.clone();
    let log = trace(move |log| {
        on_uncaught(move |error| {
            assert_eq!(error.location().file(), file!());
            log.add(format_args!(
                "{}:{}",
                error.message(),
                error.location().line()
            ));
        });
        lines.set(script());
    });
    let expected: Vec<String> = expected
        .take()
        .iter()
        .map(|(text, line)| format!("{text}:{line}"))
        .collect();
    assert_eq!(log.labels(), expected);
}

#[test]
fn an_output_that_nobody_takes_is_reported() {
    assert_reported(|| {
        let line = line!();
        drop(spawn(async { Bomb("at once") }));
        drop(spawn(async {
            yield_now().await;
            Bomb("later")
        }));
        let (promise, resolver) = with_resolver();
        drop(promise);
        resolver.resolve(Bomb("resolved"));
        drop(resolver);
        vec![
            ("at once", line + 1),
            ("resolved", line + 6),
            ("later", line + 2),
        ]
    });
}

#[test]
fn a_second_settling_is_reported() {
    assert_reported(|| {
        let line = line!() + 1;
        let (promise, resolver) = try_with_resolver::<Bomb, Bomb>();
        drop(promise.map(|result| result.map(std::mem::forget)));
        resolver.resolve(Bomb("never dropped"));
        resolver.resolve(Bomb("the second"));
        resolver.reject(Bomb("the third"));
        vec![("the second", line), ("the third", line)]
    });
}

/// The function of a `map` that is never called.
#[test]
fn a_mapping_of_a_promise_that_stays_pending_is_reported() {
    assert_reported(|| {
        let line = line!() + 1;
        let (promise, resolver) = with_resolver::<()>();
        let mut map = never("the function of map");
        drop(promise.map(move |()| map()));
        drop(resolver);
        vec![("the function of map", line)]
    });
}

#[test]
fn cleared_callbacks_are_reported() {
    assert_reported(|| {
        let first = line!() + 1;
        set_timeout(ms(1), never("timeout")).clear();
        set_timeout_mut(ms(1), never("repeated")).clear();
        set_interval(ms(1), never("interval")).clear();
        set_immediate(never("immediate")).clear();
        on_before_exit(never("before exit")).remove();
        let mut on_code = never("exit");
        on_exit(move |_| on_code()).remove();
        let mut on_any = never("warning");
        on_warning(move |_| on_any()).remove();
        let texts = [
            "timeout",
            "repeated",
            "interval",
            "immediate",
            "before exit",
        ];
        let mut lines: Vec<_> = texts.into_iter().zip(first..).collect();
        lines.extend([("exit", first + 6), ("warning", first + 8)]);
        lines
    });
}

/// A timer that has fired and keeps its callback, until its last handle is dropped.
#[test]
fn the_callback_of_a_fired_timer_is_reported() {
    assert_reported(|| {
        let line = line!() + 2;
        let bomb = Bomb("fired");
        let timer = set_timeout_mut(ms(1), move || bomb.check());
        set_timeout(ms(5), move || drop(timer));
        vec![("fired", line)]
    });
}

#[test]
fn cancelled_jobs_and_unwanted_results_are_reported() {
    let _limit = limit();
    for threads in [1, 4] {
        let log = Log::new();
        let (lines, line) = (log.clone(), line!());
        let mut event_loop = nodeloop::EventLoop::builder()
            .blocking_threads(threads)
            .build()
            .unwrap();
        let result = event_loop.run(async move {
            on_uncaught(move |error| {
                lines.add(format_args!(
                    "{}:{}",
                    error.message(),
                    error.location().line()
                ));
            });
            drop(spawn_blocking(|| Bomb("the result of a job")));
            nodeloop::time::wait_for_jobs();
            let (open, opened) = std::sync::mpsc::channel::<()>();
            let gate = std::sync::Arc::new(std::sync::Mutex::new(opened));
            let busy: Vec<_> = (0..threads)
                .map(|_| gate.clone())
                .map(|gate| spawn_blocking(move || gate.lock().unwrap().recv().is_ok()))
                .collect();
            let job = Bomb("the job");
            spawn_blocking(move || job).settled().abort();
            let done = Bomb("the callback");
            queue_work(|| (), move |()| drop(done)).cancel();
            drop(open);
            promise::all_settled(busy).await;
        });
        result.unwrap();
        let mut labels = log.labels();
        labels.sort();
        let expected = [
            format!("the callback:{}", line + 24),
            format!("the job:{}", line + 22),
            format!("the result of a job:{}", line + 13),
        ];
        assert_eq!(labels, expected);
    }
}

#[cfg(unix)] // the test raises a signal
#[test]
fn the_listener_of_a_signal_is_reported() {
    assert_reported(|| {
        let line = line!() + 1;
        let listener = nodeloop::signal::on_signal(
            nodeloop::signal::SignalKind::user_defined2(),
            never("signal"),
        );
        assert!(listener.unwrap().remove());
        vec![("signal", line)]
    });
}

#[test]
fn a_removed_observer_is_reported() {
    assert_reported(|| {
        let bomb = Bomb("observer");
        let line = line!() + 2;
        let observer =
            nodeloop::observe::install(move |_: &Event, _: &EventContext<'_>| bomb.check());
        observer.remove();
        vec![("observer", line)]
    });
}

/// The panic does not leave the operation, and neither ends the drain nor delays it.
#[test]
fn a_destructor_is_raised_in_a_microtask() {
    trace(|log| {
        let line = log.clone();
        on_uncaught(move |error| line.add(error.message()));
        queue_microtask(log.callback("microtask 1"));
        set_timeout(ms(1), never("destructor")).clear();
        log.add("cleared");
        queue_microtask(log.callback("microtask 2"));
        next_tick(log.callback("tick"));
    })
    .assert([
        "cleared",
        "tick",
        "microtask 1",
        "destructor",
        "microtask 2",
    ]);
}

/// Without a listener it ends the run, as a panic in a callback does.
#[test]
fn without_a_listener_a_destructor_ends_the_run() {
    let (result, log) = try_trace(|log| {
        let line = log.clone();
        on_exit(move |code| line.add(format_args!("exit {code}")));
        drop(spawn(async { Bomb("the output") }));
        set_timeout(ms(1), log.callback("never"));
    });
    log.assert(["exit 1"]);
    let Err(RunError::Uncaught(error)) = result else {
        panic!("{result:?}");
    };
    assert_eq!(error.message(), "the output");
    assert_eq!(error.location().file(), file!());
}

/// What is dropped because the loop ends is not reported.
#[test]
fn at_the_end_of_the_loop_destructors_are_ignored() {
    let log = Log::new();
    let line = log.clone();
    let mut event_loop = virtual_loop();
    let result = event_loop.block_on(async move {
        on_uncaught(move |error| line.add(error.message()));
        set_timeout(ms(1), never("timer"));
        set_immediate(never("immediate"));
        let bomb = Bomb("task");
        drop(spawn(async move {
            pending::<()>().await;
            drop(bomb);
        }));
    });
    result.unwrap();
    drop(event_loop);
    log.assert([]);
}

/// A task has one outcome: of two panics the first is reported, that of the poll.
#[test]
fn a_destructor_does_not_replace_the_panic_of_its_future() {
    struct Panics(#[expect(dead_code, reason = "dropped with the future")] Bomb);

    impl Future for Panics {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            throw("poll")
        }
    }

    let log = trace(|log| {
        let task = spawn(Panics(Bomb("destructor"))).settled();
        spawn(async move { log.add(task.await.unwrap_err()) }).detach();
    });
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].contains("poll"), "{lines:?}");
}

/// Not a rule of Node's: labels are those of `nodeloop::host`.
#[test]
fn the_label_of_a_timer_that_has_fired_is_dropped() {
    let label: std::sync::Arc<str> = "timer".into();
    let given = label.clone();
    trace(|_| {
        nodeloop::set_timeout(ms(1), || {}).set_label(given);
    })
    .assert([] as [&str; 0]);
    assert_eq!(std::sync::Arc::strong_count(&label), 1);
}

#[test]
fn the_text_of_an_error_names_the_code_that_has_panicked() {
    let _limit = limit();
    let scripts: [(fn(), &str); 5] = [
        (|| throw("thrown"), "main script run at"),
        (|| next_tick(|| throw("thrown")), "tick queued at"),
        (
            || queue_microtask(|| throw("thrown")),
            "microtask queued at",
        ),
        (
            || _ = set_immediate(|| throw("thrown")),
            "callback created at",
        ),
        (
            || drop(spawn(async { Bomb("thrown") })),
            "destructor of what was created at",
        ),
    ];
    let check = |text: String, source: &str| {
        let start = format!("uncaught panic in the {source} {}:", file!());
        assert!(text.starts_with(&start), "{text}");
        assert!(text.ends_with(": thrown"), "{text}");
    };
    for (script, source) in scripts {
        check(
            virtual_loop().run_script(script).unwrap_err().to_string(),
            source,
        );
    }
    let main = virtual_loop().run(async { throw("thrown") });
    check(main.unwrap_err().to_string(), "main future run at");
}

/// The destructor of a cleared callback runs at once, and may arm a timer with a callback of the same type.
#[test]
fn the_destructor_of_a_cleared_callback_may_arm_its_like() {
    struct Arms(Option<(Log, &'static str)>);
    impl Drop for Arms {
        fn drop(&mut self) {
            if let Some((log, name)) = self.0.take() {
                log.add(format_args!("{name} dropped"));
                arm(Arms(None), &log, "of the destructor");
            }
        }
    }
    fn arm(arms: Arms, log: &Log, name: &'static str) -> nodeloop::TimeoutHandle {
        let log = log.clone();
        set_timeout(ms(1), move || {
            drop(arms);
            log.add(name);
        })
    }
    trace(|log| {
        for name in ["first", "second"] {
            let timer = arm(Arms(Some((log.clone(), name))), &log, "never called");
            timer.clear();
            log.add(format_args!("{name} cleared"));
        }
        arm(Arms(None), &log, "last");
    })
    .assert([
        "first dropped",
        "first cleared",
        "second dropped",
        "second cleared",
        "of the destructor",
        "of the destructor",
        "last",
    ]);
}
