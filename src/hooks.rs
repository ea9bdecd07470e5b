//! Listeners for errors, rejections, warnings and the end of the run, and [`exit`].
//!
//! Where each kind of error is caught and where it is reported:
//!
//! | error | caught in | reported in |
//! |---|---|---|
//! | a panic that leaves a callback | `event_loop/invoke.rs`, at the call | there, immediately: [`on_uncaught`], or the end of the run (R51) |
//! | an `Err` or a panic of a task | `promise/task.rs`; `promise/state.rs` adds the promise to the list in `rejection.rs` | `event_loop/checkpoint.rs`, when both queues are empty: [`on_unhandled_rejection`], else [`on_uncaught`], or the end of the run (R14, R18) |
//! | a panic of an `on_uncaught` listener | `event_loop/invoke.rs` | nowhere: it ends the run |
//! | a panic of an observer | `event_loop/notify.rs` | nowhere: it ends the run |
//! | a panic of a destructor of a value that the loop drops while it runs | `event_loop/destructors.rs` | there, in a microtask of its own, as that of a callback |
//! | a panic of a destructor while everything is cancelled at the end | [`drop_quietly`](uncaught::drop_quietly) | nowhere: the panic hook has printed it |
//!
//! The reason for the end of a run is in the loop's `Stop`; `runtime/run.rs` converts it to a
//! [`RunError`](crate::RunError).

pub(crate) mod foreign;
pub(crate) mod listener;
pub(crate) mod listener_list;
pub(crate) mod microtask_source;
pub(crate) mod rejection;
pub(crate) mod uncaught;
pub(crate) mod unhandled;
pub(crate) mod warning;

use std::fmt;
use std::panic::{Location, resume_unwind};
use std::rc::{Rc, Weak};

use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::hooks::listener::{Listener, Registration};
use crate::hooks::listener_list::ListenerList;
use crate::hooks::rejection::Rejection;
use crate::hooks::uncaught::{ExitUnwind, Uncaught};
use crate::hooks::warning::Warning;
use crate::phases::macrotask::SourceLocation;
use crate::phases::queues::QueuedCallback;

/// Calls `listener` each time nothing keeps the loop alive any more (R2).
///
/// The listeners are one macrotask, with a drain after it. If they schedule new work, the loop
/// continues, and calls them again when nothing keeps it alive any more. A listener is kept until
/// it is removed or the loop is dropped.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
#[doc(alias = "beforeExit")]
#[track_caller]
pub fn on_before_exit(mut listener: impl FnMut() + 'static) -> Listener {
    let state = current("on_before_exit");
    let id = state
        .hooks
        .before_exit
        .add(Location::caller(), move |()| listener());
    listener_of(&state, Hook::BeforeExit, id)
}

/// Calls `listener` once, with the exit code, when the run ends (R2, R9).
///
/// What it schedules does not run, except for microtasks if the loop has ended normally. Timers
/// and immediates that it creates are kept for the next run of the same
/// [`EventLoop`](crate::EventLoop). A listener is kept until it is removed or the loop is dropped.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
#[doc(alias = "exit")]
#[track_caller]
pub fn on_exit(mut listener: impl FnMut(i32) + 'static) -> Listener {
    let state = current("on_exit");
    let id = state
        .hooks
        .exit
        .add(Location::caller(), move |code| listener(*code));
    listener_of(&state, Hook::Exit, id)
}

/// Calls `listener` immediately when a panic leaves a callback (R51), or an error that the host of an engine
/// has [reported](crate::host::fail_callback). The loop then continues.
///
/// Without such a listener the run ends: [`run`](crate::run) panics with the same payload,
/// [`EventLoop::run`](crate::EventLoop::run) returns
/// [`RunError::Uncaught`](crate::RunError::Uncaught). A panic in a task rejects the promise of the
/// task instead. In a profile with `panic = "abort"`, a panic ends the process before any of this.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
#[doc(alias = "uncaughtException")]
#[track_caller]
pub fn on_uncaught(listener: impl FnMut(&Uncaught) + 'static) -> Listener {
    let state = current("on_uncaught");
    let id = state.hooks.uncaught.add(Location::caller(), listener);
    listener_of(&state, Hook::Uncaught, id)
}

/// Calls `listener` at the end of a drain for every promise that was rejected and has no reaction
/// (R14).
///
/// Without such a listener the rejection is reported to the [`on_uncaught`] listeners (R18); without
/// these, too, the run ends.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
#[doc(alias = "unhandledRejection")]
#[track_caller]
pub fn on_unhandled_rejection(listener: impl FnMut(&Rejection) + 'static) -> Listener {
    let state = current("on_unhandled_rejection");
    let id = state
        .hooks
        .unhandled_rejection
        .add(Location::caller(), listener);
    listener_of(&state, Hook::UnhandledRejection, id)
}

