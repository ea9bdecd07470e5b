//! How the poll phase of a host collects what its simulated world has for it.
//!
//! It never waits and makes no system call: the scheduler of the world moves the clock, and runs a turn of
//! each host that has something to do. The order is the one that [`super`] lists.

use super::{PollContext, PollPhase};
use crate::reactor::world::WorldHost;

impl PollPhase {
    /// Collects what has arrived at this host.
    pub(super) fn collect_from_world(&self, cx: &PollContext<'_>, _host: &WorldHost) {
        self.batch_due_completions(cx.clock);
        self.batch_world_readiness(std::iter::empty());
    }

    /// Appends the events of sources to the batch.
    fn batch_world_readiness(
        &self,
        events: impl Iterator<Item = (mio::Token, crate::reactor::registrations::Readiness)>,
    ) {
        let mut batch = self.batch.borrow_mut();
        let mut registrations = self.registrations.borrow_mut();
        registrations.merge_events(events, |token, readiness| {
            batch.push_back(super::Batched::Ready(token, readiness));
        });
    }
}
