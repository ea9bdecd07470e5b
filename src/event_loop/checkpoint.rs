//! The checkpoint: the drain behind every macrotask (R10–R18), and what happens to a throw.
//!
//! ```text
//! checkpoint:
//!   repeat
//!     while there is a tick: call it
//!     run microtasks until there is none
//!   until there is no tick, and the rejection round tells nothing
//! ```
//!
//! User code is called from here and from `event_loop.rs` only.

use crate::event_loop::invoke::Thrown;
use crate::event_loop::state::{LoopState, Stop};
use crate::hooks::rejection::{Tracking, UnhandledRejection};
use crate::hooks::uncaught::{Rejection, Uncaught};
use crate::observe::event::{Event, PromiseId};
use crate::phases::macrotask::{Origin, StepKind};
use crate::phases::queues::Microtask;

impl LoopState {
    /// Drains both queues (R10). A tick that throws ends the drain: what is left stays queued
    /// for the next drain point, wherever that is (R53). A microtask that throws does not (R54).
    pub(crate) fn checkpoint(&self) -> Result<(), Thrown> {
        if self.observers.is_on() {
            return self.observed_drain();
        }
        if self.queues.is_empty() && self.rejections.is_empty() {
            return Ok(()); // nearly every drain between two macrotasks
        }
        self.drain()
    }

    #[cold]
    fn observed_drain(&self) -> Result<(), Thrown> {
        self.notify_observers(|| Event::DrainBegin);
        let result = self.drain();
        self.notify_observers(|| Event::DrainEnd);
        result
    }

    fn drain(&self) -> Result<(), Thrown> {
        loop {
            while let Some(tick) = self.queues.pop_tick() {
                self.run_job(StepKind::Tick, tick)?;
            }
            while let Some(microtask) = self.queues.pop_microtask() {
                match microtask {
                    Microtask::Task(runnable) => self.run_task(runnable),
                    Microtask::Callback(job) => drop(self.run_job(StepKind::Microtask, job)),
                }
                if self.is_stopping() {
                    return Err(Thrown);
                }
            }
            if self.queues.has_ticks() {
                continue;
            }
            if self.rejections.is_empty() {
                return Ok(());
            }
            self.rejection_round()?;
        }
    }

    /// R14, R15: first the rejections that were handled after they had been reported, then the
    /// whole list of fresh ones. Both queues are empty at the start, and what the listeners
    /// queue waits for the end of the round.
    fn rejection_round(&self) -> Result<(), Thrown> {
        while let Some(promise) = self.rejections.take_late() {
            let location = promise.location();
            let id = PromiseId(promise.id());
            self.notify_observers(|| Event::RejectionHandled {
                promise: id,
                location,
            });
            let origin = Origin::new(StepKind::ErrorListener, location);
            let rejection = Rejection { promise };
            self.enter(origin, || self.hooks.rejection_handled.call(&rejection))?;
        }
        for promise in self.rejections.take_round() {
            promise.tracking().set(Tracking::Reported);
            let location = promise.location();
            let id = PromiseId(promise.id());
            self.notify_observers(|| Event::RejectionReported {
                promise: id,
                location,
            });
            self.context.set(promise.context());
            let rejection = Rejection { promise };
            if !self.hooks.unhandled_rejection.is_empty() {
                let origin = Origin::new(StepKind::ErrorListener, location);
                self.enter(origin, || self.hooks.unhandled_rejection.call(&rejection))?;
            } else if !self.hooks.uncaught.is_empty() {
                // R18: without a listener it becomes an uncaught error, which ends nothing here.
                let payload = Box::new(UnhandledRejection(rejection.reason_text()));
                self.uncaught(Uncaught { payload, location });
            } else {
                self.stop(Stop::Unhandled {
                    reason: rejection.reason_text(),
                    location,
                });
            }
            if self.is_stopping() {
                return Err(Thrown);
            }
        }
        Ok(())
    }
}
