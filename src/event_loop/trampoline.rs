//! Runs steps that cause further steps one after another instead of recursively.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs steps without nesting them.
///
/// Settling or dropping a promise of a long chain does the same to the next promise. Nested, each of
/// them would use stack.
#[derive(Default)]
pub(crate) struct Trampoline {
    queue: RefCell<VecDeque<Box<dyn FnOnce()>>>,
    is_running: Cell<bool>,
}

impl Trampoline {
    /// Runs `step` now, or after the running step if there is one.
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
