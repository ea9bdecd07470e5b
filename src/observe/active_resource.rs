//! What the reports know: of a pending operation what it is, where it was made and whether it
//! keeps the loop alive; of a pending promise where it was made, who waits for it, and whether
//! anybody is left who could settle it.
//!
//! It never wakes and never settles anything. Whatever holds operations lists them when a report
//! is made, and only then. A promise is listed in here from the first reaction
//! it gets until it settles or goes; a task that is pending is listed with the loop's tasks.

use std::cell::RefCell;
use std::fmt;
use std::rc::Weak;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;

use crate::phases::macrotask::SourceLocation;

/// The kinds of operations that a loop waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationKind {
    /// A timer of [`set_timeout`](crate::set_timeout) or of [`time`](crate::time).
    Timer,
    /// A timer of [`set_interval`](crate::set_interval).
    Interval,
    /// An immediate, or a [`yield_now`](crate::yield_now).
    Immediate,
    /// A job of the worker pool that has not been delivered yet.
    Job,
    /// A task waits until a source can be read.
    Read,
    /// A task waits until a source can be written.
    Write,
    /// A completion of [`time::simulate_completion`](crate::time::simulate_completion).
    Completion,
    /// A result that was known at once, for the pending phase.
    Pending,
    /// The callback of a closed source.
    Close,
    /// A test waits until nothing can run without time passing
    /// ([`Test::until_stalled`](crate::test::Test::until_stalled)).
    Stall,
    /// A child process that has not ended.
    Child,
    /// Listeners to a signal.
    Signal,
    /// A [`KeepAlive`](crate::KeepAlive) token that is out.
    KeepAlive,
    /// Something that another thread has sent and that has not been handed out yet.
    Message,
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OperationKind::Timer => "a timer",
            OperationKind::Interval => "an interval",
            OperationKind::Immediate => "an immediate",
            OperationKind::Job => "a job of the pool",
            OperationKind::Read => "a wait to read a source",
            OperationKind::Write => "a wait to write to a source",
            OperationKind::Completion => "a simulated completion",
            OperationKind::Pending => "a callback of the pending phase",
            OperationKind::Close => "a close callback",
            OperationKind::Stall => "a test that waits for a stall",
            OperationKind::Child => "a child process",
            OperationKind::Signal => "listeners to a signal",
            OperationKind::KeepAlive => "a keep-alive token",
            OperationKind::Message => "a message from outside",
        })
    }
}

/// An operation as the part of the loop that holds it lists it.
pub(crate) struct ActiveResource {
    pub(crate) kind: OperationKind,
    pub(crate) location: Option<SourceLocation>,
    pub(crate) refed: bool,
    /// On the loop's clock.
    pub(crate) due: Option<Duration>,
    /// Whom it wakes.
    pub(crate) wakers: Vec<Waker>,
}

impl ActiveResource {
    /// One that keeps the loop alive and wakes nobody in particular.
    pub(crate) fn new(kind: OperationKind, location: Option<SourceLocation>) -> ActiveResource {
        ActiveResource {
            kind,
            location,
            refed: true,
            due: None,
            wakers: Vec::new(),
        }
    }
}

/// A pending promise as the reports see it, whatever its type.
pub(crate) trait PendingPromise {
    /// Where it was made.
    fn created_at(&self) -> SourceLocation;
    /// Whether a task that has this waker waits for it.
    fn is_awaited_by(&self, task: &Waker) -> bool;
    /// Whether it is to be resolved by hand, and every resolver was dropped without doing so.
    fn is_out_of_reach(&self) -> bool;
    /// Whether a job of the pool stands behind it.
    fn is_job(&self) -> bool;
}

/// The promises without a task that somebody waits for.
#[derive(Default)]
pub(crate) struct Awaited {
    promises: RefCell<Slab<Weak<dyn PendingPromise>>>,
}

impl Awaited {
    pub(crate) fn add(&self, promise: Weak<dyn PendingPromise>) -> usize {
        self.promises.borrow_mut().insert(promise)
    }

    pub(crate) fn remove(&self, key: usize) {
        self.promises.borrow_mut().remove(key);
    }

    /// Looks at every one of them.
    pub(crate) fn for_each(&self, mut look: impl FnMut(&dyn PendingPromise)) {
        for (_, promise) in self.promises.borrow().iter() {
            if let Some(promise) = promise.upgrade() {
                look(&*promise);
            }
        }
    }
}
