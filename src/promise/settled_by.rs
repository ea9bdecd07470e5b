//! What will settle a pending promise, in one word.

use std::cell::Cell;

use crate::blocking::pool::JobId;

/// What will settle a pending promise, and so what [`State::abort`](super::state::State::abort) has to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettledBy {
    /// A task that has not returned from its first poll, or nothing because the promise has
    /// settled.
    None,
    /// A resolver, or a `map` of another promise.
    Resolver,
    /// A task, by its key in the loop's list of tasks.
    Task(usize),
    /// A job of the worker pool.
    Job(JobId),
}

/// A [`SettledBy`] in one word: the number of the task or the job, and two bits for the variant.
#[derive(Default)]
pub(crate) struct SettledByCell {
    word: Cell<u64>,
}

impl SettledByCell {
    #[inline]
    pub(crate) fn get(&self) -> SettledBy {
        let word = self.word.get();
        match word & 3 {
            NONE => SettledBy::None,
            RESOLVER => SettledBy::Resolver,
            TASK => SettledBy::Task((word >> 2) as usize),
            _ => SettledBy::Job(word >> 2),
        }
    }

    #[inline]
    pub(crate) fn set(&self, settled_by: SettledBy) {
        self.word.set(match settled_by {
            SettledBy::None => NONE,
            SettledBy::Resolver => RESOLVER,
            SettledBy::Task(index) => (index as u64) << 2 | TASK,
            SettledBy::Job(id) => id << 2 | JOB,
        });
    }

    #[inline]
    pub(super) fn replace(&self, settled_by: SettledBy) -> SettledBy {
        let before = self.get();
        self.set(settled_by);
        before
    }
}

const NONE: u64 = 0;
const RESOLVER: u64 = 1;
const TASK: u64 = 2;
const JOB: u64 = 3;
