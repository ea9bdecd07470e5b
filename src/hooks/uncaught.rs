//! Panics that leave a callback, and the hooks that are told of errors (R51, R18).
//!
//! Bottom of the error path: it knows payloads and listeners, not the loop.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::phases::macrotask::SourceLocation;

/// The payload with which `exit` unwinds the callback that called it.
pub(crate) struct ExitUnwind;

/// What a panic says, for reports.
pub(crate) fn payload_text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a payload that is not text".to_owned()
    }
}

/// Drops a value of the user's where a panic has nobody to go to: the panic hook has printed it.
pub(crate) fn drop_quietly<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

/// A panic that nothing in the program has caught, as the
/// [`on_uncaught`](crate::on_uncaught) hook and [`RunError`](crate::RunError) see it.
pub struct Uncaught {
    pub(crate) payload: Box<dyn Any + Send>,
    pub(crate) location: SourceLocation,
}

impl Uncaught {
    /// The panic's payload: what was given to `panic!` (a `&'static str` or a `String`), to
    /// `panic_any` or to `resume_unwind`.
    pub fn payload(&self) -> &(dyn Any + Send) {
        &*self.payload
    }

    /// The panic's payload, for `resume_unwind`.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload
    }

    /// Where the callback was handed to the loop.
    pub fn location(&self) -> SourceLocation {
        self.location
    }
}

impl fmt::Display for Uncaught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = payload_text(&*self.payload);
        write!(
            f,
            "uncaught panic in the callback made at {}: {text}",
            self.location
        )
    }
}

impl fmt::Debug for Uncaught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
