//! Errors that leave a callback (R51), and panics of destructors.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::hooks::foreign::ThrownValue;
use crate::hooks::rejection::{Reason, Rejection};
use crate::hooks::unhandled::{KeptId, UnhandledRejection};
use crate::phases::macrotask::{SourceLocation, StepKind};

/// The payload with which `exit` unwinds the callback that called it.
pub(crate) struct ExitUnwind;

/// The payload with which a panic of a destructor is raised in a microtask.
pub(crate) struct DestructorUnwind(pub(crate) Box<dyn Any + Send>);

/// Drops a value of user code, and ignores a panic of its destructor, which the panic hook has
/// printed.
pub(crate) fn drop_quietly<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

/// The payload of a panic: a `&'static str` or a `String` from `panic!`, or the value that was
/// passed to `panic_any` or `resume_unwind`.
///
/// A payload is `Send` but need not be `Sync`. This type is both, so that the errors that contain a
/// panic are, too.
///
/// # Examples
///
/// ```
/// use nodeloop::promise::PromiseError;
///
/// let outcome = nodeloop::block_on(async {
///     let task = nodeloop::spawn(async { std::panic::panic_any(7) });
///     task.settled().await
/// });
/// match outcome {
///     Err(PromiseError::Panicked(payload)) => {
///         assert_eq!(payload.with_payload(|value| value.downcast_ref().copied()), Some(7));
///     }
///     other => unreachable!("{other:?}"),
/// }
/// ```
pub struct PanicPayload {
    /// In a box of its own, so that the outcome of a promise stays small. The lock is never
    /// contended: it makes the type `Sync`.
    payload: Box<Mutex<Box<dyn Any + Send>>>,
}

impl PanicPayload {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> PanicPayload {
        PanicPayload {
            payload: Box::new(Mutex::new(payload)),
        }
    }

    /// Returns the message of the panic.
    ///
    /// It is `a payload that is not text` for a payload that is neither a `&'static str` nor a
    /// `String` nor an [`UnhandledRejection`](crate::UnhandledRejection) nor a
    /// [`ThrownValue`](crate::host::ThrownValue).
    pub fn message(&self) -> String {
        self.with_payload(|payload| {
            if let Some(text) = payload.downcast_ref::<&'static str>() {
                (*text).to_owned()
            } else if let Some(text) = payload.downcast_ref::<String>() {
                text.clone()
            } else if let Some(rejection) = payload.downcast_ref::<UnhandledRejection>() {
                rejection.to_string()
            } else if let Some(thrown) = payload.downcast_ref::<ThrownValue>() {
                thrown.text().to_owned()
            } else {
                "a payload that is not text".to_owned()
            }
        })
    }

    /// Calls `read` with the payload and returns its result.
    pub fn with_payload<R>(&self, read: impl FnOnce(&(dyn Any + Send)) -> R) -> R {
        read(&**self.lock())
    }

    /// Returns whether the payload is a `T`.
    pub fn is<T: Any>(&self) -> bool {
        self.with_payload(|payload| payload.is::<T>())
    }

    /// Returns the payload by value, for [`resume_unwind`](std::panic::resume_unwind).
    pub fn into_inner(self) -> Box<dyn Any + Send> {
        let payload = self.payload.into_inner();
        payload.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Any + Send>> {
        self.payload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl fmt::Debug for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PanicPayload")
            .field(&self.message())
            .finish()
    }
}

/// An error that has left a callback: a panic, or a value that the host of an engine has reported.
///
/// [`on_uncaught`](crate::on_uncaught) listeners receive it, and
/// [`RunError::Uncaught`](crate::RunError::Uncaught) contains it.
pub struct Uncaught {
    payload: PanicPayload,
    location: SourceLocation,
    origin: UncaughtOrigin,
    source: Source,
    /// The value of an engine, or the rejected promise.
    kept: Option<KeptId>,
}

/// The code that an error has left, for its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    MainScript,
    MainFuture,
    Tick,
    Microtask,
    /// The destructor of a value that the loop has dropped.
    Destructor,
    Callback,
}

impl Source {
    /// Returns what the code of a step is.
    pub(crate) fn of_step(kind: StepKind) -> Source {
        match kind {
            StepKind::MainScript => Source::MainScript,
            StepKind::Tick => Source::Tick,
            StepKind::Microtask => Source::Microtask,
            _ => Source::Callback,
        }
    }
}

