//! The tasks that wait for one direction of a source, and which of them an event wakes.
//!
//! An event wakes every future that waits for readiness itself, but only one of those that wait to
//! perform an operation ([`WakeRule`]). That one passes the readiness on: when its operation has left
//! the source ready, or when it is dropped instead, the next one is woken. So n tasks that receive
//! n datagrams are woken n times in total, not n times for each datagram.

use std::collections::BTreeMap;
use std::task::Waker;

use super::Direction;

/// The tasks that wait for one direction of a source.
#[derive(Default)]
pub(super) struct Waiters {
    /// The task that polls, as in `AsyncRead::poll_read`.
    poller: Option<Waker>,
    /// Tasks that hold a future: first those that every event wakes, then those that are woken in
    /// turn, each in the order of their first polls.
    futures: BTreeMap<(WakeRule, u64), Waker>,
}

/// Which of the futures that wait for the same direction an event wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WakeRule {
    /// All of them: they wait for readiness and do not use it up.
    Every,
    /// One of them: it performs an operation, which uses up what has arrived.
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
    /// Drop its waker.
    Drop(Waker),
    /// Wake the next one: it had been woken and has not used the readiness.
    PassOn(Waker),
}

/// What an event wakes.
pub(super) enum Woken {
    One(Option<Waker>),
    Several(Vec<Waker>),
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
        usize::from(self.poller.is_some()) + self.futures.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn wakers(&self) -> impl Iterator<Item = &Waker> {
        self.poller.iter().chain(self.futures.values())
    }

    /// Makes a task the one that polls. Returns whether there was none, and the waker of the task
    /// that it replaces.
    pub(super) fn set_poller(&mut self, waker: &Waker) -> (bool, Option<Waker>) {
        let known = self.poller.as_ref();
        if known.is_some_and(|known| known.will_wake(waker)) {
            return (false, None);
        }
        let replaced = self.poller.replace(waker.clone());
        (replaced.is_none(), replaced)
    }

    /// Adds a future under a new `number`, or updates its waker. Returns whether it is new, and the
    /// waker that was replaced.
    pub(super) fn set(
        &mut self,
        id: &mut WaiterId,
        number: u64,
        waker: &Waker,
    ) -> (bool, Option<Waker>) {
        let known = id.number.map(|number| (id.rule, number));
        match known.and_then(|known| self.futures.get_mut(&known)) {
            Some(known) if known.will_wake(waker) => (false, None),
            Some(known) => (false, Some(std::mem::replace(known, waker.clone()))),
            None => {
                id.number = Some(number);
                self.futures.insert((id.rule, number), waker.clone());
                (true, None)
            }
        }
    }

    pub(super) fn remove(&mut self, id: &mut WaiterId) -> Option<Waker> {
        let number = id.number.take()?;
        self.futures.remove(&(id.rule, number))
    }

    pub(super) fn take_all(&mut self) -> Vec<Waker> {
        let futures = std::mem::take(&mut self.futures).into_values();
        self.poller.take().into_iter().chain(futures).collect()
    }

    /// Removes the wakers that an event wakes.
    pub(super) fn take_woken(&mut self) -> Woken {
        if self.futures.is_empty() {
            return Woken::One(self.poller.take());
        }
        let mut wakers: Vec<Waker> = self.poller.take().into_iter().collect();
        while let Some(((rule, _), waker)) = self.futures.pop_first() {
            wakers.push(waker);
            if rule == WakeRule::InTurn {
                break;
            }
        }
        match wakers.len() {
            1 => Woken::One(wakers.pop()),
            _ => Woken::Several(wakers),
        }
    }

    /// Removes the waker of the next future.
    pub(super) fn take_next(&mut self) -> Option<Waker> {
        self.futures.pop_first().map(|(_, waker)| waker)
    }
}

impl Woken {
    pub(super) fn len(&self) -> usize {
        match self {
            Woken::One(waker) => usize::from(waker.is_some()),
            Woken::Several(wakers) => wakers.len(),
        }
    }
}
