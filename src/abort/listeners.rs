//! The state of a signal: its reason, its listeners in order, and the signals that depend on it.
//!
//! Invariant: nothing is borrowed while a listener, a waker or a destructor runs.
//! Invariant: a signal that depends on others has no dependants itself: they depend on its sources.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;

use crate::event_loop::current::try_current;
use crate::hooks::rejection::Reason;
use crate::schedule::{TimeoutHandle, next_tick};

/// The reason of an abort. Errors contain it, so it can be sent to another thread.
pub(super) type SharedReason = Arc<dyn Reason + Send + Sync>;

#[derive(Default)]
pub(super) struct SignalState {
    pub(super) reason: OnceCell<SharedReason>,
    /// By id, and so in the order in which they were added.
    listeners: RefCell<BTreeMap<u64, OnAbort>>,
    next_listener: Cell<u64>,
    listeners_limit: SweepLimit,
    /// The signals that depend on this one.
    dependants: RefCell<Vec<Weak<SignalState>>>,
    dependants_limit: SweepLimit,
    /// The signals on which this one depends, which it keeps alive.
    sources: RefCell<Vec<Rc<SignalState>>>,
    /// The timer that aborts this signal. It ends with the signal.
    pub(super) timer: OnceCell<TimeoutHandle>,
}

pub(super) enum OnAbort {
    Callback(Box<dyn FnOnce()>),
    Wake(Waker),
    Operation(Box<dyn Operation>),
}

/// An operation that a signal aborts.
pub(super) trait Operation {
    /// Returns whether the operation has ended, so that its listener can be removed.
    fn is_over(&self) -> bool;
    fn abort(&self);
}

impl SignalState {
    /// Adds a listener and returns its id; `None` if the signal has been aborted.
    pub(super) fn add(&self, listener: OnAbort) -> Option<u64> {
        if self.reason.get().is_some() {
            return None;
        }
        self.sweep_listeners();
        let id = self.next_listener.get();
        self.next_listener.set(id + 1);
        self.listeners.borrow_mut().insert(id, listener);
        Some(id)
    }

    /// Removes a listener. Returns whether it was there.
    pub(super) fn remove(&self, id: u64) -> bool {
        let removed = self.listeners.borrow_mut().remove(&id); // dropped outside of the borrow
        removed.is_some()
    }

    /// Changes the waker of a listener. Returns whether the listener still exists.
    pub(super) fn set_waker(&self, id: u64, waker: &Waker) -> bool {
        let mut listeners = self.listeners.borrow_mut();
        let replaced = match listeners.get_mut(&id) {
            None => return false,
            Some(OnAbort::Wake(known)) if known.will_wake(waker) => return true,
            Some(listener) => std::mem::replace(listener, OnAbort::Wake(waker.clone())),
        };
        drop(listeners);
        drop(replaced);
        true
    }

    /// Removes the listeners of operations that have ended, so that a signal that lives as long as
    /// a server holds few of them.
    fn sweep_listeners(&self) {
        if !self
            .listeners_limit
            .is_reached(self.listeners.borrow().len())
        {
            return;
        }
        let is_over = |listener: &OnAbort| match listener {
            OnAbort::Operation(operation) => operation.is_over(),
            OnAbort::Callback(_) | OnAbort::Wake(_) => false,
        };
        let all = self.listeners.take().into_iter();
        let (over, open): (BTreeMap<_, _>, BTreeMap<_, _>) =
            all.partition(|(_, listener)| is_over(listener));
        self.listeners_limit.set_after(open.len());
        self.listeners.replace(open);
        drop(over); // outside of the borrow
    }

