//! tokio's side of each row: a `current_thread` runtime with everything enabled, as
//! `#[tokio::main(flavor = "current_thread")]` builds it, and a `LocalSet`.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

use crate::operations::{BATCH, Turn, delay};

/// The default of nodeloop.
const BLOCKING_THREADS: usize = 4;

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .expect("a runtime")
}

/// Runs `future` in a task of a new runtime: a task of the `LocalSet` is cheaper to wake than the
/// future of `block_on`.
fn block_on<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    let main = async { spawn_local(future).await.expect("no panic") };
    LocalSet::new().block_on(&runtime(), main)
}

fn timed<F: Future<Output = ()> + 'static>(body: impl FnOnce() -> F + 'static) -> Duration {
    block_on(async move {
        let start = Instant::now();
        body().await;
        start.elapsed()
    })
}

async fn in_tasks<F: Future<Output = ()> + 'static>(tasks: u64, count: u64, step: fn() -> F) {
    let done = Rc::new(Cell::new(0));
    let mut handles = Vec::new();
    for _ in 0..tasks {
        let done = done.clone();
        handles.push(spawn_local(async move {
            for _ in 0..count / tasks {
                step().await;
                done.set(done.get() + 1);
            }
        }));
    }
    for handle in handles {
        handle.await.expect("no panic");
    }
    assert_eq!(done.get(), count);
}

pub fn turns(tasks: u64, count: u64) -> Duration {
    timed(move || in_tasks(tasks, count, Turn::default))
}

pub fn yields(tasks: u64, count: u64) -> Duration {
    timed(move || in_tasks(tasks, count, tokio::task::yield_now))
}

pub fn spawn_ready(count: u64) -> Duration {
    timed(move || async move {
        let mut sum = 0;
        for number in 0..count {
            let task = spawn_local(async move { black_box(number) });
            sum += task.await.expect("no panic");
        }
        assert_eq!(sum, count * (count - 1) / 2);
    })
}

pub fn spawn_waiting(count: u64) -> Duration {
    timed(move || async move {
        let mut sum = 0;
        for number in 0..count {
            let task = spawn_local(async move {
                Turn::default().await;
                black_box(number)
            });
            sum += task.await.expect("no panic");
        }
        assert_eq!(sum, count * (count - 1) / 2);
    })
}

pub fn resolve(count: u64) -> Duration {
    timed(move || async move {
        let mut sum = 0;
        for number in 0..count {
            let (sender, receiver) = oneshot::channel();
            let mut receiver = pin!(receiver);
            let mut sender = Some(sender);
            let received = poll_fn(|cx| {
                let poll = receiver.as_mut().poll(cx);
                if let Some(sender) = sender.take() {
                    sender
                        .send(black_box(number))
                        .expect("the receiver is alive");
                }
                poll
            });
            sum += received.await.expect("sent");
        }
        assert_eq!(sum, count * (count - 1) / 2);
    })
}

/// The same as [`sleeps`]: tokio has no timers with a callback.
pub fn timers(pending: u64, count: u64) -> Duration {
    sleeps(pending, count)
}

pub fn sleeps(pending: u64, count: u64) -> Duration {
    block_on(async move {
        let mut sleeps: Vec<_> = (0..pending)
            .map(|index| Box::pin(tokio::time::sleep(delay(index))))
            .collect();
        let mut is_pending = 0;
        for sleep in &mut sleeps {
            is_pending += u64::from(polled_once(sleep.as_mut()).await.is_pending());
        }
        assert_eq!(is_pending, pending);
        let start = Instant::now();
        for index in 0..count {
            let sleep = pin!(tokio::time::sleep(delay(index)));
            is_pending += u64::from(polled_once(sleep).await.is_pending());
        }
        let time = start.elapsed();
        assert_eq!(is_pending, pending + count);
        time
    })
}

/// Polls outside of tokio's cooperative budget: otherwise all polls of one turn after the first 128
/// would be pending without arming a timer.
async fn polled_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    let mut future = pin!(tokio::task::unconstrained(future));
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

struct Chain {
    left: Cell<u64>,
    done: Cell<Option<oneshot::Sender<()>>>,
}

impl Chain {
    fn queue(self: Rc<Chain>) {
        spawn_local(async move { self.link() });
    }

    fn link(self: Rc<Chain>) {
        self.left.set(self.left.get() - 1);
        if self.left.get() > 0 {
            self.queue();
        } else if let Some(done) = self.done.take() {
            done.send(()).expect("the receiver is alive");
        }
    }
}

pub fn spawn_chain(count: u64) -> Duration {
    timed(move || async move {
        let (sender, receiver) = oneshot::channel();
        let chain = Rc::new(Chain {
            left: Cell::new(count),
            done: Cell::new(Some(sender)),
        });
        chain.clone().queue();
        receiver.await.expect("the chain ends");
        assert_eq!(chain.left.get(), 0);
    })
}

pub fn blocking(count: u64) -> Duration {
    timed(move || async move {
        let mut sum = 0;
        for _ in 0..count / BATCH {
            let job = |number| spawn_blocking(move || black_box(number));
            let handles: Vec<_> = (0..BATCH).map(job).collect();
            for handle in handles {
                sum += handle.await.expect("no panic");
            }
        }
        assert_eq!(sum, count / BATCH * (BATCH * (BATCH - 1) / 2));
    })
}
