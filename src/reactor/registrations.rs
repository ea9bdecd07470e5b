//! The registered event sources, their readiness, and the tasks that wait for them.
//!
//! Every source is registered once, edge-triggered, for both directions, and its readiness is
//! remembered here. Reading (and accepting) starts as *not ready* and becomes ready only by an event
//! that the poll phase delivers, so that order does not depend on the kernel's timing. One event
//! permits at most [`READS_PER_EVENT`] reads, as in libuv (`stream.c` `uv__read`). Then the budget of
//! the source is *exhausted*, and the next poll phase serves it again without asking the kernel.
//! The same happens, depending on the release of Node, when only the end of a stream is left (R65).
//! Writing starts as *ready*: it is tried immediately, as in libuv.
//!
//! ```text
//!                     1 deliver                      3 would_block, or a short read
//!      not ready ────────────────▶ ready, N reads left ─────────────────▶ not ready
//!          ▲                           │ 2 consume_budget: none left
//!          └──── budget exhausted ◀────┘
//! ```
//!
//! 1 [`Registrations::deliver`], 2 [`Registrations::consume_budget`], 3
//! [`Registrations::would_block`] and [`Registrations::consume_budget`].
//!
//! The registrations never ask the kernel for events (the poll phase does) and never read or write a
//! source (its owner does).
//!
//! A future that performs an operation is woken in its turn and passes the readiness on (`waiters.rs`).
//! If it is neither polled nor dropped, the next poll phase finds the source still ready, and wakes the
//! next future.
//!
//! Invariants: a token carries the generation of its slot, so an event for a source that was
//! deregistered is ignored; a direction that is ready has no waiters except those that wait for their
//! turn; `refed_waiters` counts the waiters of ref'd sources; a source is in `budget_exhausted` if and
//! only if its reading direction is marked so.

mod events;
mod readiness;
mod replay;
#[cfg(test)]
mod tests;
mod waiters;

use std::io;
use std::rc::Rc;
use std::task::Waker;

use mio::event::Source;
use mio::{Interest, Token};

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{SourceLocation, TaskKey, Waiter};
use crate::reactor::poller::Poller;
use readiness::{INDEX_MASK, generation_of, index_of, next_generation, signal_token, source_token};
pub(crate) use readiness::{Readiness, SignalNumber, parts_of, signal_of};
use waiters::Waiters;
pub(crate) use waiters::{Forgotten, WaiterId, WaiterOf};

/// The number of reads that one event permits, libuv's bound.
pub(crate) const READS_PER_EVENT: u32 = 32;

/// The direction of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// Identifies a registered source by its slot and generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegistrationKey(Token);

impl RegistrationKey {
    /// Returns the token that events of the source carry.
    pub(crate) fn token(self) -> Token {
        self.0
    }
}

/// The result of polling a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourcePoll {
    Ready,
    /// Not ready: the task is remembered and will be woken.
    Waiting,
    /// The source is no longer registered.
    Gone,
}

/// What an operation reveals about the rest of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing: there may be more.
    Some,
    /// A read filled only a part of its buffer, but another packet may follow.
    ShortRead,
    /// A read filled only a part of its buffer, and there is no more.
    All,
}

/// When the end of a stream is reported that arrived together with data, after a read that filled
/// only a part of its buffer (R65).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// By the same event.
    SameEvent,
    /// By the next poll phase (`stream.c` `uv__stream_io`).
    NextPollPhase,
}

struct Slot {
    /// Odd while a source is registered. Truncated to the bits that fit into a token.
    generation: usize,
    read: DirectionState,
    write: DirectionState,
    refed: bool,
    location: SourceLocation,
}

#[derive(Default)]
struct DirectionState {
    ready: bool,
    /// Whether operations never block again.
    closed: bool,
    /// Operations that the last event still permits. Writes are not counted.
    budget: u32,
    /// Whether the next poll phase serves the source again.
    is_budget_exhausted: bool,
    /// Whether the next poll phase checks that the turn of a future was used.
    is_turn_checked: bool,
    waiters: Waiters,
}

impl DirectionState {
    /// Removes the next future, to which the readiness is passed on.
    #[inline]
    fn take_next(&mut self) -> Option<Waiter> {
        self.ready.then(|| self.waiters.take_next())?
    }
}

impl Slot {
    fn direction(&mut self, direction: Direction) -> &mut DirectionState {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }

    fn readiness(&self) -> Readiness {
        let (read, write) = (&self.read, &self.write);
        Readiness::new([read.ready, write.ready, read.closed, write.closed])
    }

    fn waiting(&self) -> usize {
        self.read.waiters.len() + self.write.waiters.len()
    }
}

