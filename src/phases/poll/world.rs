//! How the poll phase of a host collects what its simulated world has for it.
//!
//! It makes no system call. If the scheduler of the world drives the hosts, it never waits either: the
//! scheduler moves the clock, and runs a turn of each host that has something to do. A loop that is a world
//! of its own moves the time of the world itself when it would wait. The order is the one that [`super`]
//! lists.

use std::io;

use super::time_rules::WhenIdle;
use super::{Batched, PollContext, PollOutcome, PollPhase, Wait};
use crate::reactor::world::WorldHost;

impl PollPhase {
    /// Collects what has arrived at this host. If nothing has and `wait` allows it, moves the time of the
    /// world to its next event.
    pub(super) fn collect_from_world(
        &self,
        cx: &PollContext<'_>,
        host: &WorldHost,
        wait: Wait,
        must_wait: impl Fn() -> bool,
    ) -> io::Result<PollOutcome> {
        loop {
            self.batch_due_completions(cx.clock);
            self.batch_finished_jobs(cx);
            self.batch_world_readiness(host);
            let signals = host.announce_signals().into_iter().map(Batched::Signal);
            self.batch.borrow_mut().extend(signals);
            let has_arrivals = !self.batch.borrow().is_empty() || !cx.remote_queue.is_empty();
            let due = self.first_due(wait);
            let is_due = due.is_some_and(|due| due <= cx.clock.now());
            if has_arrivals || wait == Wait::Zero || is_due {
                return Ok(PollOutcome::Arrivals);
            }
            if self.simulated.has_stalled() {
                let stalled = self.simulated.take_stalled().into_iter();
                self.batch
                    .borrow_mut()
                    .extend(stalled.map(Batched::Simulated));
                return Ok(PollOutcome::Arrivals);
            }
            let outside = host
                .world
                .next_packet()
                .into_iter()
                .chain(cx.pool.next_end());
            let next = due.into_iter().chain(outside).min();
            match self.time.when_idle(next, self.outstanding(cx)) {
                WhenIdle::JumpTo(target) => host.world.move_time(target),
                WhenIdle::Wait if cx.remote_queue.has_tokens() => {
                    self.poll_once(cx, None, &must_wait)?;
                }
                WhenIdle::Wait | WhenIdle::ClockHeld => return Ok(PollOutcome::ClockHeld),
            }
        }
    }

    /// Appends the jobs that have finished to the batch.
    fn batch_finished_jobs(&self, cx: &PollContext<'_>) {
        let finished = cx.pool.finish_due(cx.clock.now()).into_iter();
        let finished = finished.map(Batched::SimulatedJob);
        self.batch.borrow_mut().extend(finished);
    }

    /// Appends the events of sources to the batch.
    fn batch_world_readiness(&self, host: &WorldHost) {
        let events = host.with_network(|network| network.take_ready(host.id));
        let mut batch = self.batch.borrow_mut();
        let mut registrations = self.registrations.borrow_mut();
        registrations.merge_events(events.into_iter(), |token, readiness| {
            batch.push_back(Batched::Ready(token, readiness));
        });
    }
}
