//! Runs steps that lead to further steps one after another, not one inside of another.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Settling or dropping a promise of a long chain leads to the same for the next one. Without a
/// trampoline that would use stack for each of them.
#[derive(Default)]
pub(crate) struct Trampoline {
    queue: RefCell<VecDeque<Box<dyn FnOnce()>>>,
    is_running: Cell<bool>,
}

impl Trampoline {
    /// Runs `step` now, or after the running step if it is called from inside of one.
    pub(crate) fn run(&self, step: Box<dyn FnOnce()>) {
        self.queue.borrow_mut().push_back(step);
        if self.is_running.replace(true) {
            return;
        }
        let next = || self.queue.borrow_mut().pop_front();
        while let Some(step) = next() {
            let _ = catch_unwind(AssertUnwindSafe(step)); // the steps report panics of user code themselves
        }
        self.is_running.set(false);
    }
}
