//! Errors of an engine's code, and the end of a run, both without a panic.

use std::panic::Location;

use crate::event_loop::current::{current, position, try_current};
use crate::hooks::rejection::{Reason, Rejection};
use crate::hooks::uncaught::{Source, Uncaught};

/// Makes the running callback fail with a value, which the engine's code has thrown out of it.
///
/// A host calls it where it has called the engine and received an exception, and then returns as usual: this
/// function only records the failure. When the callback has returned, the loop does everything that it does
/// for a panic: the [`on_uncaught`](crate::on_uncaught) listeners are called with the value (R51), and what
/// follows a callback depends on its kind (R53–R58). Without a listener the run ends with
/// [`RunError::Uncaught`](crate::RunError::Uncaught) and the exit code 1. In a listener of
/// `on_uncaught`, the run ends with the code 7, as in Node.
///
/// An error that must be reported before the callback returns, or that is not its own, is
/// [`trigger_uncaught_exception`].
///
/// The value need not be `Send`. Listeners read it with [`Uncaught::with_value`].
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
///
/// # Examples
///
/// ```
/// use nodeloop::host::fail_callback;
/// use nodeloop::{EventLoop, next_tick, on_uncaught, set_immediate, test::Log};
/// use std::rc::Rc;
///
/// #[derive(Debug)]
/// struct Exception(Rc<str>); // a value of the engine, which is not `Send`
///
/// let log = Log::new();
/// let script = log.clone();
/// EventLoop::new()?.run_script(move || {
///     let listener = script.clone();
///     on_uncaught(move |error| {
///         let text = error.with_value(|value| value.downcast_ref::<Exception>().unwrap().0.clone());
///         listener.add(format!("uncaught {}", text.unwrap()));
///     });
///     let (tick, second) = (script.callback("tick"), script.callback("second"));
///     set_immediate(move || {
///         next_tick(tick);
///         fail_callback(Exception("out of paper".into()));
///     });
///     set_immediate(second); // no drain precedes it (R57)
/// })?;
/// log.assert_order(["uncaught out of paper", "second", "tick"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "throw")]
#[track_caller]
pub fn fail_callback(value: impl Reason) {
    let state = current("host::fail_callback");
    let running = position();
    let location = running.location.unwrap_or_else(Location::caller);
    let source = running.kind.map_or(Source::Callback, Source::of_step);
    state.fail_callback(Uncaught::of_value(value, location).of_source(source));
}

/// Reports a value as an uncaught error immediately, and lets the running callback continue: Node's
/// `triggerUncaughtException`.
///
/// The [`on_uncaught`](crate::on_uncaught) listeners are called before this returns (R51). If none takes
/// the value, the run ends when the callback has returned. It is for errors that are not those of the
/// running callback, such as that of a listener which the host calls in between; an exception that leaves
/// the callback is [`fail_callback`].
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
///
/// # Examples
///
/// ```
/// use nodeloop::host::trigger_uncaught_exception;
/// use nodeloop::{EventLoop, next_tick, on_uncaught, test::Log};
///
/// let log = Log::new();
/// let script = log.clone();
/// EventLoop::new()?.run_script(move || {
///     let listener = script.clone();
///     on_uncaught(move |error| listener.add(format!("uncaught {}", error.message())));
///     next_tick(script.callback("tick"));
///     trigger_uncaught_exception(404);
///     script.add("the script continues");
/// })?;
/// log.assert_order(["uncaught 404", "the script continues", "tick"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "triggerUncaughtException")]
#[doc(alias = "reportError")]
#[track_caller]
pub fn trigger_uncaught_exception(value: impl Reason) {
    let state = current("host::trigger_uncaught_exception");
    let location = position().location.unwrap_or_else(Location::caller);
    state.report_or_stop(Uncaught::of_value(value, location));
}

/// Reports a rejection as an uncaught error immediately (R18): Node's `triggerUncaughtException` with the
/// origin `unhandledRejection`.
///
/// A listener of [`on_unhandled_rejection`](crate::on_unhandled_rejection) that takes no rejection calls
/// [`Rejection::decline`] instead. This function is for a listener that goes on after it, as Node does with
/// `--unhandled-rejections=strict`. It does not end the round of reports. If no listener takes the error,
/// the run ends with [`RunError::Unhandled`](crate::RunError::Unhandled).
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
///
/// # Examples
///
/// ```
/// use nodeloop::host::trigger_uncaught_rejection;
/// use nodeloop::{EventLoop, UncaughtOrigin, on_uncaught, on_unhandled_rejection, promise, test::Log};
///
/// let log = Log::new();
/// let script = log.clone();
/// EventLoop::new()?.run_script(move || {
///     let (uncaught, unhandled) = (script.clone(), script);
///     on_uncaught(move |error| {
///         assert_eq!(error.origin(), UncaughtOrigin::Rejection);
///         uncaught.add("uncaughtException");
///     });
///     on_unhandled_rejection(move |rejection| {
///         trigger_uncaught_rejection(rejection);
///         unhandled.add("unhandledRejection"); // as with `--unhandled-rejections=strict`
///     });
///     promise::reject::<(), _>("no");
/// })?;
/// log.assert_order(["uncaughtException", "unhandledRejection"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn trigger_uncaught_rejection(rejection: &Rejection) {
    current("host::trigger_uncaught_rejection").report_as_uncaught(rejection);
}

/// Ends the run as [`exit`](crate::exit) does, and returns: Node's `process.exit` for code that must not be
/// unwound.
///
/// The [`on_exit`](crate::on_exit) listeners are called before this returns. The loop stops when the
/// running callback has returned, and the run ends with [`RunError::Exit`](crate::RunError::Exit).
/// [`is_stopping`] is true meanwhile: a host lets the engine leave its code, with an exception that
/// cannot be caught or with an interrupt handler. Called by an `on_exit` listener, this changes the code
/// and skips the remaining listeners (R9).
///
/// # Panics
///
/// Panics if no event loop is running on this thread.
///
/// # Examples
///
/// ```
/// use nodeloop::host::{is_stopping, request_exit};
/// use nodeloop::{EventLoop, RunError, next_tick, on_exit};
///
/// let mut event_loop = EventLoop::new()?;
/// let result = event_loop.run_script(|| {
///     on_exit(|code| println!("exit {code}"));
///     next_tick(|| unreachable!("nothing runs after an exit"));
///     request_exit(3); // prints "exit 3"
///     assert!(is_stopping());
/// });
/// assert!(matches!(result, Err(RunError::Exit(3))));
/// assert_eq!(event_loop.exit_code(), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "process.exit")]
#[track_caller]
pub fn request_exit(code: i32) {
    current("host::request_exit").request_exit(code);
}

/// Returns whether the run is ending, so that an engine should leave its code.
///
/// It is true after an exit, after an error that no listener has taken, and when the future of a
/// [`block_on`](crate::block_on) has finished. Outside of a loop it is `false`.
pub fn is_stopping() -> bool {
    try_current().is_some_and(|state| state.is_stopping())
}
