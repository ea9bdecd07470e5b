//! The poll of a task that is out of the microtask queue, or that a macrotask wakes while nothing is in it.

use std::task::Poll;

use super::{LiveTask, LoopState, OwnWaker, Schedule, TaskBox};
use crate::phases::macrotask::TaskKey;

/// What a poll takes out of the entry of a task.
struct TakenTask {
    future: Option<TaskBox>,
    waker: Option<Box<OwnWaker>>,
    promise: u64,
}

impl LoopState {
    /// Polls a task that was taken out of the microtask queue.
    #[inline]
    pub(crate) fn poll_task(&self, index: usize) {
        let mut tasks = self.tasks.borrow_mut();
        let entry = &mut tasks[index];
        debug_assert_eq!(entry.schedule.get(), Schedule::Scheduled, "R13");
        let taken = self.take_for_poll(entry);
        drop(tasks);
        self.poll_taken(index, taken);
    }

    /// Polls a task that would be the only one in the microtask queue if it was woken now. Returns `false`
    /// if a wake would not queue it, or if it is the main future: then the caller wakes it.
    #[inline(always)] // a part of the check phase
    pub(crate) fn poll_woken(&self, task: TaskKey) -> bool {
        let mut tasks = self.tasks.borrow_mut();
        let Some(entry) = tasks.get_mut(task.index) else {
            return false;
        };
        let is_idle = entry.number == task.promise && entry.schedule.get() == Schedule::Idle;
        if !is_idle || entry.is_sent() {
            return false;
        }
        let taken = self.take_for_poll(entry);
        drop(tasks);
        self.poll_taken(task.index, taken);
        true
    }

    #[inline(always)] // a part of both
    fn take_for_poll(&self, entry: &mut LiveTask) -> TakenTask {
        entry.schedule.set(Schedule::Running);
        self.observers.note(entry.kind, entry.location);
        TakenTask {
            future: entry.future.take(),
            waker: entry.waker.take(),
            promise: entry.number,
        }
    }

    #[inline(always)] // as above
    fn poll_taken(&self, index: usize, taken: TakenTask) {
        let promise = taken.promise;
        let task = TaskKey { index, promise };
        let mut future = taken.future.expect("a task that is queued is not polled");
        let waker = match taken.waker {
            Some(waker) => waker,
            None => self.lend_waker(task),
        };
        let mut cx = waker.context();
        let enclosing = self.begin_polling(task, &cx);
        let polled = future.as_mut().poll(&mut cx);
        self.end_polling(enclosing);
        match polled {
            Poll::Ready(()) => self.take_back(waker),
            Poll::Pending => self.end_poll(index, future, waker),
        }
    }
}
