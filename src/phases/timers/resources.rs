//! The timers as a report lists them.

use std::time::Duration;

use super::{Timer, Timers};
use crate::observe::active_resource::{ActiveResource, OperationKind};

impl Timers {
    /// Lists the armed timers for a report, in the order in which they are due.
    pub(crate) fn active_resources(&self) -> Vec<ActiveResource> {
        let armed = self.timers.iter().map(|(_, timer)| timer);
        let mut armed: Vec<&Timer> = armed.filter(|timer| !timer.destroyed).collect();
        armed.sort_by_key(|timer| timer.due_ms());
        armed.into_iter().map(Timer::active_resource).collect()
    }
}

impl Timer {
    fn active_resource(&self) -> ActiveResource {
        let kind = match self.is_interval {
            true => OperationKind::Interval,
            false => OperationKind::Timer,
        };
        ActiveResource {
            refed: self.refed,
            due: self.link.map(|_| Duration::from_millis(self.due_ms())),
            wakers: self.work.waker().cloned().into_iter().collect(),
            ..ActiveResource::new(kind, Some(self.location))
        }
    }
}
