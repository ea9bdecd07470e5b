//! A timer, and where it is stored.
//!
//! A program may have a million timers, which fire in another order than that in which they are stored.
//! A timer therefore has only what every timer needs, in 64 bytes; the period of an interval and the
//! number for observers are in maps of their own ([`Timers`](super::Timers)).

use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};
use std::panic::Location;

use slab::Slab;

use super::list::Link;
use crate::phases::macrotask::{SourceLocation, Work};

/// Identifies a timer. The number is one more than the index, so that a key that may be missing needs no
/// more space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TimerKey(NonZeroU32);

impl TimerKey {
    fn of(index: usize) -> TimerKey {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        TimerKey(number.expect("a loop has fewer than 2^32 timers"))
    }

    /// Returns the key with a number of [`number`](TimerKey::number), which is zero for none.
    #[inline]
    pub(super) fn from_number(number: u32) -> Option<TimerKey> {
        NonZeroU32::new(number).map(TimerKey)
    }

    /// Returns a number that is not zero.
    #[inline]
    pub(super) fn number(self) -> u32 {
        self.0.get()
    }

    #[inline]
    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

pub(super) struct Timer {
    pub(super) work: Work,
    pub(super) location: SourceLocation,
    /// The clock when it was armed, in milliseconds (`_idleStart`).
    pub(super) start_ms: u64,
    /// Its position in a list, or else its duration. The duration is missing once it was cleared while
    /// pending (`_idleTimeout` = -1).
    pub(super) link: Link,
    /// How many handles refer to the timer. Its key is not reused while there are any.
    pub(super) handles: u32,
    /// Whether there is something to call; cleared timers have nothing (`_onTimeout`).
    pub(super) has_callback: bool,
    /// Whether it is neither pending nor running (`_destroyed`).
    pub(super) destroyed: bool,
    /// Whether it keeps the loop alive while it is not destroyed (`kRefed`).
    pub(super) refed: bool,
    /// Whether its work was taken and has not been returned with [`Timers::finished`](super::Timers::finished).
    pub(super) is_running: bool,
    /// Whether it is an interval, which has a period (`_repeat`).
    pub(super) repeats: bool,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Timer>() <= 64);

/// The timers by their keys.
#[derive(Default)]
pub(super) struct Slots {
    slab: Slab<Timer>,
}

/// A ref'd timer with one handle, without what its creator sets.
const NEW: Timer = Timer {
    work: Work::Nothing,
    location: Location::caller(),
    start_ms: 0,
    link: Link::CLEARED,
    handles: 1,
    has_callback: true,
    destroyed: false,
    refed: true,
    is_running: false,
    repeats: false,
};

impl Slots {
    /// Returns the key of the timer that is inserted next.
    #[inline]
    pub(super) fn next_key(&self) -> TimerKey {
        TimerKey::of(self.slab.vacant_key())
    }

    /// Inserts a timer that is not complete: the caller sets its location, its start, its link and its
    /// work, each in its place.
    #[inline]
    pub(super) fn insert_new(&mut self) -> &mut Timer {
        self.slab.vacant_entry().insert(NEW)
    }

    /// Removes a timer whose work was taken or is the key of a task.
    #[inline]
    pub(super) fn remove_empty(&mut self, key: TimerKey) {
        // It owns nothing, and is not copied.
        std::mem::forget(self.slab.remove(key.index()));
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn get(&self, key: TimerKey) -> Option<&Timer> {
        self.slab.get(key.index())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (TimerKey, &Timer)> {
        let timers = self.slab.iter();
        timers.map(|(index, timer)| (TimerKey::of(index), timer))
    }
}

impl Index<TimerKey> for Slots {
    type Output = Timer;

    #[inline]
    fn index(&self, key: TimerKey) -> &Timer {
        &self.slab[key.index()]
    }
}

impl IndexMut<TimerKey> for Slots {
    #[inline]
    fn index_mut(&mut self, key: TimerKey) -> &mut Timer {
        &mut self.slab[key.index()]
    }
}