pub(crate) struct Registrations {
    pub(crate) poller: Rc<Poller>,
    stream_end: StreamEnd,
    slots: Vec<Slot>,
    free: Vec<usize>,
    registered: usize,
    refed_waiters: usize,
    next_waiter: u64,
    /// Sources that the next poll phase serves again, in the order in which their budgets ended.
    budget_exhausted: Vec<Token>,
    /// Sources of which a future was woken in its turn, while others wait for theirs.
    turns: Vec<Token>,
    /// The number of sources that were ever registered.
    created: u64,
    /// The tokens of all sources, in a replay. The operating system does not know them.
    replayed: Option<Vec<Token>>,
}

impl Registrations {
    pub(crate) fn new(poller: Rc<Poller>, stream_end: StreamEnd) -> Registrations {
        Registrations {
            poller,
            stream_end,
            slots: Vec::new(),
            free: Vec::new(),
            registered: 0,
            refed_waiters: 0,
            next_waiter: 0,
            budget_exhausted: Vec::new(),
            turns: Vec::new(),
            created: 0,
            replayed: None,
        }
    }

    /// Registers a source for both directions until [`deregister`](Registrations::deregister).
    pub(crate) fn register(
        &mut self,
        source: &mut impl Source,
        location: SourceLocation,
    ) -> io::Result<RegistrationKey> {
        let index = self.free.last().copied().unwrap_or(self.slots.len());
        if index == INDEX_MASK {
            return Err(io::Error::other(
                "the loop has too many event sources: close some of them",
            ));
        }
        let generation = self.slots.get(index).map_or(0, |slot| slot.generation);
        let generation = next_generation(generation);
        let token = source_token(generation, index);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.register_with_system(source, token, interest)?;
        let slot = Slot {
            generation,
            read: DirectionState::default(),
            write: DirectionState {
                ready: true,
                ..DirectionState::default()
            },
            refed: true,
            location,
        };
        self.created += 1;
        match self.free.pop() {
            Some(index) => self.slots[index] = slot,
            None => self.slots.push(slot),
        }
        self.registered += 1;
        Ok(RegistrationKey(token))
    }

    /// Deregisters a source. The caller drops those that wait for it outside of any borrow.
    pub(crate) fn deregister(
        &mut self,
        key: RegistrationKey,
        source: &mut impl Source,
    ) -> (io::Result<()>, Vec<Waiter>) {
        let result = self.deregister_from_system(source);
        let Some(slot) = slot_of(&mut self.slots, key.0) else {
            return (result, Vec::new());
        };
        slot.generation = next_generation(slot.generation);
        let waiting = slot.waiting();
        let mut waiters = slot.read.waiters.take_all();
        waiters.append(&mut slot.write.waiters.take_all());
        self.refed_waiters -= if slot.refed { waiting } else { 0 };
        self.registered -= 1;
        self.free.push(index_of(key.0));
        (result, waiters)
    }

