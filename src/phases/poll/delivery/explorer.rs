//! Exploration: a seed decides what Node does not guarantee.
//!
//! | what Node does not guarantee | what is permuted | what is not |
//! |---|---|---|
//! | the order of jobs that run at the same time | which of the first N jobs finishes next | a job before one that has to finish for it to get a thread (R60) |
//! | the same in a simulated world: the order of jobs that finish at the same time | any of those that can have a thread is next, in this poll phase or in the next | jobs that finish at different times |
//! | whether a completion has arrived when a poll phase that does not wait looks | a job is delivered now or later | jobs after `wait_for_jobs`, which have finished |
//! | the order of descriptors in one poll phase, and of messages of different threads | lanes are merged | a lane: one descriptor, one thread |
//! | the number of poll phases that an operation needs | the rest is delivered by the next one | |
//! | whether a millisecond has passed when the timers phase reads the clock | a timer due within one is due | a held clock, an `advance`, the order of timers |
//! | whether a descriptor can be written to without waiting | a write waits for the poll phase | |
//! | how long a peer takes to reply | a simulated operation takes longer, within its range | an operation of a known duration, and the order of completions by their times, then as they were started |
//! | the order of packets of different connections, and of hosts that have something to do at one instant | any is next (`reactor/world/network.rs`, `test/world/schedule.rs`) | packets of one connection |
//!
//! To be repeatable, job results are not delivered as they arrive: the seed decides which is next,
//! and the loop waits until that job has really finished. Simulated completions are guaranteed for
//! the first poll phase at their time, in their order, so they are one lane that is never late.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mio::Token;
use rustc_hash::{FxHashMap, FxHashSet};

use super::super::{Batched, PollContext, PollOutcome, PollPhase, Wait};
use super::footprint::{Access, Key};
use super::held_back::{HeldBack, Lane, SimulatedJobs};
use super::order::{Actor, Drift, Order};
use super::peers::Peers;
use crate::blocking::pool::{JobId, JobResult, Pool};
use crate::phases::macrotask::SourceLocation;
use crate::reactor::choices::{Choices, Decision, Seed};
use crate::reactor::clock::machine_now;
use crate::reactor::registrations::{Direction, Readiness, RegistrationKey, Registrations};
use crate::reactor::remote_queue::Message;

/// How long, in real time, a poll phase that need not deliver a job waits for the chosen one. Only
/// a job that waits for the loop takes so long; it then counts as unfinished.
const JOB_WAIT_LIMIT: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(crate) struct Explorer {
    pub(super) choices: Rc<Choices>,
    /// The order of this run, if the seed is that of an order.
    pub(super) order: Option<Order>,
    pub(super) held_back: RefCell<HeldBack>,
    /// The results of jobs that have finished and were not chosen yet.
    pub(super) finished: RefCell<FxHashMap<JobId, JobResult>>,
    /// The results of jobs that were aborted meanwhile.
    pub(super) unwanted: RefCell<Vec<Message>>,
    /// Jobs that did not finish while they were waited for.
    pub(super) slow: RefCell<FxHashSet<JobId>>,
    /// The loop has blocked until the jobs below this number had finished, so each may be delivered.
    pub(super) known_finished: Cell<JobId>,
    /// Sources whose next write is not deferred, because the one before was.
    deferred: RefCell<FxHashSet<Token>>,
    pub(super) peers: Peers,
}

/// How many jobs a poll phase delivers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum JobMode {
    /// At least one, because nothing else can end the wait.
    AtLeastOne,
    /// Any number, as the seed decides.
    AsChosen,
}

impl Explorer {
    pub(super) fn new(choices: Rc<Choices>) -> Explorer {
        Explorer {
            order: choices.seed().is_order().then(Order::default),
            choices,
            ..Explorer::default()
        }
    }

    pub(super) fn seed(&self) -> Seed {
        self.choices.seed().clone()
    }

    pub(super) fn decisions(&self) -> Vec<Decision> {
        self.choices.decisions()
    }

    pub(super) fn inapplicable(&self) -> Vec<usize> {
        self.choices.inapplicable()
    }

