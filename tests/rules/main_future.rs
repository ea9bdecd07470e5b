//! The main future: it borrows from the caller of `run`, is queued as a task is, and no part of it
//! outlives the run.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::common::limit::limit;
use crate::common::{Log, ms, real_loop, resolved, throw, virtual_loop};
use nodeloop::observe::{Event, EventContext, StepKind};
use nodeloop::{
    EntryMode, EventLoop, MainOutput, RunError, StuckPolicy, exit, next_tick, on_exit, on_warning,
    promise, queue_microtask, set_immediate, set_timeout, spawn, test, time, yield_now,
};

/// Adds a line when it is dropped.
struct OnDrop<'a>(&'a RefCell<Vec<&'static str>>, &'static str);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[test]
fn the_main_future_and_its_output_may_borrow() {
    let _limit = limit();
    let text = String::from("borrowed");
    let count = Cell::new(0);
    let main = async || {
        for _ in 0..3 {
            count.set(count.get() + 1);
            yield_now().await;
            resolved().await;
            time::sleep(ms(1)).await;
        }
        &text[2..]
    };
    assert_eq!(nodeloop::run(main()), "rrowed");
    assert_eq!(nodeloop::block_on(main()), "rrowed");
    let mut event_loop = virtual_loop();
    assert_eq!(event_loop.run(main()).unwrap(), "rrowed");
    assert_eq!(event_loop.block_on(main()).unwrap(), "rrowed");
    assert_eq!(test::run(async |_| main().await), "rrowed");
    let explored = test::explore(2, async |_| assert_eq!(main().await, "rrowed"));
    assert_eq!(explored.runs(), 3);
    assert_eq!(count.get(), 8 * 3);
}

#[test]
fn the_main_future_of_a_module_may_borrow() {
    let mut event_loop = EventLoop::builder()
        .virtual_time()
        .entry(EntryMode::Module)
        .build()
        .unwrap();
    let mut lines = Vec::new();
    let main = async {
        lines.push("main");
        resolved().await;
        lines.push("again");
        lines.len()
    };
    assert_eq!(event_loop.run(main).unwrap(), 2);
    assert_eq!(lines, ["main", "again"]);
}

#[test]
fn a_borrow_ends_with_the_run() {
    let mut event_loop = virtual_loop();
    for _ in 0..2 {
        let lines = RefCell::new(Vec::new());
        let main = async {
            let _dropped = OnDrop(&lines, "dropped");
            pending::<()>().await;
        };
        assert!(matches!(event_loop.run(main), Err(RunError::Stuck(_))));
        assert_eq!(lines.into_inner(), ["dropped"]);
    }
}

/// The same body as the main future and as a task runs in the same order: a wake of a future that is
/// being polled takes effect after the poll.
#[test]
fn the_main_future_is_queued_as_a_task_is() {
    async fn body(log: Log) {
        let mut polls = 0;
        poll_fn(|cx: &mut Context<'_>| {
            polls += 1;
            log.add(format_args!("poll {polls}"));
            if polls == 4 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            cx.waker().wake_by_ref(); // queued once
            queue_microtask(log.callback("microtask"));
            next_tick(log.callback("tick"));
            Poll::Pending
        })
        .await;
        set_immediate(log.callback("immediate"));
        set_timeout(ms(1), log.callback("timeout"));
        let other = log.clone();
        spawn(async move {
            promise::ready(()).await;
            other.add("task");
        })
        .detach();
        yield_now().await;
        log.add("after the yield");
        promise::ready(()).await;
        log.add("after a turn");
    }
    for entry in [EntryMode::CommonJs, EntryMode::Module] {
        let new_loop = || {
            let settings = EventLoop::builder().virtual_time().entry(entry);
            settings.build().unwrap()
        };
        let (main, task) = (Log::new(), Log::new());
        new_loop().run(body(main.clone())).unwrap();
        let spawned = task.clone();
        new_loop()
            .run_script(move || spawn(body(spawned)).detach())
            .unwrap();
        assert_eq!(main.lines(), task.lines());
        assert!(
            main.lines().ends_with(&["timeout".to_owned()]),
            "{:?}",
            main.lines()
        );
    }
}

