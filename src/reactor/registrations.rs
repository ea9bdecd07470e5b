//! The sources the poll phase watches, what is known of their readiness, and who waits for them.
//!
//! Every source is registered once, edge-triggered, for both directions, and its readiness is
//! remembered here. Reading (and accepting) starts as *not ready* and becomes ready by an event
//! of the poll phase only, so that order does not hang on the kernel's timing. One event allows
//! at most [`READS_PER_EVENT`] reads, as in libuv (`stream.c` `uv__read`); then the source is
//! *cut off* and served again by the next poll phase, without asking the kernel. Writing starts
//! as ready: it is tried at once, as libuv does.
//!
//! ```text
//!               1 deliver                        3 would_block, or a short read
//!   not ready ─────────────▶ ready, N reads budget ──────────────────────▶ not ready
//!       ▲                        │ 2 consume_budget: none budget
//!       └──── cut off ◀──────────┘
//! ```
//!
//! 1 [`Registrations::deliver`], 2 [`Registrations::consume_budget`], 3 [`Registrations::would_block`] and
//! [`Registrations::consume_budget`].
//!
//! It never asks the kernel (the phase does that) and never reads or writes a source (its owner
//! does that).
//!
//! Invariants: a token carries the generation of its slot, so an event for a source that is gone
//! reaches nobody; a half that is ready has no waiters; `refed_waiters` counts the waiters of
//! ref'd sources.

use std::io;
use std::rc::Rc;
use std::task::{Context, Waker};

use mio::event::{Event, Source};
use mio::{Interest, Registry, Token};

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind};
use crate::phases::poll::explorer::Explorer;

/// libuv's bound on the reads behind one event.
pub(crate) const READS_PER_EVENT: u32 = 32;

/// The direction of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// What an event says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Readiness {
    readable: bool,
    writable: bool,
    /// The peer will send no more, or an error is pending: reading never blocks again.
    read_closed: bool,
    write_closed: bool,
}

impl Readiness {
    /// What a source is told that was cut off; `event` is what the system says of it by now.
    pub(crate) fn served_again(event: Option<Readiness>) -> Readiness {
        Readiness {
            readable: true,
            read_closed: event.is_some_and(|event| event.read_closed),
            ..Readiness::default()
        }
    }

    /// What a source is told that was put off.
    pub(crate) fn writable() -> Readiness {
        Readiness {
            writable: true,
            ..Readiness::default()
        }
    }

    pub(crate) fn of(event: &Event) -> Readiness {
        let read_closed = event.is_read_closed() || event.is_error();
        let write_closed = event.is_write_closed() || event.is_error();
        Readiness {
            readable: event.is_readable() || read_closed,
            writable: event.is_writable() || write_closed,
            read_closed,
            write_closed,
        }
    }

    /// What is left of an event when its reader has been served.
    pub(crate) fn write_half(self) -> Option<Readiness> {
        self.writable.then_some(Readiness {
            readable: false,
            read_closed: false,
            ..self
        })
    }
}

/// Where a source stands in the table: slot and generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RegistrationKey(Token);

/// What a token is made of: the index of the slot in the lower bits, above it as much of the
/// slot's generation as there is room for. A narrow machine has room for a million sources and
/// for a slot to be used anew 2,048 times before an old token means something again.
const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: usize = usize::MAX >> INDEX_BITS;

/// The number of a signal, as the system counts them.
pub(crate) type SignalNumber = i32;

/// Which signal an event tells of, if it is one: the index of its token is that of no source.
pub(crate) fn signal_of(token: Token) -> Option<SignalNumber> {
    let number = (token.0 >> INDEX_BITS) as SignalNumber;
    (index_of(token) == INDEX_MASK).then_some(number)
}

/// What a source answers to whoever wants to use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourcePoll {
    Ready,
    /// Not ready: the task is remembered and will be woken.
    Waiting,
    /// It is watched no more.
    Gone,
}

struct Slot {
    /// Odd while a source lives in it. Only the bits that have room in a token are kept.
    generation: usize,
    read: DirectionState,
    write: DirectionState,
    refed: bool,
    location: SourceLocation,
}

#[derive(Default)]
struct DirectionState {
    ready: bool,
    /// An exploration has put it off: next time it is ready.
    is_deferred: bool,
    /// Never blocks again.
    closed: bool,
    /// Operations that the last event still allows; writing is not counted.
    budget: u32,
    /// The task that polls, as in `AsyncRead::poll_read`.
    poller: Option<Waker>,
    /// Tasks that hold a future, as of `accept`, in the order in which they came.
    waiters: Vec<(u64, Waker)>,
}

