//! The seam where events enter the loop: decides what arrives next.
//!
//! Everything that reaches the loop from outside of its thread's own code passes through here once,
//! and nothing else in the crate asks which [`Delivery`] is installed:
//!
//! | what arrives | where it passes |
//! |---|---|
//! | completions, messages, wakes, job results, readiness, signals | [`Delivery::poll`] fills the batch of one poll phase |
//! | the time that the timers phase sees | [`Delivery::timers_now_ms`] |
//! | the next arrival of an order, once the one before it has run | [`Delivery::decide`] |
//! | that a source can be written to without waiting | [`Delivery::before_io`] |
//! | that a blocking wait for jobs has returned | [`Delivery::jobs_have_finished`] |
//! | how long a simulated operation takes | [`Delivery::duration_within`] |
//!
//! [`PollPhase::collect`] is the real world: it asks the operating system and the other threads,
//! waits, moves a virtual clock, and leaves the arrivals in the batch in one fixed order.
//! [`Delivery::InOrder`] calls it and does nothing else. Another delivery may call it, reorder the
//! batch, keep a part of it for a later poll phase, or fill the batch without calling it at all, as
//! a replay or a simulated world would.
//!
//! A delivery keeps these rules, because Node guarantees them:
//!
//! * Simulated completions are in the first batch at or after their time, in the order of their times.
//! * Messages of one thread keep their order, and so do the events of one source.
//! * A job is delivered only when all but `blocking_threads - 1` of the jobs submitted before it have
//!   finished (R60).
//! * Signals come last in their batch (R64).
//! * A poll phase that has waited delivers something, or reports [`PollOutcome::ClockHeld`].
//! * The clock moves forward only, and only as far as [`TimeRules`](super::TimeRules) allow.
//!
//! Invariants: a delivery never calls user code, and user code never runs while it is borrowed.
//! What it keeps for later counts as arrived: [`Delivery::is_holding`] keeps the loop alive,
//! reports list it, and [`Delivery::take_held`] returns it at the end of the loop.

mod every_order;
mod explorer;
pub(crate) mod footprint;
mod held_back;
mod journaled;
pub(crate) mod order;
mod peers;

use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mio::Token;

use super::{Batched, PollContext, PollOutcome, PollPhase, Wait};
use crate::blocking::pool::JobId;
use crate::phases::macrotask::SourceLocation;
use crate::reactor::choices::Choices;
pub(crate) use crate::reactor::choices::Decision;
pub use crate::reactor::choices::{InvalidSeed, Seed};
use crate::reactor::journal::{Journal, Reader, Recorder};
use crate::reactor::registrations::{Direction, RegistrationKey, Registrations};
use crate::reactor::remote_queue::RemoteQueue;
use explorer::Explorer;
use footprint::{Access, Footprints, Key};
use journaled::Replayed;
use order::{Order, OrderRecord, Plan};

/// Decides what arrives next.
pub(crate) enum Delivery {
    /// Delivers everything in the order in which it was collected.
    InOrder,
    /// The same, and records it.
    Recorded {
        recorder: Rc<Recorder>,
        /// The same, for those who do not care whether it is a replay.
        journal: Box<Journal>,
    },
    /// Lets a seed choose among the orders that Node permits.
    Explored(Box<Explorer>),
    /// Delivers what was recorded.
    Replayed(Box<Replayed>),
}

impl Delivery {
    pub(crate) fn new(seed: Option<Seed>) -> Delivery {
        match seed {
            None => Delivery::InOrder,
            Some(seed) => Delivery::explored(Rc::new(Choices::new(seed))),
        }
    }

    /// Returns a delivery that asks `choices`.
    pub(crate) fn explored(choices: Rc<Choices>) -> Delivery {
        Delivery::Explored(Box::new(Explorer::new(choices)))
    }

    pub(crate) fn journaled(journal: Journal) -> Delivery {
        match journal {
            Journal::Recording(recorder) => Delivery::Recorded {
                journal: Box::new(Journal::Recording(recorder.clone())),
                recorder,
            },
            Journal::Replaying(reader) => Delivery::Replayed(Box::new(Replayed::new(reader))),
        }
    }

    /// Returns the journal that is recorded or replayed, if there is one.
    #[inline]
    pub(crate) fn journal(&self) -> Option<&Journal> {
        match self {
            Delivery::Recorded { journal, .. } => Some(journal),
            Delivery::Replayed(replayed) => Some(&replayed.journal),
            Delivery::InOrder | Delivery::Explored(_) => None,
        }
    }

