//! Timers, immediates, ticks, microtasks, contexts and event emitters.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use futures::StreamExt;
use nodeloop::events::{self, Event, EventEmitter};
use nodeloop::promise::with_resolver;
use nodeloop::{
    AsyncLocalStorage, next_tick, queue_microtask, set_immediate, set_interval, set_timeout,
    set_timeout_mut, spawn, time, yield_now,
};

use super::short;
use crate::account::{Item, Ledger};

/// Sets timers, of which some are cleared, refreshed, unref'd or armed again by their callback.
pub async fn timers(ledger: Ledger, mut rng: Rng) {
    let mut cleared = Vec::new();
    let mut refreshed = Vec::new();
    let mut fired = Vec::new();
    for _ in 0..rng.usize(4..32) {
        let delay = short(&mut rng, 8);
        if rng.u8(..) < 64 {
            let never = Duration::from_secs(3600);
            cleared.push(set_timeout(never, || panic!("a cleared timer has fired")));
            continue;
        }
        ledger.owe(Item::Callback, 1);
        let (promise, resolver) = with_resolver();
        let own = ledger.clone();
        let timer = set_timeout(delay, move || {
            own.back(Item::Callback, 1);
            resolver.resolve(());
        });
        fired.push(promise);
        match rng.u8(0..4) {
            0 => refreshed.push(timer),
            1 => drop(timer.unref().ref_().clone()),
            _ => {}
        }
    }
    time::sleep(short(&mut rng, 3)).await;
    for timer in refreshed {
        timer.refresh(); // no effect if it has fired
    }
    for timer in &cleared {
        timer.clear();
        assert!(!timer.is_pending(), "a cleared timer is pending");
    }
    for promise in fired {
        promise.await;
    }
    repeating_timer(&ledger, rng.u64(1..5)).await;
}

/// A timer that its callback arms again, until it has fired `times` times.
async fn repeating_timer(ledger: &Ledger, times: u64) {
    ledger.owe(Item::Callback, times);
    let (done, resolver) = with_resolver();
    let handle = Rc::new(RefCell::new(None));
    let (own, timer, left) = (ledger.clone(), Rc::downgrade(&handle), Cell::new(times));
    let callback = move || {
        own.back(Item::Callback, 1);
        left.set(left.get() - 1);
        match left.get() {
            0 => resolver.resolve(()),
            _ => {
                let timer = timer.upgrade().expect("the activity holds it");
                let timer: &RefCell<Option<nodeloop::TimeoutHandle>> = &timer;
                timer.borrow().as_ref().expect("it was set").refresh();
            }
        }
    };
    *handle.borrow_mut() = Some(set_timeout_mut(Duration::from_millis(1), callback));
    done.await;
    handle.take();
}

/// Intervals that end themselves, and streams of ticks.
pub async fn intervals(ledger: Ledger, mut rng: Rng) {
    let times = rng.u64(1..6);
    ledger.owe(Item::Callback, times);
    let (done, resolver) = with_resolver();
    let (own, mut left) = (ledger.clone(), times);
    let interval = set_interval(short(&mut rng, 4), move || {
        assert!(left > 0, "an interval has fired after it was to be cleared");
        own.back(Item::Callback, 1);
        left -= 1;
        if left == 0 {
            resolver.resolve(());
        }
    });
    let cleared = interval.clone();
    let first = ledger.spawn(async move {
        done.await; // one turn after the callback, so before the next macrotask
        cleared.clear();
    });
    let ticks = rng.u64(1..5);
    ledger.owe(Item::Event, ticks);
    let mut stream = time::interval(Duration::from_millis(rng.u64(1..4)));
    for _ in 0..ticks {
        stream.next().await.expect("an interval has no end");
        ledger.back(Item::Event, 1);
    }
    first.await;
    assert!(!interval.is_pending(), "a cleared interval is pending");
}

/// Immediates, ticks and microtasks that queue one another.
pub async fn immediates_and_queues(ledger: Ledger, mut rng: Rng) {
    let chains = rng.u64(1..8);
    let mut ends = Vec::new();
    for _ in 0..chains {
        let length = rng.u32(1..20);
        ledger.owe(Item::Callback, u64::from(length));
        let (done, resolver) = with_resolver();
        ends.push(done);
        link(
            ledger.clone(),
            Rng::with_seed(rng.u64(..)),
            length,
            move || resolver.resolve(()),
        );
    }
    let cleared = set_immediate(|| panic!("a cleared immediate has run"));
    cleared.clear();
    for end in ends {
        end.await;
    }
}

