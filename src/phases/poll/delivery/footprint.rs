//! What one event of a run has touched, from which an exploration of every order concludes whether
//! two events depend on each other.
//!
//! An event is one arrival with its drain, or the rest of a turn after the poll phase. Two events are
//! independent if no key is in the footprints of both, or only in ways that commute. Everything that
//! is not seen must be covered by [`Key::User`].
//!
//! This file never touches a queue.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};

/// Something that two events may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// All state of the program that is not declared.
    User,
    Clock,
    Timers,
    /// Immediates, pending callbacks and close callbacks, which the rest of a turn runs.
    Turn,
    Simulated,
    /// Which jobs have a thread (R60).
    Pool,
    /// Whether jobs are outstanding, which hold the clock.
    Outstanding,
    /// Real sockets and other sources, whose effects on each other are unknown.
    Sources,
    /// Whether any promise has been settled: read by what awaits a settled promise.
    Settled,
    /// A promise, and the task that settles it, by its name.
    Promise(u64),
    /// A log, by its name.
    Log(u64),
    /// Declared state, by its name.
    Declared(u64),
}

/// How an event touches a key. Two reads commute, and so do two additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Add,
    Write,
}

/// The keys that one event has touched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Footprint {
    keys: FxHashMap<Key, Access>,
}

impl Footprint {
    pub(crate) fn touch(&mut self, key: Key, access: Access) {
        let merged = self.keys.entry(key).or_insert(access);
        if *merged != access {
            *merged = Access::Write;
        }
    }

    /// Adds everything that `other` has touched.
    pub(crate) fn extend(&mut self, other: &Footprint) {
        for (key, access) in &other.keys {
            self.touch(*key, *access);
        }
    }

    pub(super) fn has_written(&self, key: Key) -> bool {
        self.keys.get(&key) == Some(&Access::Write)
    }

    /// Returns whether the order of two events matters. Keys that `is_ignored` are left out.
    pub(crate) fn conflicts_with(&self, other: &Footprint, is_ignored: fn(Key) -> bool) -> bool {
        let (few, many) = match self.keys.len() <= other.keys.len() {
            true => (self, other),
            false => (other, self),
        };
        few.keys.iter().any(|(key, access)| {
            let both = many.keys.get(key);
            both.is_some_and(|both| both != access || *access == Access::Write) && !is_ignored(*key)
        })
    }
}

/// The footprint of the event that is running, and the names of what it creates.
#[derive(Default)]
pub(crate) struct Footprints {
    current: RefCell<Footprint>,
    /// The hash of the running event, and how many names it has given.
    event: Cell<u64>,
    created: Cell<u64>,
    /// Whether the running event has entered code of the program.
    has_run: Cell<bool>,
}

impl Footprints {
    pub(crate) fn touch(&self, key: Key, access: Access) {
        self.current.borrow_mut().touch(key, access);
    }

    /// Records that the running event enters code of the program.
    pub(crate) fn note_step(&self) {
        self.has_run.set(true);
    }

    pub(super) fn has_run(&self) -> bool {
        self.has_run.get()
    }

    /// Returns a name for what the running event creates: the same one in every order in which this
    /// event does the same.
    pub(crate) fn new_name(&self) -> u64 {
        let number = self.created.get() + 1;
        self.created.set(number);
        hash(&(self.event.get(), number))
    }

    /// Returns the hash of the running event.
    pub(crate) fn event(&self) -> u64 {
        self.event.get()
    }

    /// Begins an event, which is identified by `event` in every order.
    pub(super) fn begin(&self, event: impl Hash) {
        self.event.set(hash(&event));
        self.created.set(0);
        self.has_run.set(false);
    }

    /// Ends the running event and returns what it has touched.
    pub(super) fn end(&self) -> Footprint {
        self.current.take()
    }
}

/// Returns a hash that is the same in every run.
pub(crate) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::{Access, Footprint, Key};

    #[test]
    fn only_reads_of_both_or_additions_of_both_commute() {
        let of = |access| {
            let mut footprint = Footprint::default();
            footprint.touch(Key::Clock, access);
            footprint
        };
        let all = [Access::Read, Access::Add, Access::Write];
        for (first, second) in all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b))) {
            let commute = first == second && first != Access::Write;
            let conflict = of(first).conflicts_with(&of(second), |_| false);
            assert_eq!(conflict, !commute, "{first:?} {second:?}");
        }
        assert!(!of(Access::Write).conflicts_with(&Footprint::default(), |_| false));
        let mut both = of(Access::Read);
        both.touch(Key::Clock, Access::Add);
        assert!(both.conflicts_with(&of(Access::Read), |_| false));
        assert!(!both.conflicts_with(&of(Access::Write), |key| key == Key::Clock));
    }
}
