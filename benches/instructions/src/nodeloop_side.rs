//! Operations of one kind, done a number of times. They return the time, which is not used here.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use nodeloop::promise::{Resolver, with_resolver};
use nodeloop::{next_tick, queue_microtask, set_immediate, set_timeout, spawn, spawn_lazy};

use crate::operations::{BATCH, Turn, delay};

/// Runs `body` in a new loop and returns the time it took.
fn timed<F: Future<Output = ()> + 'static>(body: impl FnOnce() -> F + 'static) -> Duration {
    nodeloop::block_on(async move {
        let start = Instant::now();
        body().await;
        start.elapsed()
    })
}

/// Divides `count` steps among `tasks` concurrent tasks.
async fn in_tasks<F: Future<Output = ()> + 'static>(tasks: u64, count: u64, step: fn() -> F) {
    let done = Rc::new(Cell::new(0));
    let mut promises = Vec::new();
    for _ in 0..tasks {
        let done = done.clone();
        promises.push(spawn_lazy(async move {
            for _ in 0..count / tasks {
                step().await;
                done.set(done.get() + 1);
            }
        }));
    }
    for promise in promises {
        promise.await;
    }
    assert_eq!(done.get(), count);
}

pub fn turns(tasks: u64, count: u64) -> Duration {
    timed(move || in_tasks(tasks, count, Turn::default))
}

pub fn yields(tasks: u64, count: u64) -> Duration {
    timed(move || in_tasks(tasks, count, nodeloop::yield_now))
}

pub fn spawn_ready(count: u64) -> Duration {
    timed(move || async move {
        let mut sum = 0;
        for number in 0..count {
            sum += spawn(async move { black_box(number) }).await;
        }
        assert_eq!(sum, count * (count - 1) / 2);
    })
}

pub fn spawn_waiting(count: u64) -> Duration {
    timed(move || async move {
        let mut sum = 0;
        for number in 0..count {
            let task = spawn(async move {
                Turn::default().await;
                black_box(number)
            });
            sum += task.await;
        }
        assert_eq!(sum, count * (count - 1) / 2);
    })
}

pub fn resolve(count: u64) -> Duration {
    timed(move || async move {
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
        assert_eq!(sum, count * (count - 1) / 2);
    })
}

pub fn timers(pending: u64, count: u64) -> Duration {
    nodeloop::block_on(async move {
        let fired = Rc::new(Cell::new(0));
        let arm = |index| {
            let fired = fired.clone();
            set_timeout(delay(index), move || fired.set(fired.get() + 1))
        };
        let pending: Vec<_> = (0..pending).map(arm).collect();
        let start = Instant::now();
        for index in 0..count {
            let timeout = arm(index);
            timeout.clear();
        }
        let time = start.elapsed();
        assert!(pending.iter().all(nodeloop::TimeoutHandle::is_pending));
        assert_eq!(
            (fired.get(), Rc::strong_count(&fired)),
            (0, pending.len() + 1)
        );
        time
    })
}

pub fn sleeps(pending: u64, count: u64) -> Duration {
    nodeloop::block_on(async move {
        let mut sleeps: Vec<_> = (0..pending)
            .map(|index| Box::pin(nodeloop::time::sleep(delay(index))))
            .collect();
        let mut is_pending = 0;
        for sleep in &mut sleeps {
            is_pending += u64::from(polled_once(sleep.as_mut()).await.is_pending());
        }
        assert_eq!(is_pending, pending);
        let start = Instant::now();
        for index in 0..count {
            let sleep = pin!(nodeloop::time::sleep(delay(index)));
            is_pending += u64::from(polled_once(sleep).await.is_pending());
        }
        let time = start.elapsed();
        assert_eq!(is_pending, pending + count);
        time
    })
}

async fn polled_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// A chain of callbacks: the number of links left, and the resolver for its end.
struct Chain {
    left: Cell<u64>,
    done: Resolver<()>,
    queue: fn(Rc<Chain>),
}

impl Chain {
    fn timed(count: u64, queue: fn(Rc<Chain>)) -> Duration {
        timed(move || async move {
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

pub fn immediate_chain(count: u64) -> Duration {
    Chain::timed(count, |chain| {
        set_immediate(move || chain.link());
    })
}

pub fn tick_chain(count: u64) -> Duration {
    Chain::timed(count, |chain| next_tick(move || chain.link()))
}

pub fn microtask_chain(count: u64) -> Duration {
    Chain::timed(count, |chain| queue_microtask(move || chain.link()))
}

pub fn queued_work(count: u64) -> Duration {
    timed(move || async move {
        let mut sum = 0;
        for _ in 0..count / BATCH {
            let (promise, done) = with_resolver();
            let batch = Rc::new((Cell::new(0), Cell::new(0)));
            for number in 0..BATCH {
                let (batch, done) = (batch.clone(), done.clone());
                nodeloop::queue_work(
                    move || black_box(number),
                    move |number| {
                        batch.0.set(batch.0.get() + 1);
                        batch.1.set(batch.1.get() + number);
                        if batch.0.get() == BATCH {
                            done.resolve(batch.1.get());
                        }
                    },
                );
            }
            sum += promise.await;
        }
        assert_eq!(sum, count / BATCH * (BATCH * (BATCH - 1) / 2));
    })
}

pub fn blocking(count: u64) -> Duration {
    timed(move || async move {
        let mut sum = 0;
        for _ in 0..count / BATCH {
            let job = |number| nodeloop::spawn_blocking(move || black_box(number));
            let promises: Vec<_> = (0..BATCH).map(job).collect();
            for promise in promises {
                sum += promise.await;
            }
        }
        assert_eq!(sum, count / BATCH * (BATCH * (BATCH - 1) / 2));
    })
}
