//! `AsyncLocalStorage`: what Node printed for the same programs (`tests/node/async_local.js` and
//! `async_snapshot.js`).

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use crate::common::ms;
use nodeloop::{
    AsyncLocalStorage, EventLoop, next_tick, on_uncaught, on_unhandled_rejection, promise,
    queue_microtask, set_immediate, set_interval, set_timeout, spawn, time, try_spawn,
};

/// A log whose entries end with the value of the storage at that moment.
#[derive(Clone)]
struct Log {
    storage: AsyncLocalStorage<i32>,
    entries: Rc<RefCell<Vec<String>>>,
}

impl Log {
    fn add(&self, what: &str) {
        let value = self
            .storage
            .get()
            .map_or("undefined".into(), |value| value.to_string());
        self.entries.borrow_mut().push(format!("{what} {value}"));
    }

    fn later(&self, what: &'static str) -> impl FnOnce() + 'static {
        let log = self.clone();
        move || log.add(what)
    }
}

fn throw() {
    resume_unwind(Box::new(1));
}

#[test]
fn the_value_follows_the_flow() {
    let storage = AsyncLocalStorage::new();
    let log = Log {
        storage: storage.clone(),
        entries: Rc::default(),
    };
    let entries = log.entries.clone();
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    let script = move || program(&storage, &log);
    event_loop.run_script(script).unwrap();
    let expected = include_str!("../node/async_local.out");
    assert_eq!(entries.borrow().join("\n"), expected.trim_end());
}

fn program(storage: &AsyncLocalStorage<i32>, log: &Log) {
    let logs = log.clone();
    on_unhandled_rejection(move |_| logs.add("unhandled"));
    let logs = log.clone();
    on_uncaught(move |_| logs.add("uncaught"));

    storage.run(1, || {
        log.add("run");
        next_tick(log.later("tick"));
        queue_microtask(log.later("micro"));
        set_timeout(ms(10), log.later("timer"));
        set_immediate(log.later("immediate"));
        let (interval, own, inner) = (Rc::new(RefCell::new(None)), log.clone(), storage.clone());
        let timer = interval.clone();
        let calls = Cell::new(0);
        *interval.borrow_mut() = Some(set_interval(ms(40), move || {
            own.add("interval");
            inner.enter_with(9); // there again at the next call
            calls.set(calls.get() + 1);
            if calls.get() == 2 {
                let timer: Option<nodeloop::TimeoutHandle> = timer.borrow().clone();
                timer.unwrap().clear();
            }
        }));
        let logs = log.later("job");
        set_timeout(ms(20), move || {
            time::simulate_completion(Duration::ZERO, logs)
        });
    });
    log.add("outside");

    let (made_in_2, resolver) = storage.run(2, promise::with_resolver);
    let made_in_2 = made_in_2.shared();
    let logs = log.later("then registered in 3, made in 2, resolved in 4");
    drop(storage.run(3, || made_in_2.then(|()| logs())));
    storage.run(4, || resolver.resolve(()));

    let (own, awaited) = (log.clone(), made_in_2.clone());
    drop(storage.run(5, || {
        spawn(async move {
            awaited.await;
            own.add("await in 5");
            promise::ready(()).await;
            own.add("again");
        })
    }));

    storage.run(6, || {
        let (own, inner) = (log.clone(), storage.clone());
        drop(spawn(async move {
            inner.enter_with(7);
            promise::ready(()).await;
            own.add("f after await");
        }));
        log.add("caller of f");
    });
    log.add("outside again");

    storage.run(8, || {
        let (own, inner) = (log.clone(), storage.clone());
        let g = spawn(async move {
            promise::ready(()).await;
            inner.enter_with(9);
            promise::ready(()).await;
            own.add("g");
        });
        let logs = log.later("then of g");
        drop(g.then(|()| logs()));
    });

    storage.run(10, || {
        storage.exit(|| log.add("exit"));
        log.add("after exit");
    });
    let thrown = catch_unwind(AssertUnwindSafe(|| storage.run(11, throw)));
    assert!(thrown.is_err());
    log.add("after throw");

    storage.run(12, || {
        storage.run(13, || next_tick(log.later("nested tick")));
        log.add("back");
    });
    drop(storage.run(14, || try_spawn(async { Err::<(), _>(1) })));
    storage.run(15, || next_tick(throw));
    set_timeout(ms(120), log.later("a later timer"));
    storage.run(16, || {
        let timer = set_timeout(ms(60), log.later("refreshed"));
        storage.run(17, || _ = timer.refresh());
    });
    let (own, inner) = (log.clone(), storage.clone());
    storage.run(18, || {
        set_immediate(move || {
            inner.enter_with(19);
            next_tick(own.later("tick of immediate"));
        })
    });
    set_immediate(log.later("next immediate"));
}

#[test]
fn a_snapshot_is_the_context_of_its_creation() {
    let entries = Rc::new(RefCell::new(Vec::new()));
    let lines = Lines(entries.clone());
    let mut event_loop = EventLoop::builder().virtual_time().build().unwrap();
    let script = move || snapshots(&lines);
    event_loop.run_script(script).unwrap();
    let expected = include_str!("../node/async_snapshot.out");
    assert_eq!(entries.borrow().join("\n"), expected.trim_end());
}

static A: AsyncLocalStorage<i32> = AsyncLocalStorage::new();
static B: AsyncLocalStorage<i32> = AsyncLocalStorage::new();

#[derive(Clone)]
struct Lines(Rc<RefCell<Vec<String>>>);

impl Lines {
    /// `console.log(line)`
    fn print(&self, line: impl ToString) {
        self.0.borrow_mut().push(line.to_string());
    }

