//! Completions that a program simulates, and callbacks that wait until the loop stalls.
//!
//! It is a passive list: the poll phase decides when to read it, and passes the time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::Macrotask;

#[derive(Default)]
pub(crate) struct Simulated {
    /// By the time at which they are due, then in the order in which they were added.
    completions: RefCell<BTreeMap<(Duration, u64), Macrotask>>,
    added: Cell<u64>,
    /// Called in the first poll phase that would have to wait.
    stalled: RefCell<Vec<Macrotask>>,
}

impl Simulated {
    /// Queues a completion for the first poll phase at `due` or later.
    pub(crate) fn add(&self, due: Duration, macrotask: Macrotask) {
        let number = self.added.get();
        self.added.set(number + 1);
        self.completions
            .borrow_mut()
            .insert((due, number), macrotask);
    }

    /// Queues a callback for the first poll phase in which nothing else can run unless time passes or
    /// something arrives from outside.
    pub(crate) fn add_stalled(&self, macrotask: Macrotask) {
        self.stalled.borrow_mut().push(macrotask);
    }

    /// Returns when the first completion is due.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let completions = self.completions.borrow();
        completions.first_key_value().map(|((due, _), _)| *due)
    }

    pub(super) fn has_completions(&self) -> bool {
        !self.completions.borrow().is_empty()
    }

    pub(super) fn has_stalled(&self) -> bool {
        !self.stalled.borrow().is_empty()
    }

    /// Passes the completions that are due to `take`, in order. Calls `now` only if there are any.
    pub(super) fn take_due(&self, now: impl FnOnce() -> Duration, mut take: impl FnMut(Macrotask)) {
        let mut completions = self.completions.borrow_mut();
        if completions.is_empty() {
            return;
        }
        let now = now();
        while let Some(first) = completions
            .first_entry()
            .filter(|first| first.key().0 <= now)
        {
            take(first.remove());
        }
    }

    pub(super) fn take_stalled(&self) -> Vec<Macrotask> {
        self.stalled.take()
    }

    /// Removes everything, which the caller drops outside of any borrow.
    pub(super) fn take_all(&self) -> impl Iterator<Item = Macrotask> + use<> {
        let completions = self.completions.take().into_values();
        completions.chain(self.stalled.take())
    }

    pub(super) fn active_resources(&self) -> Vec<ResourceEntry> {
        let stalled = self.stalled.borrow();
        let stalled = stalled.iter().map(|macrotask| {
            ResourceEntry::new(ResourceKind::Stall, Some(macrotask.origin.location))
        });
        let completions = self.completions.borrow();
        let completions = completions
            .iter()
            .map(|((due, _), macrotask)| ResourceEntry {
                due: Some(*due),
                ..ResourceEntry::new(ResourceKind::Completion, Some(macrotask.origin.location))
            });
        stalled.chain(completions).collect()
    }
}
