//! Values of an engine that the loop reports: what its code threw, and its rejected promises.
//!
//! Both are tracked like a rejected promise of the crate, with the value as the reason, so that every
//! listener and every error reads them in the same way.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use crate::async_local::context::AsyncContext;
use crate::hooks::rejection::{Reason, Rejection, Tracked, Tracking};
use crate::hooks::unhandled::UnhandledReason;
use crate::phases::macrotask::SourceLocation;

/// A value of an engine in the place of a rejected promise.
struct Foreign<V> {
    value: V,
    tracking: Cell<Tracking>,
    location: SourceLocation,
    id: u64,
    context: AsyncContext,
}

/// Returns a value of an engine as a rejected promise. `id` is the number of a promise; 0 if it is none.
pub(crate) fn foreign<V: Reason>(
    value: V,
    location: SourceLocation,
    id: u64,
    context: AsyncContext,
) -> Rc<dyn Tracked> {
    Rc::new(Foreign {
        value,
        tracking: Cell::new(Tracking::Untracked),
        location,
        id,
        context,
    })
}

impl<V: Reason> Tracked for Foreign<V> {
    fn tracking(&self) -> &Cell<Tracking> {
        &self.tracking
    }

    fn location(&self) -> SourceLocation {
        self.location
    }

    fn id(&self) -> u64 {
        self.id
    }

    fn context(&self) -> AsyncContext {
        self.context.clone()
    }

    fn with_reason(&self, read: &mut dyn FnMut(&dyn Reason)) {
        read(&self.value);
    }
}

/// A value that was passed to [`host::fail_callback`](crate::host::fail_callback) or
/// [`host::trigger_uncaught_exception`](crate::host::trigger_uncaught_exception).
///
/// It is the payload of the [`Uncaught`](crate::Uncaught) error. It can be sent to another thread, where
/// only the text is available.
#[derive(Debug)]
pub struct ThrownValue {
    reason: UnhandledReason,
}

impl ThrownValue {
    pub(crate) fn new(value: impl Reason, location: SourceLocation) -> ThrownValue {
        let promise = foreign(value, location, 0, None);
        ThrownValue {
            reason: UnhandledReason::of(&Rejection { promise }),
        }
    }

    pub(crate) fn reason(&self) -> &UnhandledReason {
        &self.reason
    }

    /// Returns the value as text: an `io::Error` as `Display` prints it, any other value as `Debug`
    /// does.
    pub fn text(&self) -> &str {
        self.reason.text()
    }

    /// Calls `read` with the value and returns its result; `None` on another thread than that of the
    /// loop.
    pub fn with_value<R>(&self, read: impl FnOnce(&dyn Reason) -> R) -> Option<R> {
        self.reason.with_value(read)
    }
}

impl fmt::Display for ThrownValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
