//! The poll phase: waits for events from outside of the loop and hands them out (R5, R7, R8, R61,
//! R64).
//!
//! [`PollPhase::poll_events`] collects what has arrived, and waits if it may. [`PollPhase::next`]
//! then hands out what was collected, and nothing else, in this order:
//!
//! 1. simulated completions that are due, by their time;
//! 2. messages of other threads (wakes, callbacks of a handle, job results), as they arrived;
//! 3. sources whose read budget was exhausted in an earlier poll phase;
//! 4. readiness events, in the order in which the operating system reports them;
//! 5. signals.
//!
//! Node guarantees no order between the first four. This order is fixed so that a run can be
//! repeated; a [`Delivery`] may change it. Signals come last as in libuv (`linux.c` `uv__io_poll`:
//! `have_signals`).
//!
//! It makes no system call when no source is registered and there is nothing to wait for: messages of
//! other threads are visible without one.
//!
//! Invariant: anything that arrives during delivery is left for the next poll phase. If the run is
//! stopped meanwhile, the first poll phase of the next run hands out the rest.

mod collect;
pub(crate) mod delivery;
mod simulated;
mod time_rules;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use mio::Token;

use crate::blocking::pool::{JobId, Pool};
use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, TaskKey, Waiter};
use crate::reactor::clock::Clock;
use crate::reactor::poller::Poller;
use crate::reactor::registrations::{
    Direction, Readiness, RegistrationKey, Registrations, SignalNumber, SourcePoll, WaiterId,
    WaiterOf,
};
use crate::reactor::remote_queue::{Envelope, Message, RemoteQueue, SourceEvent};
use crate::reactor::world::WorldHost;
use delivery::Delivery;
use simulated::Simulated;
pub(crate) use time_rules::{Advance, Outstanding, TimeRules};

/// How long the poll phase may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all.
    Zero,
    /// Until the loop timer is due, in milliseconds of the loop's clock.
    Until(u64),
    Forever,
}

/// Something that has arrived.
pub(crate) enum Arrival {
    Macrotask(Macrotask),
    Message(Message),
    /// A job of a simulated host has finished. The caller runs it.
    SimulatedJob(JobId),
    /// A signal. The caller passes its callbacks to [`PollPhase::put_first`].
    Signal(SignalNumber),
    /// The delivery decides about the next arrival now: the caller calls [`PollPhase::decide`].
    Undecided,
}

/// Something that has arrived and waits to be handed out.
enum Batched {
    Simulated(Macrotask),
    /// A job of a simulated host that has finished.
    SimulatedJob(JobId),
    /// So many messages that are still in the remote queue.
    InRemoteQueue(usize),
    /// A message that a delivery has taken out of the remote queue.
    Message(Message),
    /// The same, with what identifies it in a journal.
    Journaled(Envelope),
    Ready(Token, Readiness),
    Signal(SignalNumber),
    SignalCallback(Macrotask),
    /// The delivery decides about the next arrival when everything before it has run.
    Undecided,
    /// What follows belongs to this part of a recording.
    Segment(usize),
}

/// The parts of the loop that the poll phase reads while it collects arrivals.
pub(crate) struct PollContext<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) remote_queue: &'a RemoteQueue,
    pub(crate) pool: &'a Pool,
    /// Whether a signal listener or a child keeps the loop alive.
    pub(crate) has_refed_signals: bool,
    pub(crate) tasks: &'a dyn TaskLocations,
}

/// The tasks of a loop, for reports.
pub(crate) trait TaskLocations {
    /// Returns where a task was spawned, unless it has ended.
    fn location_of(&self, task: TaskKey) -> Option<SourceLocation>;
}

/// The result of collecting what has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PollOutcome {
    /// Whatever has arrived can be handed out.
    Arrivals,
    /// Nothing can run unless time passes, and the virtual clock is held.
    ClockHeld,
}

