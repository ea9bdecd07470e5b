//! A million timers, promises and callbacks on the stack of a test's thread.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::limit_of;
use crate::common::{ms, trace, virtual_loop};
use nodeloop::promise::{PromiseError, with_resolver};
use nodeloop::{
    Promise, next_tick, queue_microtask, set_immediate, set_timeout, spawn, spawn_lazy,
};

const MILLION: u64 = 1_000_000;
const LIMIT: Duration = Duration::from_secs(60);

/// R21, R33: by duration, then in the order of arming; every third is cleared.
#[test]
fn a_million_timers_fire_in_order() {
    let _limit = limit_of(LIMIT, "a million steps without optimization");
    trace(|log| {
        let fired = Rc::new(RefCell::new(Vec::new()));
        let mut expected = Vec::new();
        let mut cleared = Vec::new();
        for n in 0..MILLION {
            let duration = 1 + n * 7919 % 4093;
            let order = fired.clone();
            let timer = set_timeout(ms(duration), move || order.borrow_mut().push((duration, n)));
            if n % 3 == 0 {
                cleared.push(timer);
            } else {
                expected.push((duration, n));
            }
        }
        cleared.iter().for_each(nodeloop::TimeoutHandle::clear);
        expected.sort();
        nodeloop::on_exit(move |_| {
            assert!(*fired.borrow() == expected, "the order is wrong");
            log.add(fired.borrow().len());
        });
    })
    .assert(["666666"]);
}

/// A chain of `count` tasks, each of which awaits the one before, and what starts it.
fn chain(count: u64) -> (nodeloop::promise::Resolver<u64>, Promise<u64>) {
    let (mut last, resolver) = with_resolver();
    for _ in 0..count {
        let before = last;
        last = spawn(async move { before.await + 1 });
    }
    (resolver, last)
}

#[test]
fn a_chain_of_a_million_promises_completes() {
    let _limit = limit_of(LIMIT, "a million steps without optimization");
    let sum = virtual_loop().run(async {
        let (resolver, last) = chain(MILLION);
        resolver.resolve(0);
        last.await
    });
    assert_eq!(sum.unwrap(), MILLION);
}

#[test]
fn a_chain_of_a_million_reactions_completes() {
    let _limit = limit_of(LIMIT, "a million steps without optimization");
    let sum = virtual_loop().run(async {
        let (mut last, resolver) = with_resolver();
        for _ in 0..MILLION {
            last = last.then(|n| n + 1);
        }
        resolver.resolve(0);
        last.await
    });
    assert_eq!(sum.unwrap(), MILLION);
}

#[test]
fn a_long_chain_of_adoptions_completes() {
    let _limit = limit_of(LIMIT, "a million steps without optimization");
    let value = virtual_loop().run(async {
        let (mut last, resolver) = with_resolver();
        for _ in 0..MILLION / 4 {
            let (next, adopting) = with_resolver();
            adopting.resolve_with(last);
            last = next;
        }
        resolver.resolve(7);
        last.await
    });
    assert_eq!(value.unwrap(), 7);
}

/// A conversion costs no turn: the whole chain settles while the first promise settles.
#[test]
fn a_long_chain_of_conversions_needs_no_stack() {
    let _limit = limit_of(LIMIT, "a million steps without optimization");
    fn convert_all(mut last: Promise<u64>, held: &Rc<()>) -> Promise<u64> {
        for _ in 0..MILLION / 4 {
            let held = held.clone();
            last = last.map(move |n| n + Rc::strong_count(&held) as u64 / MILLION + 1);
        }
        last
    }
    let held = Rc::new(());
    let mine = held.clone();
    let sum = virtual_loop().run(async move {
        let (first, resolver) = with_resolver();
        let last = convert_all(first, &mine);
        resolver.resolve(0);
        assert!(last.is_finished());
        last.await
    });
    assert_eq!(sum.unwrap(), MILLION / 4);
    for drops_the_end_first in [true, false] {
        let mine = held.clone();
        let mut event_loop = virtual_loop();
        event_loop
            .block_on(async move {
                let (first, resolver) = with_resolver();
                let last = convert_all(first, &mine);
                if drops_the_end_first {
                    drop(last);
                    drop(resolver);
                } else {
                    drop(resolver);
                    drop(last);
                }
            })
            .unwrap();
        assert_eq!(
            Rc::strong_count(&held),
            1,
            "a promise that never settles is freed"
        );
    }
}

