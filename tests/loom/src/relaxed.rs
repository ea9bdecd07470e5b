//! The same files without their fences and their memory order, to show that the models fail without
//! them.

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU8, AtomicUsize};

    pub(super) struct Ordering;

    #[expect(non_upper_case_globals, reason = "the names of the orders")]
    impl Ordering {
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
    pub(crate) struct TaskMeta;
}

#[expect(dead_code, reason = "the model uses a part of the file")]
#[path = "../../../src/reactor/main_waker.rs"]
pub(crate) mod main_waker;

#[path = "../../../src/reactor/remote_queue/notifier.rs"]
pub(crate) mod notifier;

#[expect(dead_code, reason = "the model reports nothing")]
#[path = "../../../src/reactor/remote_queue/tokens.rs"]
pub(crate) mod tokens;