/// An observer is notified of the same events for the main future and for a task.
#[test]
fn observers_see_the_main_future_as_a_task() {
    fn events(run: impl FnOnce(&mut EventLoop)) -> Vec<String> {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let events = seen.clone();
        let observer = move |event: &Event, _: &EventContext<'_>| {
            let text = format!("{event:?}");
            // Not where it was spawned and by what.
            let end = text.find("location").unwrap_or(text.len());
            events.borrow_mut().push(text[..end].to_owned());
        };
        let settings = EventLoop::builder().virtual_time().observer(observer);
        run(&mut settings.build().unwrap());
        seen.take()
    }
    async fn body() {
        yield_now().await;
        promise::ready(()).await;
        time::sleep(ms(5)).await;
    }
    let main = events(|event_loop| event_loop.run(body()).unwrap());
    let task = events(|event_loop| {
        event_loop.run_script(|| spawn(body()).detach()).unwrap();
    });
    assert_eq!(main, task);
    assert!(main.len() > 20, "{main:?}");
}

#[test]
fn every_end_of_a_run_drops_the_main_future_inside_of_it() {
    type End = fn();
    let ends: [(End, &str); 3] = [
        (|| exit(3), "the program called `exit(3)`"),
        (|| throw("oops"), "uncaught panic"),
        (
            || drop(nodeloop::try_spawn(async { Err::<(), _>("no") })),
            "unhandled rejection",
        ),
    ];
    for entry in [EntryMode::CommonJs, EntryMode::Module] {
        for (end, expected) in ends {
            let lines = RefCell::new(Vec::new());
            let mut event_loop = EventLoop::builder()
                .virtual_time()
                .entry(entry)
                .build()
                .unwrap();
            let main = async {
                let _dropped = OnDrop(&lines, "main");
                on_exit(|_| {});
                set_timeout(ms(1), end);
                pending::<()>().await;
            };
            let error = event_loop.run(main).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(lines.into_inner(), ["main"]);
        }
    }
}

/// Tasks and the main future are dropped in the order in which they became pending.
#[test]
fn the_main_future_is_dropped_in_its_place_among_the_tasks() {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let task = |name| {
        let lines = lines.clone();
        async move {
            let _dropped = OnDrop(&lines, name);
            pending::<()>().await;
        }
    };
    let (first, second) = (task("first"), task("second"));
    let main = async {
        let _dropped = OnDrop(&lines, "main");
        spawn(first).detach();
        next_tick(move || spawn(second).detach());
        set_timeout(ms(1), || exit(0));
        pending::<()>().await;
    };
    assert!(matches!(virtual_loop().run(main), Err(RunError::Exit(0))));
    assert_eq!(*lines.borrow(), ["first", "main", "second"]);
}

#[test]
fn a_module_that_never_starts_is_dropped_inside_of_the_run() {
    let mut event_loop = EventLoop::builder()
        .virtual_time()
        .entry(EntryMode::Module)
        .build()
        .unwrap();
    let stop = async {
        queue_microtask(|| exit(1)); // left for the next run
    };
    event_loop.block_on(stop).unwrap();
    struct Bomb<'a>(OnDrop<'a>);
    impl Drop for Bomb<'_> {
        fn drop(&mut self) {
            throw(self.0.1); // it does not leave the run
        }
    }
    let lines = RefCell::new(Vec::new());
    let dropped = Bomb(OnDrop(&lines, "dropped"));
    let main = async move {
        let _dropped = dropped;
        unreachable!("it is not polled");
    };
    assert!(matches!(event_loop.run::<_>(main), Err(RunError::Exit(1))));
    assert_eq!(*lines.borrow(), ["dropped"]);
}

