//! The nextTick queue and the microtask queue.
//!
//! Both are first in, first out (R13). The order in which they are emptied is decided in
//! `event_loop/checkpoint.rs`. Both are unbounded, as in Node, where a drain may never end (R11).

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::phases::macrotask::SourceLocation;

/// A callback of [`next_tick`](crate::next_tick) or [`queue_microtask`](crate::queue_microtask).
pub(crate) struct QueuedCallback {
    pub(crate) callback: Box<dyn FnOnce()>,
    pub(crate) location: SourceLocation,
}

/// One entry of the microtask queue, which promise jobs and callbacks share.
pub(crate) enum Microtask {
    /// A woken task, by its index in the loop's list.
    Task(usize),
    Callback(QueuedCallback),
    /// The main future of the run, which no queue can own because it may borrow.
    Main,
}

#[derive(Default)]
pub(crate) struct Queues {
    ticks: RefCell<VecDeque<QueuedCallback>>,
    microtasks: RefCell<Microtasks>,
}

#[derive(Default)]
struct Microtasks {
    /// The order of the queue: the index of a task, [`MAIN`], or [`CALLBACK`] for the next of `callbacks`.
    /// Most entries are tasks, and an entry of one word makes a turn a fifth cheaper than one that can
    /// hold all.
    order: VecDeque<usize>,
    callbacks: VecDeque<QueuedCallback>,
}

/// An entry for the next callback.
const CALLBACK: usize = usize::MAX;

/// An entry for the main future.
const MAIN: usize = usize::MAX - 1;

impl Queues {
    #[inline]
    pub(crate) fn push_tick(&self, tick: QueuedCallback) {
        self.ticks.borrow_mut().push_back(tick);
    }

    #[inline]
    pub(crate) fn push_task(&self, index: usize) {
        self.microtasks.borrow_mut().order.push_back(index);
    }

    #[inline]
    pub(crate) fn push_microtask(&self, callback: QueuedCallback) {
        let mut microtasks = self.microtasks.borrow_mut();
        microtasks.callbacks.push_back(callback);
        microtasks.order.push_back(CALLBACK);
    }

    /// Appends the main future to the microtask queue.
    #[inline]
    pub(crate) fn push_main(&self) {
        self.microtasks.borrow_mut().order.push_back(MAIN);
    }

    pub(crate) fn pop_tick(&self) -> Option<QueuedCallback> {
        self.ticks.borrow_mut().pop_front()
    }

    pub(crate) fn pop_microtask(&self) -> Option<Microtask> {
        let mut microtasks = self.microtasks.borrow_mut();
        let entry = microtasks.order.pop_front()?;
        if entry < MAIN {
            return Some(Microtask::Task(entry)); // the usual case, with one test
        }
        match entry {
            CALLBACK => Some(Microtask::Callback(microtasks.callbacks.pop_front()?)),
            _ => Some(Microtask::Main),
        }
    }

    pub(crate) fn has_ticks(&self) -> bool {
        !self.ticks.borrow().is_empty()
    }

    pub(crate) fn tick_count(&self) -> usize {
        self.ticks.borrow().len()
    }

    pub(crate) fn microtask_count(&self) -> usize {
        self.microtasks.borrow().order.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.has_ticks() && self.microtasks.borrow().order.is_empty()
    }
}
