//! The bell of the remote door: who has to wake the sleeping loop, and who need not.
//!
//! ```text
//!             1 prepare_park               2 should_notify (true once)
//!   RUNNING ───────────────▶ PARKED ───────────────────────────▶ NOTIFIED
//!     ▲                      │                                   │
//!     └──────────────────────┴───────────── 3 unpark ────────────┘
//! ```
//!
//! The two sides must not miss each other: a sender puts its message in the queue and *then*
//! looks whether the loop sleeps; the loop says that it sleeps and *then* looks whether the
//! queue is empty. At least one of them sees the other, because a sequentially consistent fence
//! stands between the two steps on both sides. A loom model of this file is in `tests/loom`.
//!
//! It never touches the queue nor the system's waker; that is the door's part.

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

    /// The loop is about to wait. It must look into the queue once more behind this call.
    pub(crate) fn prepare_park(&self) {
        self.state.store(PARKED, Ordering::Relaxed);
        fence(Ordering::SeqCst); // pairs with the fence in `should_notify`
    }

    /// The loop has waited, or found that it need not.
    pub(crate) fn unpark(&self) {
        // Relaxed: a sender that still sees ASLEEP rings once for nothing.
        self.state.store(RUNNING, Ordering::Relaxed);
    }

    /// A sender asks this behind putting its message in the queue: true for the one that has
    /// to wake the loop.
    pub(crate) fn should_notify(&self) -> bool {
        fence(Ordering::SeqCst); // pairs with the fence in `prepare_park`
        self.state.load(Ordering::Relaxed) == PARKED
            && self
                .state
                .compare_exchange(PARKED, NOTIFIED, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