impl DirectionState {
    /// Whether it is ready and, in an exploration, is to be found so by the poll phase only
    /// (SEMANTICS.md §8).
    fn must_be_deferred(&mut self, explorer: &Explorer, location: SourceLocation) -> bool {
        if !explorer.is_on() || !self.ready || std::mem::take(&mut self.is_deferred) {
            return false;
        }
        self.is_deferred =
            explorer.choose_bool(|| format!("a write to the source of {location} had to wait"));
        self.ready = !self.is_deferred;
        self.is_deferred
    }

    fn wakers(&self) -> impl Iterator<Item = &Waker> {
        let waiters = self.waiters.iter().map(|(_, waker)| waker);
        self.poller.iter().chain(waiters)
    }

    fn waiting(&self) -> usize {
        usize::from(self.poller.is_some()) + self.waiters.len()
    }
}

/// Which waiter of a source a future is; none before its first poll.
pub(crate) type WaiterId = Option<u64>;

pub(crate) struct Registrations {
    registry: Rc<Registry>,
    explorer: Rc<Explorer>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    registered: usize,
    refed_waiters: usize,
    next_waiter: u64,
    budget_exhausted: Vec<Token>,
    /// Sources that could have been written to, and wait for a poll phase all the same.
    deferred: Vec<Token>,
}

impl Registrations {
    pub(crate) fn new(registry: Rc<Registry>, explorer: Rc<Explorer>) -> Registrations {
        Registrations {
            registry,
            explorer,
            slots: Vec::new(),
            free: Vec::new(),
            registered: 0,
            refed_waiters: 0,
            next_waiter: 0,
            budget_exhausted: Vec::new(),
            deferred: Vec::new(),
        }
    }