/// Calls `listener` for every promise that gets its first reaction after it was reported to
/// [`on_unhandled_rejection`] (R14).
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
#[doc(alias = "rejectionHandled")]
#[track_caller]
pub fn on_rejection_handled(listener: impl FnMut(&Rejection) + 'static) -> Listener {
    let state = current("on_rejection_handled");
    let id = state
        .hooks
        .rejection_handled
        .add(Location::caller(), listener);
    listener_of(&state, Hook::RejectionHandled, id)
}

/// Calls `listener` with every warning of the loop: Node's `process.on('warning')`.
///
/// **While there is a listener, warnings are not printed.** Without one, they are printed to stderr.
/// (Node prints them in both cases.) To print them, too, write
/// `on_warning(|warning| eprintln!("{warning}"))`.
///
/// A warning is delivered by a tick, in the async context of the code that emitted it. A panic of a
/// listener is an uncaught error, as in every callback. A listener is kept until it is removed or
/// the loop is dropped.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
#[track_caller]
pub fn on_warning(listener: impl FnMut(&Warning) + 'static) -> Listener {
    let state = current("on_warning");
    let id = state.hooks.warning.add(Location::caller(), listener);
    listener_of(&state, Hook::Warning, id)
}

/// Emits a warning in a tick: Node's `process.emitWarning`.
///
/// The tick calls the listeners of [`on_warning`], or prints the warning to stderr if there is none.
/// A warning that is emitted by an [`on_exit`] listener is lost, as in Node, because
/// no tick runs any more.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
///
/// # Examples
///
/// ```
/// # nodeloop::run(async {
/// nodeloop::emit_warning("the cache is full");
/// # });
/// ```
#[doc(alias = "process.emitWarning")]
#[track_caller]
pub fn emit_warning(warning: impl Into<Warning>) {
    let (state, location) = (current("emit_warning"), Location::caller());
    state.emit_warning(warning.into().at(location));
}

/// Ends the run immediately, after calling only the [`on_exit`] listeners (R9).
///
/// [`run`](crate::run) then ends the process with `code`, as `process.exit(code)` does;
/// [`EventLoop::run`](crate::EventLoop::run) returns [`RunError::Exit`](crate::RunError::Exit).
/// Everything that is pending is cancelled, and its destructors run.
///
/// `exit` leaves the running callback by unwinding, without printing anything. A `catch_unwind` in
/// the callback delays the end until the callback returns. Called by an [`on_exit`] listener, `exit`
/// changes the code and skips the remaining listeners.
///
/// [`host::request_exit`](crate::host::request_exit) does the same without unwinding.
///
/// In a profile with `panic = "abort"`, a callback cannot be left. There, `exit` calls the
/// [`on_exit`] listeners and then [`std::process::exit`]: no destructors run,
/// [`EventLoop::run`](crate::EventLoop::run) does not return, and in a
/// [worker](crate::worker) it ends the whole process.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
#[doc(alias = "process.exit")]
#[track_caller]
pub fn exit(code: i32) -> ! {
    let state = current("exit");
    state.request_exit(code);
    if cfg!(panic = "abort") {
        std::process::exit(state.exit_code());
    }
    resume_unwind(Box::new(ExitUnwind))
}

/// Sets the exit code of the run, without ending it: Node's `process.exitCode`.
///
/// [`on_exit`] listeners receive the code, and may set another one. [`exit`] sets it as well, and an
/// error that ends the run sets it to 1. `None` unsets it, as `process.exitCode = undefined` does: the code is
/// then 0, or 1 if an error has ended the run. It is unset when the next run begins.
///
/// When a run has ended with a code other than 0, [`run`](crate::run) and
/// [`run_script`](crate::run_script) end the process with the code, after everything of the run was
/// dropped. An `Err` of the main future is returned instead, because it is the failure that the code
/// stands for. [`EventLoop::run`](crate::EventLoop::run) only returns, and
/// [`EventLoop::exit_code`](crate::EventLoop::exit_code) has the code. [`block_on`](crate::block_on)
/// ignores it, and so do workers and tests.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
///
/// # Examples
///
/// ```
/// use nodeloop::{EventLoop, exit_code, on_exit, set_exit_code};
///
/// let mut event_loop = EventLoop::new()?;
/// event_loop.run_script(|| {
///     on_exit(|code| assert_eq!(code, 3));
///     set_exit_code(3); // what is pending still runs
///     assert_eq!(exit_code(), 3);
/// }).unwrap();
/// assert_eq!(event_loop.exit_code(), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "process.exitCode")]
#[track_caller]
pub fn set_exit_code(code: impl Into<Option<i32>>) {
    current("set_exit_code").set_exit_code(code);
}

