//! `HyperTimer`: sleeps can be sent and dropped anywhere, and are polled on their loop only.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use hyper::rt::{Executor, Sleep, Timer};
use nodeloop::hyper::{HyperExecutor, HyperTimer};
use nodeloop::time::Instant;
use nodeloop::{EventLoop, set_timeout, spawn};

const SECOND: Duration = Duration::from_secs(1);

fn virtual_loop() -> EventLoop {
    EventLoop::builder().virtual_time().build().unwrap()
}

fn panic_text(action: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(action)).unwrap_err();
    *payload.downcast::<String>().unwrap()
}

#[test]
fn a_sleep_completes_at_its_deadline() {
    virtual_loop()
        .run(async {
            let timer = HyperTimer::new();
            let start = timer.now();
            timer.sleep(SECOND).await;
            assert_eq!(timer.now() - start, SECOND);
            timer.sleep_until(start + 3 * SECOND).await;
            assert_eq!(timer.now() - start, 3 * SECOND);
            timer.sleep_until(start).await; // a deadline in the past: 1 ms, as `time::sleep_until`
            assert_eq!(timer.now() - start, 3 * SECOND + Duration::from_millis(1));
        })
        .unwrap();
}

#[test]
fn a_sleep_that_is_reset_completes_at_its_new_deadline() {
    virtual_loop()
        .run(async {
            let timer = HyperTimer::new();
            let start = timer.now();
            let mut sleep = timer.sleep(SECOND);
            assert!(sleep.as_mut().now_or_never().is_none());
            timer.reset(&mut sleep, start + 5 * SECOND);
            sleep.as_mut().await;
            assert_eq!(timer.now() - start, 5 * SECOND);
            timer.reset(&mut sleep, start + 6 * SECOND); // also after it has completed
            sleep.await;
            assert_eq!(timer.now() - start, 6 * SECOND);
        })
        .unwrap();
}

/// The virtual clock advances to the next armed timer: by one hour if the sleep's were still armed.
#[test]
fn a_dropped_sleep_does_not_keep_the_loop_alive() {
    let mut event_loop = virtual_loop();
    event_loop
        .run(async {
            let start = Instant::now();
            drop(HyperTimer::new().sleep(3600 * SECOND));
            nodeloop::on_exit(move |_| assert_eq!(start.elapsed(), Duration::ZERO));
        })
        .unwrap();
    event_loop
        .run(async {
            let start = Instant::now();
            let sleep = HyperTimer::new().sleep(3600 * SECOND);
            // A job stops virtual time until the key was posted to the loop.
            nodeloop::spawn_blocking(move || drop(sleep)).await;
            nodeloop::on_exit(move |_| assert_eq!(start.elapsed(), Duration::ZERO));
        })
        .unwrap();
}

#[test]
fn a_sleep_may_be_dropped_between_runs_and_outlive_its_loop() {
    let mut event_loop = virtual_loop();
    let create = || (HyperTimer::new().unref().sleep(SECOND),);
    let (sleep,) = event_loop.run(async move { create() }).unwrap();
    drop(sleep);
    let (here,) = event_loop.run(async move { create() }).unwrap();
    let (there,) = event_loop.run(async move { create() }).unwrap();
    drop(event_loop);
    drop(here);
    thread::spawn(move || drop(there)).join().unwrap();
}

/// R6, R36: it completes while something else keeps the loop alive, and not after that.
#[test]
fn an_unrefed_sleep_does_not_keep_the_loop_alive() {
    virtual_loop()
        .run(async {
            let start = Instant::now();
            let timer = HyperTimer::new().unref();
            spawn(async move {
                timer.sleep(SECOND).await;
                assert_eq!(start.elapsed(), SECOND);
                timer.sleep(3600 * SECOND).await;
                unreachable!("nothing keeps the loop alive for that long");
            })
            .detach();
            set_timeout(2 * SECOND, || {});
            nodeloop::on_exit(move |_| assert_eq!(start.elapsed(), 2 * SECOND));
        })
        .unwrap();
}

#[test]
fn panics_outside_of_the_loop_name_the_function() {
    fn send_and_sync<T: Send + Sync + ?Sized>(_: &T) {}
    let text = panic_text(|| drop(HyperTimer::new().sleep(SECOND)));
    assert!(
        text.contains("`HyperTimer::sleep` was called outside of an event loop"),
        "{text}"
    );
    let text = panic_text(|| HyperExecutor.execute(async {}));
    assert!(text.contains("outside of an event loop"), "{text}");
    HyperTimer::new().now(); // returns the time of the machine
    let (sleep,) = nodeloop::run(async { (HyperTimer::new().unref().sleep(SECOND),) });
    send_and_sync::<dyn Sleep>(&*sleep);

    let mut event_loop = virtual_loop();
    let sleep = event_loop.run(async { (HyperTimer::new().unref().sleep(SECOND),) });
    let (sleep,) = sleep.unwrap();
    let text = thread::spawn(move || {
        panic_text(|| {
            let _ = pin!(sleep).poll(&mut Context::from_waker(Waker::noop()));
        })
    });
    let text = text.join().unwrap();
    assert!(
        text.contains("was polled outside of its event loop"),
        "{text}"
    );
    assert!(
        text.contains("timer.rs"),
        "the message names the location of the sleep: {text}"
    );
}

/// The executor's tasks start in their own microtask, and never inside `execute`.
#[test]
fn executed_futures_start_in_their_own_microtask() {
    let log = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let lines = log.clone();
    virtual_loop()
        .run(async move {
            let task = lines.clone();
            HyperExecutor.execute(async move { task.borrow_mut().push("task") });
            let tick = lines.clone();
            nodeloop::next_tick(move || tick.borrow_mut().push("tick"));
            lines.borrow_mut().push("main");
        })
        .unwrap();
    // The main script continues, and ticks come before microtasks (R10).
    assert_eq!(*log.borrow(), ["main", "tick", "task"]);
}