    /// Registers the pipe that reports the signals of a number, under a token that names the number.
    #[cfg_attr(
        not(unix),
        expect(dead_code, reason = "elsewhere, signals arrive as messages")
    )]
    pub(crate) fn watch_signal(
        &mut self,
        source: &mut impl Source,
        number: SignalNumber,
    ) -> io::Result<()> {
        let token = signal_token(number);
        self.register_with_system(source, token, Interest::READABLE)?;
        self.registered += 1;
        Ok(())
    }

    /// Ends [`watch_signal`](Registrations::watch_signal). An event in the batch is still delivered.
    #[cfg_attr(
        not(unix),
        expect(dead_code, reason = "elsewhere, signals arrive as messages")
    )]
    pub(crate) fn unwatch_signal(&mut self, source: &mut impl Source) {
        // An error means that the operating system has forgotten the source already.
        let _ = self.deregister_from_system(source);
        self.registered -= 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.registered == 0
    }

    /// Returns whether the next poll phase serves a source again without asking the operating system.
    pub(crate) fn has_source_to_serve(&self) -> bool {
        !self.budget_exhausted.is_empty()
            || self.turns.iter().any(|token| self.is_turn_left(*token))
    }

    /// Makes the next poll phase check whether the turn of a future was used, if others wait.
    fn check_turn(&mut self, token: Token) {
        let Some(slot) = slot_of(&mut self.slots, token) else {
            return;
        };
        if !slot.read.waiters.is_empty() && !std::mem::replace(&mut slot.read.is_turn_checked, true)
        {
            self.turns.push(token);
        }
    }

    /// Returns whether a source is ready to read although futures wait for their turns: the future
    /// that was woken was neither polled nor dropped.
    fn is_turn_left(&self, token: Token) -> bool {
        let slot = self.slots.get(index_of(token));
        let slot = slot.filter(|slot| slot.generation == generation_of(token));
        slot.is_some_and(|slot| slot.read.ready && !slot.read.waiters.is_empty())
    }

    pub(crate) fn has_refed_waiters(&self) -> bool {
        self.refed_waiters > 0
    }

    /// Sets whether waits on this source keep the loop alive.
    pub(crate) fn set_refed(&mut self, key: RegistrationKey, refed: bool) {
        let Some(slot) = slot_of(&mut self.slots, key.0) else {
            return;
        };
        let waiting = slot.waiting();
        match (std::mem::replace(&mut slot.refed, refed), refed) {
            (false, true) => self.refed_waiters += waiting,
            (true, false) => self.refed_waiters -= waiting,
            _ => {}
        }
    }

    pub(crate) fn has_ref(&mut self, key: RegistrationKey) -> bool {
        slot_of(&mut self.slots, key.0).is_some_and(|slot| slot.refed)
    }

    /// Returns what is known of a source; `None` if it is no longer registered.
    pub(crate) fn readiness(&mut self, key: RegistrationKey) -> Option<Readiness> {
        let slot = slot_of(&mut self.slots, key.0)?;
        Some(slot.readiness())
    }

    /// Returns whether a registered source is ready.
    #[inline]
    pub(crate) fn is_ready(&self, key: RegistrationKey, direction: Direction) -> bool {
        let slot = self.slots.get(index_of(key.0));
        slot.is_some_and(|slot| {
            let state = match direction {
                Direction::Read => &slot.read,
                Direction::Write => &slot.write,
            };
            slot.generation == generation_of(key.0) && state.ready
        })
    }

    /// Polls a source on behalf of a `poll_*` method. Unless the source is ready, the task replaces
    /// the one that polled before, which the caller drops outside of any borrow.
    pub(crate) fn poll_ready(
        &mut self,
        key: RegistrationKey,
        direction: Direction,
        waiter: WaiterOf<'_>,
    ) -> (SourcePoll, Option<Waiter>) {
        let Some(slot) = slot_of(&mut self.slots, key.0) else {
            return (SourcePoll::Gone, None);
        };
        let refed = slot.refed;
        let state = slot.direction(direction);
        if state.ready {
            return (SourcePoll::Ready, None);
        }
        let (is_new, replaced) = state.waiters.set_poller(waiter);
        self.refed_waiters += usize::from(is_new && refed);
        (SourcePoll::Waiting, replaced)
    }

    /// Polls a source on behalf of one of any number of futures. Unless the source is ready, the
    /// task is remembered under `id`. The caller drops what it replaces outside of any borrow.
    pub(crate) fn poll_waiter(
        &mut self,
        key: RegistrationKey,
        direction: Direction,
        id: &mut WaiterId,
        waiter: WaiterOf<'_>,
    ) -> (SourcePoll, Option<Waiter>) {
        let next_waiter = self.next_waiter;
        let Some(slot) = slot_of(&mut self.slots, key.0) else {
            return (SourcePoll::Gone, None);
        };
        let refed = slot.refed;
        let state = slot.direction(direction);
        if state.ready {
            let forgotten = state.waiters.remove(id);
            self.refed_waiters -= usize::from(refed && forgotten.is_some());
            return (SourcePoll::Ready, forgotten);
        }
        let (is_new, replaced) = state.waiters.set(id, next_waiter, waiter);
        if is_new {
            self.next_waiter += 1;
            self.refed_waiters += usize::from(refed);
        }
        (SourcePoll::Waiting, replaced)
    }

    /// Forgets a future that is dropped.
    pub(crate) fn forget_waiter(
        &mut self,
        key: RegistrationKey,
        direction: Direction,
        id: &mut WaiterId,
    ) -> Forgotten {
        if !id.is_waiting() {
            return Forgotten::Nothing;
        }
        let Some(slot) = slot_of(&mut self.slots, key.0) else {
            return Forgotten::Nothing;
        };
        let refed = slot.refed;
        if let Some(waiter) = slot.direction(direction).waiters.remove(id) {
            self.refed_waiters -= usize::from(refed);
            return Forgotten::Drop(waiter);
        }
        let is_turn = id.is_woken_in_turn();
        let next = is_turn.then(|| self.take_next(key, direction)).flatten();
        next.map_or(Forgotten::Nothing, Forgotten::PassOn)
    }

    /// Removes the next future that waits for its turn, if the direction is ready. The caller wakes it
    /// outside of any borrow.
    #[must_use]
    pub(crate) fn take_next(
        &mut self,
        key: RegistrationKey,
        direction: Direction,
    ) -> Option<Waiter> {
        let slot = slot_of(&mut self.slots, key.0)?;
        let refed = slot.refed;
        let next = slot.direction(direction).take_next()?;
        self.refed_waiters -= usize::from(refed);
        self.check_turn(key.0);
        Some(next)
    }

    /// Marks a direction as not ready until the next event, because an operation would have blocked.
    pub(crate) fn would_block(&mut self, key: RegistrationKey, direction: Direction) {
        if let Some(slot) = slot_of(&mut self.slots, key.0) {
            slot.direction(direction).ready = false;
        }
    }

    /// Counts a read or an accept against the budget of the last event. If the operation has taken
    /// all that the source had, the source is no longer ready, unless it is closed: the end of the
    /// stream can then be read without another event, or the next poll phase serves the source again
    /// (R65).
    ///
    /// Returns the next future if the source is still ready. The caller wakes it outside of any borrow.
    #[must_use]
    pub(crate) fn consume_budget(&mut self, key: RegistrationKey, taken: Taken) -> Option<Waiter> {
        let slot = slot_of(&mut self.slots, key.0)?;
        let refed = usize::from(slot.refed);
        let state = &mut slot.read;
        if taken == Taken::All && !state.closed {
            state.ready = false; // the usual case, kept short
            return None;
        }
        state.budget = state.budget.saturating_sub(1);
        match (taken, self.stream_end) {
            (Taken::ShortRead | Taken::All, StreamEnd::NextPollPhase) if state.closed => {
                state.budget = 0;
            }
            _ => {}
        }
        if state.ready && state.budget == 0 {
            state.ready = false;
            if !std::mem::replace(&mut state.is_budget_exhausted, true) {
                self.budget_exhausted.push(key.0);
            }
        }
        let next = state.take_next()?;
        self.refed_waiters -= refed;
        self.check_turn(key.0);
        Some(next)
    }

    /// Removes all that wait, for the end of the loop. The caller wakes them outside of any borrow.
    pub(crate) fn take_waiting(&mut self) -> Vec<Waiter> {
        self.refed_waiters = 0;
        let slots = self.slots.iter_mut();
        let directions = slots.flat_map(|slot| [&mut slot.read, &mut slot.write]);
        directions
            .flat_map(|state| state.waiters.take_all())
            .collect()
    }

    /// Returns where a source was created; `None` if it is no longer registered.
    pub(crate) fn location(&self, token: Token) -> Option<SourceLocation> {
        let slot = self.slots.get(index_of(token))?;
        (slot.generation == generation_of(token)).then_some(slot.location)
    }

    /// Returns where a source was created; `None` if a write to it would have to wait.
    pub(crate) fn writable(&mut self, key: RegistrationKey) -> Option<SourceLocation> {
        let slot = slot_of(&mut self.slots, key.0)?;
        slot.write.ready.then_some(slot.location)
    }

    /// Returns how many waits on sources contain the key of the task that settles the promise of this
    /// number.
    pub(crate) fn count_wakes_of(&self, promise: u64) -> usize {
        let directions = self.slots.iter().flat_map(|slot| [&slot.read, &slot.write]);
        let waiters = directions.flat_map(|state| state.waiters.iter());
        waiters
            .filter(|waiter| matches!(waiter, Waiter::Task(task) if task.promise == promise))
            .count()
    }

    /// Lists the waits on sources for a report. `waker_of` returns the waker of a task.
    pub(crate) fn active_resources(
        &self,
        waker_of: impl Fn(TaskKey) -> Option<Waker>,
    ) -> Vec<ResourceEntry> {
        let directions = self.slots.iter().flat_map(|slot| {
            [
                (slot, &slot.read, ResourceKind::Read),
                (slot, &slot.write, ResourceKind::Write),
            ]
        });
        let waiting = directions.filter(|(_, state, _)| !state.waiters.is_empty());
        let resources = waiting.map(|(slot, state, kind)| ResourceEntry {
            refed: slot.refed,
            wakers: state
                .waiters
                .iter()
                .filter_map(|it| it.waker(&waker_of))
                .collect(),
            ..ResourceEntry::new(kind, Some(slot.location))
        });
        resources.collect()
    }
}

/// Returns the slot of a source that is still registered.
#[inline]
fn slot_of(slots: &mut [Slot], token: Token) -> Option<&mut Slot> {
    let slot = slots.get_mut(index_of(token))?;
    (slot.generation == generation_of(token)).then_some(slot)
}