pub(crate) struct PollPhase {
    pub(crate) poller: Rc<Poller>,
    pub(crate) registrations: RefCell<Registrations>,
    batch: RefCell<VecDeque<Batched>>,
    pub(crate) simulated: Simulated,
    /// When a virtual clock may move.
    pub(crate) time: TimeRules,
    /// Decides what arrives next.
    pub(crate) delivery: Delivery,
    /// Which host of which simulated world this loop is; `None` in the real one.
    pub(crate) world: Option<WorldHost>,
    /// The maximum real time of one wait; `None` for no limit.
    pub(crate) longest_wait: Cell<Option<Duration>>,
    /// Whether the next poll must ask the operating system, because a host waits on the descriptor.
    pub(crate) must_poll_os: Cell<bool>,
}

impl PollPhase {
    pub(crate) fn new(
        time: TimeRules,
        delivery: Delivery,
        registrations: Registrations,
        world: Option<WorldHost>,
    ) -> PollPhase {
        PollPhase {
            poller: registrations.poller.clone(),
            registrations: RefCell::new(registrations),
            batch: RefCell::default(),
            simulated: Simulated::default(),
            time,
            delivery,
            longest_wait: Cell::new(None),
            // A host has no operating system to poll, so this stays set, and no poll phase is skipped:
            // a job may have finished.
            must_poll_os: Cell::new(world.is_some()),
            world,
        }
    }

    /// Collects what has arrived, and waits if `wait` allows it and nothing has. `wait_now`
    /// recomputes `wait` after the loop is marked as parked, so that a concurrent change is not
    /// missed.
    pub(crate) fn poll_events(
        &self,
        cx: &PollContext<'_>,
        wait: Wait,
        wait_now: impl Fn() -> Wait,
    ) -> io::Result<PollOutcome> {
        if !self.batch.borrow().is_empty() {
            return Ok(PollOutcome::Arrivals); // left by a run that was stopped in its poll phase
        }
        self.delivery.poll(self, cx, wait, wait_now)
    }

    /// Returns whether a poll phase that does not wait would hand out nothing, so that it can be
    /// skipped.
    #[inline]
    pub(crate) fn has_nothing(&self, remote_queue: &RemoteQueue) -> bool {
        self.batch.borrow().is_empty() && self.delivery.has_nothing(self, remote_queue)
    }

    /// Returns the next collected arrival if it is an event that wakes one task of the loop to read: the
    /// usual case, kept short.
    #[inline]
    pub(crate) fn next_reader(&self) -> Option<(Origin, TaskKey)> {
        let mut batch = self.batch.borrow_mut();
        let Some(Batched::Ready(token, readiness)) = batch.front() else {
            return None;
        };
        let mut registrations = self.registrations.borrow_mut();
        let reader = registrations.deliver_to_reader(*token, *readiness)?;
        std::mem::forget(batch.pop_front()); // an event owns nothing
        Some(reader)
    }

    /// Returns the next collected arrival.
    pub(crate) fn next(&self, remote_queue: &RemoteQueue) -> Option<Arrival> {
        loop {
            let mut batch = self.batch.borrow_mut();
            if let Some(Batched::InRemoteQueue(left)) = batch.front_mut()
                && *left > 1
            {
                *left -= 1;
                drop(batch);
                if let Some(envelope) = remote_queue.pop() {
                    return Some(Arrival::Message(envelope.message));
                }
                continue;
            }
            let batched = batch.pop_front()?;
            drop(batch);
            let arrival = match batched {
                Batched::Ready(token, readiness) => {
                    self.wake_waiting(token, readiness).map(Arrival::Macrotask)
                }
                Batched::InRemoteQueue(_) => remote_queue
                    .pop()
                    .map(|envelope| Arrival::Message(envelope.message)),
                other => self.next_of_others(other, remote_queue),
            };
            if arrival.is_some() {
                return arrival;
            }
        }
    }

