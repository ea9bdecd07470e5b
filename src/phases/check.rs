//! The check phase: immediates (R37–R40).
//!
//! Immediates are in one queue and numbered in the order in which they are created. A round of the
//! phase remembers the number of the first immediate that does *not* belong to it, so an immediate
//! that is created meanwhile waits for the next check phase (R37). A cleared immediate leaves a gap
//! in the queue, even within the running round (R38).
//!
//! The queue is a ring: the immediate of a number is found at that number modulo the capacity, which is a
//! power of two, without the position of the first one.
//!
//! Invariant: the queue contains exactly the numbers `first..next`, and `next - first <= capacity`.
//! Invariant: `first <= end_of_round <= next` while a round runs.
//! Invariant: the place of `next` is one of the ring, or the first that the ring does not have yet.

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

/// An immediate that was handed out and only wakes a task of the loop.
pub(crate) struct WakingImmediate {
    pub(crate) task: TaskKey,
    location: SourceLocation,
    entry: u32,
    id: ImmediateId,
}

impl WakingImmediate {
    #[inline]
    pub(crate) fn origin(&self) -> Origin {
        origin(self.id, self.location, self.entry)
    }
}

#[inline]
fn origin(id: ImmediateId, location: SourceLocation, entry: u32) -> Origin {
    Origin {
        entry,
        ..Origin::of(StepKind::Immediate, location, id)
    }
}

impl Immediate {
    #[inline]
    fn origin(&self, id: ImmediateId) -> Origin {
        origin(id, self.location, self.entry)
    }

    fn into_macrotask(self, id: ImmediateId) -> Macrotask {
        let origin = self.origin(id);
        Macrotask::new(self.work, origin)
    }
}

#[derive(Default)]
pub(crate) struct Check {
    /// The places of the ring, as far as they were used.
    places: Vec<Option<Immediate>>,
    /// How many places the ring may have: a power of two, or 0 before the first immediate.
    capacity: usize,
    /// The number of the immediate at the head of the queue.
    first: ImmediateId,
    /// The number that the next immediate gets.
    next: ImmediateId,
    /// The running round ends before this number.
    end_of_round: ImmediateId,
    /// How many pending immediates are ref'd: they keep the loop alive (R6).
    refed: usize,
}

/// The capacity of a ring with one immediate.
const SMALLEST: usize = 8;

impl Check {
    /// Returns the number that the next immediate gets.
    pub(crate) fn next_id(&self) -> ImmediateId {
        self.next
    }

    /// Adds an immediate. `work` makes its work in its place.
    #[inline(always)] // so that the work is not copied
    pub(crate) fn push(
        &mut self,
        work: impl FnOnce() -> Work,
        location: SourceLocation,
        entry: u32,
    ) -> ImmediateId {
        let id = self.next;
        let spent = std::mem::replace(self.add(location, entry), work());
        std::mem::forget(spent); // it owns nothing
        id
    }

    /// Adds an immediate whose work is to wake nothing yet.
    #[inline]
    pub(crate) fn push_wake(&mut self, location: SourceLocation, entry: u32) -> ImmediateId {
        let id = self.next;
        self.add(location, entry);
        id
    }

    /// Adds an immediate, and returns its work, which is to wake nothing. It is filled in its place: a
    /// processor that reads with one load what has just been written in parts waits longer than a call of
    /// the immediate takes.
    #[inline(always)] // a part of both
    fn add(&mut self, location: SourceLocation, entry: u32) -> &mut Work {
        if self.next - self.first == self.capacity as u64 {
            self.grow();
        }
        let index = self.index(self.next);
        self.next += 1;
        self.refed += 1;
        if index == self.places.len() {
            self.add_place();
        }
        let place = &mut self.places[index];
        let before = place.replace(Immediate {
            work: Work::Wake(None),
            location,
            entry,
            refed: true,
        });
        std::mem::forget(before); // the place was empty
        match place {
            Some(immediate) => &mut immediate.work,
            None => unreachable!("it was filled"),
        }
    }

    /// Begins a round with the immediates that are queued now (R37).
    pub(crate) fn begin_round(&mut self) {
        self.end_of_round = self.next;
    }

