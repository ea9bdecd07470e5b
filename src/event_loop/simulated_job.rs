//! The jobs of a host of a simulated world, which run on the thread of the loop.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::current::leave;
use super::runner::Runner;
use crate::blocking::pool::JobId;

impl Runner<'_> {
    /// Runs a job, and delivers its result in a macrotask.
    pub(super) fn simulated_job(&self, id: JobId) {
        let Some(work) = self.pool.take_finished(id) else {
            return; // its run has ended
        };
        if let Some(world) = self.world() {
            world.disk().set_world_time(self.clock.now());
        }
        // As on a thread of the pool, no loop is current.
        let outside = leave();
        let result = catch_unwind(AssertUnwindSafe(|| work.run()));
        drop(outside);
        self.complete_job(id, result);
    }
}
