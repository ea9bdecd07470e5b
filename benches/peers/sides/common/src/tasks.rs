//! Tasks, and how they wake each other.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::rc::Rc;
use std::time::Instant;

use futures::StreamExt;
use futures::channel::{mpsc, oneshot};

use crate::{Runtime, Turn, Workload, Yields, sum_below, timed, workload};

/// The number of tasks in workloads with many tasks.
const TASKS: u64 = 1_000;

pub fn tasks<R: Runtime>() -> Vec<Workload> {
    vec![
        workload("spawn-ready", |n| spawn_batches::<R>(n, false)),
        workload("spawn-waits", |n| spawn_batches::<R>(n, true)),
        workload("spawn-one", spawn_one::<R>),
        workload("wake-self", |n| in_tasks::<R, _>(1, n, Turn::default)),
        workload("wake-self-1k", |n| {
            in_tasks::<R, _>(TASKS, n, Turn::default)
        }),
        workload("ping-pong", ping_pong::<R>),
        workload("oneshot", oneshot::<R>),
        workload("join-10k", join::<R>),
        workload("start-up", start_up::<R>),
    ]
}

pub fn chain_of_yields<R: Yields>() -> Vec<Workload> {
    vec![
        workload("yield", |n| in_tasks::<R, _>(1, n, R::yield_now)),
        workload("yield-1k", |n| in_tasks::<R, _>(TASKS, n, R::yield_now)),
    ]
}

/// Spawns a thousand tasks and awaits each, again and again.
fn spawn_batches<R: Runtime>(count: u64, waits: bool) -> f64 {
    timed::<R, _>(move || async move {
        let mut sum = 0;
        for batch in 0..count / TASKS {
            let numbers = batch * TASKS..(batch + 1) * TASKS;
            let tasks: Vec<_> = numbers
                .map(|number| {
                    R::spawn(async move {
                        if waits {
                            Turn::default().await;
                        }
                        black_box(number)
                    })
                })
                .collect();
            for task in tasks {
                sum += task.await;
            }
        }
        assert_eq!(sum, sum_below(count));
    })
}

fn spawn_one<R: Runtime>(count: u64) -> f64 {
    timed::<R, _>(move || async move {
        let mut sum = 0;
        for number in 0..count {
            sum += R::spawn(async move { black_box(number) }).await;
        }
        assert_eq!(sum, sum_below(count));
    })
}

/// Divides `count` steps among `tasks` tasks.
fn in_tasks<R: Runtime, F: Future<Output = ()> + 'static>(
    tasks: u64,
    count: u64,
    step: fn() -> F,
) -> f64 {
    timed::<R, _>(move || async move {
        let done = Rc::new(Cell::new(0));
        let start = |_| {
            let done = done.clone();
            R::spawn(async move {
                for _ in 0..count / tasks {
                    step().await;
                    done.set(done.get() + 1);
                }
            })
        };
        for task in (0..tasks).map(start).collect::<Vec<_>>() {
            task.await;
        }
        assert_eq!(done.get(), count);
    })
}

/// An operation is a message there and one back.
fn ping_pong<R: Runtime>(count: u64) -> f64 {
    timed::<R, _>(move || async move {
        let (to_echo, mut from_main) = mpsc::unbounded();
        let (to_main, mut from_echo) = mpsc::unbounded();
        let echo = R::spawn(async move {
            while let Some(number) = from_main.next().await {
                to_main.unbounded_send(number).expect("main receives");
            }
        });
        let mut sum = 0;
        for number in 0..count {
            to_echo.unbounded_send(number).expect("the echo receives");
            sum += from_echo.next().await.expect("an answer");
        }
        drop(to_echo);
        echo.await;
        assert_eq!(sum, sum_below(count));
    })
}

/// A value is sent to a task that waits for it already. nodeloop has a row of its own for its promise
/// with a resolver.
fn oneshot<R: Runtime>(count: u64) -> f64 {
    timed::<R, _>(move || async move {
        let mut sum = 0;
        for number in 0..count {
            let (sender, receiver) = oneshot::channel();
            let mut receiver = pin!(receiver);
            let mut sender = Some(sender);
            let received = poll_fn(|cx| {
                let poll = receiver.as_mut().poll(cx);
                if let Some(sender) = sender.take() {
                    sender.send(black_box(number)).expect("a receiver");
                }
                poll
            });
            sum += received.await.expect("sent");
        }
        assert_eq!(sum, sum_below(count));
    })
}

/// Waits for all of `count` tasks, which are ready at their second poll, by one future.
fn join<R: Runtime>(count: u64) -> f64 {
    timed::<R, _>(move || async move {
        let tasks = (0..count).map(|number| {
            R::spawn(async move {
                Turn::default().await;
                number
            })
        });
        let numbers = futures::future::join_all(tasks).await;
        assert_eq!(numbers.into_iter().sum::<u64>(), sum_below(count));
    })
}

/// Makes a runtime, runs nothing in it, and drops it.
fn start_up<R: Runtime>(count: u64) -> f64 {
    let start = Instant::now();
    let sum: u64 = (0..count)
        .map(|number| R::block_on(async move { black_box(number) }))
        .sum();
    assert_eq!(sum, sum_below(count));
    start.elapsed().as_nanos() as f64
}