    /// Returns whether everything arrives in the plain order, so that nothing has to be decided before an
    /// operation on a source, and none comes from a recording.
    #[inline]
    pub(super) fn is_in_order(&self) -> bool {
        matches!(self, Delivery::InOrder | Delivery::Recorded { .. })
    }

    /// Returns what records the run, if it is recorded.
    #[inline]
    pub(crate) fn recorder(&self) -> Option<&Recorder> {
        match self {
            Delivery::Recorded { recorder, .. } => Some(recorder),
            _ => None,
        }
    }

    /// Returns the recording that is replayed, if one is.
    #[inline]
    pub(crate) fn reader(&self) -> Option<&Reader> {
        match self {
            Delivery::Replayed(replayed) => Some(&replayed.reader),
            _ => None,
        }
    }

    /// Returns whether each message must contain the thread that sent it.
    pub(crate) fn needs_senders(&self) -> bool {
        matches!(self, Delivery::Explored(_))
    }

    /// Returns the seed that chooses the order, if one does.
    pub(crate) fn seed(&self) -> Option<Seed> {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } | Delivery::Replayed(_) => None,
            Delivery::Explored(explorer) => Some(explorer.seed()),
        }
    }

    /// Returns the decisions so far that differed from the plain order.
    pub(crate) fn decisions(&self) -> Vec<Decision> {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } | Delivery::Replayed(_) => Vec::new(),
            Delivery::Explored(explorer) => explorer.decisions(),
        }
    }

    /// Returns the decisions that the seed lists and that this run did not make.
    pub(crate) fn inapplicable(&self) -> Vec<usize> {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } | Delivery::Replayed(_) => Vec::new(),
            Delivery::Explored(explorer) => explorer.inapplicable(),
        }
    }

    /// Returns the order of this run, if its seed is that of an order.
    fn order(&self) -> Option<&Order> {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } | Delivery::Replayed(_) => None,
            Delivery::Explored(explorer) => explorer.order.as_ref(),
        }
    }

    /// Sets how the run begins, and records its order. Returns what records footprints.
    pub(crate) fn set_plan(&self, plan: Plan) -> Option<Rc<Footprints>> {
        let order = self.order()?;
        order.set_plan(plan);
        Some(order.footprints.clone())
    }

    /// Returns what was recorded of the order of this run.
    pub(crate) fn take_record(&self) -> OrderRecord {
        self.order().map(Order::take_record).unwrap_or_default()
    }

    /// Records that nothing keeps the loop alive any more: what runs now is no part of the last turn.
    pub(crate) fn end_turns(&self) {
        if let Delivery::Explored(explorer) = self {
            explorer.end_turns();
        }
    }

    /// Records that the running event has touched `key`, if orders are explored.
    pub(crate) fn touch(&self, key: Key, access: Access) {
        if let Some(order) = self.order() {
            order.touch(key, access);
        }
    }

    /// Returns a name for something that the running event creates; 0 unless orders are explored.
    pub(crate) fn new_name(&self) -> u64 {
        self.order().map_or(0, |order| order.footprints.new_name())
    }

    /// Returns whether a poll phase that does not wait would leave its batch empty. A delivery that
    /// decides in each poll phase returns `false`.
    #[inline]
    pub(super) fn has_nothing(&self, phase: &PollPhase, remote_queue: &RemoteQueue) -> bool {
        match self {
            Delivery::InOrder => phase.has_nothing_to_poll(remote_queue),
            Delivery::Explored(_) | Delivery::Recorded { .. } | Delivery::Replayed(_) => false,
        }
    }

    /// Fills the empty batch of one poll phase; waits if `wait` allows it and nothing has arrived.
    /// `wait_now` computes `wait` again, for a check that follows a possible change by another
    /// thread.
    #[inline]
    pub(super) fn poll(
        &self,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        wait: Wait,
        wait_now: impl Fn() -> Wait,
    ) -> io::Result<PollOutcome> {
        if let Delivery::InOrder = self {
            return phase.collect(cx, wait, wait_now);
        }
        if let Delivery::Recorded { recorder, .. } = self {
            return journaled::poll_and_record(recorder, phase, cx, wait, wait_now);
        }
        self.poll_otherwise(phase, cx, wait_now)
    }

    #[cold]
    #[inline(never)] // so that the usual poll phases stay short
    fn poll_otherwise(
        &self,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        wait_now: impl Fn() -> Wait,
    ) -> io::Result<PollOutcome> {
        match self {
            Delivery::Explored(explorer) => explorer.poll(phase, cx, wait_now),
            Delivery::Replayed(replayed) => replayed.poll(phase, cx),
            Delivery::InOrder | Delivery::Recorded { .. } => Ok(PollOutcome::Arrivals),
        }
    }

    /// Decides what comes after an arrival that has run, for a batch that ends with
    /// [`Batched::Undecided`]. `wait_now` returns how long the poll phase may wait.
    #[cold]
    pub(super) fn decide(
        &self,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        wait_now: impl Fn() -> Wait,
    ) -> io::Result<PollOutcome> {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } | Delivery::Replayed(_) => {
                Ok(PollOutcome::Arrivals)
            }
            Delivery::Explored(explorer) => match &explorer.order {
                None => Ok(PollOutcome::Arrivals),
                Some(order) => explorer.continue_poll(order, phase, cx, &wait_now),
            },
        }
    }

    /// Reads the clock for the timers phase, in milliseconds. `timer_due_at(t)` returns the
    /// location where the first timer due at `t` was created, for the report of decisions.
    #[inline]
    pub(super) fn timers_now_ms(
        &self,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        timer_due_at: impl FnOnce(u64) -> Option<SourceLocation>,
    ) -> u64 {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } | Delivery::Replayed(_) => {}
            Delivery::Explored(explorer) => explorer.maybe_pass_time(phase, cx, timer_due_at),
        }
        cx.clock.now_ms()
    }

    /// Is called before a task reads from a source or writes to it. Before a write it may mark the
    /// source as not writable until a later poll phase.
    #[inline]
    pub(super) fn before_io(
        &self,
        registrations: &mut Registrations,
        key: RegistrationKey,
        direction: Direction,
    ) {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } | Delivery::Replayed(_) => {}
            Delivery::Explored(explorer) => explorer.before_io(registrations, key, direction),
        }
    }

    /// Returns how long a simulated operation takes, at least `shortest` and at most `longest`.
    pub(crate) fn duration_within(
        &self,
        shortest: Duration,
        longest: Duration,
        location: SourceLocation,
    ) -> Duration {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } | Delivery::Replayed(_) => shortest,
            Delivery::Explored(explorer) => explorer.duration_within(shortest, longest, location),
        }
    }

    /// Notes the peer of an accepted connection, by which the texts of decisions name it.
    pub(crate) fn note_peer(&self, key: RegistrationKey, address: &dyn fmt::Debug) {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } => {}
            Delivery::Explored(explorer) => explorer.peers.note(key.token(), address),
            Delivery::Replayed(replayed) => replayed.peers.note(key.token(), address),
        }
    }

    /// Returns the name of a source in the text of a decision.
    fn source_name(&self, token: Token, location: SourceLocation) -> String {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } => format!("the source of {location}"),
            Delivery::Explored(explorer) => explorer.peers.name(token, location),
            Delivery::Replayed(replayed) => replayed.peers.name(token, location),
        }
    }

    /// Records that the loop has blocked until every job below `end` had finished.
    pub(super) fn jobs_have_finished(&self, end: JobId) {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } | Delivery::Replayed(_) => {}
            Delivery::Explored(explorer) => explorer.jobs_have_finished(end),
        }
    }

    /// Begins the part of a recording that belongs to the next arrival.
    #[cold]
    pub(super) fn begin_segment(&self, number: usize) {
        if let Delivery::Replayed(replayed) = self {
            replayed.reader.begin_segment(number);
        }
    }

    /// Returns whether something has arrived that a later poll phase will deliver.
    pub(super) fn is_holding(&self) -> bool {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } | Delivery::Replayed(_) => false,
            Delivery::Explored(explorer) => explorer.is_holding(),
        }
    }

    /// Calls `visit` with everything that is kept for a later poll phase.
    pub(super) fn for_each_held(&self, visit: impl FnMut(&Batched)) {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } | Delivery::Replayed(_) => {}
            Delivery::Explored(explorer) => explorer.for_each_held(visit),
        }
    }

    /// Removes everything that is kept for a later poll phase.
    pub(super) fn take_held(&self) -> Vec<Batched> {
        match self {
            Delivery::InOrder | Delivery::Recorded { .. } => Vec::new(),
            Delivery::Explored(explorer) => explorer.take_held(),
            Delivery::Replayed(replayed) => replayed.take_held(),
        }
    }
}
