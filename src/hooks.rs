//! What a program can be told: errors, rejections, and the end of the loop; and how it ends it.

use std::panic::resume_unwind;

use crate::current::{Life, Stop, current};
use crate::uncaught::{ExitUnwind, Rejection, Uncaught};

/// Calls `listener` whenever the loop has run dry, as a macrotask with a drain behind it (R2).
///
/// It may make new work; the loop then goes on, and the listener is called again when it has run
/// dry once more. Listeners stay until the loop is dropped.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "beforeExit")]
#[track_caller]
pub fn on_before_exit(mut listener: impl FnMut() + 'static) {
    current("on_before_exit")
        .hooks
        .before_exit
        .add(move |()| listener());
}

/// Calls `listener` once, with the exit code, when the run ends (R2, R9).
///
/// It can make no new loop work: what it schedules does not run, except for microtasks when the
/// loop ended by itself. Listeners stay until the loop is dropped.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "exit")]
#[track_caller]
pub fn on_exit(mut listener: impl FnMut(i32) + 'static) {
    current("on_exit")
        .hooks
        .exit
        .add(move |code| listener(*code));
}

/// Calls `listener` at once when a panic leaves a callback, and the loop goes on (R51).
///
/// Without such a hook the run ends: [`run`](crate::run) panics with the same payload,
/// [`EventLoop::run`](crate::EventLoop::run) returns [`RunError::Uncaught`](crate::RunError). A
/// panic inside of a task is a rejection of its promise instead.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "uncaughtException")]
#[track_caller]
pub fn on_uncaught(listener: impl FnMut(&Uncaught) + 'static) {
    current("on_uncaught").hooks.uncaught.add(listener);
}

/// Calls `listener` at the end of a drain for every promise that was rejected meanwhile and that
/// nobody has handled (R14).
///
/// Without such a hook the rejection goes to [`on_uncaught`] (R18), and without that one the run
/// ends.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "unhandledRejection")]
#[track_caller]
pub fn on_unhandled_rejection(listener: impl FnMut(&Rejection) + 'static) {
    current("on_unhandled_rejection")
        .hooks
        .unhandled_rejection
        .add(listener);
}

/// Calls `listener` for every promise that was handled after it had been reported (R14).
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "rejectionHandled")]
#[track_caller]
pub fn on_rejection_handled(listener: impl FnMut(&Rejection) + 'static) {
    current("on_rejection_handled")
        .hooks
        .rejection_handled
        .add(listener);
}

/// Ends the run now: the [`on_exit`] listeners are called at once, nothing else runs any more
/// (R9).
///
/// [`run`](crate::run) then ends the process with `code`, as `process.exit(code)` does;
/// [`EventLoop::run`](crate::EventLoop::run) returns [`RunError::Exit`](crate::RunError). Everything
/// that is pending is cancelled: destructors run.
///
/// It leaves the running callback by unwinding, without printing anything, so it needs
/// `panic = "unwind"`. A `catch_unwind` on the way delays it only to the end of the callback.
/// Called by an [`on_exit`] listener it changes the code, and the listeners behind are not called.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "process.exit")]
#[track_caller]
pub fn exit(code: i32) -> ! {
    let state = current("exit");
    if state.life() == Life::Exiting {
        *state.stop.borrow_mut() = None; // R9: the code of the last call counts
    }
    state.stop(Stop::Exit(code));
    state.emit_exit(code);
    resume_unwind(Box::new(ExitUnwind))
}