/// R19: the start of a module is a microtask, also for an observer.
#[test]
fn an_observer_sees_the_start_of_a_module() {
    let queued = Rc::new(Cell::new(0));
    let count = queued.clone();
    let observer = move |event: &Event, _: &EventContext<'_>| {
        if let Event::Enqueued { step, .. } = event {
            assert_eq!(step.kind, StepKind::Microtask);
            count.set(count.get() + 1);
        }
    };
    let settings = EventLoop::builder().virtual_time().observer(observer);
    let mut event_loop = settings.entry(EntryMode::Module).build().unwrap();
    assert_eq!(event_loop.run(async { 7 }).unwrap(), 7);
    assert_eq!(queued.get(), 1);
}

#[test]
fn the_destructor_of_an_output_that_nobody_gets_is_caught() {
    struct Bomb;
    impl MainOutput for Bomb {}
    impl Drop for Bomb {
        fn drop(&mut self) {
            throw("the destructor");
        }
    }
    let mut event_loop = virtual_loop();
    let main = async {
        set_timeout(ms(1), || exit(2));
        Bomb
    };
    assert!(matches!(event_loop.run(main), Err(RunError::Exit(2))));
}

#[test]
fn a_panic_of_the_main_future_is_returned_also_if_it_borrows() {
    let text = String::from("borrowed");
    let main = async {
        resolved().await;
        if text.len() > 3 {
            throw(&text);
        }
    };
    let Err(RunError::Uncaught(error)) = virtual_loop().run(main) else {
        panic!("it panicked");
    };
    assert_eq!(error.message(), "borrowed");
}

/// A waker that outlives its run wakes neither that run nor the next one.
#[test]
fn a_waker_has_no_effect_after_its_run() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let kept: Cell<Option<Waker>> = Cell::new(None);
    event_loop
        .block_on(poll_fn(|cx| {
            kept.set(Some(cx.waker().clone()));
            Poll::Ready(())
        }))
        .unwrap();
    let waker = kept.take().unwrap();
    waker.wake_by_ref(); // between two runs
    let other = waker.clone();
    thread::spawn(move || other.wake()).join().unwrap();
    let mut polls = 0;
    let main = poll_fn(|_| {
        polls += 1;
        waker.wake_by_ref();
        match polls {
            1 => {
                let wake = waker.clone();
                set_immediate(move || wake.wake());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    });
    let mut event_loop = EventLoop::builder()
        .stuck_policy(StuckPolicy::Error)
        .build()
        .unwrap();
    assert!(matches!(event_loop.run(main), Err(RunError::Stuck(_))));
    assert_eq!(polls, 1);
    drop(event_loop);
    waker.wake();
}

/// The wake of another thread is in the remote queue when the run ends.
#[test]
fn a_wake_that_has_not_been_delivered_does_not_keep_the_main_future() {
    let _limit = limit();
    let lines = RefCell::new(Vec::new());
    let mut event_loop = virtual_loop();
    let main = async {
        let _dropped = OnDrop(&lines, "dropped");
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        set_immediate(move || thread::spawn(move || waker.wake()).join().unwrap());
        set_immediate(|| exit(5));
        pending::<()>().await;
    };
    assert!(matches!(event_loop.run(main), Err(RunError::Exit(5))));
    assert_eq!(*lines.borrow(), ["dropped"]);
    let next = async {
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(polls);
            }
            let waker = cx.waker().clone();
            set_timeout(ms(3), move || waker.wake());
            Poll::Pending
        })
        .await
    };
    assert_eq!(event_loop.run(next).unwrap(), 2);
}

