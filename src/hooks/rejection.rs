//! Rejected promises without a reaction (R14–R17).
//!
//! This is the list of `lib/internal/process/promises.js`. A promise enters it when it is rejected
//! without a reaction. It leaves it with its first reaction, or when it is reported at the end of a
//! drain. `event_loop/checkpoint.rs` decides how a report is handled.
//!
//! ```text
//!               rejected             take_round
//!   Untracked ────────────▶ Fresh ────────────────▶ Reported
//!                             │ handled                │ handled
//!                             ▼                        ▼
//!                         Untracked                Untracked, and reported as
//!                                                  handled late by take_late
//! ```

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::Rc;

use crate::async_local::context::AsyncContext;
use crate::phases::macrotask::SourceLocation;

/// The state of a promise in the tracking of unhandled rejections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracking {
    /// Pending, fulfilled, or rejected and handled.
    Untracked,
    /// Rejected without a reaction, and not reported yet.
    Fresh,
    /// Reported as rejected without a reaction; a later reaction is reported as well.
    Reported,
}

/// A promise of any type, for the tracking of rejections.
pub(crate) trait Tracked {
    fn tracking(&self) -> &Cell<Tracking>;
    /// Returns where the promise was created.
    fn location(&self) -> SourceLocation;
    /// Returns the number of the promise.
    fn id(&self) -> u64;
    /// Returns the async context in which the promise was created.
    fn context(&self) -> AsyncContext;
    /// Calls `read` with the reason of the rejection.
    fn with_reason(&self, read: &mut dyn FnMut(&dyn Reason));
}

/// A value that can be the reason of a rejection or of an abort, or that the code of an engine has thrown:
/// any `'static` type that implements `Debug`.
///
/// No type implements it by hand. JavaScript allows any value in these places; the trait has its name from
/// the first argument of `Promise.reject`.
pub trait Reason: Any + fmt::Debug {
    /// Returns the value itself, for downcasting.
    fn as_any(&self) -> &dyn Any;
}

impl<T: Any + fmt::Debug> Reason for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl dyn Reason {
    /// Returns whether the reason is a `T`.
    pub fn is<T: Any>(&self) -> bool {
        self.as_any().is::<T>()
    }

    /// Returns the reason as a `T`, if it is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::Reason;
    /// let reason: &dyn Reason = &"out of paper";
    /// assert_eq!(reason.downcast_ref::<&str>(), Some(&"out of paper"));
    /// assert_eq!(reason.downcast_ref::<std::io::Error>().map(|error| error.kind()), None);
    /// ```
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        self.as_any().downcast_ref()
    }
}

#[derive(Default)]
pub(crate) struct Rejections {
    fresh: RefCell<Vec<Rc<dyn Tracked>>>,
    late: RefCell<VecDeque<Rc<dyn Tracked>>>,
    /// How many of `fresh` are still [`Tracking::Fresh`].
    open: Cell<usize>,
}

impl Rejections {
    /// Adds a promise that was rejected without a reaction.
    pub(crate) fn rejected(&self, promise: Rc<dyn Tracked>) {
        promise.tracking().set(Tracking::Fresh);
        self.fresh.borrow_mut().push(promise);
        self.open.set(self.open.get() + 1);
    }

    /// Removes a rejected promise that got its first reaction. It is reported as handled late only if
    /// it was reported before (R16).
    pub(crate) fn handled(&self, promise: Rc<dyn Tracked>) {
        match promise.tracking().replace(Tracking::Untracked) {
            Tracking::Untracked => {}
            Tracking::Fresh => {
                self.open.set(self.open.get() - 1);
                if self.open.get() == 0 {
                    let handled = std::mem::take(&mut *self.fresh.borrow_mut());
                    drop(handled); // outside of the borrow, because this may drop values of user code
                }
            }
            Tracking::Reported => self.late.borrow_mut().push_back(promise),
        }
    }

    /// Returns `true` if there is nothing to report.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.get() == 0 && self.late.borrow().is_empty()
    }

    /// Removes the next promise that was handled after it had been reported. If a listener panics,
    /// the remaining ones wait for the next drain.
    pub(crate) fn take_late(&self) -> Option<Rc<dyn Tracked>> {
        self.late.borrow_mut().pop_front()
    }

    /// Removes all fresh rejections, in the order of rejection. A rejection that a listener of this
    /// round handles is still reported, as in Node.
    pub(crate) fn take_round(&self) -> Vec<Rc<dyn Tracked>> {
        self.open.set(0);
        let mut round = std::mem::take(&mut *self.fresh.borrow_mut());
        // A promise that was handled and rejected again is in the list twice; it is kept once.
        round.retain(|promise| promise.tracking().replace(Tracking::Untracked) == Tracking::Fresh);
        round
    }
}

/// A rejected promise, which listeners receive.
///
/// Clones refer to the same promise.
#[derive(Clone)]
pub struct Rejection {
    pub(crate) promise: Rc<dyn Tracked>,
}

impl Rejection {
    /// Returns where the promise was created.
    pub fn location(&self) -> SourceLocation {
        self.promise.location()
    }

    /// Calls `read` with the reason and returns its result.
    ///
    /// The reason is the error with which the promise was rejected, or a [`PanicReason`]. It can be
    /// [downcast](trait.Reason.html#method.downcast_ref).
    pub fn with_reason<R>(&self, read: impl FnOnce(&dyn Reason) -> R) -> R {
        let mut read = Some(read);
        let mut result = None;
        self.promise.with_reason(&mut |reason| {
            if let Some(read) = read.take() {
                result = Some(read(reason));
            }
        });
        result.expect("a rejected promise has a reason")
    }

    /// Returns whether the promise is that of the main future, which has returned an error.
    pub(crate) fn is_of_main(&self) -> bool {
        self.with_reason(|reason| reason.is::<MainError>())
    }

    /// Returns the reason as text: an `io::Error` as `Display` prints it, any other value as `Debug`
    /// does.
    pub fn reason_text(&self) -> String {
        self.with_reason(|reason| match reason.downcast_ref::<io::Error>() {
            Some(error) => error.to_string(),
            None => format!("{reason:?}"),
        })
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the promise created at {} was rejected: {}",
            self.location(),
            self.reason_text()
        )
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The [`Reason`] of a promise whose task panicked.
pub struct PanicReason {
    pub(crate) text: String,
}

impl PanicReason {
    /// Returns the message of the panic.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for PanicReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panic: {}", self.text)
    }
}

/// The [`Reason`] of the main future of [`run`](crate::run) if that has returned an error.
///
/// The error itself may borrow, so listeners receive only its text; [`run`](crate::run) returns it.
pub struct MainError {
    pub(crate) text: String,
}

impl MainError {
    /// Returns the error as `Debug` prints it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for MainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The reason in the report of a rejection whose reason was moved out by a handler before.
pub(crate) struct TakenReason;

impl fmt::Debug for TakenReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(handled meanwhile; the reason has been taken)")
    }
}
