//! The timers as a report lists them. It changes nothing.

use std::time::Duration;

use super::{Timer, Timers};
use crate::observe::active_resource::{ActiveResource, OperationKind};

impl Timers {
    /// The timers that are armed, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ActiveResource> {
        let armed = self.timers.iter().filter(|(_, timer)| !timer.destroyed);
        let mut armed: Vec<(u64, ActiveResource)> =
            armed.map(|(_, timer)| timer.resources()).collect();
        armed.sort_by_key(|(due_ms, _)| *due_ms);
        armed.into_iter().map(|(_, resources)| resources).collect()
    }
}

impl Timer {
    fn resources(&self) -> (u64, ActiveResource) {
        let due_ms = self.start_ms.saturating_add(self.duration_ms.unwrap_or(0));
        let kind = if self.is_interval {
            OperationKind::Interval
        } else {
            OperationKind::Timer
        };
        let resources = ActiveResource {
            refed: self.refed,
            due: self.link.map(|_| Duration::from_millis(due_ms)),
            wakers: self.work.waker().cloned().into_iter().collect(),
            ..ActiveResource::new(kind, Some(self.location))
        };
        (due_ms, resources)
    }
}
