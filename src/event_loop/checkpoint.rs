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

use std::panic::{AssertUnwindSafe, catch_unwind};

use async_task::Runnable;

use crate::event_loop::state::{LoopState, LoopStatus, Stop};
use crate::hooks::rejection::Tracking;
use crate::hooks::uncaught::{ExitUnwind, Rejection, Uncaught};
use crate::observe::event::{Event, PromiseId};
use crate::phases::macrotask::{Origin, SourceLocation, StepKind, Work};
use crate::phases::queues::{Job, Microtask};
use crate::reactor::remote_queue::TaskMeta;

/// A callback has thrown (and the hook has been told), or the run is to end.
#[derive(Debug)]
pub(crate) struct Thrown;

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

    #[inline]
    fn run_task(&self, runnable: Runnable<TaskMeta>) {
        if self.observers.is_on() {
            let origin = runnable.metadata().origin(StepKind::Task);
            self.observed_step(origin, || runnable.run());
        } else {
            self.observers
                .note(StepKind::Task, runnable.metadata().location);
            runnable.run();
        }
        self.context.set(None);
    }

    #[inline]
    fn run_job(&self, kind: StepKind, job: Job) -> Result<(), Thrown> {
        if self.observers.is_on() {
            return self.enter(Origin::new(kind, job.location), job.callback);
        }
        self.observers.note(kind, job.location);
        self.guard(job.location, job.callback)
    }

    /// Calls the user's code, as a step of its own.
    pub(crate) fn enter(&self, origin: Origin, callback: impl FnOnce()) -> Result<(), Thrown> {
        self.step(origin, || self.guard(origin.location, callback))
    }

    /// Calls into the user's code. A panic ends at this point and is told at once (R51).
    pub(crate) fn guard(
        &self,
        location: SourceLocation,
        callback: impl FnOnce(),
    ) -> Result<(), Thrown> {
        let result = catch_unwind(AssertUnwindSafe(callback));
        let thrown = result.is_err();
        if let Err(payload) = result {
            self.uncaught(Uncaught { payload, location });
        }
        self.context.set(None);
        if thrown || self.is_stopping() {
            Err(Thrown)
        } else {
            Ok(())
        }
    }

    /// R51: the hook is called at the point of the throw, and an empty immediate keeps the loop
    /// turning once more. Without a hook the run ends, as Node's process would.
    fn uncaught(&self, error: Uncaught) {
        if error.payload.is::<ExitUnwind>() {
            return; // `exit` has said already what is to happen
        }
        self.notify_thrown();
        if self.hooks.uncaught.is_empty() {
            return self.stop(Stop::Uncaught(error));
        }
        let location = error.location;
        let call = || catch_unwind(AssertUnwindSafe(|| self.hooks.uncaught.call(&error)));
        match self.step(Origin::new(StepKind::ErrorListener, location), call) {
            Ok(()) => drop(self.push_immediate(Work::Nothing, location)),
            Err(payload) if payload.is::<ExitUnwind>() => {}
            Err(payload) => {
                self.set_status(LoopStatus::Exiting); // Node calls no `exit` listener then (code 7)
                self.stop(Stop::Uncaught(Uncaught { payload, location }));
            }
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

/// The payload with which an unhandled rejection reaches the
/// [`on_uncaught`](crate::on_uncaught) hook when there is no
/// [`on_unhandled_rejection`](crate::on_unhandled_rejection) hook (R18).
#[derive(Debug)]
pub struct UnhandledRejection(String);

impl UnhandledRejection {
    /// The reason of the rejection as `Debug` prints it.
    pub fn reason_text(&self) -> &str {
        &self.0
    }
}
