//! `src/reactor/main_waker.rs`, unchanged, on loom's atomics.

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU8, Ordering, fence};
}

/// What the waker carries for the real queue, of which the model has a part of its own.
pub(crate) mod remote_queue {
    pub(crate) struct TaskMeta;
}

#[expect(
    dead_code,
    reason = "the model has a part of its own for what the waker carries"
)]
#[path = "../../../src/reactor/main_waker.rs"]
pub(crate) mod main_waker;
