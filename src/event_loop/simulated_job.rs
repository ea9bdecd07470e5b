//! The jobs of a host of a simulated world, which run on the thread of the loop.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::current::leave;
use super::runner::Runner;
use crate::blocking::pool::JobId;
use crate::phases::macrotask::Macrotask;

impl Runner<'_> {
    /// Returns the macrotask that runs a job and delivers its result. `None` if it was cancelled.
    pub(super) fn simulated_job(&self, id: JobId) -> Option<Macrotask> {
        let work = self.pool.take_finished(id)?;
        let (done, origin) = self.pool.take_done(id)?;
        if let Some(world) = self.world() {
            world.disk().set_world_time(self.clock.now());
        }
        let run = move || {
            // As on a thread of the pool, no loop is current.
            let outside = leave();
            let result = catch_unwind(AssertUnwindSafe(|| work.run()));
            drop(outside);
            done(result);
        };
        Some(Macrotask::callback(run, origin))
    }
}
