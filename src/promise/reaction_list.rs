//! The reactions of one pending promise.

use std::task::{Context, Waker};

use crate::phases::macrotask::TaskKey;

/// The reactions of a pending promise, in the order in which they were added. Most promises have
/// one, which needs no allocation. The others are in an allocation of their own, because every promise
/// has the room for this.
#[derive(Default)]
pub(super) struct Reactions {
    pub(super) first: Option<(u64, Reaction)>,
    more: Option<Box<MoreReactions>>,
}

/// All reactions but the first, sorted by id.
#[derive(Default)]
pub(super) struct MoreReactions {
    list: Vec<(u64, Reaction)>,
}

impl MoreReactions {
    /// Returns the reactions in the order in which they were added.
    pub(super) fn into_reactions(self) -> impl Iterator<Item = Reaction> {
        self.list.into_iter().map(|(_, reaction)| reaction)
    }

    fn index_of(&self, id: u64) -> Option<usize> {
        self.list
            .binary_search_by_key(&id, |(known, _)| *known)
            .ok()
    }
}

pub(super) enum Reaction {
    /// Wakes an awaiting task: one turn.
    Wake(Waker),
    /// The same for a task of the loop.
    WakeTask(TaskKey),
    /// Settles the promise returned by `map`, together with this one: no turn.
    Map(Box<dyn FnOnce()>),
}

impl Reaction {
    /// Returns the reaction that wakes the task of `cx`: `task` if that is a task of the loop.
    #[inline]
    pub(super) fn waking(task: Option<TaskKey>, cx: &Context<'_>) -> Reaction {
        match task {
            Some(task) => Reaction::WakeTask(task),
            None => Reaction::Wake(cx.waker().clone()),
        }
    }
}

impl Reactions {
    /// Adds a reaction and returns its id, which is greater than the ids of the others.
    pub(super) fn add(&mut self, reaction: Reaction) -> u64 {
        if self.more.is_none() && self.first.is_none() {
            self.first = Some((0, reaction));
            return 0;
        }
        let list = &mut self.more.get_or_insert_default().list;
        let last = list.last().or(self.first.as_ref());
        let id = last.map_or(0, |(id, _)| id + 1);
        list.push((id, reaction));
        id
    }

    /// Returns all reactions in the order in which they were added.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Reaction> {
        let more = self.more.iter().flat_map(|more| &more.list);
        self.first.iter().chain(more).map(|(_, reaction)| reaction)
    }

    /// Makes a reaction wake the task of `cx`. The caller drops the old one outside of the borrow.
    pub(super) fn replace(
        &mut self,
        id: u64,
        task: Option<TaskKey>,
        cx: &Context<'_>,
    ) -> Option<Reaction> {
        let reaction = match &mut self.first {
            Some((known, reaction)) if *known == id => reaction,
            _ => {
                let more = self.more.as_mut()?;
                let index = more.index_of(id)?;
                &mut more.list[index].1
            }
        };
        match reaction {
            Reaction::Wake(known) if task.is_none() && known.will_wake(cx.waker()) => None,
            _ => Some(std::mem::replace(reaction, Reaction::waking(task, cx))),
        }
    }

    /// Removes a reaction. The caller drops it outside of the borrow.
    pub(super) fn remove(&mut self, id: u64) -> Option<Reaction> {
        if let Some((_, reaction)) = self.first.take_if(|(known, _)| *known == id) {
            return Some(reaction);
        }
        let more = self.more.as_mut()?;
        let index = more.index_of(id)?;
        let (_, removed) = more.list.remove(index);
        if more.list.is_empty() {
            self.more = None;
        }
        Some(removed)
    }

    /// Returns the first reaction and the others.
    pub(super) fn into_parts(self) -> (Option<Reaction>, Option<Box<MoreReactions>>) {
        (self.first.map(|(_, reaction)| reaction), self.more)
    }
}
