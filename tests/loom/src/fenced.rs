//! `src/reactor/remote_queue/notifier.rs`, unchanged, on loom's atomics.

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU8, Ordering, fence};
}

#[path = "../../../src/reactor/remote_queue/notifier.rs"]
pub(crate) mod notifier;
