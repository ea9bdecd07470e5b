//! The jobs of a host of a simulated world, which run on the thread of the loop.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::current::leave;
use super::runner::Runner;
use crate::blocking::pool::JobId;
use crate::hooks::uncaught::drop_quietly;
use crate::phases::macrotask::Macrotask;

impl Runner<'_> {
    /// Runs a job, and returns the macrotask that delivers its result. `None` if the run of the job has
    /// ended.
    pub(super) fn simulated_job(&self, id: JobId) -> Option<Macrotask> {
        let work = self.pool.take_finished(id)?;
        if let Some(world) = self.world() {
            world.disk().set_world_time(self.clock.now());
        }
        // As on a thread of the pool, no loop is current.
        let outside = leave();
        let result = catch_unwind(AssertUnwindSafe(|| work.run()));
        drop(outside);
        match self.pool.take_done(id, result) {
            Ok(macrotask) => Some(macrotask),
            Err(result) => {
                drop_quietly(result);
                None
            }
        }
    }
}