#[test]
fn a_chain_of_a_million_promises_is_dropped_unfinished() {
    let _limit = limit_of(LIMIT, "a million steps without optimization");
    let mut event_loop = virtual_loop();
    let kept = event_loop.block_on(async { chain(MILLION) }).unwrap();
    drop(event_loop);
    assert!(kept.1.is_finished(), "aborted");
    drop(kept);
}

#[test]
fn a_long_chain_of_reactions_is_dropped_unfinished() {
    let _limit = limit_of(LIMIT, "a million steps without optimization");
    for keeps_the_end in [true, false] {
        let mut event_loop = virtual_loop();
        let kept = event_loop
            .block_on(async move {
                let (mut last, resolver) = with_resolver();
                for _ in 0..MILLION / 8 {
                    last = last.then(|n: u64| n + 1);
                }
                (resolver, keeps_the_end.then_some(last))
            })
            .unwrap();
        drop(event_loop);
        drop(kept);
    }
}

/// The end of the chain is aborted while the loop runs; the promises before it are not.
#[test]
fn the_end_of_a_long_chain_can_be_aborted() {
    let _limit = limit_of(LIMIT, "a million steps without optimization");
    let first = virtual_loop().run(async {
        let (resolver, last) = chain(MILLION / 10);
        let last = last.settled();
        last.abort();
        assert!(matches!(last.await, Err(PromiseError::Aborted)));
        resolver.resolve(0);
    });
    first.unwrap();
}

/// Every third listener is removed, the rest are called in order. A list that is searched or
/// shifted for each of them would need 10^10 steps.
#[test]
fn many_listeners_of_a_signal_are_called_in_order() {
    const COUNT: u64 = MILLION / 4;
    let called = Rc::new(RefCell::new(Vec::new()));
    let controller = nodeloop::AbortController::new();
    let signal = controller.signal();
    let listeners = (0..COUNT).map(|n| {
        let called = called.clone();
        signal.on_abort(move || called.borrow_mut().push(n))
    });
    let listeners: Vec<_> = listeners.collect();
    assert!(listeners.iter().step_by(3).all(nodeloop::Listener::remove));
    controller.abort();
    let expected = (0..COUNT).filter(|n| n % 3 != 0);
    assert!(expected.eq(called.take()), "the order is wrong");
}

/// The same for the listeners of a hook.
#[test]
fn many_listeners_of_a_hook_are_called_in_order() {
    const COUNT: u64 = MILLION / 4;
    let _limit = limit_of(LIMIT, "half a million steps without optimization");
    let called = Rc::new(RefCell::new(Vec::new()));
    let calls = called.clone();
    nodeloop::run(async move {
        let listeners = (0..COUNT).map(|n| {
            let calls = calls.clone();
            nodeloop::on_exit(move |_| calls.borrow_mut().push(n))
        });
        let listeners: Vec<_> = listeners.collect();
        let mut removed = listeners.iter().step_by(3);
        assert!(removed.all(|one| one.remove() && !one.remove()));
    });
    let expected = (0..COUNT).filter(|n| n % 3 != 0);
    assert!(expected.eq(called.take()), "the order is wrong");
}

#[test]
fn a_million_of_each_queue() {
    let _limit = limit_of(LIMIT, "a million steps without optimization");
    trace(|log| {
        let count = Rc::new(Cell::new(0));
        let one = || {
            let count = count.clone();
            move || count.set(count.get() + 1)
        };
        for _ in 0..MILLION / 4 {
            next_tick(one());
            queue_microtask(one());
            set_immediate(one());
            let lazy = one();
            drop(spawn_lazy(async move { lazy() }));
        }
        nodeloop::on_exit(move |_| log.add(count.get()));
    })
    .assert(["1000000"]);
}

/// Lazy spawns do not nest on the stack.
#[test]
fn lazy_spawns_nest_without_end() {
    let _limit = limit_of(LIMIT, "a million steps without optimization");
    fn nest_lazily(left: u64, deepest: Rc<Cell<u64>>) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            if left > 0 {
                spawn_lazy(nest_lazily(left - 1, deepest.clone())).await;
            }
            deepest.set(deepest.get().max(left));
        })
    }
    let deepest = Rc::new(Cell::new(0));
    let seen = deepest.clone();
    virtual_loop()
        .run(async move { nest_lazily(MILLION / 10, seen).await })
        .unwrap();
    assert_eq!(deepest.get(), MILLION / 10);
}
