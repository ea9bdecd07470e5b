//! The pending tasks of a loop.
//!
//! The list contains a waker of each task, by which the end of the loop cancels it. What wakes a task
//! later, such as an immediate or a promise, may contain the key of the task instead of a waker
//! of its own: a clone of a waker and its drop are two atomic operations, and a third follows, because
//! the number of wakers has changed during the poll.

use std::rc::Rc;
use std::task::{Context, Waker};

use slab::Slab;

use super::state::LoopState;
use crate::observe::active_resource::PendingPromise;
use crate::phases::macrotask::TaskKey;

/// A pending task.
pub(crate) struct LiveTask {
    pub(crate) waker: Waker,
    /// The promise that it settles.
    pub(crate) promise: Rc<dyn PendingPromise>,
    /// The number of that promise.
    pub(crate) number: u64,
}

/// The index of no task.
pub(crate) const NO_TASK: usize = usize::MAX;

impl LoopState {
    /// Returns the key of the task that is being polled with `cx`. It is `None` in the first poll of a
    /// task, and for a waker of another kind, such as that of a combinator.
    #[inline]
    pub(crate) fn polled_task(&self, cx: &Context<'_>) -> Option<TaskKey> {
        let index = self.polled_task.get();
        let tasks = self.tasks.borrow();
        let task = tasks.get(index)?;
        // The index may be that of a task in whose poll this one is polled for the first time.
        task.waker.will_wake(cx.waker()).then_some(TaskKey {
            index,
            promise: task.number,
        })
    }

    /// Wakes a task, unless it has ended.
    #[inline]
    pub(crate) fn wake_task(&self, task: TaskKey) {
        if !self.is_current() || self.observers.is_on() {
            return self.wake_unborrowed(task);
        }
        // This only appends to the microtask queue, so the borrow may last.
        if let Some(task) = find(&self.tasks.borrow(), task) {
            task.waker.wake_by_ref();
        }
    }

    #[cold]
    fn wake_unborrowed(&self, task: TaskKey) {
        if let Some(waker) = self.waker_of(task) {
            waker.wake();
        }
    }

    /// Returns how many reactions and timers contain the key of the task that settles this promise. An
    /// immediate that does keeps the loop alive.
    pub(crate) fn count_wakes_of(&self, promise: u64) -> usize {
        let mut count = 0;
        let mut add = |awaited: &dyn PendingPromise| count += awaited.count_wakes_of(promise);
        for (_, task) in self.tasks.borrow().iter() {
            add(&*task.promise);
        }
        self.awaited.for_each(add);
        count + self.timers.borrow().count_wakes_of(promise)
    }

    /// Returns the waker of a task, unless it has ended.
    pub(crate) fn waker_of(&self, task: TaskKey) -> Option<Waker> {
        Some(find(&self.tasks.borrow(), task)?.waker.clone())
    }
}

#[inline]
fn find(tasks: &Slab<LiveTask>, key: TaskKey) -> Option<&LiveTask> {
    let task = tasks.get(key.index)?;
    (task.number == key.promise).then_some(task)
}
