//! Whether the main future of a run is scheduled, and the part of it that other threads share.
//!
//! ```text
//!            schedule                begin_poll              end_poll
//!     Idle ────────────▶ Scheduled ────────────▶ Running ────────────▶ Finished
//!      ▲                     ▲                    │ │  │ schedule
//!      │                     │  end_poll          │ │  ▼
//!      │                     └────────────────────┼─┼─ Woken
//!      └──────────────────────────────────────────┘ end_poll
//! ```
//!
//! Only the loop's thread changes this state, so a load and a store do: an atomic operation costs as much as
//! fifty other instructions. Any other wake sends a message, unless one is on its way, as a wake of a task
//! does (`task_waker.rs`). A wake of a future that is being polled takes effect after the poll.
//! `tests/loom` is a loom model of this file.
//!
//! Invariant: the main future is in the microtask queue exactly once if it is `Scheduled`, and otherwise not,
//! except after its end.

use super::atomic::{Arc, AtomicBool, AtomicU8, Ordering, fence, strong_count};
use super::remote_queue::MainMeta;

/// The part of a main future that its wakers share. It owns nothing of the future.
pub(crate) struct MainWaker {
    pub(crate) meta: MainMeta,
    state: AtomicU8,
    is_sent: AtomicBool,
}

/// How many references to the state of a pending main future the loop itself has: that of its run, the waker with
/// which it is polled, and that of the list of tasks.
pub(crate) const OWN_WAKERS: usize = 3;

const IDLE: u8 = 0;
const SCHEDULED: u8 = 1;
const RUNNING: u8 = 2;
const WOKEN: u8 = 3;
const FINISHED: u8 = 4;

impl MainWaker {
    /// Creates the state of a main future whose first poll follows.
    pub(crate) fn running(meta: MainMeta) -> MainWaker {
        MainWaker {
            meta,
            state: AtomicU8::new(RUNNING),
            is_sent: AtomicBool::new(false),
        }
    }

    /// Records a wake on the thread of the running loop. Returns whether the caller must queue the main
    /// future.
    #[must_use]
    #[inline]
    pub(crate) fn schedule(&self) -> bool {
        match self.state() {
            // If a wake is on its way, it is queued when the message arrives.
            IDLE if !self.is_sent.load(Ordering::Relaxed) => {
                self.set_state(SCHEDULED);
                true
            }
            RUNNING => {
                self.set_state(WOKEN);
                false
            }
            _ => false,
        }
    }

    /// Records that the main future is queued although nothing has woken it. Returns whether the caller must
    /// queue it.
    #[must_use]
    pub(crate) fn schedule_last_poll(&self) -> bool {
        let is_idle = self.state() == IDLE;
        if is_idle {
            self.set_state(SCHEDULED);
        }
        is_idle
    }

    /// Begins a poll. Returns `false` if the future is not scheduled.
    #[must_use]
    #[inline]
    pub(crate) fn begin_poll(&self) -> bool {
        let is_scheduled = self.state() == SCHEDULED;
        if is_scheduled {
            self.set_state(RUNNING);
        }
        is_scheduled
    }

    /// Begins a poll that drops the future, whether or not it is scheduled.
    pub(crate) fn begin_last_poll(&self) {
        self.set_state(RUNNING);
    }

    /// Ends a poll. Returns whether the caller must queue the main future, because it was woken
    /// meanwhile.
    #[must_use]
    #[inline]
    pub(crate) fn end_poll(&self, is_finished: bool) -> bool {
        if is_finished {
            self.set_state(FINISHED);
            return false;
        }
        let is_woken = self.state() == WOKEN;
        self.set_state(match is_woken {
            true => SCHEDULED,
            false => IDLE,
        });
        is_woken
    }

    /// Returns whether the future has finished or was dropped: a wake then has no effect.
    pub(crate) fn is_finished(&self) -> bool {
        self.state() == FINISHED
    }

    /// Records that a wake is sent. Returns whether the caller must send it.
    #[must_use]
    pub(crate) fn send(&self) -> bool {
        // Release pairs with the Acquire of `receive`: the poll that follows sees what was written before
        // the wake, also before one that is not sent.
        !self.is_finished() && !self.is_sent.swap(true, Ordering::Release)
    }

    /// Records that the loop has received the wake.
    pub(crate) fn receive(&self) {
        self.is_sent.swap(false, Ordering::Acquire); // pairs with the Release of `send`
    }

    /// Returns how many wakers exist, with the ones that the loop holds itself. What those that are gone
    /// have sent is in the remote queue.
    pub(crate) fn count(self: &Arc<MainWaker>) -> usize {
        let count = strong_count(self);
        // Acquire pairs with the Release of the drop of a waker, which follows its wake.
        fence(Ordering::Acquire);
        count
    }

    // Relaxed: only the loop's thread changes the state. What a wake of another thread passes to the poll is
    // acquired by `receive`.

    #[inline]
    fn state(&self) -> u8 {
        self.state.load(Ordering::Relaxed)
    }

    #[inline]
    fn set_state(&self, state: u8) {
        self.state.store(state, Ordering::Relaxed);
    }
}
