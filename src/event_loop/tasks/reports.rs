//! What reports read of the list of tasks.

use std::rc::Rc;
use std::task::Waker;

use crate::event_loop::state::LoopState;
use crate::observe::active_resource::PendingPromise;
use crate::phases::macrotask::SourceLocation;

/// A task, for a report.
pub(crate) struct ListedTask {
    pub(crate) location: SourceLocation,
    pub(crate) promise: Option<Rc<dyn PendingPromise>>,
    pub(crate) waker: Waker,
}

impl LoopState {
    /// Returns the tasks whose first poll is over.
    pub(crate) fn listed_tasks(&self) -> Vec<ListedTask> {
        let tasks = self.tasks.borrow();
        let listed = tasks.iter().filter(|(_, entry)| entry.is_listed);
        let listed = listed.filter_map(|(index, entry)| {
            Some(ListedTask {
                location: entry.location,
                promise: entry.promise.clone().filter(|it| !it.is_members()),
                waker: self.waker_of_entry(index, entry)?,
            })
        });
        listed.collect()
    }

    /// Returns how many reactions, timers and waits on sources contain the key of the task that settles
    /// this promise. An immediate that does keeps the loop alive.
    pub(crate) fn count_wakes_of(&self, promise: u64) -> usize {
        let mut count = 0;
        let mut add = |awaited: &dyn PendingPromise| count += awaited.count_wakes_of(promise);
        for (_, task) in self.tasks.borrow().iter().filter(|(_, it)| it.is_listed) {
            task.promise.as_deref().into_iter().for_each(&mut add);
        }
        self.awaited.for_each(add);
        count
            + self.timers.borrow().count_wakes_of(promise)
            + self.poll.registrations.borrow().count_wakes_of(promise)
    }
}
