//! The close phase: the callbacks of closed sources (R62).
//!
//! libuv keeps the closing handles on a stack (`core.c` `uv__make_close_pending`), so of two
//! sources closed before the same close phase **the one closed last calls back first**. If a callback
//! of this phase closes another source, that source's callback runs in the next close phase.

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::Macrotask;

#[derive(Default)]
pub(crate) struct Close {
    /// Closed since the last close phase began; the last one is called first.
    stack: Vec<Macrotask>,
    /// Not yet called by the running phase; the last one is called first.
    running: Vec<Macrotask>,
}

impl Close {
    pub(crate) fn push(&mut self, macrotask: Macrotask) {
        self.stack.push(macrotask);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stack.is_empty() && self.running.is_empty()
    }

    /// Begins a phase with the callbacks that are queued now.
    pub(crate) fn begin(&mut self) {
        // Callbacks that a stopped run has left are called after newer ones, as on libuv's stack.
        self.running.append(&mut self.stack);
    }

    pub(crate) fn next(&mut self) -> Option<Macrotask> {
        self.running.pop()
    }

    /// Lists the queued callbacks for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let resources = |macrotask: &Macrotask| {
            ResourceEntry::new(ResourceKind::Close, Some(macrotask.origin.location))
        };
        self.running
            .iter()
            .chain(&self.stack)
            .rev()
            .map(resources)
            .collect()
    }

    /// Removes all callbacks, which the caller drops outside of any borrow.
    pub(crate) fn take_all(&mut self) -> Vec<Macrotask> {
        self.begin();
        std::mem::take(&mut self.running)
    }
}
