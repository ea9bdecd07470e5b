//! The pending phase: results that are known without waiting (R63).
//!
//! A round hands out what is queued when it begins; what is queued meanwhile belongs to the next
//! round. There is one round at the start of a turn, and at most eight after the poll phase.

use std::collections::VecDeque;

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::Macrotask;

/// The maximum number of rounds after the poll phase (`core.c` `uv_run`: "a small fixed number of
/// times to avoid loop starvation").
pub(crate) const ROUNDS_AFTER_POLL: usize = 8;

#[derive(Default)]
pub(crate) struct Pending {
    queue: VecDeque<Macrotask>,
    /// How many entries of the queue belong to the running round.
    left_in_round: usize,
}

impl Pending {
    pub(crate) fn push(&mut self, macrotask: Macrotask) {
        self.queue.push_back(macrotask);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn begin_round(&mut self) {
        self.left_in_round = self.queue.len();
    }

    pub(crate) fn next(&mut self) -> Option<Macrotask> {
        if self.left_in_round == 0 {
            return None;
        }
        self.left_in_round -= 1;
        self.queue.pop_front()
    }

    /// Lists the queued callbacks for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let resources = |macrotask: &Macrotask| {
            ResourceEntry::new(ResourceKind::Pending, Some(macrotask.origin.location))
        };
        self.queue.iter().map(resources).collect()
    }

    /// Removes all callbacks, which the caller drops outside of any borrow.
    pub(crate) fn take_all(&mut self) -> Vec<Macrotask> {
        self.left_in_round = 0;
        self.queue.drain(..).collect()
    }
}
