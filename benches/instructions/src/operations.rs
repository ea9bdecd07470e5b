//! Parts of the measured operations.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The number of jobs in a batch of the blocking rows.
pub const BATCH: u64 = 1_000;

/// The number of different delays of timers, from one to two minutes.
const DELAYS: u64 = 1_000;

/// Returns the delay of a timer. Consecutive indices do not have consecutive delays.
pub fn delay(index: u64) -> Duration {
    Duration::from_millis(60_000 + index * 7_919 % DELAYS * 60)
}

/// One turn of the queue of woken tasks: wakes itself immediately and is pending once. In nodeloop
/// this is a microtask, which is the cost of awaiting a settled promise (R45).
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
