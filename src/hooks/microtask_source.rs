//! The microtask queue of an engine, from which a drain takes jobs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::phases::macrotask::SourceLocation;

/// The job queue of an engine; see [`host::set_microtask_source`](crate::host::set_microtask_source).
pub trait MicrotaskSource: 'static {
    /// Runs the next job, if there is one, and returns whether it has run one.
    ///
    /// `true` says nothing about further jobs: the drain calls this again after its own microtasks, until
    /// it returns `false`. A job that has failed has run as well: the host passes its exception to
    /// [`host::fail_callback`](crate::host::fail_callback), and returns `true`.
    ///
    /// It must run at most one job, so that limits, observers and an exit apply to each.
    fn run_job(&self) -> bool;

    /// Returns whether there is a job.
    ///
    /// The default is `true`, for an engine that does not tell: the drain then finds out with
    /// [`run_job`](MicrotaskSource::run_job). In that case, observers are notified of an empty step at
    /// the end of each drain.
    fn has_job(&self) -> bool {
        true
    }
}

/// The source of a loop, if it has one.
#[derive(Default)]
pub(crate) struct SourceSlot {
    source: RefCell<Option<(Rc<dyn MicrotaskSource>, SourceLocation)>>,
    is_set: Cell<bool>,
}

impl SourceSlot {
    /// Sets the source. Returns `false` if there is one already.
    pub(crate) fn set(&self, source: Rc<dyn MicrotaskSource>, location: SourceLocation) -> bool {
        let is_new = !self.is_set.replace(true);
        if is_new {
            *self.source.borrow_mut() = Some((source, location));
        }
        is_new
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.is_set.get()
    }

    /// Returns the source and where it was set, so that it can be called outside of any borrow.
    pub(crate) fn get(&self) -> Option<(Rc<dyn MicrotaskSource>, SourceLocation)> {
        self.source.borrow().clone()
    }

    /// Removes the source, which the caller drops outside of any borrow.
    pub(crate) fn take(&self) -> impl Sized + use<> {
        self.is_set.set(false);
        self.source.take()
    }
}
