//! What connects the loop to the outside: the clock, messages of other threads, and events.

pub(crate) mod choices;
pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod event_counter;
pub(crate) mod journal;
pub(crate) mod main_waker;
pub(crate) mod poller;
pub(crate) mod registrations;
pub(crate) mod remote_queue;
pub(crate) mod task_waker;
pub(crate) mod world;

/// The atomics of `main_waker.rs` and `task_waker.rs`, which the loom model replaces.
mod atomic {
    pub(super) use std::sync::Arc;
    pub(super) use std::sync::atomic::{
        AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
    };

    /// Returns how many owners a value has.
    #[inline]
    pub(super) fn strong_count<T>(value: &Arc<T>) -> usize {
        Arc::strong_count(value)
    }
}