/// What an [`Uncaught`] error comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UncaughtOrigin {
    /// A callback: Node's `'uncaughtException'`.
    Callback,
    /// A rejection that no code has handled: Node's `'unhandledRejection'` (R18).
    Rejection,
    /// A listener of [`on_uncaught`](crate::on_uncaught), which has ended the run with the exit code 7. No
    /// listener receives it.
    Listener,
}

impl Uncaught {
    pub(crate) fn new(payload: Box<dyn Any + Send>, location: SourceLocation) -> Uncaught {
        Uncaught::of(PanicPayload::new(payload), location)
    }

    pub(crate) fn of(payload: PanicPayload, location: SourceLocation) -> Uncaught {
        Uncaught {
            payload,
            location,
            origin: UncaughtOrigin::Callback,
            source: Source::Callback,
            kept: None,
        }
    }

    /// Creates the error of a value of an engine.
    pub(crate) fn of_value(value: impl Reason, location: SourceLocation) -> Uncaught {
        let thrown = ThrownValue::new(value, location);
        Uncaught {
            kept: thrown.reason().kept(),
            ..Uncaught::new(Box::new(thrown), location)
        }
    }

    /// Creates the error of a rejection that no code has handled (R18).
    pub(crate) fn of_rejection(rejection: &Rejection) -> Uncaught {
        let unhandled = UnhandledRejection::of(rejection);
        Uncaught {
            origin: UncaughtOrigin::Rejection,
            kept: unhandled.reason().kept(),
            ..Uncaught::new(Box::new(unhandled), rejection.location())
        }
    }

    /// Returns the error as that of other code than a callback.
    pub(crate) fn of_source(self, source: Source) -> Uncaught {
        Uncaught { source, ..self }
    }

    /// Returns the error as that of a listener.
    pub(crate) fn of_listener(self) -> Uncaught {
        let origin = UncaughtOrigin::Listener;
        Uncaught { origin, ..self }
    }

    /// Returns the message of the panic, or the value as text.
    pub fn message(&self) -> String {
        self.payload.message()
    }

    /// Returns the payload: that of the panic, a [`ThrownValue`](crate::host::ThrownValue), or an
    /// [`UnhandledRejection`](crate::UnhandledRejection).
    pub fn payload(&self) -> &PanicPayload {
        &self.payload
    }

    /// Returns the payload by value, for [`resume_unwind`](std::panic::resume_unwind).
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload.into_inner()
    }

    /// Returns where the callback was passed to the loop, or where the rejected promise was created.
    pub fn location(&self) -> SourceLocation {
        self.location
    }

    /// Returns what the error comes from.
    pub fn origin(&self) -> UncaughtOrigin {
        self.origin
    }

    /// Calls `read` with the value that the host of an engine has reported, or with the reason of the
    /// rejection, and returns its result.
    ///
    /// Returns `None` for a panic, and on another thread than that of the loop.
    pub fn with_value<R>(&self, read: impl FnOnce(&dyn Reason) -> R) -> Option<R> {
        self.kept?.with_value(read)
    }

    /// Returns the rejection, if the error comes from one and this is the thread of the loop.
    pub fn rejection(&self) -> Option<Rejection> {
        let kept = self
            .kept
            .filter(|_| self.payload.is::<UnhandledRejection>());
        let promise = kept?.promise()?;
        Some(Rejection { promise })
    }
}

impl fmt::Display for Uncaught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin == UncaughtOrigin::Rejection {
            return fmt::Display::fmt(&self.payload, f); // names the promise
        }
        let error = match self.kept {
            Some(_) => "error",
            None => "panic",
        };
        let source = match (self.origin, self.source) {
            (UncaughtOrigin::Listener, _) => "listener created at",
            (_, Source::MainScript) => "main script run at",
            (_, Source::MainFuture) => "main future run at",
            (_, Source::Tick) => "tick queued at",
            (_, Source::Microtask) => "microtask queued at",
            (_, Source::Destructor) => "destructor of what was created at",
            (_, Source::Callback) => "callback created at",
        };
        write!(
            f,
            "uncaught {error} in the {source} {}: {}",
            self.location, self.payload
        )
    }
}

impl fmt::Debug for Uncaught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Uncaught {}
