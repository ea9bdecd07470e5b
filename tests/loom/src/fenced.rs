//! `src/remote/bell.rs` as it is, on loom's atomics.

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU8, Ordering, fence};
}

#[path = "../../../src/remote/bell.rs"]
pub(crate) mod bell;
