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
//! each change of the state by an atomic operation costs as much as fifty other instructions. As long as
//! only the loop has wakers, no other thread changes the state, and a load and a store do.
//! `tests/loom` is a loom model of this file.

use super::atomic::{Arc, AtomicU8, Ordering, fence, strong_count};
use super::remote_queue::MainMeta;

/// The part of a main future that its wakers share. It owns nothing of the future.
pub(crate) struct MainWaker {
    pub(crate) meta: MainMeta,
    state: AtomicU8,
}

/// How many references to the state of a pending main future the loop itself has: that of its run, the waker with
/// which it is polled, and that of the list of tasks.
pub(crate) const OWN_WAKERS: usize = 3;

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

    /// Records a wake on the loop's thread. Returns whether the caller must queue the main future.
    #[must_use]
    #[inline]
    pub(crate) fn schedule_here(self: &Arc<MainWaker>) -> bool {
        if self.is_shared() {
            return self.schedule();
        }
        // Another thread may have borrowed the waker of the poll that runs. It does what this does: it
        // changes `Running` to `Woken`.
        let state = self.state.load(Ordering::Relaxed);
        self.state.store(state | SCHEDULED, Ordering::Relaxed);
        state == IDLE
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
    pub(crate) fn begin_poll(self: &Arc<MainWaker>) -> bool {
        // Only the loop's thread removes `SCHEDULED` or sets `FINISHED`.
        let state = self.state.load(Ordering::Relaxed);
        if state & SCHEDULED == 0 || state & FINISHED != 0 {
            return false;
        }
        if self.is_shared() {
            self.state.swap(RUNNING, Ordering::Acquire); // pairs with the Release of `schedule`
        } else {
            self.state.store(RUNNING, Ordering::Relaxed);
        }
        true
    }

    /// Begins a poll that drops the future, whether or not it is scheduled.
    pub(crate) fn begin_last_poll(&self) {
        self.state.swap(RUNNING, Ordering::Acquire); // pairs with the Release of `schedule`
    }

    /// Ends a poll. Returns whether the caller must queue the main future, because it was woken
    /// meanwhile.
    #[must_use]
    pub(crate) fn end_poll(self: &Arc<MainWaker>, is_finished: bool) -> bool {
        // Relaxed: the poll passes nothing to a waker, and `begin_poll` acquires what a wake passes to
        // the next poll.
        if is_finished {
            self.state.swap(FINISHED, Ordering::Relaxed);
            return false;
        }
        let is_shared = self.is_shared(); // before the state is read, which nothing then changes
        if self.state.load(Ordering::Relaxed) == RUNNING | SCHEDULED {
            return true;
        }
        if !is_shared {
            self.state.store(IDLE, Ordering::Relaxed);
            return false;
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

    /// Returns whether anything besides the loop has a waker. One that is gone has done everything before
    /// this returns.
    #[inline]
    fn is_shared(self: &Arc<MainWaker>) -> bool {
        self.count() > OWN_WAKERS
    }

    /// Returns how many wakers exist, with the ones that the loop holds itself. What those that are gone
    /// have sent is in the remote queue.
    pub(crate) fn count(self: &Arc<MainWaker>) -> usize {
        let count = strong_count(self);
        // Acquire pairs with the Release of the drop of a waker, which follows its wake.
        fence(Ordering::Acquire);
        count
    }
}
