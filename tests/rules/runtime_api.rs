//! Handles to the current loop, tasks that are spawned between two runs, and spawners for generic code.

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;

use crate::common::limit::limit;
use crate::common::{Log, ms, real_loop, resolved, virtual_loop};
use futures::executor::block_on as elsewhere;
use futures::task::{LocalSpawn, LocalSpawnExt, Spawn, SpawnExt};
use nodeloop::observe::{Event, EventContext};
use nodeloop::{
    EventLoop, Handle, LocalSpawner, RunError, next_tick, queue_microtask, set_immediate,
    set_timeout, spawn, time, why_alive,
};

#[test]
fn a_handle_to_the_current_loop_exists_only_inside_of_it() {
    let _limit = limit();
    let error = Handle::try_current().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("no event loop runs on this thread")
    );
    let mut event_loop = real_loop();
    assert!(Handle::try_current().is_err(), "it does not run");
    event_loop
        .block_on(async {
            Handle::try_current().unwrap().post(|| {}).unwrap();
            Handle::current().post(|| {}).unwrap();
            let on_thread = thread::spawn(|| Handle::try_current().is_err());
            assert!(on_thread.join().unwrap());
        })
        .unwrap();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let results = seen.clone();
    let observer = move |_: &Event, _: &EventContext<'_>| {
        results.borrow_mut().push(Handle::try_current().is_err());
    };
    let mut observed = EventLoop::builder().observer(observer).build().unwrap();
    observed.run_script(|| {}).unwrap();
    assert!(!seen.borrow().is_empty() && seen.borrow().iter().all(|is_err| *is_err));
}

#[test]
#[should_panic(expected = "`Handle::current` was called outside of an event loop")]
fn the_current_handle_outside_of_a_loop_is_a_panic() {
    let _ = Handle::current();
}

/// Tasks that are spawned between two runs begin in the first drain of the next one.
#[test]
fn a_task_that_is_spawned_between_two_runs_waits_for_the_next_drain() {
    let log = Log::new();
    let mut event_loop = virtual_loop();
    let task = |name: &'static str| {
        let log = log.clone();
        async move {
            log.add(name);
            resolved().await;
            log.add(format_args!("{name} again"));
            name.len()
        }
    };
    let first = event_loop.spawn(task("first"));
    event_loop.spawn(task("second")).detach();
    log.assert([]);
    let main = async {
        log.add("main");
        queue_microtask(log.callback("microtask"));
        next_tick(log.callback("tick"));
        set_immediate(log.callback("immediate"));
        assert_eq!(first.await, 5);
        log.add("main again");
    };
    event_loop.run(main).unwrap();
    log.assert([
        "main",
        "tick",
        "first",
        "second",
        "microtask",
        "first again",
        "second again",
        "main again",
        "immediate",
    ]);
    // A host's turn drains it, too, and is needed at once.
    event_loop.spawn(task("third")).detach();
    assert_eq!(event_loop.poll_timeout(), Some(ms(0)));
    assert!(!event_loop.turn().unwrap());
    assert_eq!(log.lines()[9..], ["third", "third again"]);
}

#[test]
fn a_task_between_two_runs_can_fail() {
    let mut event_loop = virtual_loop();
    let line = line!() + 1;
    drop(event_loop.try_spawn(async { Err::<(), _>("no") }));
    match event_loop.run_script(|| {}) {
        Err(RunError::Unhandled { reason, location }) => {
            assert_eq!((reason.text(), location.line()), ("\"no\"", line));
        }
        other => panic!("{other:?}"),
    }
    let task = event_loop.try_spawn(async { Err::<(), _>("handled") });
    assert_eq!(event_loop.block_on(task).unwrap(), Err("handled"));
}

/// A task that never began is dropped with its loop.
#[test]
fn a_task_between_two_runs_is_dropped_with_the_loop() {
    let kept = Rc::new(());
    let guard = kept.clone();
    let mut event_loop = virtual_loop();
    event_loop
        .spawn(async move {
            let _guard = guard;
        })
        .detach();
    drop(event_loop);
    assert_eq!(Rc::strong_count(&kept), 1);
}

