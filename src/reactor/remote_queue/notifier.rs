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
//! It never touches the queue or the operating system's waker.

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

    /// The loop is about to wait. After this call it must check the queue again.
    pub(crate) fn prepare_park(&self) {
        self.state.store(PARKED, Ordering::Relaxed);
        fence(Ordering::SeqCst); // pairs with the fence in `should_notify`
    }

    /// The loop has waited, or does not wait after all.
    pub(crate) fn unpark(&self) {
        // Relaxed: a sender that still reads PARKED wakes the loop once without need.
        self.state.store(RUNNING, Ordering::Relaxed);
    }

    /// A sender calls this after it has pushed its message. Returns true to the one that has to wake the
    /// loop.
    pub(crate) fn should_notify(&self) -> bool {
        fence(Ordering::SeqCst); // pairs with the fence in `prepare_park`
        self.state.load(Ordering::Relaxed) == PARKED
            && self
                .state
                .compare_exchange(PARKED, NOTIFIED, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
