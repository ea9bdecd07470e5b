//! `src/reactor/remote_queue/notifier.rs` without its fences, to show that the model fails without them.

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU8, Ordering};

    pub(super) fn fence(_: Ordering) {}
}

#[path = "../../../src/reactor/remote_queue/notifier.rs"]
pub(crate) mod notifier;
