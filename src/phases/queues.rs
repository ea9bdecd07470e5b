//! The nextTick queue and the microtask queue.
//!
//! Two plain queues, first in, first out (R13); the order in which they are emptied is in `checkpoint.rs`. Both are
//! unbounded: a drain that never ends is Node's intent (R11), and the bound on it is memory.

use std::cell::RefCell;
use std::collections::VecDeque;

use async_task::Runnable;

use crate::phases::macrotask::SourceLocation;
use crate::reactor::remote_queue::TaskMeta;

/// A callback of [`next_tick`](crate::next_tick) or [`queue_microtask`](crate::queue_microtask).
pub(crate) struct Job {
    pub(crate) callback: Box<dyn FnOnce()>,
    pub(crate) location: SourceLocation,
}

/// One entry of the microtask queue: promise jobs and callbacks share it, first in, first out.
pub(crate) enum Microtask {
    /// A task that was woken.
    Task(Runnable<TaskMeta>),
    Callback(Job),
}

#[derive(Default)]
pub(crate) struct Queues {
    ticks: RefCell<VecDeque<Job>>,
    microtasks: RefCell<Microtasks>,
}

#[derive(Default)]
struct Microtasks {
    /// A task, or nothing where the next of `callbacks` stands. An entry is one word, because most
    /// are tasks, and moving a wider one costs a fifth of a turn.
    line: VecDeque<Option<Runnable<TaskMeta>>>,
    callbacks: VecDeque<Job>,
}

impl Queues {
    pub(crate) fn push_tick(&self, tick: Job) {
        self.ticks.borrow_mut().push_back(tick);
    }

    #[inline]
    pub(crate) fn push_microtask(&self, microtask: Microtask) {
        let mut microtasks = self.microtasks.borrow_mut();
        let task = match microtask {
            Microtask::Task(runnable) => Some(runnable),
            Microtask::Callback(job) => {
                microtasks.callbacks.push_back(job);
                None
            }
        };
        microtasks.line.push_back(task);
    }

    pub(crate) fn pop_tick(&self) -> Option<Job> {
        self.ticks.borrow_mut().pop_front()
    }

    pub(crate) fn pop_microtask(&self) -> Option<Microtask> {
        let mut microtasks = self.microtasks.borrow_mut();
        match microtasks.line.pop_front()? {
            Some(runnable) => Some(Microtask::Task(runnable)),
            None => microtasks.callbacks.pop_front().map(Microtask::Callback),
        }
    }

    pub(crate) fn has_ticks(&self) -> bool {
        !self.ticks.borrow().is_empty()
    }

    pub(crate) fn tick_count(&self) -> usize {
        self.ticks.borrow().len()
    }

    pub(crate) fn microtask_count(&self) -> usize {
        self.microtasks.borrow().line.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.has_ticks() && self.microtasks.borrow().line.is_empty()
    }
}
