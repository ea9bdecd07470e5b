//! The check phase: immediates (R37–R40).
//!
//! Immediates are in one queue and numbered in the order in which they are created. A round of the
//! phase remembers the number of the first immediate that does *not* belong to it, so an immediate
//! that is created meanwhile waits for the next check phase (R37). A cleared immediate leaves a gap
//! in the queue, even within the running round (R38).
//!
//! Invariant: the queue contains exactly the numbers `first..next_id()`.
//! Invariant: `first <= end_of_round <= next_id()` while a round runs.

use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind, TaskKey, Work};

/// The number of an immediate, which a loop never uses twice.
pub(crate) type ImmediateId = u64;

/// A queued immediate. It becomes a [`Macrotask`] only when it is handed out, because an entry of
/// five words keeps the queue small.
struct Immediate {
    work: Work,
    location: SourceLocation,
    /// The number of the entry for observers; 0 if they were not notified.
    entry: u32,
    refed: bool,
}

/// A new immediate. It is filled in its place: a processor that reads with one load what has just been
/// written in parts waits longer than a call of the immediate takes.
const NEW: Immediate = Immediate {
    work: Work::Wake(None),
    location: Location::caller(),
    entry: 0,
    refed: true,
};

impl Immediate {
    #[inline]
    fn origin(&self, id: ImmediateId) -> Origin {
        Origin {
            entry: self.entry,
            ..Origin::of(StepKind::Immediate, self.location, id)
        }
    }

    fn into_macrotask(self, id: ImmediateId) -> Macrotask {
        let origin = self.origin(id);
        Macrotask::new(self.work, origin)
    }
}

#[derive(Default)]
pub(crate) struct Check {
    queue: VecDeque<Option<Immediate>>,
    /// The number of the immediate at the head of the queue.
    first: ImmediateId,
    /// The running round ends before this number.
    end_of_round: ImmediateId,
    /// How many pending immediates are ref'd: they keep the loop alive (R6).
    refed: usize,
}

impl Check {
    /// Returns the number that the next immediate gets.
    pub(crate) fn next_id(&self) -> ImmediateId {
        self.first + self.queue.len() as u64
    }

    #[inline(always)] // so that the work is not copied
    pub(crate) fn push(&mut self, work: Work, location: SourceLocation, entry: u32) -> ImmediateId {
        let id = self.push_wake(location, entry);
        if let Some(Some(immediate)) = self.queue.back_mut() {
            std::mem::forget(std::mem::replace(&mut immediate.work, work)); // a new one owns nothing
        }
        id
    }

    /// Adds an immediate whose work is to wake nothing yet.
    #[inline]
    pub(crate) fn push_wake(&mut self, location: SourceLocation, entry: u32) -> ImmediateId {
        let id = self.next_id();
        self.queue.push_back(Some(NEW));
        if let Some(Some(immediate)) = self.queue.back_mut() {
            (immediate.location, immediate.entry) = (location, entry);
        }
        self.refed += 1;
        id
    }

    /// Begins a round with the immediates that are queued now (R37).
    pub(crate) fn begin_round(&mut self) {
        self.end_of_round = self.next_id();
    }

    /// Returns the next immediate of the round.
    pub(crate) fn next(&mut self) -> Option<Macrotask> {
        while self.first < self.end_of_round {
            let id = self.first;
            self.first += 1;
            if let Some(immediate) = self.queue.pop_front().flatten() {
                self.refed -= usize::from(immediate.refed);
                return Some(immediate.into_macrotask(id));
            }
        }
        None
    }

    /// Returns the next immediate of the round if it only wakes a task of the loop, which needs no
    /// [`Macrotask`].
    #[inline]
    pub(crate) fn next_wake(&mut self) -> Option<(Origin, TaskKey)> {
        if self.first >= self.end_of_round {
            return None;
        }
        let Some(Some(immediate)) = self.queue.front() else {
            return None;
        };
        let Work::WakeTask(task) = immediate.work else {
            return None;
        };
        let origin = immediate.origin(self.first);
        self.refed -= usize::from(immediate.refed);
        self.first += 1;
        std::mem::forget(self.queue.pop_front()); // a key owns nothing
        Some((origin, task))
    }

    /// Returns `true` if only cleared immediates are left in the running round.
    pub(crate) fn round_is_over(&self) -> bool {
        let left = (self.end_of_round - self.first) as usize;
        self.queue.iter().take(left).all(Option::is_none)
    }

    /// Removes an immediate (R38), which the caller drops outside of any borrow.
    pub(crate) fn clear(&mut self, id: ImmediateId) -> Option<Macrotask> {
        let immediate = self.slot(id)?.take()?;
        self.refed -= usize::from(immediate.refed);
        Some(immediate.into_macrotask(id))
    }

    /// Gives a pending immediate a label for reports. Returns its origin.
    pub(crate) fn set_label(&mut self, id: ImmediateId, label: Arc<str>) -> Option<Origin> {
        let immediate = self.slot(id)?.as_mut()?;
        immediate.work.set_label(label);
        Some(immediate.origin(id))
    }

    /// Returns the work of a pending immediate, so that its waker can be replaced.
    pub(crate) fn pending_work(&mut self, id: ImmediateId) -> Option<&mut Work> {
        Some(&mut self.slot(id)?.as_mut()?.work)
    }

    pub(crate) fn set_refed(&mut self, id: ImmediateId, refed: bool) {
        if let Some(Some(immediate)) = self.slot(id) {
            match (std::mem::replace(&mut immediate.refed, refed), refed) {
                (false, true) => self.refed += 1,
                (true, false) => self.refed -= 1,
                _ => {}
            }
        }
    }

    pub(crate) fn has_ref(&self, id: ImmediateId) -> bool {
        self.pending(id).is_some_and(|immediate| immediate.refed)
    }

    pub(crate) fn is_pending(&self, id: ImmediateId) -> bool {
        self.pending(id).is_some()
    }

    /// Returns `true` if a pending immediate keeps the loop alive and keeps the poll phase from
    /// waiting; an unref'd one does neither (R39).
    pub(crate) fn has_refed(&self) -> bool {
        self.refed > 0
    }

    /// Lists the pending immediates for a report. `waker_of` returns the waker of a task.
    pub(crate) fn active_resources(
        &self,
        waker_of: impl Fn(TaskKey) -> Option<Waker>,
    ) -> Vec<ResourceEntry> {
        let pending = self.queue.iter().flatten();
        let resources = pending.map(|immediate| ResourceEntry {
            refed: immediate.refed,
            label: immediate.work.label().cloned(),
            wakers: immediate.work.waker(&waker_of).into_iter().collect(),
            ..ResourceEntry::new(ResourceKind::Immediate, Some(immediate.location))
        });
        resources.collect()
    }

    /// Removes all immediates, which the caller drops outside of any borrow.
    pub(crate) fn take_all(&mut self) -> Vec<Macrotask> {
        self.begin_round();
        std::iter::from_fn(|| self.next()).collect()
    }

    fn pending(&self, id: ImmediateId) -> Option<&Immediate> {
        let index = id.checked_sub(self.first)?;
        self.queue.get(index as usize)?.as_ref()
    }

    fn slot(&mut self, id: ImmediateId) -> Option<&mut Option<Immediate>> {
        let index = id.checked_sub(self.first)?;
        self.queue.get_mut(index as usize)
    }
}
