//! The checkpoint: the drain after every macrotask (R10–R18).
//!
//! ```text
//! checkpoint:
//!   repeat
//!     while there is a tick: call it
//!     run microtasks until there is none
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
use crate::hooks::unhandled::{UnhandledReason, UnhandledRejection};
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
        if self.queues.is_empty() && self.rejections.is_empty() {
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
            while let Some(microtask) = self.queues.pop_microtask() {
                match microtask {
                    Microtask::Task(runnable) => self.run_task(runnable),
                    Microtask::Callback(queued) => {
                        let _ = self.run_callback(StepKind::Microtask, queued); // R54
                    }
                    Microtask::Main => self.run_main(),
                }
                self.continue_unless_stopping()?;
            }
            if self.queues.has_ticks() {
                continue;
            }
            if self.rejections.is_empty() {
                return ControlFlow::Continue(());
            }
            self.rejection_round()?;
        }
    }
}

impl LoopState {
    /// Reports the rejections that were handled after they had been reported, then all fresh ones
    /// (R14, R15). Both queues are empty when a round begins; what its listeners queue runs after it.
    fn rejection_round(&self) -> Flow {
        while let Some(promise) = self.rejections.take_late() {
            let (id, location) = (PromiseId(promise.id()), promise.location());
            self.notify_observers(|| Event::RejectionHandled {
                promise: id,
                location,
            });
            let listeners = &self.hooks.rejection_handled;
            self.call_rejection_listeners(listeners, &Rejection { promise })?;
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
        let location = rejection.location();
        let listeners = &self.hooks.unhandled_rejection;
        if !listeners.is_empty() {
            return self.call_rejection_listeners(listeners, rejection);
        }
        if self.hooks.uncaught.is_empty() {
            self.stop(match rejection.is_of_main() {
                true => Stop::MainRejected,
                false => Stop::Unhandled {
                    reason: UnhandledReason::of(rejection),
                    location,
                },
            });
        } else {
            // R18: without a listener it becomes an uncaught error, which does not end the round.
            let payload = Box::new(UnhandledRejection::of(rejection));
            self.report_uncaught(Uncaught::new(payload, location));
        }
        self.continue_unless_stopping()
    }

    #[inline]
    pub(super) fn continue_unless_stopping(&self) -> Flow {
        if self.is_stopping() {
            ControlFlow::Break(Interrupted)
        } else {
            ControlFlow::Continue(())
        }
    }
}
