//! Every fixed entry from the loop into user code.

use std::panic::{AssertUnwindSafe, catch_unwind};

use async_task::Runnable;

use crate::event_loop::state::{LoopState, LoopStatus, Stop};
use crate::hooks::uncaught::{ExitUnwind, Uncaught};
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind, Work};
use crate::phases::queues::Job;
use crate::reactor::remote_queue::TaskMeta;

/// A callback has thrown (and the hook has been told), or the run is to end.
#[derive(Debug)]
pub(crate) struct Thrown;

impl LoopState {
    /// Poll, pending and close: a callback, then its drain (R12). Behind one that throws there
    /// is none (R55).
    pub(super) fn run_macrotask(&self, macrotask: Macrotask) {
        if self.call(macrotask) {
            let _ = self.checkpoint();
        }
    }

    /// Enters the user's code; false if it threw.
    pub(super) fn call(&self, mut macrotask: Macrotask) -> bool {
        self.entered.set(self.entered.get() + 1);
        if let Work::Wake(Some(waker)) = macrotask.work {
            return self.enter(macrotask.origin, || waker.wake()).is_ok(); // the shortest way
        }
        self.enter(macrotask.origin, || {
            macrotask.call();
            drop(std::mem::replace(&mut macrotask.work, Work::Nothing));
        })
        .is_ok()
    }

    #[inline]
    pub(super) fn run_task(&self, runnable: Runnable<TaskMeta>) {
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
    pub(super) fn run_job(&self, kind: StepKind, job: Job) -> Result<(), Thrown> {
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
    pub(super) fn uncaught(&self, error: Uncaught) {
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
}
