//! The bell of the remote door: who has to wake the sleeping loop, and who need not.
//!
//! ```text
//!             1 lie_down               2 must_ring (true once)
//!   AWAKE ───────────────▶ ASLEEP ───────────────────────────▶ RUNG
//!     ▲                      │                                   │
//!     └──────────────────────┴───────────── 3 get_up ────────────┘
//! ```
//!
//! The two sides must not miss each other: a sender puts its message in the queue and *then*
//! looks whether the loop sleeps; the loop says that it sleeps and *then* looks whether the
//! queue is empty. At least one of them sees the other, because a sequentially consistent fence
//! stands between the two steps on both sides. A loom model of this file is in `tests/loom`.
//!
//! It never touches the queue nor the system's waker; that is the door's part.

use super::atomic::{AtomicU8, Ordering, fence};

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const RUNG: u8 = 2;

#[derive(Debug)]
pub(crate) struct Bell {
    state: AtomicU8,
}

impl Bell {
    pub(crate) fn new() -> Bell {
        Bell {
            state: AtomicU8::new(AWAKE),
        }
    }

    /// The loop is about to wait. It must look into the queue once more behind this call.
    pub(crate) fn lie_down(&self) {
        self.state.store(ASLEEP, Ordering::Relaxed);
        fence(Ordering::SeqCst); // pairs with the fence in `must_ring`
    }

    /// The loop has waited, or found that it need not.
    pub(crate) fn get_up(&self) {
        // Relaxed: a sender that still sees ASLEEP rings once for nothing.
        self.state.store(AWAKE, Ordering::Relaxed);
    }

    /// A sender asks this behind putting its message in the queue: true for the one that has
    /// to wake the loop.
    pub(crate) fn must_ring(&self) -> bool {
        fence(Ordering::SeqCst); // pairs with the fence in `lie_down`
        self.state.load(Ordering::Relaxed) == ASLEEP
            && self
                .state
                .compare_exchange(ASLEEP, RUNG, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
