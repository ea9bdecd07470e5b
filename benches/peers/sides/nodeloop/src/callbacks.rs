//! What nodeloop has in common with Node and libuv: callbacks and promises.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nodeloop::promise::{self, Resolver, with_resolver};
use nodeloop::{next_tick, queue_microtask, set_immediate, set_timeout};
use side_common::{Workload, delay, processor_time_ns, sum_below, timed, used_memory, workload};

use crate::Nodeloop;

pub fn callbacks() -> Vec<Workload> {
    vec![
        workload("tick-chain", |n| {
            Chain::timed(n, |chain| next_tick(move || chain.link()))
        }),
        workload("microtask-chain", |n| {
            Chain::timed(n, |chain| queue_microtask(move || chain.link()))
        }),
        workload("immediate-chain", |n| {
            Chain::timed(n, |chain| {
                set_immediate(move || chain.link());
            })
        }),
        workload("immediates-at-once", immediates),
        workload("timeout-clear", timeout_clear),
        workload("timeouts-fire", timeouts_fire),
        workload("work-at-once", work_at_once),
        workload("resolver", resolver),
        workload("then-chain", then_chain),
        workload("all-10k", all),
        workload("memory-promise", memory_of_promises),
    ]
}

/// A chain of callbacks: the number of links left, and the resolver for its end.
struct Chain {
    left: Cell<u64>,
    done: Resolver<()>,
    queue: fn(Rc<Chain>),
}

impl Chain {
    fn timed(count: u64, queue: fn(Rc<Chain>)) -> f64 {
        timed::<Nodeloop, _>(move || async move {
            let (promise, done) = with_resolver();
            let left = Cell::new(count);
            let chain = Rc::new(Chain { left, done, queue });
            queue(chain.clone());
            promise.await;
            assert_eq!(chain.left.get(), 0);
        })
    }

    fn link(self: Rc<Chain>) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            self.done.resolve(());
        } else {
            (self.queue)(self);
        }
    }
}

/// The time until a number of callbacks have been called, each of which was queued by `queue`.
fn until_all_called(count: u64, queue: fn(Duration, Rc<Calls>)) -> f64 {
    timed::<Nodeloop, _>(move || async move {
        let (promise, done) = with_resolver();
        let called = Cell::new(0);
        let calls = Rc::new(Calls {
            called,
            count,
            done,
        });
        for index in 0..count {
            queue(
                Duration::from_millis(1 + index * 7_919 % 1_000),
                calls.clone(),
            );
        }
        promise.await;
        assert_eq!(calls.called.get(), count);
    })
}

struct Calls {
    called: Cell<u64>,
    count: u64,
    done: Resolver<()>,
}

impl Calls {
    fn called(&self) {
        self.called.set(self.called.get() + 1);
        if self.called.get() == self.count {
            self.done.resolve(());
        }
    }
}

fn immediates(count: u64) -> f64 {
    until_all_called(count, |_, calls| {
        set_immediate(move || calls.called());
    })
}

/// Of one of 1,000 durations up to a second. Returns processor time.
fn timeouts_fire(count: u64) -> f64 {
    let before = processor_time_ns();
    until_all_called(count, |delay, calls| {
        set_timeout(delay, move || calls.called());
    });
    processor_time_ns() - before
}

fn timeout_clear(count: u64) -> f64 {
    nodeloop::block_on(async move {
        let fired = Rc::new(Cell::new(0));
        let start = Instant::now();
        for index in 0..count {
            let fired = fired.clone();
            set_timeout(delay(index), move || fired.set(fired.get() + 1)).clear();
        }
        let time = start.elapsed();
        assert_eq!((fired.get(), Rc::strong_count(&fired)), (0, 1));
        time.as_nanos() as f64
    })
}

/// Jobs whose result a callback receives.
fn work_at_once(count: u64) -> f64 {
    timed::<Nodeloop, _>(move || async move {
        let (promise, done) = with_resolver();
        let sum = Rc::new((Cell::new(0), Cell::new(0)));
        for number in 0..count {
            let (sum, done) = (sum.clone(), done.clone());
            nodeloop::queue_work(
                move || black_box(number),
                move |number| {
                    sum.0.set(sum.0.get() + 1);
                    sum.1.set(sum.1.get() + number);
                    if sum.0.get() == count {
                        done.resolve(sum.1.get());
                    }
                },
            );
        }
        assert_eq!(promise.await, sum_below(count));
    })
}

/// A promise that a task awaits is resolved.
fn resolver(count: u64) -> f64 {
    timed::<Nodeloop, _>(move || async move {
        let mut sum = 0;
        for number in 0..count {
            let (promise, resolver) = with_resolver();
            let mut promise = pin!(promise);
            let mut resolver = Some(resolver);
            sum += poll_fn(|cx| {
                let poll = promise.as_mut().poll(cx);
                if let Some(resolver) = resolver.take() {
                    resolver.resolve(black_box(number));
                }
                poll
            })
            .await;
        }
        assert_eq!(sum, sum_below(count));
    })
}

/// `then` of `then` of … a promise that is resolved last.
fn then_chain(count: u64) -> f64 {
    timed::<Nodeloop, _>(move || async move {
        let (mut promise, resolver) = with_resolver();
        for _ in 0..count {
            promise = promise.then(|number| number + 1);
        }
        resolver.resolve(0);
        assert_eq!(promise.await, count);
    })
}

/// `promise::all` of promises that are resolved afterwards.
fn all(count: u64) -> f64 {
    timed::<Nodeloop, _>(move || async move {
        let (promises, resolvers): (Vec<_>, Vec<_>) = (0..count).map(|_| with_resolver()).unzip();
        let all = promise::all(promises);
        for (number, resolver) in (0..count).zip(resolvers) {
            resolver.resolve(number);
        }
        let numbers: Vec<u64> = all.await.unwrap_or_else(|never| match never {});
        assert_eq!(numbers.into_iter().sum::<u64>(), sum_below(count));
    })
}

fn memory_of_promises(count: u64) -> f64 {
    nodeloop::block_on(async move {
        let before = used_memory();
        let pending: Vec<_> = (0..count).map(|_| with_resolver::<u64>()).collect();
        let grown = used_memory() - before;
        assert!(grown > 0.0 && pending.iter().all(|(promise, _)| !promise.is_finished()));
        grown
    })
}
