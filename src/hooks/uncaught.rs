//! Panics that leave a callback (R51), and panics of destructors.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::hooks::unhandled::UnhandledRejection;
use crate::phases::macrotask::SourceLocation;

/// The payload with which `exit` unwinds the callback that called it.
pub(crate) struct ExitUnwind;

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
    /// `String` nor an [`UnhandledRejection`](crate::UnhandledRejection).
    pub fn message(&self) -> String {
        self.with_payload(|payload| {
            if let Some(text) = payload.downcast_ref::<&'static str>() {
                (*text).to_owned()
            } else if let Some(text) = payload.downcast_ref::<String>() {
                text.clone()
            } else if let Some(rejection) = payload.downcast_ref::<UnhandledRejection>() {
                rejection.to_string()
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

/// A panic that has left a callback.
///
/// [`on_uncaught`](crate::on_uncaught) listeners receive it, and
/// [`RunError::Uncaught`](crate::RunError::Uncaught) contains it.
pub struct Uncaught {
    payload: PanicPayload,
    location: SourceLocation,
}

impl Uncaught {
    pub(crate) fn new(payload: Box<dyn Any + Send>, location: SourceLocation) -> Uncaught {
        Uncaught::of(PanicPayload::new(payload), location)
    }

    pub(crate) fn of(payload: PanicPayload, location: SourceLocation) -> Uncaught {
        Uncaught { payload, location }
    }

    /// Returns the message of the panic.
    pub fn message(&self) -> String {
        self.payload.message()
    }

    /// Returns the payload of the panic.
    pub fn payload(&self) -> &PanicPayload {
        &self.payload
    }

    /// Returns the payload of the panic by value, for
    /// [`resume_unwind`](std::panic::resume_unwind).
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload.into_inner()
    }

    /// Returns where the callback was passed to the loop.
    pub fn location(&self) -> SourceLocation {
        self.location
    }
}

impl fmt::Display for Uncaught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "uncaught panic in the callback created at {}: {}",
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