    /// Watches a source in both directions until [`deregister`](Sources::deregister).
    pub(crate) fn register(
        &mut self,
        source: &mut impl Source,
        location: SourceLocation,
    ) -> io::Result<RegistrationKey> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.slots.len() == INDEX_MASK => {
                return Err(io::Error::other("the loop watches too many sources"));
            }
            None => {
                let (read, write) = (DirectionState::default(), DirectionState::default());
                self.slots.push(Slot {
                    generation: 0,
                    read,
                    write,
                    refed: true,
                    location,
                });
                self.slots.len() - 1
            }
        };
        let generation = next_generation(self.slots[index].generation);
        let token = Token(generation << INDEX_BITS | index);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.registry.register(source, token, interest) {
            self.free.push(index);
            return Err(error);
        }
        let write = DirectionState {
            ready: true,
            ..DirectionState::default()
        };
        self.slots[index] = Slot {
            generation,
            read: DirectionState::default(),
            write,
            refed: true,
            location,
        };
        self.registered += 1;
        Ok(RegistrationKey(token))
    }

    /// Forgets a source. The caller drops what comes back outside of any borrow.
    pub(crate) fn deregister(
        &mut self,
        key: RegistrationKey,
        source: &mut impl Source,
    ) -> (io::Result<()>, Vec<Waker>) {
        let result = self.registry.deregister(source);
        let Some(slot) = Self::slot(&mut self.slots, key.0) else {
            return (result, Vec::new());
        };
        slot.generation = next_generation(slot.generation);
        let waiting = slot.read.waiting() + slot.write.waiting();
        let mut wakers = take_waiting(&mut slot.read);
        wakers.append(&mut take_waiting(&mut slot.write));
        self.refed_waiters -= if slot.refed { waiting } else { 0 };
        self.registered -= 1;
        self.free.push(index_of(key.0));
        (result, wakers)
    }

    /// Watches what tells of the signals of a number, under a token that says which.
    pub(crate) fn watch_signal(
        &mut self,
        source: &mut impl Source,
        number: SignalNumber,
    ) -> io::Result<()> {
        let token = Token((number as usize) << INDEX_BITS | INDEX_MASK);
        self.registry.register(source, token, Interest::READABLE)?;
        self.registered += 1;
        Ok(())
    }

    /// Ends [`watch_signal`](Sources::watch_signal). An event that is in the batch still comes.
    pub(crate) fn unwatch_signal(&mut self, source: &mut impl Source) {
        // An error says that the system has forgotten the source already.
        let _ = self.registry.deregister(source);
        self.registered -= 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.registered == 0
    }

    /// The sources that a poll phase has to find ready without asking the system.
    pub(crate) fn take_deferred(&mut self) -> Vec<Token> {
        std::mem::take(&mut self.deferred)
    }

    /// Whether a source is to be served again without asking the system.
    pub(crate) fn has_pending_sources(&self) -> bool {
        !self.budget_exhausted.is_empty() || !self.deferred.is_empty()
    }

    /// Whether nothing is watched and nothing was cut off.
    pub(crate) fn has_nothing_to_poll(&self) -> bool {
        self.is_empty() && !self.has_pending_sources()
    }

    pub(crate) fn has_refed_waiters(&self) -> bool {
        self.refed_waiters > 0
    }

    /// Whether waits on this source keep the loop alive.
    pub(crate) fn set_refed(&mut self, key: RegistrationKey, refed: bool) {
        let Some(slot) = Self::slot(&mut self.slots, key.0) else {
            return;
        };
        let waiting = slot.read.waiting() + slot.write.waiting();
        match (std::mem::replace(&mut slot.refed, refed), refed) {
            (false, true) => self.refed_waiters += waiting,
            (true, false) => self.refed_waiters -= waiting,
            _ => {}
        }
    }

    pub(crate) fn has_ref(&mut self, key: RegistrationKey) -> bool {
        Self::slot(&mut self.slots, key.0).is_some_and(|slot| slot.refed)
    }

    /// For `poll_*` methods: ready, or the task is remembered as the one that polls.
    /// The caller drops the second half outside of any borrow.
    pub(crate) fn poll_ready(
        &mut self,
        key: RegistrationKey,
        direction: Direction,
        cx: &Context<'_>,
    ) -> (SourcePoll, Option<Waker>) {
        let Some(slot) = Self::slot(&mut self.slots, key.0) else {
            return (SourcePoll::Gone, None);
        };
        let (refed, location) = (slot.refed, slot.location);
        let state = direction_state(slot, direction);
        if direction == Direction::Write && state.must_be_deferred(&self.explorer, location) {
            self.deferred.push(key.0);
        }
        if state.ready {
            return (SourcePoll::Ready, None);
        }
        if state
            .poller
            .as_ref()
            .is_some_and(|poller| poller.will_wake(cx.waker()))
        {
            return (SourcePoll::Waiting, None);
        }
        let replaced = state.poller.replace(cx.waker().clone());
        if replaced.is_none() && refed {
            self.refed_waiters += 1;
        }
        (SourcePoll::Waiting, replaced)
    }

    /// For futures, any number of them: ready, or the task is remembered under `id`.
    /// The caller drops the second half outside of any borrow.
    pub(crate) fn poll_waiter(
        &mut self,
        key: RegistrationKey,
        direction: Direction,
        id: &mut WaiterId,
        cx: &Context<'_>,
    ) -> (SourcePoll, Option<Waker>) {
        let next_waiter = self.next_waiter;
        let Some(slot) = Self::slot(&mut self.slots, key.0) else {
            return (SourcePoll::Gone, None);
        };
        let (refed, location) = (slot.refed, slot.location);
        let state = direction_state(slot, direction);
        if direction == Direction::Write && state.must_be_deferred(&self.explorer, location) {
            self.deferred.push(key.0);
        }
        let known = id.and_then(|id| state.waiters.iter().position(|(waiter, _)| *waiter == id));
        match known {
            _ if state.ready => (SourcePoll::Ready, self.forget_waiter(key, direction, id)),
            Some(index) => {
                let waker = &mut state.waiters[index].1;
                if waker.will_wake(cx.waker()) {
                    return (SourcePoll::Waiting, None);
                }
                let replaced = std::mem::replace(waker, cx.waker().clone());
                (SourcePoll::Waiting, Some(replaced))
            }
            None => {
                *id = Some(next_waiter);
                state.waiters.push((next_waiter, cx.waker().clone()));
                self.next_waiter += 1;
                self.refed_waiters += usize::from(refed);
                (SourcePoll::Waiting, None)
            }
        }
    }

    /// A future that waited is gone. The caller drops what comes back outside of any borrow.
    #[must_use]
    pub(crate) fn forget_waiter(
        &mut self,
        key: RegistrationKey,
        direction: Direction,
        id: &mut WaiterId,
    ) -> Option<Waker> {
        let id = id.take()?;
        let slot = Self::slot(&mut self.slots, key.0)?;
        let refed = slot.refed;
        let state = direction_state(slot, direction);
        let index = state.waiters.iter().position(|(waiter, _)| *waiter == id)?;
        self.refed_waiters -= usize::from(refed);
        Some(state.waiters.remove(index).1)
    }

    /// An operation would have blocked: wait for the next event.
    pub(crate) fn would_block(&mut self, key: RegistrationKey, direction: Direction) {
        if let Some(slot) = Self::slot(&mut self.slots, key.0) {
            direction_state(slot, direction).ready = false;
        }
    }

    /// A read or an accept was done: one less of what this event allows. If it has `drained` the
    /// source (it filled only a part of its buffer), nothing is left, unless the end is near.
    pub(crate) fn consume_budget(&mut self, key: RegistrationKey, drained: bool) {
        let Some(slot) = Self::slot(&mut self.slots, key.0) else {
            return;
        };
        let state = &mut slot.read;
        state.budget = state.budget.saturating_sub(1);
        if drained && !state.closed {
            state.ready = false;
        }
        if state.ready && state.budget == 0 {
            state.ready = false;
            self.budget_exhausted.push(key.0);
        }
    }

    /// The sources that are to be served again without asking the kernel.
    pub(crate) fn take_budget_exhausted(&mut self) -> Vec<Token> {
        std::mem::take(&mut self.budget_exhausted)
    }

    /// An event reaches its source: readiness is noted, and whoever waits becomes a macrotask.
    ///
    /// One event that wakes a reader and a writer is two macrotasks, the reader's first: what
    /// comes back in the second place is to be delivered behind the first. There is none if the
    /// source counts as writable already, as nearly always.
    pub(crate) fn deliver(
        &mut self,
        token: Token,
        readiness: Readiness,
    ) -> (Option<Macrotask>, Option<Readiness>) {
        let Some(slot) = Self::slot(&mut self.slots, token) else {
            return (None, None);
        };
        let (state, rest) = if readiness.readable {
            slot.read.closed |= readiness.read_closed;
            slot.read.budget = READS_PER_EVENT;
            let rest = if slot.write.ready {
                slot.write.closed |= readiness.write_closed;
                None
            } else {
                readiness.write_half()
            };
            (&mut slot.read, rest)
        } else {
            slot.write.closed |= readiness.write_closed;
            (&mut slot.write, None)
        };
        state.ready = true;
        let refed = usize::from(slot.refed);
        let origin = Origin::of(StepKind::Readiness, slot.location, index_of(token) as u64);
        if state.waiters.is_empty() {
            let poller = state.poller.take();
            self.refed_waiters -= if poller.is_some() { refed } else { 0 };
            return (poller.map(|waker| Macrotask::wake(waker, origin)), rest);
        }
        let mut wakers = take_waiting(state);
        self.refed_waiters -= wakers.len() * refed;
        let macrotask = match wakers.len() {
            1 => wakers.pop().map(|waker| Macrotask::wake(waker, origin)),
            _ => Some(Macrotask::wake_all(wakers, origin)),
        };
        (macrotask, rest)
    }

    /// Takes out whoever waits, for the end of the loop. The caller wakes them outside of any
    /// borrow.
    pub(crate) fn take_waiting(&mut self) -> Vec<Waker> {
        self.refed_waiters = 0;
        let halves = self.slots.iter_mut();
        let halves = halves.flat_map(|slot| [&mut slot.read, &mut slot.write]);
        halves.flat_map(take_waiting).collect()
    }

    /// Where a source that is still there was made.
    pub(crate) fn location(&self, token: Token) -> Option<SourceLocation> {
        let slot = self.slots.get(index_of(token))?;
        (slot.generation == token.0 >> INDEX_BITS).then_some(slot.location)
    }

    /// The waits on sources, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let halves = self.slots.iter().flat_map(|slot| {
            [
                (slot, &slot.read, ResourceKind::Read),
                (slot, &slot.write, ResourceKind::Write),
            ]
        });
        let waiting = halves.filter(|(_, state, _)| state.waiting() > 0);
        let resources = waiting.map(|(slot, state, kind)| ResourceEntry {
            refed: slot.refed,
            wakers: state.wakers().cloned().collect(),
            ..ResourceEntry::new(kind, Some(slot.location))
        });
        resources.collect()
    }

    /// The slot of a source that is still there.
    fn slot(slots: &mut [Slot], token: Token) -> Option<&mut Slot> {
        let slot = slots.get_mut(index_of(token))?;
        (slot.generation == token.0 >> INDEX_BITS).then_some(slot)
    }
}

fn index_of(token: Token) -> usize {
    token.0 & INDEX_MASK
}

fn next_generation(generation: usize) -> usize {
    generation.wrapping_add(1) & GENERATION_MASK
}

fn direction_state(slot: &mut Slot, direction: Direction) -> &mut DirectionState {
    match direction {
        Direction::Read => &mut slot.read,
        Direction::Write => &mut slot.write,
    }
}

fn take_waiting(state: &mut DirectionState) -> Vec<Waker> {
    let waiters = state.waiters.drain(..).map(|(_, waker)| waker);
    state.poller.take().into_iter().chain(waiters).collect()
}