    /// Chooses a value that the running event depends on.
    fn choose_value(&self, options: usize, describe: impl FnOnce(usize) -> String) -> usize {
        let question = self.choices.asked();
        let chosen = self.choices.choose(options, describe);
        if let Some(order) = self.order.as_ref().filter(|_| options > 1) {
            order.record_value(question, options, chosen);
        }
        chosen
    }

    /// Implements [`Delivery::poll`](super::Delivery::poll).
    pub(super) fn poll(
        &self,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        wait_now: impl Fn() -> Wait,
    ) -> io::Result<PollOutcome> {
        if let Some(order) = &self.order {
            return self.begin_poll(order, phase, cx, &wait_now);
        }
        self.pull(phase, cx, Wait::Zero, &wait_now)?;
        let wait = if self.is_holding() {
            Wait::Zero
        } else {
            wait_now()
        };
        let mut jobs = self.choose_jobs(phase, cx, self.job_mode(phase, cx, wait))?;
        if wait != Wait::Zero && jobs.is_empty() && !self.is_holding() {
            if self.pull(phase, cx, wait, &wait_now)? == PollOutcome::ClockHeld {
                return Ok(PollOutcome::ClockHeld);
            }
            let mode = self.job_mode(phase, cx, wait);
            if !self.is_holding() && mode == JobMode::AtLeastOne {
                jobs = self.choose_jobs(phase, cx, mode)?;
            }
        }
        let mut held_back = self.held_back.borrow_mut();
        for id in jobs {
            if let Some(result) = self.finished.borrow_mut().remove(&id) {
                let message = Message::JobDone(id, result);
                held_back.push(Lane::Jobs, Batched::Message(message));
            }
        }
        let name = |batched: &Batched| name(batched, phase, cx);
        let jobs = SimulatedJobs {
            outstanding: match cx.pool.has_threads() {
                true => Vec::new(),
                false => cx.pool.outstanding_ids(),
            },
            limit: cx.pool.limit(),
            known_finished: self.known_finished.get(),
        };
        let mut batch = held_back.merge(&self.choices, wait != Wait::Zero, jobs, name);
        batch.extend(self.unwanted.take().into_iter().map(Batched::Message));
        phase.batch.replace(batch);
        Ok(PollOutcome::Arrivals)
    }

    /// Moves everything that has arrived into the lanes. Waits if nothing has and `wait` allows it.
    ///
    /// The result of a job is no arrival: it is delivered when it is chosen. It does not end a wait that moves
    /// the clock either, because whether it arrives during the wait depends on the speed of its thread.
    pub(super) fn pull(
        &self,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        wait: Wait,
        wait_now: &impl Fn() -> Wait,
    ) -> io::Result<PollOutcome> {
        let held_before = self.held_back.borrow().len();
        loop {
            let outcome = phase.collect(cx, wait, wait_now)?;
            self.hold_batch(phase, cx);
            let has_arrivals = self.held_back.borrow().len() != held_before;
            if has_arrivals || outcome == PollOutcome::ClockHeld || !phase.will_jump(cx, wait) {
                return Ok(outcome);
            }
        }
    }

    fn hold_batch(&self, phase: &PollPhase, cx: &PollContext<'_>) {
        let mut held_back = self.held_back.borrow_mut();
        for batched in phase.batch.take() {
            match batched {
                Batched::InRemoteQueue(count) => {
                    let envelopes = (0..count).map_while(|_| cx.remote_queue.pop());
                    envelopes.for_each(|envelope| match envelope.message {
                        Message::JobDone(id, result) if cx.pool.is_outstanding(id) => {
                            self.finished.borrow_mut().insert(id, result);
                        }
                        aborted @ Message::JobDone(..) => {
                            self.unwanted.borrow_mut().push(aborted);
                        }
                        message => {
                            let lane = Lane::Thread(envelope.sender);
                            held_back.push(lane, Batched::Message(message));
                        }
                    });
                }
                Batched::SimulatedJob(id) => {
                    let end = cx.pool.finished_at(id).filter(|_| self.order.is_none());
                    let lane = end.map_or(Lane::Simulated, |end| Lane::SimulatedJob(id, end));
                    held_back.push(lane, batched);
                }
                Batched::Simulated(_) | Batched::Message(_) | Batched::Journaled(_) => {
                    held_back.push(Lane::Simulated, batched);
                }
                Batched::Ready(token, _) => held_back.push(Lane::Source(token), batched),
                Batched::Signal(_) | Batched::SignalCallback(_) => {
                    held_back.push(Lane::Signals, batched);
                }
                Batched::Undecided | Batched::Segment(_) => {} // left by a run that was stopped
            }
        }
    }