    /// Returns the next immediate of the round.
    pub(crate) fn next(&mut self) -> Option<Macrotask> {
        while self.first < self.end_of_round {
            let id = self.first;
            self.first += 1;
            let index = self.index(id);
            if let Some(immediate) = self.places[index].take() {
                self.refed -= usize::from(immediate.refed);
                return Some(immediate.into_macrotask(id));
            }
        }
        None
    }

    /// Returns the next immediate of the round if it only wakes a task of the loop, which needs no
    /// [`Macrotask`].
    #[inline(always)] // a part of the check phase
    pub(crate) fn next_wake(&mut self) -> Option<WakingImmediate> {
        if self.first >= self.end_of_round {
            return None;
        }
        let id = self.first;
        let index = self.index(id);
        let place = &mut self.places[index];
        let Some(immediate) = place else {
            return None;
        };
        let Work::WakeTask(task) = immediate.work else {
            return None;
        };
        let (location, entry) = (immediate.location, immediate.entry);
        self.refed -= usize::from(immediate.refed);
        self.first += 1;
        std::mem::forget(place.take()); // a key owns nothing
        Some(WakingImmediate {
            task,
            location,
            entry,
            id,
        })
    }

    /// Returns `true` if only cleared immediates are left in the running round.
    pub(crate) fn round_is_over(&self) -> bool {
        let mut left = self.first..self.end_of_round;
        left.all(|id| self.pending(id).is_none())
    }

    /// Removes an immediate (R38), which the caller drops outside of any borrow.
    pub(crate) fn clear(&mut self, id: ImmediateId) -> Option<Macrotask> {
        let immediate = self.place(id)?.take()?;
        self.refed -= usize::from(immediate.refed);
        Some(immediate.into_macrotask(id))
    }

    /// Gives a pending immediate a label for reports. Returns its origin.
    pub(crate) fn set_label(&mut self, id: ImmediateId, label: Arc<str>) -> Option<Origin> {
        let immediate = self.place(id)?.as_mut()?;
        immediate.work.set_label(label);
        Some(immediate.origin(id))
    }

    /// Returns `true` if an immediate has been handed out, or was cleared before one that has.
    #[inline]
    pub(crate) fn has_passed(&self, id: ImmediateId) -> bool {
        id < self.first
    }

    /// Returns the work of a pending immediate, so that its waker can be replaced.
    pub(crate) fn pending_work(&mut self, id: ImmediateId) -> Option<&mut Work> {
        Some(&mut self.place(id)?.as_mut()?.work)
    }

    pub(crate) fn set_refed(&mut self, id: ImmediateId, refed: bool) {
        if let Some(Some(immediate)) = self.place(id) {
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
        let pending = (self.first..self.next).filter_map(|id| self.pending(id));
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
        if self.has_passed(id) {
            return None;
        }
        self.places.get(self.index(id))?.as_ref()
    }

    #[inline]
    fn place(&mut self, id: ImmediateId) -> Option<&mut Option<Immediate>> {
        if self.has_passed(id) {
            return None;
        }
        let index = self.index(id);
        self.places.get_mut(index)
    }

    /// Returns where the ring has the immediate of a number.
    #[inline]
    fn index(&self, id: ImmediateId) -> usize {
        id as usize & self.capacity.wrapping_sub(1)
    }

    #[cold]
    fn add_place(&mut self) {
        self.places.push(None);
    }

    /// Doubles the capacity of a full ring. The places of the second half are added as they are used, so
    /// that a large queue does not use twice the memory.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let half = self.capacity;
        self.capacity = (2 * half).max(SMALLEST);
        self.places.reserve_exact(self.capacity - self.places.len());
        if self.index(self.first) >= half && half > 0 {
            // The head moves to the second half, after places that get no immediate now.
            self.places.resize_with(self.capacity, || None);
        }
        for id in self.first..self.next {
            let index = self.index(id);
            if index >= half {
                let moved = self.places[index - half].take();
                match self.places.get_mut(index) {
                    Some(place) => *place = moved,
                    None => self.places.push(moved),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
