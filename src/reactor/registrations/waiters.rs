//! The tasks that wait for one direction of a source, and which of them an event wakes.
//!
//! An event wakes every future that waits for readiness itself, but only one of those that wait to
//! perform an operation ([`WakeRule`]). That one passes the readiness on: when its operation has left
//! the source ready, or when it is dropped instead, the next one is woken. So n tasks that receive
//! n datagrams are woken n times in total, not n times for each datagram.

use std::collections::BTreeMap;
use std::task::Waker;

use super::Direction;
use crate::phases::macrotask::{TaskKey, Waiter};

/// The tasks that wait for one direction of a source. Usually there is one at most, which needs no
/// allocation.
#[derive(Default)]
pub(super) enum Waiters {
    #[default]
    None,
    One(WaiterKey, Waiter),
    #[expect(clippy::box_collection, reason = "each source has two of these")]
    Several(Box<BTreeMap<WaiterKey, Waiter>>),
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Waiters>() <= 40);

/// The place of a task among those that wait: by rule, then in the order of their first polls.
pub(super) type WaiterKey = (WakeRule, u64);

/// The place of the task that polls, as in `AsyncRead::poll_read`.
const POLLER: WaiterKey = (WakeRule::Poller, 0);

/// Which of those that wait for the same direction an event wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WakeRule {
    /// The one that polls.
    Poller,
    /// All futures of this kind: they wait for readiness and do not use it up.
    Every,
    /// One of the futures of this kind: it performs an operation, which uses up what has arrived.
    InTurn,
}

/// Identifies a future among the waiters of a source.
#[derive(Debug)]
pub(crate) struct WaiterId {
    rule: WakeRule,
    /// `None` before the first poll and after the last.
    number: Option<u64>,
}

/// What the caller has to do for a future that was forgotten, outside of any borrow.
#[must_use]
pub(crate) enum Forgotten {
    /// It did not wait.
    Nothing,
    /// Drop it.
    Drop(Waiter),
    /// Wake the next one: it had been woken and has not used the readiness.
    PassOn(Waiter),
}

/// What an event wakes.
pub(super) enum Woken {
    One(Option<Waiter>),
    Several(Vec<Waiter>),
}

impl WaiterId {
    /// The id of a future that waits for readiness: every event wakes it.
    pub(crate) fn of_readiness() -> WaiterId {
        WaiterId {
            rule: WakeRule::Every,
            number: None,
        }
    }

    /// The id of a future that waits to perform an operation. Those that read are woken in turn; an
    /// event that permits one write usually permits many.
    pub(crate) fn of_operation(direction: Direction) -> WaiterId {
        let rule = match direction {
            Direction::Read => WakeRule::InTurn,
            Direction::Write => WakeRule::Every,
        };
        WaiterId { rule, number: None }
    }

    /// Returns whether the future has been polled and not been served.
    pub(super) fn is_waiting(&self) -> bool {
        self.number.is_some()
    }

    pub(super) fn is_woken_in_turn(&self) -> bool {
        self.rule == WakeRule::InTurn
    }
}

