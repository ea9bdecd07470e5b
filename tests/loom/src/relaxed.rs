//! The same files without their fences and their memory order, to show that the models fail without
//! them.

mod atomic {
    pub(super) use std::sync::Arc;

    pub(super) use crate::strong_count;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize};

    pub(super) struct Ordering;

    #[expect(non_upper_case_globals, reason = "the names of the orders")]
    impl Ordering {
        #[allow(dead_code, reason = "`weaken.sh` writes it into the files")]
        pub(super) const AcqRel: loom::sync::atomic::Ordering = Self::Relaxed;
        pub(super) const SeqCst: loom::sync::atomic::Ordering = Self::Relaxed;
        pub(super) const Acquire: loom::sync::atomic::Ordering = Self::Relaxed;
        pub(super) const Release: loom::sync::atomic::Ordering = Self::Relaxed;
        pub(super) const Relaxed: loom::sync::atomic::Ordering =
            loom::sync::atomic::Ordering::Relaxed;
    }

    pub(super) fn fence(_: loom::sync::atomic::Ordering) {}
}

pub(crate) type SourceLocation = &'static std::panic::Location<'static>;

/// What the waker carries for the real queue, of which the model has a part of its own.
pub(crate) mod remote_queue {
    pub(crate) struct MainMeta;
    pub(crate) struct RemoteQueue;
}

#[expect(dead_code, reason = "the model uses a part of the file")]
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
