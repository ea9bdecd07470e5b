//! `AsyncLocalStorage`: what Node printed for the same program (`tests/node/async_local.js`).

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
