//! Errors that the host of an engine reports without a panic, and the verdicts of listeners.
//!
//! A callback that reports an error *fails*: the loop treats it as one that has panicked (R51–R58). The
//! report waits until the callback has returned, because that is where a panic is reported.

use std::cell::{Cell, RefCell};

use super::state::LoopState;
use super::status::LoopStatus;
use crate::hooks::uncaught::{Uncaught, drop_quietly};

#[derive(Default)]
pub(crate) struct Failures {
    /// What the running callback has reported.
    thrown: RefCell<Vec<Uncaught>>,
    verdict: Cell<Verdict>,
}

/// Whether a listener takes the error that it was called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Verdict {
    /// No listener that could decline is running.
    #[default]
    None,
    /// The listener that is running has not declined.
    Taken,
    Declined,
}

impl LoopState {
    /// Lets the running callback fail with an error, which is reported when it returns. A loop that is
    /// cancelling everything ignores it, as it ignores panics.
    pub(crate) fn fail_callback(&self, error: Uncaught) {
        if !self.is_open() {
            return drop_quietly(error);
        }
        self.failures.thrown.borrow_mut().push(error);
        self.set_failed();
    }

    /// Returns what the callback that has returned has reported. It counts as failed no longer.
    pub(crate) fn take_thrown(&self) -> Vec<Uncaught> {
        self.clear_failed();
        self.failures.thrown.take()
    }

    /// Sets aside what the running callback has reported, while listeners are called in it.
    pub(super) fn set_thrown(&self, errors: Vec<Uncaught>) {
        if !errors.is_empty() {
            self.set_failed();
        }
        *self.failures.thrown.borrow_mut() = errors;
    }

    /// Refuses an exit or an error that code outside of any callback has requested, and forgets it.
    #[track_caller]
    pub(crate) fn refuse_interrupt(&self) {
        let (thrown, stop) = (self.take_thrown(), self.take_stop());
        let is_interrupted = !thrown.is_empty() || stop.is_some();
        drop_quietly((thrown, stop));
        if is_interrupted {
            self.set_status(LoopStatus::Open);
            panic!(
                "the code that `with_current` has called requested an exit or reported an error, and no \
                 run can end there: do so in the main script"
            );
        }
    }

    /// Returns whether the running listener may decline and has done so.
    pub(crate) fn verdict(&self) -> Verdict {
        self.failures.verdict.get()
    }

    /// Sets the verdict of the listener that is about to run, and returns that of the enclosing one.
    pub(super) fn replace_verdict(&self, verdict: Verdict) -> Verdict {
        self.failures.verdict.replace(verdict)
    }

    /// Records that the running listener does not take its error.
    ///
    /// # Panics
    ///
    /// Panics if no such listener is running.
    #[track_caller]
    pub(crate) fn decline(&self, function: &str) {
        assert!(
            self.verdict() != Verdict::None,
            "`{function}` was called when no listener of the error was running: call it in a listener \
             of `on_uncaught` or `on_unhandled_rejection`, before that returns"
        );
        self.failures.verdict.set(Verdict::Declined);
    }
}
