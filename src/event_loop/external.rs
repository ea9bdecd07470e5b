//! Callbacks that wait for an operation outside of the loop.
//!
//! The callback need not be `Send`, so it stays here, and another thread sends only its number and the
//! result.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::runner::Runner;
use crate::phases::macrotask::SourceLocation;

/// A callback that a message of its number calls.
pub(crate) enum ExternalCallback {
    /// A macrotask of the poll phase, which receives the result.
    Completion(Box<dyn FnOnce(Box<dyn Any + Send>)>),
    /// Code of the host that is no macrotask itself; see `host/external.rs`.
    Native(Box<dyn FnOnce(&Runner<'_>)>),
}

#[derive(Default)]
pub(crate) struct ExternalCallbacks {
    callbacks: RefCell<BTreeMap<u64, (ExternalCallback, SourceLocation)>>,
    /// A number is never used again: a message may arrive after its run has ended.
    next_id: Cell<u64>,
}

impl ExternalCallbacks {
    pub(crate) fn add(&self, callback: ExternalCallback, location: SourceLocation) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        self.callbacks.borrow_mut().insert(id, (callback, location));
        id
    }

    pub(crate) fn take(&self, id: u64) -> Option<(ExternalCallback, SourceLocation)> {
        self.callbacks.borrow_mut().remove(&id)
    }

    /// Removes all callbacks, in the order in which they were added. The caller drops them outside of any
    /// borrow.
    pub(crate) fn take_all(&self) -> Vec<ExternalCallback> {
        let all = self.callbacks.take();
        all.into_values().map(|(callback, _)| callback).collect()
    }
}