/// Returns the exit code of the run: 0 if nothing has set one.
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
#[doc(alias = "process.exitCode")]
#[track_caller]
pub fn exit_code() -> i32 {
    current("exit_code").exit_code()
}

impl LoopState {
    /// Stops the run, after calling the `exit` listeners (R9).
    pub(crate) fn request_exit(&self, code: i32) {
        self.stop_with_exit(code); // the code of the last call counts
        let _ = self.call_exit_listeners(code); // the run is stopping: there is no drain
    }

    /// Queues a tick that delivers the warning (`lib/internal/process/warning.js`,
    /// `process.emitWarning`; R20).
    pub(crate) fn emit_warning(self: &Rc<Self>, warning: Warning) {
        let (state, context, location) = (self.clone(), self.context.get(), warning.location());
        let callback = Box::new(move || {
            state.context.set(context);
            state.deliver_warning(&warning);
        });
        self.push_tick(QueuedCallback { callback, location });
    }
}

impl Uncaught {
    /// Lets the error count as one that the running listener has not taken.
    ///
    /// If every listener of [`on_uncaught`] declines, it is as if there were none: the run ends with the
    /// error and the exit code 1. A host whose engine has listeners of its own declines if there are none.
    ///
    /// # Panics
    ///
    /// Panics if no listener is running.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::{EventLoop, RunError, host::fail_callback, on_uncaught};
    ///
    /// let engine_has_listeners = false;
    /// let mut event_loop = EventLoop::new()?;
    /// let result = event_loop.run_script(move || {
    ///     on_uncaught(move |error| match engine_has_listeners {
    ///         true => (), // calls them
    ///         false => error.decline(),
    ///     });
    ///     fail_callback("out of paper");
    /// });
    /// assert!(matches!(result, Err(RunError::Uncaught(_))));
    /// assert_eq!(event_loop.exit_code(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn decline(&self) {
        current("Uncaught::decline").decline("Uncaught::decline");
    }
}

impl Rejection {
    /// Lets the rejection count as one that the running listener has not taken.
    ///
    /// If every listener of [`on_unhandled_rejection`] declines, it is as if there were none: the
    /// rejection is an uncaught error (R18).
    ///
    /// # Panics
    ///
    /// Panics if no listener is running.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::{EventLoop, on_uncaught, on_unhandled_rejection, promise, test::Log};
    ///
    /// let log = Log::new();
    /// let script = log.clone();
    /// EventLoop::new()?.run_script(move || {
    ///     let listener = script.clone();
    ///     on_unhandled_rejection(move |rejection| {
    ///         listener.add("unhandled");
    ///         rejection.decline();
    ///     });
    ///     on_uncaught(move |error| {
    ///         let reason = error.with_value(|reason| format!("{reason:?}")).unwrap();
    ///         script.add(format!("uncaught {reason}"));
    ///     });
    ///     promise::reject::<(), _>(404);
    /// })?;
    /// log.assert_order(["unhandled", "uncaught 404"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn decline(&self) {
        current("Rejection::decline").decline("Rejection::decline");
    }
}

/// A listener of one of the `on_…` functions.
struct HookListener {
    state: Weak<LoopState>, // a listener may own its own handle
    hook: Hook,
    id: u64,
    location: SourceLocation,
}

#[derive(Debug, Clone, Copy)]
enum Hook {
    BeforeExit,
    Exit,
    Uncaught,
    UnhandledRejection,
    RejectionHandled,
    Warning,
}

#[track_caller]
fn listener_of(state: &Rc<LoopState>, hook: Hook, id: u64) -> Listener {
    Listener::new(HookListener {
        state: Rc::downgrade(state),
        hook,
        id,
        location: Location::caller(),
    })
}

impl HookListener {
    fn remove_from<T: ?Sized + 'static>(&self, state: &LoopState, from: &ListenerList<T>) -> bool {
        let removed = from.remove(self.id);
        removed
            .map(|listener| state.drop_value(listener, self.location))
            .is_some()
    }
}

impl Registration for HookListener {
    fn remove(&self) -> bool {
        let Some(state) = self.state.upgrade() else {
            return false;
        };
        let hooks = &state.hooks;
        match self.hook {
            Hook::BeforeExit => self.remove_from(&state, &hooks.before_exit),
            Hook::Exit => self.remove_from(&state, &hooks.exit),
            Hook::Uncaught => self.remove_from(&state, &hooks.uncaught),
            Hook::UnhandledRejection => self.remove_from(&state, &hooks.unhandled_rejection),
            Hook::RejectionHandled => self.remove_from(&state, &hooks.rejection_handled),
            Hook::Warning => self.remove_from(&state, &hooks.warning),
        }
    }

    fn subject(&self) -> &dyn fmt::Debug {
        &self.hook
    }
}
