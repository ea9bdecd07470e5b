//! The errors of promises.

use std::any::Any;
use std::fmt;

use crate::hooks::uncaught::PanicPayload;

/// The reason why a promise has no value.
pub enum PromiseError {
    /// Its task, job or handler panicked with this payload.
    Panicked(PanicPayload),
    /// It was aborted, or its loop has ended.
    Aborted,
    /// It was resolved with itself: JavaScript's `TypeError` (R44).
    SelfResolution,
}

impl PromiseError {
    pub(crate) fn of_panic(payload: Box<dyn Any + Send>) -> PromiseError {
        PromiseError::Panicked(PanicPayload::new(payload))
    }

    /// Returns whether this is [`Panicked`](PromiseError::Panicked).
    pub fn is_panic(&self) -> bool {
        matches!(self, PromiseError::Panicked(_))
    }

    /// Returns whether this is [`Aborted`](PromiseError::Aborted).
    pub fn is_aborted(&self) -> bool {
        matches!(self, PromiseError::Aborted)
    }

    /// Copies the error for another reaction of a shared promise. A panic payload cannot be cloned,
    /// so the copy contains its text.
    pub(super) fn copied(&self) -> PromiseError {
        match self {
            PromiseError::Panicked(payload) => PromiseError::of_panic(Box::new(payload.message())),
            PromiseError::Aborted => PromiseError::Aborted,
            PromiseError::SelfResolution => PromiseError::SelfResolution,
        }
    }
}

impl fmt::Debug for PromiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PromiseError::Panicked(payload) => {
                f.debug_tuple("Panicked").field(&payload.message()).finish()
            }
            PromiseError::Aborted => f.write_str("Aborted"),
            PromiseError::SelfResolution => f.write_str("SelfResolution"),
        }
    }
}

impl fmt::Display for PromiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PromiseError::Panicked(payload) => write!(f, "the task panicked: {payload}"),
            PromiseError::Aborted => f.write_str("the promise was aborted, or its loop has ended"),
            PromiseError::SelfResolution => SelfResolution.fmt(f),
        }
    }
}

impl std::error::Error for PromiseError {}

/// The outcome of a promise: its output, or the reason why there is none.
pub(crate) type Outcome<O> = Result<O, PromiseError>;

/// The [`Reason`](crate::Reason) of a promise that was resolved with itself: JavaScript's
/// `TypeError` (R44).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfResolution;

impl fmt::Display for SelfResolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the promise was resolved with itself")
    }
}

impl std::error::Error for SelfResolution {}
