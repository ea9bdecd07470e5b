//! The reactions of one pending promise.

use std::task::{Context, Waker};

use crate::phases::macrotask::TaskKey;

/// The reactions of a pending promise, in the order in which they were added. Most promises have
/// one, which needs no allocation.
#[derive(Default)]
pub(super) enum Reactions {
    #[default]
    None,
    /// Its id is 0.
    One(Reaction),
    /// Sorted by id.
    #[expect(clippy::box_collection, reason = "every promise has the room for this")]
    Many(Box<Vec<(u64, Reaction)>>),
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
    #[inline]
    pub(super) fn add(&mut self, reaction: Reaction) -> u64 {
        match self {
            Reactions::None => {
                std::mem::forget(std::mem::replace(self, Reactions::One(reaction))); // owned nothing
                0
            }
            _ => self.add_another(reaction),
        }
    }

    /// Adds a reaction that wakes a task, as [`add`](Reactions::add) does. Each branch makes it in its
    /// place: a copy of what was just stored in parts waits for these stores.
    #[inline]
    pub(super) fn add_task(&mut self, task: TaskKey) -> u64 {
        match self {
            Reactions::None => {
                let first = Reactions::One(Reaction::WakeTask(task));
                std::mem::forget(std::mem::replace(self, first)); // owned nothing
                0
            }
            _ => self.add_another(Reaction::WakeTask(task)),
        }
    }

    #[inline(never)]
    fn add_another(&mut self, reaction: Reaction) -> u64 {
        if let Reactions::Many(list) = self {
            let id = list.last().map_or(0, |(id, _)| id + 1);
            list.push((id, reaction));
            return id;
        }
        if let Reactions::One(first) = std::mem::take(self) {
            *self = Reactions::Many(Box::new(vec![(0, first), (1, reaction)]));
        }
        1
    }

    /// Returns whether one of the reactions may own another promise.
    pub(super) fn may_own_promise(&self) -> bool {
        matches!(self, Reactions::One(Reaction::Map(_)) | Reactions::Many(_))
    }

    /// Calls `visit` with each reaction in the order in which they were added.
    pub(super) fn for_each(&self, mut visit: impl FnMut(&Reaction)) {
        match self {
            Reactions::None => {}
            Reactions::One(reaction) => visit(reaction),
            Reactions::Many(list) => list.iter().for_each(|(_, reaction)| visit(reaction)),
        }
    }

    /// Makes a reaction wake the task of `cx`. The caller drops the old one outside of the borrow.
    pub(super) fn replace(
        &mut self,
        id: u64,
        task: Option<TaskKey>,
        cx: &Context<'_>,
    ) -> Option<Reaction> {
        let reaction = match self {
            Reactions::One(reaction) if id == 0 => reaction,
            Reactions::Many(list) => {
                let index = index_of(list, id)?;
                &mut list[index].1
            }
            _ => return None,
        };
        match reaction {
            Reaction::Wake(known) if task.is_none() && known.will_wake(cx.waker()) => None,
            _ => Some(std::mem::replace(reaction, Reaction::waking(task, cx))),
        }
    }

    /// Removes a reaction. The caller drops it outside of the borrow.
    pub(super) fn remove(&mut self, id: u64) -> Option<Reaction> {
        match std::mem::take(self) {
            Reactions::One(reaction) if id == 0 => Some(reaction),
            Reactions::Many(mut list) => {
                let removed = index_of(&list, id).map(|index| list.remove(index).1);
                if !list.is_empty() {
                    *self = Reactions::Many(list);
                }
                removed
            }
            others => {
                *self = others;
                None
            }
        }
    }
}

fn index_of(list: &[(u64, Reaction)], id: u64) -> Option<usize> {
    list.binary_search_by_key(&id, |(known, _)| *known).ok()
}