    /// Returns an arrival of another kind, unless there is nothing to do for it.
    #[inline(never)] // so that the usual arrivals are not moved
    fn next_of_others(&self, batched: Batched, remote_queue: &RemoteQueue) -> Option<Arrival> {
        Some(match batched {
            Batched::Simulated(macrotask) | Batched::SignalCallback(macrotask) => {
                Arrival::Macrotask(macrotask)
            }
            Batched::SimulatedJob(id) => Arrival::SimulatedJob(id),
            Batched::InRemoteQueue(_) => Arrival::Message(remote_queue.pop()?.message),
            Batched::Message(message) => Arrival::Message(message),
            Batched::Journaled(envelope) => Arrival::Message(envelope.message),
            Batched::Ready(token, readiness) => {
                Arrival::Macrotask(self.wake_waiting(token, readiness)?)
            }
            Batched::Signal(number) => Arrival::Signal(number),
            Batched::Undecided => Arrival::Undecided,
            Batched::Segment(number) => {
                self.delivery.begin_segment(number);
                return None;
            }
        })
    }

    /// Lets the delivery decide about the next arrival.
    #[cold]
    pub(crate) fn decide(
        &self,
        cx: &PollContext<'_>,
        wait_now: impl Fn() -> Wait,
    ) -> io::Result<PollOutcome> {
        self.delivery.decide(self, cx, wait_now)
    }

    /// Passes what a thread has reported to its source, as [`next`](PollPhase::next) passes an event of
    /// the operating system.
    pub(crate) fn next_of_source(&self, token: Token, event: SourceEvent) -> Option<Macrotask> {
        self.wake_waiting(token, Readiness::reported(event))
    }

    /// Puts a signal that arrived as a message after everything else of the batch (R64).
    pub(crate) fn put_signal_last(&self, number: SignalNumber) {
        let mut batch = self.batch.borrow_mut();
        let is_same = |batched: &Batched| matches!(batched, Batched::Signal(it) if *it == number);
        if !batch.iter().any(is_same) {
            batch.push_back(Batched::Signal(number));
        }
    }

    /// Puts the callbacks of a signal at the start of the batch, in this order.
    pub(crate) fn put_first(&self, callbacks: Vec<Macrotask>) {
        let mut batch = self.batch.borrow_mut();
        for macrotask in callbacks.into_iter().rev() {
            batch.push_front(Batched::SignalCallback(macrotask));
        }
    }

    /// Reads the clock for the timers phase, in milliseconds. `timer_due_at(t)` returns the location
    /// where the first timer due at `t` was created, for the report of decisions.
    #[inline]
    pub(crate) fn timers_now_ms(
        &self,
        cx: &PollContext<'_>,
        timer_due_at: impl FnOnce(u64) -> Option<SourceLocation>,
    ) -> u64 {
        self.delivery.timers_now_ms(self, cx, timer_due_at)
    }

    /// Records that the loop has blocked until every job with an id below `end` had finished.
    pub(crate) fn jobs_have_finished(&self, end: JobId) {
        self.delivery.jobs_have_finished(end);
    }

    /// Returns whether a source is ready, and no delivery decides about it. Otherwise the caller polls
    /// the source.
    #[inline]
    pub(crate) fn is_known_as_ready(&self, key: RegistrationKey, direction: Direction) -> bool {
        self.delivery.is_in_order() && self.registrations.borrow().is_ready(key, direction)
    }

    /// Polls a source on behalf of a `poll_*` method; see [`Registrations::poll_ready`].
    pub(crate) fn poll_ready(
        &self,
        key: RegistrationKey,
        direction: Direction,
        waiter: WaiterOf<'_>,
    ) -> (SourcePoll, Option<Waiter>) {
        let mut registrations = self.registrations.borrow_mut();
        self.delivery.before_io(&mut registrations, key, direction);
        registrations.poll_ready(key, direction, waiter)
    }

    /// Polls a source on behalf of a future; see [`Registrations::poll_waiter`].
    pub(crate) fn poll_waiter(
        &self,
        key: RegistrationKey,
        direction: Direction,
        id: &mut WaiterId,
        waiter: WaiterOf<'_>,
    ) -> (SourcePoll, Option<Waiter>) {
        let mut registrations = self.registrations.borrow_mut();
        self.delivery.before_io(&mut registrations, key, direction);
        registrations.poll_waiter(key, direction, id, waiter)
    }

