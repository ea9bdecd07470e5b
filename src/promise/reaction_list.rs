//! The reactions of one pending promise.

use std::task::Waker;

/// The reactions of a pending promise, in the order in which they were added. Most promises have
/// one, which needs no allocation.
#[derive(Default)]
pub(super) struct Reactions {
    pub(super) first: Option<(u64, Reaction)>,
    /// Sorted by id.
    pub(super) more: Vec<(u64, Reaction)>,
    next_id: u64,
}

pub(super) enum Reaction {
    /// Wakes an awaiting task: one turn.
    Wake(Waker),
    /// Settles the promise returned by `map`, together with this one: no turn.
    Map(Box<dyn FnOnce()>),
}

impl Reactions {
    /// Adds a reaction and returns its id.
    pub(super) fn add(&mut self, reaction: Reaction) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if self.first.is_none() && self.more.is_empty() {
            self.first = Some((id, reaction));
        } else {
            self.more.push((id, reaction));
        }
        id
    }

    /// Changes the waker of a reaction. The caller drops the old one outside of the borrow.
    pub(super) fn replace(&mut self, id: u64, waker: &Waker) -> Option<Reaction> {
        let reaction = match &mut self.first {
            Some((known, reaction)) if *known == id => reaction,
            _ => {
                let index = self.index_of(id)?;
                &mut self.more[index].1
            }
        };
        match reaction {
            Reaction::Wake(known) if known.will_wake(waker) => None,
            _ => Some(std::mem::replace(reaction, Reaction::Wake(waker.clone()))),
        }
    }

    /// Removes a reaction. The caller drops it outside of the borrow.
    pub(super) fn remove(&mut self, id: u64) -> Option<Reaction> {
        if let Some((_, reaction)) = self.first.take_if(|(known, _)| *known == id) {
            return Some(reaction);
        }
        let index = self.index_of(id)?;
        Some(self.more.remove(index).1)
    }

    /// Takes out the first reaction and the others. Most promises have no others, and `None` is cheaper
    /// to drop than an empty list.
    pub(super) fn take_all(&mut self) -> (Option<Reaction>, Option<Vec<(u64, Reaction)>>) {
        let first = self.first.take().map(|(_, reaction)| reaction);
        let more = (!self.more.is_empty()).then(|| std::mem::take(&mut self.more));
        (first, more)
    }

    fn index_of(&self, id: u64) -> Option<usize> {
        self.more
            .binary_search_by_key(&id, |(known, _)| *known)
            .ok()
    }
}
