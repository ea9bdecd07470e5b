//! Rejected promises that nobody has handled, and when that is told (R14–R17).
//!
//! The list of `lib/internal/process/promises.js`. A promise enters it when it is rejected
//! without a reaction, and leaves it when it gets its first one, or when it is reported at the
//! end of a drain. What is done with a report is decided in `checkpoint.rs`.
//!
//! ```text
//!              1 rejected             3 take_round
//!   Untracked ───────────▶ Fresh ───────────────────▶ Reported
//!                            │ 2 handled                 │ 2 handled
//!                            ▼                           ▼
//!                        Untracked            Late ──▶ told once (4 take_late)
//! ```
//!
//! 1 [`Rejections::rejected`], 2 [`Rejections::handled`], 3 [`Rejections::take_round`],
//! 4 [`Rejections::take_late`].

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use crate::async_local::context::AsyncContext;
use crate::phases::macrotask::SourceLocation;

/// Where a promise stands in the tracking of rejections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracking {
    /// Pending, fulfilled, or rejected and handled in time.
    Untracked,
    /// Rejected without a reaction, not reported yet.
    Fresh,
    /// Reported; a first reaction from now on comes late.
    Reported,
}

/// A promise as the tracking sees it, whatever its type.
pub(crate) trait Tracked {
    fn tracking(&self) -> &Cell<Tracking>;
    /// Where the promise was made.
    fn location(&self) -> SourceLocation;
    /// The number of the promise.
    fn id(&self) -> u64;
    /// The context in which it was made.
    fn context(&self) -> AsyncContext;
    /// Calls `look` with the reason of the rejection.
    fn with_reason(&self, look: &mut dyn FnMut(&dyn Reason));
}

/// The reason of a rejection: an error value, or the payload of a panic.
///
/// Every `'static` type that is `Debug` is one.
pub trait Reason: Any + fmt::Debug {
    /// The value itself, for downcasting.
    fn as_any(&self) -> &dyn Any;
}

impl<T: Any + fmt::Debug> Reason for T {
    fn as_any(&self) -> &dyn Any {
        self
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
    /// A promise was rejected and has no reaction.
    pub(crate) fn rejected(&self, promise: Rc<dyn Tracked>) {
        promise.tracking().set(Tracking::Fresh);
        self.fresh.borrow_mut().push(promise);
        self.open.set(self.open.get() + 1);
    }

    /// A rejected promise got its first reaction: nothing is told if that was in time (R16).
    pub(crate) fn handled(&self, promise: Rc<dyn Tracked>) {
        match promise.tracking().replace(Tracking::Untracked) {
            Tracking::Untracked => {}
            Tracking::Fresh => {
                self.open.set(self.open.get() - 1);
                if self.open.get() == 0 {
                    let handled = std::mem::take(&mut *self.fresh.borrow_mut());
                    drop(handled); // outside of the borrow: it may drop what is the user's
                }
            }
            Tracking::Reported => self.late.borrow_mut().push_back(promise),
        }
    }

    /// Whether a round would tell anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.get() == 0 && self.late.borrow().is_empty()
    }

    /// The next of the promises that were handled after they had been reported. They are taken
    /// one by one: behind a listener that throws the rest waits for the next drain.
    pub(crate) fn take_late(&self) -> Option<Rc<dyn Tracked>> {
        self.late.borrow_mut().pop_front()
    }

    /// The whole list of fresh rejections, in order of rejection. One that a listener of this
    /// very round handles is told all the same, as in Node. One that was made untracked and
    /// tracked again stands in the list twice, and comes once.
    pub(crate) fn take_round(&self) -> Vec<Rc<dyn Tracked>> {
        self.open.set(0);
        let mut round = std::mem::take(&mut *self.fresh.borrow_mut());
        round.retain(|promise| promise.tracking().replace(Tracking::Untracked) == Tracking::Fresh);
        round
    }
}

/// A rejected promise as the hooks see it.
pub struct Rejection {
    pub(crate) promise: Rc<dyn Tracked>,
}

impl Rejection {
    /// Where the promise was made.
    pub fn location(&self) -> SourceLocation {
        self.promise.location()
    }

    /// Calls `look` with the reason: the error with which the promise was rejected, or a
    /// [`PanicReason`]. Downcast it with [`Reason::as_any`].
    pub fn with_reason<R>(&self, look: impl FnOnce(&dyn Reason) -> R) -> R {
        let mut look = Some(look);
        let mut result = None;
        self.promise.with_reason(&mut |reason| {
            if let Some(look) = look.take() {
                result = Some(look(reason));
            }
        });
        result.expect("a rejected promise has a reason")
    }

    /// The reason as `Debug` prints it.
    pub fn reason_text(&self) -> String {
        self.with_reason(|reason| format!("{reason:?}"))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the promise made at {} was rejected: {}",
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
    /// The text of the panic.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for PanicReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panic: {}", self.text)
    }
}

/// The payload with which an unhandled rejection reaches the
/// [`on_uncaught`](crate::on_uncaught) hook when there is no
/// [`on_unhandled_rejection`](crate::on_unhandled_rejection) hook (R18).
#[derive(Debug)]
pub struct UnhandledRejection(pub(crate) String);

impl UnhandledRejection {
    /// The reason of the rejection as `Debug` prints it.
    pub fn reason_text(&self) -> &str {
        &self.0
    }
}
