//! The wait of a loop that has no source of the operating system, so that only another thread can end
//! it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub(super) struct Parker {
    is_notified: Mutex<bool>,
    notified: Condvar,
}

impl Parker {
    /// Blocks the loop's thread until the next [`notify`](Parker::notify), for `timeout` at most, or not
    /// at all if there was one since the last wait.
    pub(super) fn wait(&self, timeout: Option<Duration>) {
        let is_notified = self.is_notified.lock();
        let is_notified = is_notified.unwrap_or_else(PoisonError::into_inner);
        let must_wait = |is_notified: &mut bool| !*is_notified;
        let mut is_notified = match timeout {
            None => self
                .notified
                .wait_while(is_notified, must_wait)
                .unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                self.notified
                    .wait_timeout_while(is_notified, timeout, must_wait)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        *is_notified = false;
    }

    /// Ends the wait of the loop from any thread.
    pub(super) fn notify(&self) {
        *self
            .is_notified
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.notified.notify_one();
    }
}
