//! What is measured, and why the two sides of a row may be compared.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::{nodeloop_side as ours, tokio_side as theirs};

/// One thing, done `count` times by each runtime. The functions give the time from the first to
/// the last of it (building and dropping the runtime is not in it) and panic if less was done.
pub struct Row {
    pub name: &'static str,
    /// How often.
    pub count: u64,
    pub nodeloop: fn(u64) -> Duration,
    pub tokio: fn(u64) -> Duration,
}

/// How often a round does a thing: a millisecond or two, so that on a busy machine most rounds
/// come through without losing their core. Divisible by [`TASKS`].
const COUNT: u64 = 20_000;

/// The same for the blocking rows; divisible by [`BATCH`].
const BLOCKING_COUNT: u64 = 4_000;

/// How many tasks take turns in the rows that have many.
pub const TASKS: u64 = 1_000;

/// How many jobs a batch of the blocking rows has.
pub const BATCH: u64 = 1_000;

/// How many timers are pending in the row that has them, and over how many different delays they
/// are spread: 200 timers of each, delays from one to two minutes.
pub const PENDING_TIMERS: u64 = 200_000;
const PENDING_DELAYS: u64 = 1_000;

/// The delay of the `index`th timer: neighbours in time are not neighbours in the order of making.
pub fn delay(index: u64) -> Duration {
    Duration::from_millis(60_000 + index * 7_919 % PENDING_DELAYS * 60)
}

/// A turn of the queue of woken tasks: pending once, and woken at once. nodeloop's microtask
/// turn, the cost of awaiting a settled promise (R45), is exactly this.
#[derive(Default)]
pub struct Turn {
    is_over: bool,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.is_over, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

pub const ROWS: &[Row] = &[
    // The same future on both sides: a task wakes itself and is polled again. tokio's own
    // `yield_now` would look cheap for nodeloop to beat here, because it goes to the driver before
    // it resumes; it is measured below, against the `yield_now` of nodeloop that does so, too.
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
    // Both `yield_now`s let the I/O driver and the timers have their turn before they resume:
    // nodeloop's in the next check phase, tokio's behind the next visit to its driver.
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
    // A promise settled by somebody else against tokio's channel for one value; whoever awaits
    // waits already.
    Row {
        name: "resolve what a task awaits",
        count: COUNT,
        nodeloop: ours::resolve,
        tokio: theirs::resolve,
    },
    // nodeloop's `set_timeout` arms at once. tokio's `sleep` arms at its first poll, so it is
    // polled once, and disarms when it is dropped. It is pinned to the stack and allocates
    // nothing; the callback of `set_timeout` captures a counter and is boxed.
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
    // The same thing on both sides, to the letter.
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
    // A callback that queues the next. tokio has no immediates; its cheapest counterpart is a
    // task that spawns the next, and it visits the driver only every 61st time, while every
    // immediate of nodeloop goes once round the wheel. (Its `yield_now` is in the rows above.)
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
    // Batches of 1,000 jobs on four threads on both sides (nodeloop's and Node's default; tokio's
    // 512 are slower here). First against nodeloop's callback form, then like against like.
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
