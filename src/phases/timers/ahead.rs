//! What the next timers of a list will need, loaded into the caches before it is needed.
//!
//! A million tasks that sleep are stored in the order in which they were spawned and woken in that of
//! their durations, so nothing of the next one is in the caches: neither its timer nor its entry in the
//! list of tasks nor its promise. The address of each is in the one before it. Read one after another
//! when the task is woken, they cost three misses; read for three tasks at once, one in each, they cost
//! little more than one.

use std::hint::black_box;

use super::{TimerKey, Timers};
use crate::phases::macrotask::{TaskKey, Work};

/// The number of timers from which it is worth it.
const MANY: usize = 8_192;

/// The tasks that the timers after the running one wake.
pub(crate) struct Ahead {
    pub(crate) next: Option<TaskKey>,
    pub(crate) second: Option<TaskKey>,
}

impl Timers {
    /// Returns whether [`look_ahead`](Timers::look_ahead) is worth it.
    #[inline]
    pub(crate) fn are_many(&self) -> bool {
        self.timers.len() > MANY
    }

    /// Loads the third timer after the one that was taken out of its list, and returns what the two
    /// before that wake.
    pub(crate) fn look_ahead(&self) -> Ahead {
        let list = self.pass.as_ref().and_then(|pass| pass.list);
        let next = list.and_then(|list| self.lists[list].first());
        let after = |timer: TimerKey| self.timers[timer].link.neighbors().1;
        let second = next.and_then(after);
        if let Some(third) = second.and_then(after) {
            black_box(self.timers[third].start_ms);
        }
        let task_of = |timer: TimerKey| match self.timers[timer].work {
            Work::WakeTask(task) => Some(task),
            _ => None,
        };
        Ahead {
            next: next.and_then(task_of),
            second: second.and_then(task_of),
        }
    }
}
