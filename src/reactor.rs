//! What connects the loop to the outside: the clock, messages of other threads, and events.

pub(crate) mod choices;
pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod event_counter;
pub(crate) mod journal;
pub(crate) mod main_waker;
pub(crate) mod registrations;
pub(crate) mod remote_queue;
pub(crate) mod world;

/// The atomics of `main_waker.rs`, which the loom model replaces.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU8, Ordering, fence};
}