/// Observers are notified of it, though no step has caused it.
#[test]
fn observers_see_a_task_between_two_runs() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let kinds = seen.clone();
    let observer = move |event: &Event, _: &EventContext<'_>| {
        if let Event::Enqueued { step, by, .. } = event {
            kinds
                .borrow_mut()
                .push((step.location.line(), by.is_none()));
        }
    };
    let mut event_loop = EventLoop::builder().observer(observer).build().unwrap();
    let line = line!() + 1;
    event_loop.spawn(async {}).detach();
    event_loop.run_script(|| {}).unwrap();
    assert_eq!(*seen.borrow(), [(line, true)]);
}

/// Generic code of `futures` spawns on the loop.
#[test]
fn generic_code_spawns_on_the_current_loop() {
    let _limit = limit();
    let log = Log::new();
    let logged = log.clone();
    let work = async move {
        let local = Rc::new(20); // not `Send`
        let line = logged.clone();
        let half = LocalSpawner
            .spawn_local_with_handle(async move {
                line.add("local task");
                *local
            })
            .unwrap();
        let other = LocalSpawner.spawn_with_handle(async { 22 }).unwrap();
        logged.add("spawned");
        half.await + other.await
    };
    assert_eq!(virtual_loop().run(work).unwrap(), 42);
    log.assert(["spawned", "local task"]); // in a microtask
    assert!(LocalSpawner.status_local().is_err());
    assert!(LocalSpawner.status().is_err());
    assert!(
        LocalSpawner
            .spawn_local(async {})
            .unwrap_err()
            .is_shutdown()
    );
}

#[test]
fn generic_code_spawns_through_a_handle() {
    let _limit = limit();
    let mut event_loop = real_loop();
    let handle = event_loop.handle();
    assert!(handle.status().is_ok());
    let alive = handle.keep_alive();
    let remote = handle.clone();
    let asking = thread::spawn(move || {
        let _alive = alive;
        let task = remote.spawn_with_handle(async { Handle::try_current().map(|_| 42) });
        elsewhere(task.unwrap())
    });
    event_loop.run_script(|| {}).unwrap();
    assert_eq!(asking.join().unwrap(), Ok(42));
    drop(event_loop);
    assert!(handle.status().is_err());
    let refused = SpawnExt::spawn(&handle, async {});
    assert!(refused.unwrap_err().is_shutdown());
}

/// A loop that is ending refuses tasks of generic code, too.
#[test]
fn a_loop_that_is_ending_accepts_no_task_of_generic_code() {
    struct Spawns(Rc<RefCell<Option<bool>>>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let refused = LocalSpawner.spawn_local(async {}).is_err();
            *self.0.borrow_mut() = Some(refused);
        }
    }
    let seen = Rc::new(RefCell::new(None));
    let spawns = Spawns(seen.clone());
    let mut event_loop = virtual_loop();
    let script = move || {
        spawn(async move {
            let _spawns = spawns;
            std::future::pending::<()>().await;
        })
        .detach();
        assert_eq!(why_alive().tasks().len(), 1);
    };
    event_loop.run_script(script).unwrap();
    drop(event_loop);
    assert_eq!(*seen.borrow(), Some(true));
}

/// A turn that has only called a timer is not the last one.
#[test]
fn a_timer_is_something_that_a_turn_has_called() {
    let mut event_loop = virtual_loop();
    let log = Log::new();
    let lines = log.clone();
    let script = async move {
        set_timeout(ms(1), move || {
            lines.add("timer");
            next_tick(move || drop(set_immediate(lines.callback("immediate"))));
        });
        time::block_for(ms(1));
    };
    event_loop.block_on(script).unwrap();
    assert!(!event_loop.run_until_stalled().unwrap());
    log.assert(["timer", "immediate"]);
}
