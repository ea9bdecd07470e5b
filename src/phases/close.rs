//! The close phase: the callbacks of sources that were closed in this turn (R62).
//!
//! libuv keeps the closing handles on a stack (`core.c` `uv__make_close_pending`), so of two
//! sources closed in one turn **the one closed last calls back first**. A callback that closes
//! another source feeds the next turn.

use crate::observe::active_resource::{ActiveResource, OperationKind};
use crate::phases::macrotask::Macrotask;

#[derive(Default)]
pub(crate) struct Close {
    /// Closed and not yet called back; the last one comes first.
    stack: Vec<Macrotask>,
    /// What the running phase still has to hand out, last one first.
    running: Vec<Macrotask>,
}

impl Close {
    pub(crate) fn push(&mut self, macrotask: Macrotask) {
        self.stack.push(macrotask);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stack.is_empty() && self.running.is_empty()
    }

    pub(crate) fn begin(&mut self) {
        // What a stopped run left behind comes after what was closed later, as on the stack.
        self.running.append(&mut self.stack);
    }

    pub(crate) fn next(&mut self) -> Option<Macrotask> {
        self.running.pop()
    }

    /// What is queued, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ActiveResource> {
        let resources = |macrotask: &Macrotask| {
            ActiveResource::new(OperationKind::Close, Some(macrotask.origin.location))
        };
        self.running
            .iter()
            .chain(&self.stack)
            .rev()
            .map(resources)
            .collect()
    }

    /// Takes everything out, to be dropped by the caller outside of any borrow.
    pub(crate) fn take_all(&mut self) -> Vec<Macrotask> {
        self.begin();
        std::mem::take(&mut self.running)
    }
}