    /// Returns whether a job must be delivered: if nothing else can end the wait, because jobs hold
    /// the clock or nothing is due later.
    fn job_mode(&self, phase: &PollPhase, cx: &PollContext<'_>, wait: Wait) -> JobMode {
        if self.job_must_come(phase, cx, wait) {
            JobMode::AtLeastOne
        } else {
            JobMode::AsChosen
        }
    }

    /// Returns whether nothing but a job can end the wait.
    pub(super) fn job_must_come(
        &self,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        wait: Wait,
    ) -> bool {
        wait != Wait::Zero
            && cx.pool.has_outstanding()
            && (phase.time.jobs_hold || phase.first_due(wait).is_none())
            && !phase.simulated.has_stalled()
    }

    /// Records that the delivery of a job may give a thread to another one (R60).
    pub(super) fn touch_pool(&self, order: &Order, cx: &PollContext<'_>) {
        let some_wait = cx.pool.outstanding_ids().len() > cx.pool.limit();
        let access = if some_wait {
            Access::Write
        } else {
            Access::Read
        };
        order.touch(Key::Pool, access);
        order.touch(Key::Outstanding, Access::Add);
    }

    /// Chooses the jobs that this poll phase delivers, in order, and waits until they have finished.
    fn choose_jobs(
        &self,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        mode: JobMode,
    ) -> io::Result<Vec<JobId>> {
        let mut chosen: Vec<JobId> = Vec::new();
        if !cx.pool.has_threads() {
            return Ok(chosen); // they finish at their virtual times
        }
        loop {
            let is_known = |id: &JobId| *id < self.known_finished.get();
            // R60: the first of those that are left, as many as there are threads, can be running.
            let mut running = cx.pool.outstanding_ids();
            running.retain(|id| !chosen.contains(id));
            running.truncate(cx.pool.limit());
            let any_is_known = running.iter().any(is_known);
            let must = any_is_known || (mode == JobMode::AtLeastOne && chosen.is_empty());
            if any_is_known {
                running.retain(is_known);
            } else if !must {
                let (finished, slow) = (self.finished.borrow(), self.slow.borrow());
                running.retain(|id| finished.contains_key(id) || !slow.contains(id));
            }
            let Some(next) = self.choose_job(&running, must, cx.pool) else {
                return Ok(chosen);
            };
            if self.wait_for_job(next, must, phase, cx)? {
                chosen.push(next);
            } else if !must {
                self.slow.borrow_mut().insert(next);
            }
        }
    }

    /// Chooses one of the running jobs, or `None` unless one `must` be delivered.
    fn choose_job(&self, running: &[JobId], must: bool, pool: &Pool) -> Option<JobId> {
        let name = |index: usize| job_name(running[index], pool);
        let index = if running.is_empty() {
            None
        } else if must {
            Some(self.choices.choose(running.len(), |chosen| {
                format!("{} finished before {}", name(chosen), name(0))
            }))
        } else {
            let none_or_one = self.choices.choose(1 + running.len(), |chosen| {
                let job = name(chosen - 1);
                format!("{job} had finished when the poll phase looked")
            });
            none_or_one.checked_sub(1)
        };
        index.map(|index| running[index])
    }

