//! The wait of a loop that has no source of the operating system, so that only another thread can end
//! it.
//!
//! ```text
//!              1 wait
//!     AWAKE ──────────────────────────────▶ ASLEEP
//!      │ ▲                                    │ 2 notify (wakes the thread)
//!      │ └──────── 3 wait ends ◀────────┐     ▼
//!      └─────────────────────────────▶ NOTIFIED
//!         2 notify
//! ```
//!
//! A notice that comes while the loop is awake needs no system call on either side. The thread sleeps only
//! after it has changed the state under the lock, which it has until it sleeps, so a notice that finds it
//! `ASLEEP` wakes it. `tests/loom` is a loom model of this file.

use std::sync::PoisonError;
use std::time::Duration;

use super::threads::{AtomicU8, Condvar, Mutex, Ordering};

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const NOTIFIED: u8 = 2;

pub(crate) struct Parker {
    state: AtomicU8,
    lock: Mutex<()>,
    notified: Condvar,
}

impl Parker {
    pub(crate) fn new() -> Parker {
        Parker {
            state: AtomicU8::new(AWAKE),
            lock: Mutex::new(()),
            notified: Condvar::new(),
        }
    }

    /// Blocks the loop's thread until the next [`notify`](Parker::notify), for `timeout` at most, or not
    /// at all if there was one since the last wait. It may also end without reason.
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: the swap acquires what a notice has released.
        let (before, then) = (Ordering::Relaxed, Ordering::Relaxed);
        let exchanged = self.state.compare_exchange(AWAKE, ASLEEP, before, then);
        if exchanged.is_ok() {
            match timeout {
                None => drop(self.notified.wait(guard)),
                Some(timeout) => drop(self.notified.wait_timeout(guard, timeout)),
            }
        }
        self.state.swap(AWAKE, Ordering::Acquire); // pairs with the Release in `notify`
    }

    /// Ends the wait of the loop from any thread.
    pub(crate) fn notify(&self) {
        if self.state.swap(NOTIFIED, Ordering::Release) == ASLEEP {
            drop(self.lock.lock()); // afterwards the thread sleeps, or has been woken
            self.notified.notify_one();
        }
    }
}