/// Queues a callback that queues the next one.
fn link(ledger: Ledger, mut rng: Rng, left: u32, end: impl FnOnce() + 'static) {
    if left == 0 {
        return end();
    }
    let kind = rng.u8(0..4);
    let callback = move || {
        ledger.back(Item::Callback, 1);
        let end: Box<dyn FnOnce()> = Box::new(end);
        link(ledger, rng, left - 1, end);
    };
    match kind {
        0 => next_tick(callback),
        1 => queue_microtask(callback),
        2 => drop(set_immediate(callback)),
        _ => drop(set_timeout(Duration::ZERO, callback)),
    }
}

static CONTEXT: AsyncLocalStorage<u64> = AsyncLocalStorage::new();

/// Contexts that must follow tasks, timers, ticks and snapshots, and no other.
pub async fn contexts(ledger: Ledger, mut rng: Rng) {
    let mut tasks = Vec::new();
    for _ in 0..rng.usize(2..10) {
        let (value, delay) = (rng.u64(..), short(&mut rng, 3));
        let own = ledger.clone();
        let is_value = move || CONTEXT.get().as_deref() == Some(&value);
        ledger.owe(Item::Context, 5);
        tasks.push(CONTEXT.run(value, || {
            ledger.spawn(async move {
                let note = move |holds: bool| {
                    assert!(holds, "a context was lost");
                    own.back(Item::Context, 1);
                };
                note(is_value());
                time::sleep(delay).await;
                note(is_value());
                let (done, resolver) = with_resolver();
                set_timeout(Duration::from_millis(1), move || {
                    next_tick(move || resolver.resolve(is_value()));
                });
                note(done.await);
                let snapshot = AsyncLocalStorage::snapshot();
                let outside = CONTEXT.exit(|| spawn(async { CONTEXT.get().is_none() }));
                note(outside.await);
                let inside = CONTEXT.exit(|| snapshot.run(|| spawn(async move { is_value() })));
                note(inside.await);
            })
        }));
    }
    for task in tasks {
        task.await;
    }
    assert!(
        CONTEXT.get().is_none(),
        "a context has leaked into the activity"
    );
}

const NUMBER: Event<u64> = Event::new("number");
const LAST: Event<u64> = Event::new("last");

/// An emitter with listeners that stay, run once, are removed, or stream.
pub async fn emitters(ledger: Ledger, mut rng: Rng) {
    let emitter = EventEmitter::new();
    let count = rng.u64(1..20);
    let listeners = rng.u64(1..5);
    ledger.owe(Item::Event, count * listeners + 3 + count);
    let sum = Rc::new(Cell::new(0_u64));
    for _ in 0..listeners {
        let (own, sum) = (ledger.clone(), sum.clone());
        emitter.on(NUMBER, move |number| {
            own.back(Item::Event, 1);
            sum.set(sum.get().wrapping_add(*number));
        });
    }
    let own = ledger.clone();
    emitter.once(NUMBER, move |_| own.back(Item::Event, 1));
    let own = ledger.clone();
    emitter.prepend_once(NUMBER, move |_| own.back(Item::Event, 1));
    let removed = emitter.on(NUMBER, |_| panic!("a removed listener was called"));
    assert!(removed.remove(), "it was there");
    let own = ledger.clone();
    let mut stream = events::on(&emitter, NUMBER);
    let reader = ledger.spawn(async move {
        for expected in 0..count {
            let number = stream
                .next()
                .await
                .expect("as many as emitted")
                .expect("no error");
            assert_eq!(number, expected, "events are in order");
            own.back(Item::Event, 1);
        }
    });
    let last = events::once(&emitter, LAST);
    for number in 0..count {
        emitter.emit(NUMBER, &number);
        if rng.bool() {
            yield_now().await;
        }
    }
    emitter.emit(LAST, &count);
    assert_eq!(last.await.expect("no error"), count);
    ledger.back(Item::Event, 1);
    reader.await;
    assert_eq!(sum.get(), listeners * (0..count).sum::<u64>());
    assert_eq!(
        emitter.listener_count(NUMBER),
        listeners as usize,
        "the others were removed"
    );
}
