//! `src/reactor/remote_queue/notifier.rs` with its fences taken out, to show that the model misses them.

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU8, Ordering};

    pub(super) fn fence(_: Ordering) {}
}

#[path = "../../../src/reactor/remote_queue/notifier.rs"]
pub(crate) mod notifier;
