//! Whether a loop accepts work, and why its run ends.
//!
//! Invariant: `interrupt` contains `STOPPING` if and only if there is a reason to stop or the run has
//! reached its target.

use std::cell::{Cell, Ref, RefCell};
use std::panic::Location;

use super::state::LoopState;
use crate::hooks::uncaught::Uncaught;
use crate::hooks::unhandled::UnhandledReason;
use crate::observe::starvation::Starvation;
use crate::phases::macrotask::SourceLocation;

pub(crate) struct RunStatus {
    status: Cell<LoopStatus>,
    /// Whether the loop is open and has no observers: queueing then needs no further check.
    fast_path: Cell<bool>,
    stop: RefCell<Option<Stop>>,
    /// `STOPPING` and `FAILED`, in one cell because it is read between any two callbacks.
    interrupt: Cell<u8>,
    /// Whether an `exit` listener has requested the exit again: those after it are not called (R9).
    skips_exit_listeners: Cell<bool>,
    /// The exit code that the program has set, or that the end of the run has.
    exit_code: Cell<Option<i32>>,
    /// Where the run was called.
    location: Cell<SourceLocation>,
    /// Where the listener that is running was added, so that its panic names that line.
    listener: Cell<Option<SourceLocation>>,
}

/// The run ends at the next point between two callbacks.
const STOPPING: u8 = 1;
/// The running callback has reported an error, as if it had panicked.
const FAILED: u8 = 2;

/// Whether a loop accepts work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopStatus {
    /// It is running, or can be run.
    Open,
    /// The `exit` listeners have been called: ticks are refused (R9).
    Exiting,
    /// It is cancelling everything and drops what is scheduled.
    Cancelling,
}

/// Why a run ends while the loop still has something to do.
pub(crate) enum Stop {
    /// The program has called `exit`. The code is that of the run.
    Exit,
    /// Nothing can run unless time passes, and the virtual clock is held.
    ClockHeld,
    Uncaught(Uncaught),
    Unhandled {
        reason: UnhandledReason,
        location: SourceLocation,
    },
    /// The main future has returned an error that no code handles. The run returns it.
    MainRejected,
    Starvation(Starvation),
}

impl Default for RunStatus {
    fn default() -> RunStatus {
        RunStatus {
            status: Cell::new(LoopStatus::Open),
            fast_path: Cell::new(true),
            stop: RefCell::new(None),
            interrupt: Cell::new(0),
            skips_exit_listeners: Cell::new(false),
            exit_code: Cell::new(None),
            location: Cell::new(Location::caller()),
            listener: Cell::new(None),
        }
    }
}

impl LoopState {
    pub(crate) fn status(&self) -> LoopStatus {
        self.run.status.get()
    }

    pub(crate) fn set_status(&self, status: LoopStatus) {
        self.run.status.set(status);
        self.update_fast_path();
    }

    /// Computes `fast_path` again. Must be called after an observer was added or removed.
    pub(crate) fn update_fast_path(&self) {
        let fast_path = self.status() == LoopStatus::Open && !self.observers.is_on();
        self.run.fast_path.set(fast_path);
    }

    /// Returns whether the loop is open and has no observers.
    #[inline]
    pub(super) fn is_on_fast_path(&self) -> bool {
        self.run.fast_path.get()
    }

    /// Returns whether the loop accepts work. While it cancels everything it drops new work.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.status() != LoopStatus::Cancelling
    }

    /// Ends the run at the next point between two callbacks. The first reason counts.
    pub(crate) fn stop(&self, stop: Stop) {
        if !matches!(stop, Stop::Exit | Stop::ClockHeld)
            && let Some(journal) = self.journal()
        {
            journal.failed();
        }
        self.add_interrupt(STOPPING);
        self.run.stop.borrow_mut().get_or_insert(stop);
    }

    /// Ends the run at the next point between two callbacks, without an error: the future of a
    /// `block_on` has finished.
    pub(crate) fn stop_at_target(&self) {
        self.add_interrupt(STOPPING);
    }

    /// Ends the run with an exit code. From an `exit` listener it replaces the code (R9).
    pub(crate) fn stop_with_exit(&self, code: i32) {
        if self.status() == LoopStatus::Exiting {
            drop(self.take_stop());
            self.run.skips_exit_listeners.set(true);
        }
        self.set_exit_code(code);
        self.stop(Stop::Exit);
    }

    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.run.interrupt.get() & STOPPING != 0
    }

    /// Returns whether the run is stopping or the running callback has failed.
    #[inline]
    pub(super) fn is_interrupted(&self) -> bool {
        self.run.interrupt.get() != 0
    }

    pub(super) fn set_failed(&self) {
        self.add_interrupt(FAILED);
    }

    /// Returns whether the running callback has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.run.interrupt.get() & FAILED != 0
    }

    pub(super) fn clear_failed(&self) {
        self.run.interrupt.set(self.run.interrupt.get() & !FAILED);
    }

    fn add_interrupt(&self, flag: u8) {
        self.run.interrupt.set(self.run.interrupt.get() | flag);
    }

    /// Returns whether an `exit` listener has requested the exit again.
    pub(super) fn skips_exit_listeners(&self) -> bool {
        self.run.skips_exit_listeners.get()
    }

    /// Returns why the run ends, if it does.
    pub(crate) fn stop_reason(&self) -> Ref<'_, Option<Stop>> {
        self.run.stop.borrow()
    }

    pub(crate) fn take_stop(&self) -> Option<Stop> {
        self.run.interrupt.set(self.run.interrupt.get() & !STOPPING);
        self.run.stop.borrow_mut().take()
    }

    pub(crate) fn set_exit_code(&self, code: impl Into<Option<i32>>) {
        self.run.exit_code.set(code.into());
    }

    /// Returns the exit code of the run: 0 if nothing has set one (R9).
    pub(crate) fn exit_code(&self) -> i32 {
        self.run.exit_code.get().unwrap_or(0)
    }

    /// Sets the exit code to 1 if nothing has set one: after an error in a run without `exit` listeners, or
    /// in such a listener.
    pub(crate) fn set_error_code(&self) {
        if self.run.exit_code.get().is_none() {
            self.set_exit_code(1);
        }
    }

    /// Returns the exit code at the end of the run. An error sets it to 1, whatever it was.
    pub(crate) fn final_exit_code(&self) -> i32 {
        let is_error = !matches!(&*self.stop_reason(), None | Some(Stop::Exit));
        if is_error && self.status() == LoopStatus::Open {
            self.set_exit_code(1);
        }
        self.exit_code()
    }

    /// Resets what belongs to one run.
    pub(super) fn begin_run_at(&self, location: SourceLocation) {
        self.run.location.set(location);
        self.run.exit_code.set(None);
        self.run.skips_exit_listeners.set(false);
    }

    /// Returns where the run was called.
    pub(super) fn run_location(&self) -> SourceLocation {
        self.run.location.get()
    }

    /// Records where the listener that is about to run was added.
    pub(super) fn enter_listener(&self, location: SourceLocation) {
        self.run.listener.set(Some(location));
    }

    /// Returns where the listener that has run, or has panicked, was added.
    pub(super) fn take_listener(&self) -> Option<SourceLocation> {
        self.run.listener.take()
    }
}
