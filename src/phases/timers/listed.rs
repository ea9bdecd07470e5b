//! The timers as a report lists them. It changes nothing.

use std::time::Duration;

use super::{Timer, Timers};
use crate::observe::active_resource::{Listed, OperationKind};

impl Timers {
    /// The timers that are armed, for a report.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let armed = self.timers.iter().filter(|(_, timer)| !timer.destroyed);
        let mut armed: Vec<(u64, Listed)> = armed.map(|(_, timer)| timer.listed()).collect();
        armed.sort_by_key(|(due_ms, _)| *due_ms);
        armed.into_iter().map(|(_, listed)| listed).collect()
    }
}

impl Timer {
    fn listed(&self) -> (u64, Listed) {
        let due_ms = self.start_ms.saturating_add(self.duration_ms.unwrap_or(0));
        let kind = if self.is_interval {
            OperationKind::Interval
        } else {
            OperationKind::Timer
        };
        let listed = Listed {
            refed: self.refed,
            due: self.link.map(|_| Duration::from_millis(due_ms)),
            wakers: self.work.waker().cloned().into_iter().collect(),
            ..Listed::new(kind, Some(self.place))
        };
        (due_ms, listed)
    }
}
