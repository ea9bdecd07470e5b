//! Panics that leave a callback (R51), and panics of destructors.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::phases::macrotask::SourceLocation;

/// The payload with which `exit` unwinds the callback that called it.
pub(crate) struct ExitUnwind;

/// Returns the message of a panic, for reports.
pub(crate) fn payload_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a payload that is not text".to_owned()
    }
}

/// Drops a value of user code, and ignores a panic of its destructor, which the panic hook has
/// printed.
pub(crate) fn drop_quietly<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

/// A panic that has left a callback.
///
/// [`on_uncaught`](crate::on_uncaught) listeners receive it, and
/// [`RunError::Uncaught`](crate::RunError::Uncaught) contains it.
pub struct Uncaught {
    pub(crate) payload: Box<dyn Any + Send>,
    pub(crate) location: SourceLocation,
}

impl Uncaught {
    /// Returns the payload of the panic: a `&'static str` or a `String` from `panic!`, or the value
    /// that was passed to `panic_any` or `resume_unwind`.
    pub fn payload(&self) -> &(dyn Any + Send) {
        &*self.payload
    }

    /// Returns the payload of the panic by value, for `resume_unwind`.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload
    }

    /// Returns where the callback was passed to the loop.
    pub fn location(&self) -> SourceLocation {
        self.location
    }
}

impl fmt::Display for Uncaught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = payload_text(&*self.payload);
        write!(
            f,
            "uncaught panic in the callback created at {}: {text}",
            self.location
        )
    }
}

impl fmt::Debug for Uncaught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
