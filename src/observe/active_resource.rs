//! What the parts of a loop list for [`why_alive`](crate::why_alive): the resources that can wake a
//! task or call a callback, and the promises that tasks wait for.
//!
//! The part that owns a resource lists it when a report is created. Nothing is recorded beforehand,
//! with one exception: a promise without a task is in [`Awaited`] from its first reaction until it
//! settles or is dropped.
//!
//! Invariant: a report wakes no task and settles no promise.

use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use slab::Slab;

use crate::phases::macrotask::{SourceLocation, TaskKey};

/// The kind of an [`ActiveResource`](crate::ActiveResource).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResourceKind {
    /// A timer of [`set_timeout`](crate::set_timeout) or of [`time`](crate::time).
    Timer,
    /// A timer of [`set_interval`](crate::set_interval).
    Interval,
    /// An immediate, or a [`yield_now`](crate::yield_now).
    Immediate,
    /// A job of the worker pool whose completion has not been delivered.
    Job,
    /// A task that waits until a source is readable.
    Read,
    /// A task that waits until a source is writable.
    Write,
    /// A completion of [`time::simulate_completion`](crate::time::simulate_completion).
    Completion,
    /// A callback of the pending phase.
    Pending,
    /// The callback of a closed source.
    Close,
    /// A test that waits in [`Test::until_stalled`](crate::test::Test::until_stalled).
    Stall,
    /// A child process that has not ended.
    Child,
    /// The listeners of a signal.
    Signal,
    /// A [`KeepAlive`](crate::KeepAlive) token.
    KeepAlive,
    /// A message of another thread that has not been delivered.
    Message,
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResourceKind::Timer => "a timer",
            ResourceKind::Interval => "an interval",
            ResourceKind::Immediate => "an immediate",
            ResourceKind::Job => "a job of the worker pool",
            ResourceKind::Read => "a task waiting to read",
            ResourceKind::Write => "a task waiting to write",
            ResourceKind::Completion => "a simulated completion",
            ResourceKind::Pending => "a callback of the pending phase",
            ResourceKind::Close => "a close callback",
            ResourceKind::Stall => "a test waiting for a stall",
            ResourceKind::Child => "a child process",
            ResourceKind::Signal => "a signal listener",
            ResourceKind::KeepAlive => "a keep-alive token",
            ResourceKind::Message => "a message of another thread",
        })
    }
}

/// A resource that its owner lists.
pub(crate) struct ResourceEntry {
    pub(crate) kind: ResourceKind,
    pub(crate) location: Option<SourceLocation>,
    /// The label that the host of an engine has given it.
    pub(crate) label: Option<Arc<str>>,
    pub(crate) refed: bool,
    /// When it is due, on the loop's clock.
    pub(crate) due: Option<Duration>,
    /// The tasks that it wakes.
    pub(crate) wakers: Vec<Waker>,
}

impl ResourceEntry {
    /// Returns an entry that keeps the loop alive and has no waker.
    pub(crate) fn new(kind: ResourceKind, location: Option<SourceLocation>) -> ResourceEntry {
        ResourceEntry {
            kind,
            location,
            label: None,
            refed: true,
            due: None,
            wakers: Vec::new(),
        }
    }
}

/// A pending promise of any type, for reports.
pub(crate) trait PendingPromise {
    /// Returns where it was created.
    fn created_at(&self) -> SourceLocation;
    /// Calls `visit` with the waker of each task that waits for it.
    fn for_each_waker(&self, visit: &mut dyn FnMut(&Waker));
    /// Returns how many of its reactions contain the key of the task that settles the promise of this
    /// number, instead of a waker.
    fn count_wakes_of(&self, _promise: u64) -> usize {
        0
    }
    /// Returns `true` if it can never settle: all its resolvers were dropped.
    fn is_out_of_reach(&self) -> bool;
    /// Returns `true` if a job of the worker pool settles it.
    fn is_job(&self) -> bool;
    /// Returns `true` if this is no promise, but what the members of a combinator share.
    fn is_members(&self) -> bool {
        false
    }
    /// Polls the member whose task this is.
    fn poll_member(&self, _task: TaskKey) -> Poll<()> {
        unreachable!("only a member of a combinator has a task without a future")
    }
}

/// The pending promises without a task that have a reaction.
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

    /// Calls `visit` with each waker of the promises that can never settle: their resolvers are gone,
    /// and only those who await them refer to them, so that nothing else can abort them.
    pub(crate) fn for_each_waker_out_of_reach(&self, mut visit: impl FnMut(&Waker)) {
        for (_, promise) in self.promises.borrow().iter() {
            let Some(promise) = promise
                .upgrade()
                .filter(|promise| promise.is_out_of_reach())
            else {
                continue;
            };
            let mut awaiters = 0;
            promise.for_each_waker(&mut |_| awaiters += 1);
            // Besides the awaiters there are this list, with a weak reference, and this function.
            if Rc::weak_count(&promise) == 1 && Rc::strong_count(&promise) == awaiters + 1 {
                promise.for_each_waker(&mut visit);
            }
        }
    }

    /// Calls `visit` with each promise.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&dyn PendingPromise)) {
        for (_, promise) in self.promises.borrow().iter() {
            if let Some(promise) = promise.upgrade() {
                visit(&*promise);
            }
        }
    }
}
