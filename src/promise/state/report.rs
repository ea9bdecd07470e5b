//! What a report reads of a promise.

use std::task::Waker;

use super::{Settlement, State};
use crate::observe::active_resource::PendingPromise;
use crate::phases::macrotask::SourceLocation;
use crate::promise::reaction_list::Reaction;
use crate::promise::settled_by::SettledBy;

impl<O: 'static> PendingPromise for State<O> {
    fn created_at(&self) -> SourceLocation {
        self.location
    }

    fn for_each_waker(&self, visit: &mut dyn FnMut(&Waker)) {
        let Settlement::Pending(reactions) = &*self.settlement.borrow() else {
            return;
        };
        reactions.for_each(|reaction| match reaction {
            Reaction::Wake(waker) => visit(waker),
            Reaction::WakeTask(task) => {
                self.owner.waker_of(*task).iter().for_each(&mut *visit);
            }
            Reaction::Map(_) => {}
        });
    }

    fn count_wakes_of(&self, promise: u64) -> usize {
        let Settlement::Pending(reactions) = &*self.settlement.borrow() else {
            return 0;
        };
        let mut count = 0;
        reactions.for_each(|reaction| {
            let is_waking = matches!(reaction, Reaction::WakeTask(it) if it.promise == promise);
            count += usize::from(is_waking);
        });
        count
    }

    fn is_out_of_reach(&self) -> bool {
        self.settled_by.get() == SettledBy::Resolver
            && !self.is_resolved.get()
            && self.resolver_count.get() == 0
    }

    fn is_job(&self) -> bool {
        matches!(self.settled_by.get(), SettledBy::Job(_))
    }
}
