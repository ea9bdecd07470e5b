//! Files of the library, unchanged, on loom's atomics.

mod atomic {
    pub(super) use std::sync::Arc;

    pub(super) use crate::strong_count;
    pub(super) use loom::sync::atomic::{
        AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

pub(crate) type SourceLocation = &'static std::panic::Location<'static>;

/// What the waker carries for the real queue, of which the model has a part of its own.
pub(crate) mod remote_queue {
    pub(crate) struct MainMeta;
    pub(crate) struct RemoteQueue;
}

#[expect(
    dead_code,
    reason = "the model has a part of its own for what the waker carries"
)]
#[path = "../../../src/reactor/main_waker.rs"]
pub(crate) mod main_waker;

#[expect(dead_code, reason = "the model has one task")]
#[path = "../../../src/reactor/task_waker.rs"]
pub(crate) mod task_waker;

#[path = "../../../src/reactor/remote_queue/notifier.rs"]
pub(crate) mod notifier;

#[expect(dead_code, reason = "the model reports nothing")]
#[path = "../../../src/reactor/remote_queue/tokens.rs"]
pub(crate) mod tokens;

/// What `parker.rs` uses of threads.
mod threads {
    pub(super) use loom::sync::atomic::{AtomicU8, Ordering};
    pub(super) use loom::sync::{Condvar, Mutex};
}

#[path = "../../../src/reactor/remote_queue/parker.rs"]
pub(crate) mod parker;