/// A wake from another thread is a macrotask of the poll phase.
#[test]
fn another_thread_wakes_the_main_future_in_the_poll_phase() {
    let _limit = limit();
    let log = Log::new();
    let logged = log.clone();
    let (sender, receiver) = channel::<Waker>();
    let waking = thread::spawn(move || receiver.into_iter().for_each(Waker::wake));
    let mut event_loop = real_loop();
    let main = async move {
        let mut sent = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut sent, true) {
                return Poll::Ready(());
            }
            let (sender, waker) = (sender.clone(), cx.waker().clone());
            set_immediate(move || sender.send(waker).unwrap()); // after this poll
            Poll::Pending
        })
        .await;
        let kind = nodeloop::observe::position();
        logged.add(format_args!("{:?} {:?}", kind.kind.unwrap(), kind.phase));
        next_tick(logged.callback("tick"));
        resolved().await;
        logged.add("microtask");
    };
    event_loop.run(main).unwrap();
    waking.join().unwrap();
    log.assert(["Task Some(Poll)", "microtask", "tick"]);
}

/// Destructors of a stuck main future may use the loop, as in a turn.
#[test]
fn a_stuck_main_future_is_dropped_in_a_turn() {
    struct Queues(Log);
    impl Drop for Queues {
        fn drop(&mut self) {
            queue_microtask(self.0.callback("microtask"));
            next_tick(self.0.callback("tick"));
            self.0.add("dropped");
        }
    }
    let log = Log::new();
    let main = async {
        let _queues = Queues(log.clone());
        pending::<()>().await;
    };
    assert!(matches!(
        virtual_loop().block_on(main),
        Err(RunError::Stuck(_))
    ));
    log.assert(["dropped", "microtask", "tick"]);
}

/// What never wakes the main future ends the run at once, under each policy.
#[test]
fn a_main_future_that_nothing_can_wake_ends_the_run() {
    let _limit = limit();
    for policy in [StuckPolicy::Wait, StuckPolicy::Error] {
        let stuck = |main: &mut dyn FnMut(&mut EventLoop) -> Result<(), RunError>| {
            let mut event_loop = EventLoop::builder().stuck_policy(policy).build().unwrap();
            match main(&mut event_loop) {
                Err(RunError::Stuck(stuck)) => stuck.to_string(),
                other => panic!("{other:?}"),
            }
        };
        let expected = "the main future can never finish: nothing keeps the loop alive, and no waker \
                        is left that could wake it\n  the main future, run at tests/rules/";
        let text = stuck(&mut |event_loop| event_loop.run(pending()));
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains("unknown"), "{text}");
        let text = stuck(&mut |event_loop| event_loop.block_on(pending()));
        assert!(text.starts_with(expected), "{text}");
        let text = stuck(&mut |event_loop| {
            event_loop.run(async {
                let (promise, resolver) = promise::with_resolver::<()>();
                next_tick(move || drop(resolver));
                let other = resolved().then(|()| {}).settled();
                futures::future::select(promise, other).await; // has polled both
                let (promise, _) = promise::with_resolver::<()>();
                promise.await;
            })
        });
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.contains("it waits for the promise created at tests/rules/"),
            "{text}"
        );
        assert!(text.contains("which can never settle"), "{text}");
        let text = stuck(&mut |event_loop| {
            event_loop.run(async {
                let (promise, _) = promise::with_resolver::<()>();
                let (other, _) = promise::with_resolver::<()>();
                let (shared, _) = promise::with_resolver::<()>();
                let shared = shared.shared();
                let both = futures::future::join(shared.clone(), shared);
                futures::join!(promise, other, both, pending::<()>());
            })
        });
        assert!(text.starts_with(expected), "{text}");
    }
}

