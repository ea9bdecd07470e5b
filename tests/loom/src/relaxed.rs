//! `src/reactor/main_waker.rs` without its memory order, to show that the model fails without it.

mod atomic {
    pub(super) use loom::sync::atomic::AtomicU8;

    pub(super) struct Ordering;

    #[expect(non_upper_case_globals, reason = "the names of the orders")]
    impl Ordering {
        pub(super) const AcqRel: loom::sync::atomic::Ordering = Self::Relaxed;
        pub(super) const Acquire: loom::sync::atomic::Ordering = Self::Relaxed;
        pub(super) const Relaxed: loom::sync::atomic::Ordering =
            loom::sync::atomic::Ordering::Relaxed;
    }

    pub(super) fn fence(_: loom::sync::atomic::Ordering) {}
}

/// What the waker carries for the real queue, of which the model has a part of its own.
pub(crate) mod remote_queue {
    pub(crate) struct TaskMeta;
}

#[expect(dead_code, reason = "the model uses a part of the file")]
#[path = "../../../src/reactor/main_waker.rs"]
pub(crate) mod main_waker;
