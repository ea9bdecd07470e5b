//! Whether the main future of a run is scheduled, which every thread may change by a wake.
//!
//! ```text
//!            schedule                begin_poll              end_poll
//!     Idle ────────────▶ Scheduled ────────────▶ Running ────────────▶ Finished
//!      ▲                                        │ ▲  │ schedule
//!      └────────────────────────────────────────┘ │  ▼
//!              end_poll                begin_poll └─ Woken
//! ```
//!
//! The one that moves the state to `Scheduled` queues the main future, so it is queued at most once.
//! A wake of a future that is being polled takes effect after the poll, as a wake of a task does:
//! `end_poll` finds it woken, and the loop queues it. It stays woken until the next poll begins, because
//! each change of the state by an atomic operation costs as much as fifteen other instructions.
//! `tests/loom` is a loom model of this file.

use std::sync::Arc;

use super::atomic::{AtomicU8, Ordering, fence};
use super::remote_queue::MainMeta;

/// The part of a main future that its wakers share. It owns nothing of the future.
pub(crate) struct MainWaker {
    pub(crate) meta: MainMeta,
    state: AtomicU8,
}

const IDLE: u8 = 0;
const SCHEDULED: u8 = 1;
const RUNNING: u8 = 2; // with SCHEDULED: woken
const FINISHED: u8 = 4;

impl MainWaker {
    /// Creates the state of a main future whose first poll follows.
    pub(crate) fn running(meta: MainMeta) -> MainWaker {
        MainWaker {
            meta,
            state: AtomicU8::new(RUNNING),
        }
    }

    /// Records a wake. Returns whether the caller must queue the main future.
    #[must_use]
    pub(crate) fn schedule(&self) -> bool {
        // Release pairs with the Acquire of `begin_poll` and `begin_last_poll`: the poll sees what was
        // written before the wake. All changes are read-modify-write operations, so a relaxed one in
        // between, as in `end_poll`, keeps this order.
        self.state.fetch_or(SCHEDULED, Ordering::Release) == IDLE
    }

    /// Begins a poll. Returns `false` if the future is not scheduled.
    #[must_use]
    pub(crate) fn begin_poll(&self) -> bool {
        // Only the loop's thread removes `SCHEDULED` or sets `FINISHED`.
        let state = self.state.load(Ordering::Relaxed);
        if state & SCHEDULED == 0 || state & FINISHED != 0 {
            return false;
        }
        self.state.swap(RUNNING, Ordering::Acquire); // pairs with the Release of `schedule`
        true
    }

    /// Begins a poll that drops the future, whether or not it is scheduled.
    pub(crate) fn begin_last_poll(&self) {
        self.state.swap(RUNNING, Ordering::Acquire); // pairs with the Release of `schedule`
    }

    /// Ends a poll. Returns whether the caller must queue the main future, because it was woken
    /// meanwhile.
    #[must_use]
    pub(crate) fn end_poll(&self, is_finished: bool) -> bool {
        // Relaxed: the poll passes nothing to a waker, and `begin_poll` acquires what a wake passes to
        // the next poll.
        if is_finished {
            self.state.swap(FINISHED, Ordering::Relaxed);
            return false;
        }
        if self.state.load(Ordering::Relaxed) == RUNNING | SCHEDULED {
            return true;
        }
        let idle = self
            .state
            .compare_exchange(RUNNING, IDLE, Ordering::Relaxed, Ordering::Relaxed);
        idle.is_err()
    }

    /// Returns whether the future has finished or was dropped: a wake then has no effect.
    pub(crate) fn is_finished(&self) -> bool {
        self.state.load(Ordering::Relaxed) & FINISHED != 0 // only the loop's thread sets it
    }

    /// Returns how many wakers exist, with the ones that the loop holds itself. What those that are gone
    /// have sent is in the remote queue.
    pub(crate) fn count(self: &Arc<MainWaker>) -> usize {
        let count = Arc::strong_count(self);
        // Acquire pairs with the Release of the drop of a waker, which follows its wake.
        fence(Ordering::Acquire);
        count
    }
}
