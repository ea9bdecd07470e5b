//! The checkpoint: the drain after every macrotask (R10–R18).
//!
//! ```text
//! checkpoint:
//!   repeat
//!     while there is a tick: call it
//!     run microtasks until there is none; those of an engine only when the loop has none
//!   until there is no tick, and the rejection round has nothing to report
//! ```
//!
//! This file decides what runs next; `invoke.rs` calls it.

use std::ops::ControlFlow;

use crate::event_loop::invoke::{Flow, Interrupted};
use crate::event_loop::runner::Runner;
use crate::event_loop::state::LoopState;
use crate::event_loop::status::Stop;
use crate::hooks::rejection::{Rejection, Tracking};
use crate::hooks::uncaught::Uncaught;
use crate::hooks::unhandled::UnhandledReason;
use crate::observe::event::{Event, PromiseId};
use crate::phases::macrotask::StepKind;
use crate::phases::queues::Microtask;

impl Runner<'_> {
    /// Drains both queues (R10). A tick that panics ends the drain, and what is left stays queued for
    /// the next drain point (R53). A microtask that panics does not end it (R54).
    #[inline]
    pub(crate) fn checkpoint(&self) -> Flow {
        if self.observers.is_on() {
            return self.observed_drain();
        }
        let has_source = self.hooks.microtask_source.is_set(); // an engine may have jobs
        if self.queues.is_empty() && self.rejections.is_empty() && !has_source {
            return ControlFlow::Continue(()); // the usual case between two macrotasks
        }
        self.drain()
    }

    #[cold]
    fn observed_drain(&self) -> Flow {
        self.notify_observers(|| Event::DrainBegin);
        let flow = self.drain();
        self.notify_observers(|| Event::DrainEnd);
        flow
    }

    fn drain(&self) -> Flow {
        loop {
            while let Some(tick) = self.queues.pop_tick() {
                self.run_callback(StepKind::Tick, tick)?;
            }
            self.run_microtasks()?;
            if self.queues.has_ticks() {
                continue;
            }
            if self.rejections.is_empty() {
                return ControlFlow::Continue(());
            }
            self.rejection_round()?;
        }
    }

    #[inline(always)] // a part of the drain
    fn run_microtasks(&self) -> Flow {
        loop {
            match self.queues.pop_microtask() {
                Some(Microtask::Task(index)) => self.run_task(index),
                Some(Microtask::Callback(queued)) => {
                    let _ = self.run_callback(StepKind::Microtask, queued); // R54
                }
                Some(Microtask::Main) => self.run_main(),
                None if self.run_engine_job() => {}
                None => return ControlFlow::Continue(()),
            }
            self.continue_unless_stopping()?;
        }
    }

    /// Continues a drain whose first microtask has run without the queue: the other microtasks precede the
    /// ticks, which the caller runs with a checkpoint.
    #[inline]
    pub(super) fn continue_microtasks(&self) -> Flow {
        self.continue_unless_stopping()?;
        if self.queues.microtask_count() == 0 && !self.hooks.microtask_source.is_set() {
            return ControlFlow::Continue(());
        }
        self.run_more_microtasks()
    }

    #[inline(never)]
    fn run_more_microtasks(&self) -> Flow {
        self.run_microtasks()
    }
}

impl LoopState {
    /// Reports the rejections that were handled after they had been reported, then all fresh ones
    /// (R14, R15). Both queues are empty when a round begins; what its listeners queue runs after it.
    #[cold]
    fn rejection_round(&self) -> Flow {
        while let Some(promise) = self.rejections.take_late() {
            let (id, location) = (PromiseId(promise.id()), promise.location());
            self.notify_observers(|| Event::RejectionHandled {
                promise: id,
                location,
            });
            self.call_handled_listeners(&Rejection { promise })?;
        }
        for promise in self.rejections.take_round() {
            promise.tracking().set(Tracking::Reported);
            let (id, location) = (PromiseId(promise.id()), promise.location());
            self.notify_observers(|| Event::RejectionReported {
                promise: id,
                location,
            });
            self.context.set(promise.context());
            self.report_rejection(&Rejection { promise })?;
        }
        ControlFlow::Continue(())
    }

    fn report_rejection(&self, rejection: &Rejection) -> Flow {
        if !self.hooks.unhandled_rejection.is_empty() {
            let (flow, is_taken) = self.offer_rejection(rejection);
            if flow.is_break() || is_taken {
                return flow;
            }
        }
        // R18: if no listener takes it, it becomes an uncaught error, which does not end the round.
        self.report_as_uncaught(rejection);
        self.continue_unless_stopping()
    }

    /// Reports a rejection as an uncaught error, and ends the run with it if no listener takes it.
    pub(crate) fn report_as_uncaught(&self, rejection: &Rejection) {
        let has_listeners = !self.hooks.uncaught.is_empty();
        if !has_listeners
            || self
                .report_uncaught(Uncaught::of_rejection(rejection))
                .is_some()
        {
            self.stop(match rejection.is_of_main() {
                true => Stop::MainRejected,
                false => Stop::Unhandled {
                    reason: UnhandledReason::of(rejection),
                    location: rejection.location(),
                },
            });
        }
    }

    #[inline]
    fn continue_unless_stopping(&self) -> Flow {
        if self.is_interrupted() {
            return self.continue_after_failure();
        }
        ControlFlow::Continue(())
    }

    /// Reports the error of a task that has failed, which does not end the drain (R54).
    #[cold]
    fn continue_after_failure(&self) -> Flow {
        self.report_thrown();
        match self.is_stopping() {
            true => ControlFlow::Break(Interrupted),
            false => ControlFlow::Continue(()),
        }
    }
}