    /// Logs with the values of both storages.
    fn log(&self, what: &str) {
        let text = |value: Option<Rc<i32>>| value.map_or("-".into(), |value| value.to_string());
        self.print(format!("{what} {} {}", text(A.get()), text(B.get())));
    }

    fn later(&self, what: &'static str) -> impl FnOnce() + 'static {
        let lines = self.clone();
        move || lines.log(what)
    }
}

fn snapshots(lines: &Lines) {
    let snapshot = A.run(1, || B.run(2, AsyncLocalStorage::snapshot));
    let empty = AsyncLocalStorage::snapshot();
    lines.log("outside");
    lines.print(snapshot.run(|| {
        lines.log("in the snapshot");
        3 + 4
    }));
    lines.log("after it");
    A.run(9, || {
        snapshot.run(|| lines.log("within another value"));
        lines.log("back");
    });
    A.run(6, || empty.run(|| lines.log("empty")));
    let thrown = catch_unwind(AssertUnwindSafe(|| snapshot.run(throw)));
    assert!(thrown.is_err());
    lines.log("after a throw");
    let timer = lines.clone();
    set_timeout(ms(20), move || {
        timer.log("timer");
        snapshot.run(|| schedule_in_snapshot(&timer));
        timer.log("end of the timer");
    });
    let bound = |result: &'static str| {
        let lines = lines.clone();
        let bound = move || {
            lines.log("bound");
            result
        };
        A.run(7, || AsyncLocalStorage::bind(bound))
    };
    let bound = bound("result");
    A.run(8, || {
        lines.print(bound());
        lines.log("after the bound one");
    });
    let task = lines.clone();
    let bound = move || {
        spawn(async move {
            task.log("bound task");
            promise::ready(()).await;
            task.log("bound task, after its await");
        })
        .detach();
    };
    set_immediate(A.run(11, || AsyncLocalStorage::bind(bound)));
    let changed = A.run(20, AsyncLocalStorage::snapshot);
    changed.run(|| A.enter_with(21));
    lines.log("after entering");
    changed.run(|| lines.log("the next call"));
}

fn schedule_in_snapshot(lines: &Lines) {
    set_timeout(ms(1), lines.later("timer of the snapshot"));
    let reaction = lines.later("reaction of the snapshot");
    promise::ready(()).then(|()| reaction()).detach();
    next_tick(lines.later("tick of the snapshot"));
    let task = lines.clone();
    spawn(async move {
        task.log("task");
        promise::ready(()).await;
        task.log("task, after its await");
    })
    .detach();
}

/// Clones are the same storage, also of a storage that was never used.
#[test]
fn a_clone_is_the_same_storage() {
    nodeloop::run(async {
        let first = AsyncLocalStorage::new();
        let (second, other) = (first.clone(), AsyncLocalStorage::new());
        first.enter_with(1);
        assert_eq!(second.get(), Some(Rc::new(1)));
        assert_eq!(other.get(), None);
        other.enter_with(2);
        assert_eq!(second.get(), Some(Rc::new(1)));
    });
}

/// A static storage has the values of the loop of each thread.
#[test]
fn a_static_storage_belongs_to_the_loop_of_the_thread() {
    let _limit = crate::common::limit::limit();
    let value_in_a_new_loop = || nodeloop::block_on(async { A.get() }).map(|value| *value);
    crate::common::block_on(async move {
        A.enter_with(1);
        let other = std::thread::spawn(value_in_a_new_loop);
        assert_eq!(other.join().unwrap(), None);
        assert_eq!(A.get(), Some(Rc::new(1)));
    });
    assert_eq!(A.get(), None);
}
