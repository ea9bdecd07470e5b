//! Counts events for the one task that consumes them.

use std::cell::Cell;
use std::task::{Context, Poll, Waker};

/// Events that have arrived and were not consumed yet.
#[derive(Default)]
pub(crate) struct EventCounter {
    count: Cell<u64>,
    // `Cell::set` and `Cell::take` drop a waker, which may run any code, after the cell has
    // changed.
    waker: Cell<Option<Waker>>,
}

impl EventCounter {
    /// Counts an event and wakes the task.
    pub(crate) fn add(&self) {
        self.count.set(self.count.get() + 1);
        self.wake();
    }

    /// Forgets the events that were not consumed.
    pub(crate) fn clear(&self) {
        self.count.set(0);
    }

    /// Wakes the task without an event.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Consumes an event. Only the task of the latest call is woken.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        match self.count.get() {
            0 => {
                self.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
            count => {
                self.count.set(count - 1);
                Poll::Ready(())
            }
        }
    }
}