    /// Returns whether anything in the poll phase keeps the loop alive (R6).
    pub(crate) fn has_refed(&self) -> bool {
        // The loop asks the remote queue itself.
        let is_in_batch_only = |batched: &Batched| {
            !matches!(
                batched,
                Batched::InRemoteQueue(_) | Batched::Undecided | Batched::Segment(_)
            )
        };
        self.registrations.borrow().has_refed_waiters()
            || self.simulated.has_completions()
            || self.simulated.has_stalled()
            || self.batch.borrow().iter().any(is_in_batch_only) // left by a run that was stopped
            || self.delivery.is_holding()
    }

    /// Returns whether something can be handed out without asking the operating system.
    pub(crate) fn has_arrivals(&self, now: Duration) -> bool {
        !self.batch.borrow().is_empty()
            || self.simulated.next_due().is_some_and(|due| due <= now)
            || self.registrations.borrow().has_source_to_serve()
            || self.is_holding()
    }

    /// Returns whether something has arrived that a later poll phase will hand out.
    pub(crate) fn is_holding(&self) -> bool {
        self.delivery.is_holding()
    }

    /// Passes an event to its source, and returns the macrotask that wakes the waiting tasks. If an
    /// event concerns a reader and a writer, the writer's half stays at the start of the batch.
    fn wake_waiting(&self, token: Token, readiness: Readiness) -> Option<Macrotask> {
        let (waiting, write_half) = self.registrations.borrow_mut().deliver(token, readiness);
        if let Some(write_half) = write_half {
            let mut batch = self.batch.borrow_mut();
            batch.push_front(Batched::Ready(token, write_half));
        }
        waiting
    }

    /// Removes everything, which the caller drops outside of any borrow.
    pub(crate) fn take_all(&self) -> (Vec<Macrotask>, Vec<Message>) {
        let (mut macrotasks, mut messages) = (Vec::new(), Vec::new());
        self.batch.borrow_mut().extend(self.delivery.take_held());
        let next = || self.batch.borrow_mut().pop_front();
        while let Some(batched) = next() {
            match batched {
                Batched::Simulated(macrotask) | Batched::SignalCallback(macrotask) => {
                    macrotasks.push(macrotask);
                }
                Batched::Message(message) => messages.push(message),
                Batched::Journaled(envelope) => messages.push(envelope.message),
                // The queue keeps its messages, the pool its jobs, and a signal's listeners are dropped
                // elsewhere.
                Batched::InRemoteQueue(_)
                | Batched::SimulatedJob(_)
                | Batched::Signal(_)
                | Batched::Undecided
                | Batched::Segment(_) => {}
                // The operating system does not report the event again, and the source may outlive
                // this run.
                Batched::Ready(token, readiness) => {
                    macrotasks.extend(self.wake_waiting(token, readiness));
                }
            }
        }
        macrotasks.extend(self.simulated.take_all());
        (macrotasks, messages)
    }

    /// Lists pending completions and waits on sources for a report.
    /// `waker_of` returns the waker of a task.
    pub(crate) fn active_resources(
        &self,
        waker_of: impl Fn(TaskKey) -> Option<Waker>,
    ) -> Vec<ResourceEntry> {
        let registrations = self.registrations.borrow();
        let mut resources = Vec::new();
        let mut list = |batched: &Batched| match batched {
            Batched::Simulated(macrotask) => resources.push(ResourceEntry::new(
                ResourceKind::Completion,
                Some(macrotask.origin.location),
            )),
            Batched::Ready(token, _) => resources.push(ResourceEntry::new(
                ResourceKind::Read,
                registrations.location(*token),
            )),
            // Listed with the remote queue and the pool.
            Batched::InRemoteQueue(_)
            | Batched::SimulatedJob(_)
            | Batched::Undecided
            | Batched::Segment(_) => {}
            Batched::Message(_)
            | Batched::Journaled(_)
            | Batched::Signal(_)
            | Batched::SignalCallback(_) => {
                resources.push(ResourceEntry::new(ResourceKind::Message, None));
            }
        };
        self.batch.borrow().iter().for_each(&mut list);
        self.delivery.for_each_held(list);
        resources.append(&mut self.simulated.active_resources());
        resources.append(&mut registrations.active_resources(waker_of));
        resources
    }
}