    /// Makes this signal depend on `signal`, or on the sources of `signal` if it has any.
    pub(super) fn depend_on(self: &Rc<Self>, signal: &Rc<SignalState>) {
        let mut sources = signal.sources.borrow().clone();
        if sources.is_empty() {
            sources.push(signal.clone());
        }
        for source in sources {
            if let Some(reason) = source.reason.get() {
                return self.abort(reason.clone());
            }
            let mut dependants = source.dependants.borrow_mut();
            if source.dependants_limit.is_reached(dependants.len()) {
                dependants.retain(|dependant| dependant.strong_count() > 0);
                source.dependants_limit.set_after(dependants.len());
            }
            dependants.push(Rc::downgrade(self));
            drop(dependants);
            self.sources.borrow_mut().push(source);
        }
    }

    /// Aborts the signal: calls its listeners in order, then aborts its dependants in order, as
    /// Node does (`lib/internal/abort_controller.js`, `abortSignal`). Only the first call has an
    /// effect.
    pub(super) fn abort(&self, reason: SharedReason) {
        if self.reason.set(reason.clone()).is_err() {
            return;
        }
        let next = || self.listeners.borrow_mut().pop_first();
        while let Some((_, listener)) = next() {
            match listener {
                OnAbort::Wake(waker) => waker.wake(),
                OnAbort::Callback(callback) => call(callback),
                OnAbort::Operation(operation) => call(move || operation.abort()),
            }
        }
        drop(self.sources.take());
        let dependants = self.dependants.take();
        for dependant in dependants.iter().filter_map(Weak::upgrade) {
            dependant.abort(reason.clone());
        }
    }
}

impl Drop for SignalState {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.get() {
            timer.release();
        }
    }
}

/// Calls a listener. A panic resumes in a tick, as in Node's `EventTarget`, or at once outside of a
/// loop.
fn call(listener: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(listener)) {
        if try_current().is_none() {
            resume_unwind(payload);
        }
        next_tick(move || resume_unwind(payload));
    }
}

/// The length at which the entries that are over are removed from a list: twice the length after
/// the last sweep, so that each entry is checked a constant number of times.
#[derive(Default)]
struct SweepLimit(Cell<usize>);

impl SweepLimit {
    const MIN: usize = 32;

    fn is_reached(&self, length: usize) -> bool {
        length >= self.0.get().max(SweepLimit::MIN)
    }

    fn set_after(&self, length: usize) {
        self.0.set(length * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Counted {
        is_over: Rc<Cell<bool>>,
        checks: Rc<Cell<usize>>,
    }

    impl Operation for Counted {
        fn is_over(&self) -> bool {
            self.checks.set(self.checks.get() + 1);
            self.is_over.get()
        }

        fn abort(&self) {}
    }

    const COUNT: usize = 10_000;

    #[test]
    fn an_open_operation_is_checked_a_constant_number_of_times() {
        let (signal, operation) = (SignalState::default(), Counted::default());
        for _ in 0..COUNT {
            signal.add(OnAbort::Operation(Box::new(operation.clone())));
        }
        assert_eq!(signal.listeners.borrow().len(), COUNT);
        let checks = operation.checks.get();
        assert!(checks <= 2 * COUNT, "{checks} checks of {COUNT} listeners");
    }

    #[test]
    fn operations_that_are_over_do_not_stay() {
        let signal = SignalState::default();
        for _ in 0..COUNT {
            let operation = Counted::default();
            signal.add(OnAbort::Operation(Box::new(operation.clone())));
            operation.is_over.set(true);
            assert!(signal.listeners.borrow().len() <= SweepLimit::MIN);
        }
    }

    #[test]
    fn dropped_dependants_do_not_stay() {
        let source = Rc::new(SignalState::default());
        let kept: Vec<_> = (0..COUNT)
            .map(|n| {
                let dependant = Rc::new(SignalState::default());
                dependant.depend_on(&source);
                (n < 100).then_some(dependant)
            })
            .collect();
        assert!(source.dependants.borrow().len() <= 200);
        source.abort(Arc::new("why"));
        let is_aborted = |signal: &Rc<SignalState>| signal.reason.get().is_some();
        assert!(kept.iter().flatten().all(is_aborted));
    }
}
