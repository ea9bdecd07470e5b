//! The list of timers for a report.

use std::task::Waker;
use std::time::Duration;

use super::Timers;
use super::timer::Timer;
use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::TaskKey;

impl Timers {
    /// Lists the armed timers for a report, in the order in which they are due. `waker_of` returns the
    /// waker of a task.
    pub(crate) fn active_resources(
        &self,
        waker_of: impl Fn(TaskKey) -> Option<Waker>,
    ) -> Vec<ResourceEntry> {
        let armed = self.timers.iter().map(|(_, timer)| timer);
        let mut armed: Vec<&Timer> = armed.filter(|timer| !timer.destroyed).collect();
        armed.sort_by_key(|timer| self.due_ms(timer));
        let resources = armed.into_iter().map(|timer| ResourceEntry {
            due: timer
                .link
                .is_linked()
                .then(|| Duration::from_millis(self.due_ms(timer))),
            ..timer.active_resource(&waker_of)
        });
        resources.collect()
    }
}

impl Timer {
    fn active_resource(&self, waker_of: impl Fn(TaskKey) -> Option<Waker>) -> ResourceEntry {
        let kind = match self.repeats {
            false => ResourceKind::Timer,
            true => ResourceKind::Interval,
        };
        ResourceEntry {
            refed: self.refed,
            label: self.work.label().cloned(),
            wakers: self.work.waker(waker_of).into_iter().collect(),
            ..ResourceEntry::new(kind, Some(self.location))
        }
    }
}
