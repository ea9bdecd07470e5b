//! The poll of a task that is out of the microtask queue, or that a macrotask wakes while nothing is in it.
//!
//! A poll is a part of the drain, because a function would save and restore all registers for each. What is
//! rare is in functions of its own.

use std::cell::RefMut;
use std::mem::ManuallyDrop;
use std::task::Poll;

use super::list::{LiveTask, Schedule, TaskBox, TaskList};
use super::{LoopState, OwnWaker, drop_waker};
use crate::phases::macrotask::TaskKey;

/// What a poll takes out of the entry of a task.
struct TakenTask {
    future: TaskBox,
    waker: Option<Box<OwnWaker>>,
    promise: u64,
}

impl LoopState {
    /// Polls a task that was taken out of the microtask queue. Returns whether it has ended; if not, the
    /// async context is empty.
    #[inline(always)] // a part of the drain
    pub(crate) fn poll_task(&self, index: usize) -> Poll<()> {
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.entry(index);
        debug_assert_eq!(entry.schedule.get(), Schedule::Scheduled, "R13");
        let taken = self.take_for_poll(entry);
        drop(tasks);
        match taken {
            Some(taken) => self.poll_taken(index, taken),
            None => self.poll_member(index),
        }
    }

    /// Polls a task that would be the only one in the microtask queue if it was woken now. Returns `false`
    /// if a wake would not queue it, or if it is the main future: then the caller wakes it. Afterwards the async
    /// context is empty.
    #[inline(always)] // a part of the check phase
    pub(crate) fn poll_woken(&self, task: TaskKey) -> bool {
        let mut tasks = self.tasks.borrow_mut();
        let Some(entry) = tasks.find_mut(task) else {
            return false;
        };
        if entry.schedule.get() != Schedule::Idle || entry.is_sent() {
            return false;
        }
        let taken = self.take_for_poll(entry);
        drop(tasks);
        let polled = match taken {
            Some(taken) => self.poll_taken(task.index, taken),
            None => self.poll_member(task.index),
        };
        if polled.is_ready() {
            self.context.set(None);
        }
        true
    }

    /// Takes what a poll needs out of the entry of a task. A member of a combinator has no future.
    #[inline(always)] // a part of its callers
    fn take_for_poll(&self, entry: &mut LiveTask) -> Option<TakenTask> {
        entry.schedule.set(Schedule::Running);
        self.observers.note(entry.kind, entry.location);
        Some(TakenTask {
            future: entry.future.take()?,
            waker: entry.waker.take(),
            promise: entry.number,
        })
    }

    #[inline(always)] // as above
    fn poll_taken(&self, index: usize, taken: TakenTask) -> Poll<()> {
        let promise = taken.promise;
        let task = TaskKey { index, promise };
        // No panic leaves a task, so nothing has to drop these while one unwinds, and there is no code for that.
        let mut future = ManuallyDrop::new(taken.future);
        let waker = taken.waker.unwrap_or_else(|| self.lend_waker(task));
        let waker = ManuallyDrop::new(waker);
        self.polled.set(task, &waker.waker);
        let polled = future.as_mut().resume(self, &mut waker.context());
        self.polled.clear();
        let future = ManuallyDrop::into_inner(future);
        let waker = ManuallyDrop::into_inner(waker);
        match polled {
            Poll::Ready(()) => {
                self.take_back(waker);
                Poll::Ready(())
            }
            Poll::Pending => self.end_poll(self.tasks.borrow_mut(), index, future, waker),
        }
    }

    /// Ends a poll after which the task is pending, unless it was aborted meanwhile. It is queued if it was
    /// woken.
    #[inline(always)] // as above
    pub(super) fn end_poll(
        &self,
        mut tasks: RefMut<'_, TaskList>,
        index: usize,
        future: TaskBox,
        waker: Box<OwnWaker>,
    ) -> Poll<()> {
        let entry = tasks.entry(index);
        if entry.schedule.get() == Schedule::Aborted {
            drop(tasks);
            self.stop_task(future, Some(waker));
            return Poll::Ready(());
        }
        let is_woken = entry.pause(future);
        if waker.shared.is_shared() {
            // A report may have made another waker meanwhile; each of them wakes the task.
            if let Err(waker) = entry.waker.set(waker) {
                drop_waker(waker);
            }
        } else {
            self.put_back(waker);
        }
        drop(tasks);
        if is_woken {
            self.queue_again(index);
        }
        Poll::Pending
    }

    /// Drops the future of a task that was aborted, and settles its promise.
    #[cold]
    #[inline(never)]
    fn stop_task(&self, mut future: TaskBox, waker: Option<Box<OwnWaker>>) {
        future.as_mut().stop(self);
        if let Some(waker) = waker {
            self.take_back(waker);
        }
    }

    /// Queues a task that was woken while it was running.
    #[inline(always)] // as above
    pub(super) fn queue_again(&self, index: usize) {
        if self.observers.is_on() {
            self.notify_queued_again(index);
        }
        self.queues.push_task(index);
    }

    #[cold]
    #[inline(never)]
    fn notify_queued_again(&self, index: usize) {
        self.enqueued(self.origin_of_task(index), None);
    }

    /// Ends a task that was taken out of the microtask queue of a loop that is cancelling.
    pub(crate) fn cancel_task(&self, index: usize) {
        let taken = self.take_for_poll(self.tasks.borrow_mut().entry(index));
        let Some(taken) = taken else {
            let polled = self.poll_member(index);
            debug_assert!(polled.is_ready(), "it ends with its loop");
            return;
        };
        self.stop_task(taken.future, taken.waker);
    }
}
