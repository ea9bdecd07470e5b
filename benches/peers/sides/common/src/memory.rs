//! The memory of what waits: the growth of the process' anonymous memory.

use std::fs;
use std::future::pending;

use futures::channel::oneshot;

use crate::timers::polled_once;
use crate::{Runtime, Timers, Workload, delay, workload};

pub fn memory<R: Timers>() -> Vec<Workload> {
    vec![
        memory_of_tasks::<R>(),
        memory_of_timers::<R>(),
        memory_of_promises::<R>(),
    ]
}

pub fn memory_of_tasks<R: Runtime>() -> Workload {
    workload("memory-task", |count| {
        R::block_on(async move {
            let before = used_memory();
            let tasks: Vec<_> = (0..count).map(|_| R::spawn(pending::<()>())).collect();
            // Each task is polled before its memory counts.
            R::spawn(crate::Turn::default()).await;
            assert_eq!(tasks.len() as u64, count);
            grown_since(before)
        })
    })
}

fn memory_of_timers<R: Timers>() -> Workload {
    workload("memory-timer", |count| {
        R::block_on(async move {
            let before = used_memory();
            let mut sleeps: Vec<_> = (0..count)
                .map(|index| Box::pin(R::sleep(delay(index))))
                .collect();
            for sleep in &mut sleeps {
                assert!(polled_once::<R, _>(sleep.as_mut()).await.is_pending());
            }
            grown_since(before)
        })
    })
}

/// A pending value is a channel of futures for every runtime that has no promises.
pub fn memory_of_promises<R: Runtime>() -> Workload {
    workload("memory-promise", |count| {
        R::block_on(async move {
            let before = used_memory();
            let pending: Vec<_> = (0..count).map(|_| oneshot::channel::<u64>()).collect();
            assert_eq!(pending.len() as u64, count);
            grown_since(before)
        })
    })
}

/// Returns the anonymous memory of this process, in bytes.
pub fn used_memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.expect("a number of kilobytes") * 1024.0
}

fn grown_since(before: f64) -> f64 {
    let grown = used_memory() - before;
    assert!(grown > 0.0, "the memory has not grown");
    grown
}