impl Waiters {
    pub(super) fn len(&self) -> usize {
        match self {
            Waiters::None => 0,
            Waiters::One(..) => 1,
            Waiters::Several(several) => several.len(),
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Waiters::None)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiter> {
        let (one, several) = match self {
            Waiters::None => (None, None),
            Waiters::One(_, one) => (Some(one), None),
            Waiters::Several(several) => (None, Some(several.values())),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    /// Makes a task the one that polls. Returns whether there was none, and what it replaces.
    #[inline]
    pub(super) fn set_poller(&mut self, poller: WaiterOf<'_>) -> (bool, Option<Waiter>) {
        match self {
            Waiters::None => {
                *self = Waiters::One(POLLER, poller.into_waiter());
                (true, None)
            }
            _ => self.set_at(POLLER, poller),
        }
    }

    /// Adds a future under a new `number`, or updates it. Returns whether it is new, and what was
    /// replaced.
    pub(super) fn set(
        &mut self,
        id: &mut WaiterId,
        number: u64,
        waiter: WaiterOf<'_>,
    ) -> (bool, Option<Waiter>) {
        let known = id.number;
        let known = known.filter(|known| self.get_mut((id.rule, *known)).is_some());
        let number = known.unwrap_or(number);
        id.number = Some(number);
        self.set_at((id.rule, number), waiter)
    }

    fn set_at(&mut self, key: WaiterKey, waiter: WaiterOf<'_>) -> (bool, Option<Waiter>) {
        match self.get_mut(key) {
            Some(known) if waiter.is_same(known) => (false, None),
            Some(known) => (false, Some(std::mem::replace(known, waiter.into_waiter()))),
            None => {
                self.insert(key, waiter.into_waiter());
                (true, None)
            }
        }
    }

    fn get_mut(&mut self, key: WaiterKey) -> Option<&mut Waiter> {
        match self {
            Waiters::One(one, waiter) if *one == key => Some(waiter),
            Waiters::None | Waiters::One(..) => None,
            Waiters::Several(several) => several.get_mut(&key),
        }
    }

    fn insert(&mut self, key: WaiterKey, waiter: Waiter) {
        *self = match std::mem::take(self) {
            Waiters::None => Waiters::One(key, waiter),
            Waiters::One(one, first) => {
                Waiters::Several(Box::new(BTreeMap::from([(one, first), (key, waiter)])))
            }
            Waiters::Several(mut several) => {
                several.insert(key, waiter);
                Waiters::Several(several)
            }
        };
    }

    pub(super) fn remove(&mut self, id: &mut WaiterId) -> Option<Waiter> {
        let key = (id.rule, id.number.take()?);
        match self {
            Waiters::One(one, _) if *one == key => self.take_first().map(|(_, waiter)| waiter),
            Waiters::None | Waiters::One(..) => None,
            Waiters::Several(several) => {
                let removed = several.remove(&key);
                self.shrink();
                removed
            }
        }
    }

    pub(super) fn take_all(&mut self) -> Vec<Waiter> {
        match std::mem::take(self) {
            Waiters::None => Vec::new(),
            Waiters::One(_, waiter) => vec![waiter],
            Waiters::Several(several) => several.into_values().collect(),
        }
    }

    /// Removes a task of the loop, if nothing else waits.
    #[inline]
    pub(super) fn take_task(&mut self) -> Option<TaskKey> {
        let Waiters::One(_, Waiter::Task(task)) = self else {
            return None;
        };
        let task = *task;
        std::mem::forget(std::mem::take(self)); // a key owns nothing
        Some(task)
    }

    /// Removes those that an event wakes.
    #[inline]
    pub(super) fn take_woken(&mut self) -> Woken {
        match self {
            Waiters::Several(_) => self.take_several(),
            _ => Woken::One(self.take_first().map(|(_, waiter)| waiter)),
        }
    }

    #[cold]
    fn take_several(&mut self) -> Woken {
        let mut woken = Vec::new();
        while let Some(((rule, _), waiter)) = self.take_first() {
            woken.push(waiter);
            if rule == WakeRule::InTurn {
                break;
            }
        }
        match woken.len() {
            1 => Woken::One(woken.pop()),
            _ => Woken::Several(woken),
        }
    }

    /// Removes the next future.
    #[inline]
    pub(super) fn take_next(&mut self) -> Option<Waiter> {
        debug_assert!(
            self.get_mut(POLLER).is_none(),
            "an event wakes the one that polls"
        );
        self.take_first().map(|(_, waiter)| waiter)
    }

    #[inline]
    fn take_first(&mut self) -> Option<(WaiterKey, Waiter)> {
        if let Waiters::Several(several) = self {
            let first = several.pop_first();
            self.shrink();
            return first;
        }
        match std::mem::take(self) {
            Waiters::One(key, waiter) => Some((key, waiter)),
            Waiters::None | Waiters::Several(_) => None,
        }
    }

    /// Frees the map when it is empty. With one entry it is kept, because more may follow.
    fn shrink(&mut self) {
        if matches!(self, Waiters::Several(several) if several.is_empty()) {
            *self = Waiters::None;
        }
    }
}

/// What is about to wait: the task that is being polled, or any other waker.
#[derive(Clone, Copy)]
pub(crate) enum WaiterOf<'a> {
    Task(TaskKey),
    Waker(&'a Waker),
}

impl WaiterOf<'_> {
    fn is_same(self, known: &Waiter) -> bool {
        match (self, known) {
            (WaiterOf::Task(task), Waiter::Task(known)) => task == *known,
            (WaiterOf::Waker(waker), Waiter::Waker(known)) => known.will_wake(waker),
            _ => false,
        }
    }

    #[inline]
    fn into_waiter(self) -> Waiter {
        match self {
            WaiterOf::Task(task) => Waiter::Task(task),
            WaiterOf::Waker(waker) => Waiter::Waker(waker.clone()),
        }
    }
}

impl Woken {
    pub(super) fn len(&self) -> usize {
        match self {
            Woken::One(waiter) => usize::from(waiter.is_some()),
            Woken::Several(waiters) => waiters.len(),
        }
    }
}
