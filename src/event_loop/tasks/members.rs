//! Tasks without a future: the members of a combinator, which share one allocation.
//!
//! The entry of a member contains what all members share in the place of the promise that a task settles.

use std::rc::Rc;
use std::task::Poll;

use super::NewTask;
use super::list::Schedule;
use crate::event_loop::state::LoopState;
use crate::observe::active_resource::PendingPromise;
use crate::observe::event::PromiseId;
use crate::phases::macrotask::{SourceLocation, StepKind, TaskKey};

impl LoopState {
    /// Enters a member into the list. It is not polled until something wakes it; `wait` may wake it.
    #[inline]
    pub(crate) fn add_member(
        &self,
        members: Rc<dyn PendingPromise>,
        promise: PromiseId,
        location: SourceLocation,
        wait: impl FnOnce(TaskKey),
    ) {
        let new = NewTask {
            promise: Some(members),
            number: promise.get(),
            location,
            kind: StepKind::Reaction,
        };
        let task = self.add_task(new, Schedule::Running);
        wait(task);
        self.pause_member(task.index);
    }

    /// Polls a member, whose entry has no future.
    #[inline(never)] // apart from the poll of other tasks
    pub(super) fn poll_member(&self, index: usize) -> Poll<()> {
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.entry(index);
        let task = TaskKey {
            index,
            promise: entry.number,
        };
        let members = entry.promise.clone();
        drop(tasks);
        let members = members.expect("a task that is queued is not polled");
        let polled = members.poll_member(task);
        if polled.is_pending() {
            self.pause_member(index);
        }
        polled
    }

    #[inline]
    fn pause_member(&self, index: usize) {
        let is_woken = self.tasks.borrow_mut().entry(index).rest();
        if is_woken {
            self.queue_again(index);
        }
    }
}