    /// Waits until a job has finished. Returns `false` if the job was aborted, or if the wait took
    /// too long and the job need not be delivered.
    pub(super) fn wait_for_job(
        &self,
        id: JobId,
        must: bool,
        phase: &PollPhase,
        cx: &PollContext<'_>,
    ) -> io::Result<bool> {
        let mut waiting_since = machine_now();
        loop {
            let finished_before = self.finished.borrow().len();
            if self.finished.borrow().contains_key(&id) {
                return Ok(true);
            }
            if !cx.pool.is_outstanding(id) {
                return Ok(false);
            }
            // A wait may end without a job: by a wake whose message was read before, or by a source.
            let limit = JOB_WAIT_LIMIT.saturating_sub(machine_now().saturating_sub(waiting_since));
            if !must && limit.is_zero() {
                return Ok(false);
            }
            phase.wait_for_external_event(cx, (!must).then_some(limit))?;
            self.hold_batch(phase, cx);
            if self.finished.borrow().len() != finished_before {
                waiting_since = machine_now();
            }
        }
    }

    /// Lets a millisecond pass before the timers phase reads the clock, if the seed decides so and
    /// the next timer is then due.
    pub(super) fn maybe_pass_time(
        &self,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        timer_due_at: impl FnOnce(u64) -> Option<SourceLocation>,
    ) {
        let next_ms = cx.clock.now_ms().saturating_add(1);
        let drift = self.order.as_ref().map(|order| order.phase.drift.get());
        let location = timer_due_at(next_ms);
        // The loop timer may be due although its timer was cleared: then nothing runs, but time passes.
        if location.is_none() && drift != Some(Drift::Must) {
            return;
        }
        self.touch(Key::Outstanding, Access::Read);
        if !self.may_pass_time(phase, cx) {
            return;
        }
        let passes = match (drift, location) {
            (Some(Drift::Must), _) => true,
            (Some(Drift::Never), _) | (_, None) => false,
            (Some(Drift::Either) | None, Some(location)) => {
                let passed =
                    |_| format!("a millisecond passed, and the timer of {location} was due");
                self.choose_value(2, passed) == 1
            }
        };
        if passes {
            self.touch(Key::Clock, Access::Write);
            cx.clock.jump_to(Duration::from_millis(next_ms));
        }
    }

    /// Returns whether a millisecond may pass before the timers phase reads the clock.
    pub(super) fn may_pass_time(&self, phase: &PollPhase, cx: &PollContext<'_>) -> bool {
        let target = Duration::from_millis(cx.clock.now_ms().saturating_add(1));
        let is_exact = phase.simulated.next_due().is_some_and(|due| due < target);
        !is_exact && phase.time.may_drift(cx.pool.has_outstanding())
    }

    pub(super) fn end_turns(&self) {
        if let Some(order) = &self.order {
            order.end_event(self.choices.asked());
            order.begin_event(Actor::Idle, None);
            order.phase.drift.set(Drift::Either);
        }
    }

    /// Records that the running event has touched `key`, if the order is explored.
    pub(super) fn touch(&self, key: Key, access: Access) {
        if let Some(order) = &self.order {
            order.touch(key, access);
        }
    }

    /// Notes an operation on a source, and lets the seed decide about a write.
    #[cold]
    #[inline(never)] // so that an operation in other loops stays short
    pub(super) fn before_io(
        &self,
        registrations: &mut Registrations,
        key: RegistrationKey,
        direction: Direction,
    ) {
        self.touch(Key::Sources, Access::Write);
        if direction == Direction::Write {
            self.maybe_defer_write(registrations, key);
        }
    }

    /// Defers the next write to a writable source to a later poll phase, if the seed decides so.
    fn maybe_defer_write(&self, registrations: &mut Registrations, key: RegistrationKey) {
        let Some(location) = registrations.writable(key) else {
            return;
        };
        let token = key.token();
        if self.deferred.borrow_mut().remove(&token) {
            return;
        }
        let waits = |_| {
            let source = self.peers.name(token, location);
            format!("a write to {source} had to wait")
        };
        if self.choose_value(2, waits) == 1 {
            self.deferred.borrow_mut().insert(token);
            registrations.would_block(key, Direction::Write);
            let ready = Batched::Ready(token, Readiness::writable());
            let mut held_back = self.held_back.borrow_mut();
            held_back.push(Lane::Source(token), ready);
        }
    }

