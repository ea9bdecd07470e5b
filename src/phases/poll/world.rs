//! How the poll phase of a host collects what its simulated world has for it.
//!
//! It never waits and makes no system call: the scheduler of the world moves the clock, and runs a turn of
//! each host that has something to do. The order is the one that [`super`] lists.

use super::{Batched, PollContext, PollPhase};
use crate::reactor::world::WorldHost;

impl PollPhase {
    /// Collects what has arrived at this host.
    pub(super) fn collect_from_world(&self, cx: &PollContext<'_>, host: &WorldHost) {
        self.batch_due_completions(cx.clock);
        let events = host.with_network(|network| network.take_ready(host.id));
        let mut batch = self.batch.borrow_mut();
        let mut registrations = self.registrations.borrow_mut();
        registrations.merge_events(events.into_iter(), |token, readiness| {
            batch.push_back(Batched::Ready(token, readiness));
        });
    }
}
