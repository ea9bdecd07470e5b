//! Decides which sender has to wake the loop.
//!
//! ```text
//!             1 prepare_park               2 should_notify (true once)
//!   RUNNING ───────────────▶ PARKED ───────────────────────────▶ NOTIFIED
//!     ▲                      │                                   │
//!     └──────────────────────┴───────────── 3 unpark ────────────┘
//! ```
//!
//! The two sides must not miss each other. A sender pushes its message and *then* checks whether the
//! loop is parked; the loop marks itself as parked and *then* checks whether the queue is empty. At
//! least one of them sees the other, because on both sides a sequentially consistent fence separates
//! the two steps. `tests/loom` is a loom model of this file.
//!
//! The fences also order what the loop waits on. A sender that sees another state of that than the loop has
//! set before it was parked checked first, so the loop finds the message and does not wait.
//!
//! A notifier never touches the queue or the operating system's waker.

use super::atomic::{AtomicU8, Ordering, fence};

const RUNNING: u8 = 0;
const PARKED: u8 = 1;
const NOTIFIED: u8 = 2;

#[derive(Debug)]
pub(crate) struct Notifier {
    state: AtomicU8,
}

impl Notifier {
    pub(crate) fn new() -> Notifier {
        Notifier {
            state: AtomicU8::new(RUNNING),
        }
    }

    /// Marks the loop as parked. Afterwards the loop must check the queue again before it waits.
    pub(crate) fn prepare_park(&self) {
        self.state.store(PARKED, Ordering::Relaxed);
        fence(Ordering::SeqCst); // pairs with the fence in `should_notify`
    }

    /// Marks the loop as running: it has waited, or does not wait after all.
    pub(crate) fn unpark(&self) {
        // Relaxed: a sender that still reads PARKED wakes the loop once without need.
        self.state.store(RUNNING, Ordering::Relaxed);
    }

    /// Returns whether the sender must wake the loop. A sender calls this after it has pushed its
    /// message; at most one of them receives `true` for each wait.
    pub(crate) fn should_notify(&self) -> bool {
        fence(Ordering::SeqCst); // pairs with the fence in `prepare_park`
        // Relaxed: the fences order the state and the queue. The exchange only selects one sender.
        self.state.load(Ordering::Relaxed) == PARKED
            && self
                .state
                .compare_exchange(PARKED, NOTIFIED, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
