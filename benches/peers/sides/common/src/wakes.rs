//! Wakes from other threads, by a channel that every runtime can wait for.

use std::thread;

use futures::StreamExt;
use futures::channel::mpsc;

use crate::{Runtime, Workload, sum_below, timed, workload};

/// The number of threads of the flood.
const THREADS: u64 = 4;

pub fn wakes<R: Runtime>() -> Vec<Workload> {
    vec![
        workload("wake-latency", latency::<R>),
        workload("wake-flood", flood::<R>),
    ]
}

/// An operation is a message from another thread, which finds the loop asleep, and one back.
fn latency<R: Runtime>(count: u64) -> f64 {
    timed::<R, _>(move || async move {
        let (to_loop, mut from_thread) = mpsc::unbounded();
        let (to_thread, from_loop) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            for number in 0..count {
                to_loop.unbounded_send(number).expect("the loop receives");
                assert_eq!(from_loop.recv(), Ok(number));
            }
        });
        let mut sum = 0;
        while let Some(number) = from_thread.next().await {
            sum += number;
            to_thread.send(number).expect("the thread receives");
        }
        thread.join().expect("the thread has every answer");
        assert_eq!(sum, sum_below(count));
    })
}

/// Four threads send as fast as they can.
fn flood<R: Runtime>(count: u64) -> f64 {
    timed::<R, _>(move || async move {
        let (to_loop, mut from_threads) = mpsc::unbounded();
        for index in 0..THREADS {
            let to_loop = to_loop.clone();
            let numbers = index * count / THREADS..(index + 1) * count / THREADS;
            thread::spawn(move || {
                for number in numbers {
                    to_loop.unbounded_send(number).expect("the loop receives");
                }
            });
        }
        drop(to_loop);
        let mut sum = 0;
        while let Some(number) = from_threads.next().await {
            sum += number;
        }
        assert_eq!(sum, sum_below(count));
    })
}
