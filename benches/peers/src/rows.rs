//! The measured operations, and why the two sides of each row are comparable.

use std::time::Duration;

use crate::{nodeloop_side as ours, tokio_side as theirs};

/// One operation, done `count` times by each runtime. The functions return the time from the first
/// to the last operation, without building and dropping the runtime, and panic if one is missing.
pub struct Row {
    pub name: &'static str,
    pub count: u64,
    pub nodeloop: fn(u64) -> Duration,
    pub tokio: fn(u64) -> Duration,
}

/// The number of operations in a round. They take one or two milliseconds, so that on a busy machine
/// most rounds complete without a preemption. Divisible by [`TASKS`].
const COUNT: u64 = 20_000;

/// The number of jobs in a round of the blocking rows. Divisible by `operations::BATCH`.
const BLOCKING_COUNT: u64 = 4_000;

/// The number of tasks in the rows with many tasks.
pub const TASKS: u64 = 1_000;

/// The number of pending timers in the rows that have them.
pub const PENDING_TIMERS: u64 = 200_000;

pub const ROWS: &[Row] = &[
    // The same future on both sides: a task wakes itself and is polled again. tokio's `yield_now`
    // would not be comparable here, because it visits the driver before it resumes. It is measured
    // below with the `yield_now` of nodeloop, which does so, too.
    Row {
        name: "a turn of the queue, 1 task",
        count: COUNT,
        nodeloop: |count| ours::turns(1, count),
        tokio: |count| theirs::turns(1, count),
    },
    Row {
        name: "a turn of the queue, 1,000 tasks",
        count: COUNT,
        nodeloop: |count| ours::turns(TASKS, count),
        tokio: |count| theirs::turns(TASKS, count),
    },
    // Both `yield_now`s run the I/O driver and the timers before they resume: nodeloop's in the
    // next check phase, tokio's after the next visit to its driver.
    Row {
        name: "yield_now, 1 task",
        count: COUNT,
        nodeloop: |count| ours::yields(1, count),
        tokio: |count| theirs::yields(1, count),
    },
    Row {
        name: "yield_now, 1,000 tasks",
        count: COUNT,
        nodeloop: |count| ours::yields(TASKS, count),
        tokio: |count| theirs::yields(TASKS, count),
    },
    // The future is ready at its first poll. nodeloop polls it inside `spawn`, and awaiting its
    // promise costs the turn; tokio queues the task, and awaiting its handle waits for that.
    Row {
        name: "spawn and await",
        count: COUNT,
        nodeloop: ours::spawn_ready,
        tokio: theirs::spawn_ready,
    },
    // The future waits once, so that the task is queued and registered on both sides.
    Row {
        name: "spawn and await, the task waits once",
        count: COUNT,
        nodeloop: ours::spawn_waiting,
        tokio: theirs::spawn_waiting,
    },
    // A promise with a resolver and tokio's oneshot channel. The awaiting task is already pending
    // when the value is sent.
    Row {
        name: "resolve what a task awaits",
        count: COUNT,
        nodeloop: ours::resolve,
        tokio: theirs::resolve,
    },
    // nodeloop's `set_timeout` arms immediately. tokio's `sleep` arms on its first poll, so it is
    // polled once, and disarms when it is dropped. The sleep is pinned to the stack and does not
    // allocate; the callback of `set_timeout` captures a counter and is boxed.
    Row {
        name: "arm and disarm a timer",
        count: COUNT,
        nodeloop: |count| ours::timers(0, count),
        tokio: |count| theirs::timers(0, count),
    },
    Row {
        name: "arm and disarm a timer, 200,000 pending",
        count: COUNT,
        nodeloop: |count| ours::timers(PENDING_TIMERS, count),
        tokio: |count| theirs::timers(PENDING_TIMERS, count),
    },
    // The same code on both sides.
    Row {
        name: "poll a sleep once and drop it",
        count: COUNT,
        nodeloop: |count| ours::sleeps(0, count),
        tokio: |count| theirs::sleeps(0, count),
    },
    Row {
        name: "poll a sleep and drop it, 200,000 pending",
        count: COUNT,
        nodeloop: |count| ours::sleeps(PENDING_TIMERS, count),
        tokio: |count| theirs::sleeps(PENDING_TIMERS, count),
    },
    // A callback that queues the next one. tokio has no immediates; its cheapest counterpart is a
    // task that spawns the next one. It visits the driver only every 61st time, while every
    // immediate of nodeloop is one turn of the loop. (`yield_now` is in the rows above.)
    Row {
        name: "immediate chain / spawn_local chain",
        count: COUNT,
        nodeloop: ours::immediate_chain,
        tokio: theirs::spawn_chain,
    },
    Row {
        name: "tick chain / spawn_local chain",
        count: COUNT,
        nodeloop: ours::tick_chain,
        tokio: theirs::spawn_chain,
    },
    Row {
        name: "microtask chain / spawn_local chain",
        count: COUNT,
        nodeloop: ours::microtask_chain,
        tokio: theirs::spawn_chain,
    },
    // Batches of 1,000 jobs on four threads on both sides, the default of nodeloop and Node; 512,
    // the default of tokio, are slower here. The first row has nodeloop's callback form, the second
    // one promises on both sides.
    Row {
        name: "blocking jobs, queue_work / spawn_blocking",
        count: BLOCKING_COUNT,
        nodeloop: ours::queued_work,
        tokio: theirs::blocking,
    },
    Row {
        name: "blocking jobs, spawn_blocking",
        count: BLOCKING_COUNT,
        nodeloop: ours::blocking,
        tokio: theirs::blocking,
    },
];