/// A waker on another thread may still be used: the run waits for it, or not, as its policy says.
#[test]
fn a_main_future_that_another_thread_can_wake_is_waited_for() {
    let _limit = limit();
    for policy in [StuckPolicy::Wait, StuckPolicy::Error] {
        let (sender, receiver) = channel::<Waker>();
        let (go, gone) = channel::<()>();
        let waking = thread::spawn(move || {
            let waker = receiver.recv().unwrap();
            gone.recv().unwrap(); // the loop is out of work by now
            waker.wake();
        });
        let mut event_loop = EventLoop::builder().stuck_policy(policy).build().unwrap();
        let main = async {
            on_warning(|warning| panic!("this wait is not long: {warning}"));
            let (never, _) = promise::with_resolver::<()>();
            let mut polls = 0;
            let woken = poll_fn(|cx| {
                polls += 1;
                if polls == 1 {
                    sender.send(cx.waker().clone()).unwrap();
                    return Poll::Pending;
                }
                Poll::Ready(())
            });
            nodeloop::on_before_exit(move || {
                let _ = go.send(()); // it is called again after the wake
            });
            futures::future::select(never, woken).await;
        };
        match (policy, event_loop.run(main)) {
            (StuckPolicy::Wait, Ok(())) => {}
            (StuckPolicy::Error, Err(RunError::Stuck(_)) | Ok(())) => {}
            (_, other) => panic!("{policy:?}: {other:?}"),
        }
        waking.join().unwrap();
    }
}

/// A waker that was dropped after it had woken the main future is no reason to give up.
#[test]
fn the_last_waker_may_be_gone_before_its_wake_arrives() {
    let _limit = limit();
    for _ in 0..if cfg!(miri) { 2 } else { 200 } {
        let mut event_loop = real_loop();
        let mut polls = 0;
        let main = poll_fn(|cx| {
            polls += 1;
            if polls == 20 {
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            drop(thread::spawn(move || waker.wake()));
            Poll::Pending
        });
        event_loop.run(main).unwrap();
    }
}

/// What an unref'd timer would wake is a matter of the policy.
#[test]
fn an_unrefd_timer_may_still_wake_the_main_future() {
    let _limit = limit();
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    let main = async {
        let (promise, resolver) = promise::with_resolver();
        set_timeout(ms(50), move || resolver.resolve(7)).unref();
        promise.await
    };
    assert_eq!(event_loop.run(main).unwrap(), 7);
}

/// A promise without resolvers can still be aborted, here by timers that keep nothing alive.
#[test]
fn what_can_abort_the_awaited_promise_may_still_wake_the_main_future() {
    let _limit = limit();
    let new_loop = || EventLoop::builder().virtual_time().build().unwrap();
    let by_handle = async {
        let (promise, _) = promise::with_resolver::<()>();
        let settled = promise.settled();
        let handle = settled.abort_handle();
        set_timeout(ms(50), move || handle.abort()).unref();
        settled.await.unwrap_err().is_aborted()
    };
    assert!(new_loop().run(by_handle).unwrap());
    let by_signal = async {
        let (promise, _) = promise::with_resolver::<()>();
        let controller = nodeloop::AbortController::new();
        let settled = promise.settled().abort_on(&controller.signal());
        set_timeout(ms(50), move || controller.abort()).unref();
        settled.await.unwrap_err().is_aborted()
    };
    assert!(new_loop().run(by_signal).unwrap());
    let by_a_clone = async {
        let (promise, _) = promise::with_resolver::<()>();
        let shared = promise.shared();
        let other = shared.clone();
        set_timeout(ms(50), move || other.settled().abort()).unref();
        shared.settled().await.unwrap_err().is_aborted()
    };
    assert!(new_loop().run(by_a_clone).unwrap());
}

fn assert_runs_anything<F: Future>(future: F) -> Option<F::Output> {
    virtual_loop().block_on(future).ok()
}

#[test]
fn a_future_need_not_be_unpin_and_its_output_not_be_debug() {
    struct Opaque<'a>(#[expect(dead_code, reason = "it borrows")] &'a str);
    let text = String::from("text");
    assert!(assert_runs_anything(async { Opaque(&text) }).is_some());
}

#[test]
fn exit_may_be_all_that_a_main_future_does() {
    let mut event_loop = virtual_loop();
    let error = event_loop.run(async { exit(3) }).unwrap_err();
    assert!(matches!(error, RunError::Exit(3)));
}
