//! What a program can be told: errors, rejections, and the end of the loop; and how it ends it.

pub(crate) mod listeners;
pub(crate) mod rejection;
pub(crate) mod uncaught;

use std::fmt;
use std::panic::resume_unwind;
use std::rc::{Rc, Weak};

use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::hooks::listeners::Listeners;
use crate::hooks::rejection::Rejection;
use crate::hooks::uncaught::{ExitUnwind, Uncaught, drop_quietly};

/// Calls `listener` whenever the loop has run dry, as a macrotask with a drain behind it (R2).
///
/// It may make new work; the loop then goes on, and the listener is called again when it has run
/// dry once more. Listeners stay until they are removed or the loop is
/// dropped.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "beforeExit")]
#[track_caller]
pub fn on_before_exit(mut listener: impl FnMut() + 'static) -> Listener {
    let state = current("on_before_exit");
    let id = state.hooks.before_exit.add(move |()| listener());
    Listener::new(&state, Event::BeforeExit, id)
}

/// Calls `listener` once, with the exit code, when the run ends (R2, R9).
///
/// It can make no new loop work: what it schedules does not run, except for microtasks when the
/// loop ended by itself. (A timer or an immediate is kept, though: it belongs to the next run of
/// the same [`EventLoop`](crate::EventLoop), if there is one.) Listeners stay until they are
/// removed or the loop is dropped.
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "exit")]
#[track_caller]
pub fn on_exit(mut listener: impl FnMut(i32) + 'static) -> Listener {
    let state = current("on_exit");
    let id = state.hooks.exit.add(move |code| listener(*code));
    Listener::new(&state, Event::Exit, id)
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
pub fn on_uncaught(listener: impl FnMut(&Uncaught) + 'static) -> Listener {
    let state = current("on_uncaught");
    let id = state.hooks.uncaught.add(listener);
    Listener::new(&state, Event::Uncaught, id)
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
pub fn on_unhandled_rejection(listener: impl FnMut(&Rejection) + 'static) -> Listener {
    let state = current("on_unhandled_rejection");
    let id = state.hooks.unhandled_rejection.add(listener);
    Listener::new(&state, Event::UnhandledRejection, id)
}

/// Calls `listener` for every promise that was handled after it had been reported (R14).
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "rejectionHandled")]
#[track_caller]
pub fn on_rejection_handled(listener: impl FnMut(&Rejection) + 'static) -> Listener {
    let state = current("on_rejection_handled");
    let id = state.hooks.rejection_handled.add(listener);
    Listener::new(&state, Event::RejectionHandled, id)
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
    state.stop_with_exit(code); // R9: the code of the last call counts
    state.emit_exit(code);
    resume_unwind(Box::new(ExitUnwind))
}

/// A listener that was added with one of the `on_…` functions. Dropping it changes nothing.
pub struct Listener {
    state: Weak<LoopState>, // a listener may hold its own handle
    event: Event,
    id: u64,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    BeforeExit,
    Exit,
    Uncaught,
    UnhandledRejection,
    RejectionHandled,
}

impl Listener {
    fn new(state: &Rc<LoopState>, event: Event, id: u64) -> Listener {
        let state = Rc::downgrade(state);
        Listener { state, event, id }
    }

    /// Removes the listener and drops it; false if it was removed before.
    ///
    /// While the listeners of its event are being called it is still called this once, as in
    /// Node. Without any listener for an error or a rejection the run ends at the next one.
    #[doc(alias = "removeListener")]
    #[doc(alias = "off")]
    pub fn remove(&self) -> bool {
        fn take<T: ?Sized + 'static>(list: &Listeners<T>, id: u64) -> bool {
            list.remove(id).map(drop_quietly).is_some()
        }
        let Some(state) = self.state.upgrade() else {
            return false;
        };
        let hooks = &state.hooks;
        match self.event {
            Event::BeforeExit => take(&hooks.before_exit, self.id),
            Event::Exit => take(&hooks.exit, self.id),
            Event::Uncaught => take(&hooks.uncaught, self.id),
            Event::UnhandledRejection => take(&hooks.unhandled_rejection, self.id),
            Event::RejectionHandled => take(&hooks.rejection_handled, self.id),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}
