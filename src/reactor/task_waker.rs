//! The wakers of a task: the part of a task that other threads share.
//!
//! It owns nothing of the task, only the key by which the loop finds it. A wake on the thread of the
//! running loop uses the key and no atomic operation. Any other wake sends a message, unless one is on
//! its way.
//!
//! ```text
//!   Idle ── send ──▶ Sent ── receive ──▶ Idle
//! ```
//!
//! The loop lends one of these to each poll. One that the poll has not cloned is lent to the next poll,
//! also of another task; one that it has cloned stays with its task. `tests/loom` is a loom model of this
//! file.

use super::atomic::{Arc, AtomicBool, AtomicU64, AtomicUsize, Ordering, fence, strong_count};
use super::remote_queue::RemoteQueue;
use crate::phases::macrotask::TaskKey;

/// What the wakers of a task share.
pub(crate) struct TaskWaker {
    pub(crate) remote_queue: Arc<RemoteQueue>,
    index: AtomicUsize,
    promise: AtomicU64,
    is_sent: AtomicBool,
}

impl TaskWaker {
    pub(crate) fn new(remote_queue: Arc<RemoteQueue>, task: TaskKey) -> TaskWaker {
        TaskWaker {
            remote_queue,
            index: AtomicUsize::new(task.index),
            promise: AtomicU64::new(task.promise),
            is_sent: AtomicBool::new(false),
        }
    }

    /// Returns the key of its task.
    #[inline]
    pub(crate) fn task(&self) -> TaskKey {
        // Relaxed: while a clone exists, the key does not change.
        TaskKey {
            index: self.index.load(Ordering::Relaxed),
            promise: self.promise.load(Ordering::Relaxed),
        }
    }

    /// Makes it a waker of another task. The loop has both owners; see [`TaskWaker::is_shared`].
    #[inline]
    pub(crate) fn lend_to(&self, task: TaskKey) {
        self.index.store(task.index, Ordering::Relaxed);
        self.promise.store(task.promise, Ordering::Relaxed);
    }

    /// Returns whether anything besides the loop owns it. The loop has two references: this one, and the
    /// waker that it lends.
    #[inline]
    pub(crate) fn is_shared(self: &Arc<TaskWaker>) -> bool {
        let is_shared = strong_count(self) > 2;
        // Acquire pairs with the Release of the drop of a clone: what used the key there happens before
        // the key changes.
        fence(Ordering::Acquire);
        is_shared
    }

    /// Records that a wake is sent. Returns whether the caller must send it.
    #[must_use]
    pub(crate) fn send(&self) -> bool {
        // Release pairs with the Acquire of `receive`: the poll that follows sees what was written before
        // the wake, also before one that is not sent.
        !self.is_sent.swap(true, Ordering::Release)
    }

    /// Records that the loop has received the wake.
    pub(crate) fn receive(&self) {
        self.is_sent.swap(false, Ordering::Acquire); // pairs with the Release of `send`
    }

    /// Returns whether a wake is on its way, so that another one has no effect.
    #[inline]
    pub(crate) fn is_sent(&self) -> bool {
        self.is_sent.load(Ordering::Relaxed) // what was written before is acquired by `receive`
    }
}