    /// Chooses how long a simulated operation takes, in whole milliseconds above `shortest`.
    pub(super) fn duration_within(
        &self,
        shortest: Duration,
        longest: Duration,
        location: SourceLocation,
    ) -> Duration {
        let span_ms = longest.saturating_sub(shortest).as_millis();
        let options = usize::try_from(span_ms).map_or(usize::MAX, |ms| ms.saturating_add(1));
        let longer = |ms: usize| shortest + Duration::from_millis(ms as u64);
        let chosen = self.choose_value(options, |chosen| {
            let took = longer(chosen);
            format!("the operation of {location} took {took:?} instead of {shortest:?}")
        });
        longer(chosen)
    }

    pub(super) fn jobs_have_finished(&self, end: JobId) {
        self.touch(Key::Pool, Access::Write);
        self.known_finished.set(end);
    }

    pub(super) fn is_holding(&self) -> bool {
        !self.held_back.borrow().is_empty()
    }

    pub(super) fn for_each_held(&self, visit: impl FnMut(&Batched)) {
        self.held_back.borrow().iter().for_each(visit);
    }

    pub(super) fn take_held(&self) -> Vec<Batched> {
        let finished = self.finished.take().into_iter();
        let finished = finished.map(|(id, result)| Message::JobDone(id, result));
        let results = finished.chain(self.unwanted.take()).map(Batched::Message);
        let held = self.held_back.borrow_mut().take_all();
        held.chain(results).collect()
    }
}

/// Returns the name of an arrival in the text of a decision.
pub(super) fn name(batched: &Batched, phase: &PollPhase, cx: &PollContext<'_>) -> String {
    match batched {
        Batched::Simulated(macrotask) => {
            format!("the completion of {}", macrotask.origin.location)
        }
        Batched::Message(Message::Post(_, location) | Message::Runnable(_, location)) => {
            format!("the message of {location}")
        }
        Batched::Message(Message::Wake(waker)) => match cx.tasks.location_of(waker.task()) {
            Some(location) => format!("the wake of the task of {location}"),
            None => "the wake of a task that has ended".to_owned(),
        },
        Batched::Message(Message::WakeMain(waker)) => {
            format!("the wake of the task of {}", waker.meta.location)
        }
        Batched::Message(Message::JobDone(id, _)) => job_name(*id, cx.pool),
        Batched::SignalCallback(macrotask) => {
            format!("the signal of {}", macrotask.origin.location)
        }
        Batched::Message(Message::External(..) | Message::ExternalDropped(_)) => {
            "an operation outside of the loop".to_owned()
        }
        Batched::Signal(_) | Batched::Message(Message::Signal(_)) => "a signal".to_owned(),
        Batched::SimulatedJob(id) => job_name(*id, cx.pool),
        Batched::Journaled(envelope) => match &envelope.message {
            Message::JobDone(id, _) => job_name(*id, cx.pool),
            _ => "a message".to_owned(),
        },
        Batched::InRemoteQueue(_) | Batched::Undecided | Batched::Segment(_) => {
            "a message".to_owned()
        }
        Batched::Message(Message::Source(token, _)) | Batched::Ready(token, _) => {
            match phase.registrations.borrow().location(*token) {
                Some(location) => {
                    let source = phase.delivery.source_name(*token, location);
                    format!("the readiness of {source}")
                }
                None => "the readiness of a source".to_owned(),
            }
        }
    }
}

/// Returns the name of a job in the text of a decision: with its number if another one that has not been
/// delivered was submitted on the same line.
pub(super) fn job_name(id: JobId, pool: &Pool) -> String {
    let Some(location) = pool.location(id) else {
        return "a job".to_owned();
    };
    let mut others = pool.outstanding_ids().into_iter();
    if others.any(|other| other != id && pool.location(other) == Some(location)) {
        return format!("job {} of {location}", id + 1); // as observers receive it
    }
    format!("the job of {location}")
}
