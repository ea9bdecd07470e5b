//! The list of timers for a report.

use std::time::Duration;

use super::{Timer, Timers};
use crate::observe::active_resource::{ResourceEntry, ResourceKind};

impl Timers {
    /// Lists the armed timers for a report, in the order in which they are due.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let armed = self.timers.iter().map(|(_, timer)| timer);
        let mut armed: Vec<&Timer> = armed.filter(|timer| !timer.destroyed).collect();
        armed.sort_by_key(|timer| timer.due_ms());
        armed.into_iter().map(Timer::active_resource).collect()
    }
}

impl Timer {
    fn active_resource(&self) -> ResourceEntry {
        let kind = match self.repeat_ms {
            0 => ResourceKind::Timer,
            _ => ResourceKind::Interval,
        };
        let is_pending = self.link.is_linked();
        ResourceEntry {
            refed: self.refed,
            due: is_pending.then(|| Duration::from_millis(self.due_ms())),
            label: self.work.label().cloned(),
            wakers: self.work.waker(|_| None).into_iter().collect(), // timers contain no keys
            ..ResourceEntry::new(kind, Some(self.location))
        }
    }
}
