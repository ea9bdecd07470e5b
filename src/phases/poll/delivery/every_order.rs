//! Exploration of one order: decides about each event when the one before it has run.
//!
//! The alternatives are those of [`explorer`](super::explorer), with one difference: a turn in which
//! nothing runs and no time passes is left out: it is no alternative to a delivery, and what would
//! arrive after it may arrive without it. A program of bounded choices has therefore a bounded number
//! of orders. Durations are chosen when an operation starts.
//!
//! | at each point one of these comes next | unless |
//! |---|---|
//! | the first arrival of a thread or of a source | it arrived after the poll phase had begun, and the rest of the turn is not empty |
//! | the first simulated completion that is due | |
//! | a job that has a thread (R60) | others have finished for certain |
//! | the rest of the turn | a completion is due, a job has finished for certain, or nothing would run |
//! | a wait, which moves a virtual clock | something has arrived, or jobs hold the clock |

use std::io;
use std::time::Duration;

use super::super::{Batched, PollContext, PollOutcome, PollPhase, Wait};
use super::explorer::{Explorer, job_name, name};
use super::held_back::Lane;
use super::order::{Actor, Drift, Order};
use crate::blocking::pool::JobId;
use crate::reactor::remote_queue::Message;

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The arrival with this index in the list of what is held back.
    Arrival(usize),
    Job(JobId),
    /// The rest of the turn.
    EndOfPhase,
    /// A wait in this poll phase, or in the next one if this one has delivered something.
    Wait,
}

impl Explorer {
    /// Fills the batch of a poll phase with its first arrival and a request to decide about the next.
    pub(super) fn begin_poll(
        &self,
        order: &Order,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        wait_now: &impl Fn() -> Wait,
    ) -> io::Result<PollOutcome> {
        self.pull(phase, cx, Wait::Zero, wait_now)?;
        order.end_event(self.choices.asked());
        order.phase.has_delivered.set(false);
        order.phase.has_waited.set(false);
        self.admit_arrivals(order, cx);
        self.decide(order, phase, cx, wait_now)
    }

    /// Decides what comes after the arrival that has run.
    pub(super) fn continue_poll(
        &self,
        order: &Order,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        wait_now: &impl Fn() -> Wait,
    ) -> io::Result<PollOutcome> {
        order.end_event(self.choices.asked());
        self.decide(order, phase, cx, wait_now)
    }

    /// Lets this poll phase deliver what has arrived until now.
    fn admit_arrivals(&self, order: &Order, cx: &PollContext<'_>) {
        order.phase.eligible.set(self.held_back.borrow().len());
        order.phase.jobs_end.set(cx.pool.next_id());
    }

    fn decide(
        &self,
        order: &Order,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        wait_now: &impl Fn() -> Wait,
    ) -> io::Result<PollOutcome> {
        loop {
            let wait = wait_now();
            if wait != Wait::Zero && !is_overdue(wait, cx) {
                // The rest of the turn would be empty, so what has arrived meanwhile may come next.
                self.pull(phase, cx, Wait::Zero, wait_now)?;
                self.admit_arrivals(order, cx);
            }
            let alternatives = self.alternatives(order, phase, cx, wait);
            let actors: Vec<Actor> = alternatives
                .iter()
                .map(|next| self.actor_of(*next, order))
                .collect();
            let describe = |chosen: usize| {
                self.describe(&alternatives[..], chosen, |next| {
                    self.name_of(next, phase, cx)
                })
            };
            let (chosen, point) = order.choose_event(&actors, &self.choices, describe);
            match alternatives[chosen] {
                Next::Arrival(index) => {
                    order.begin_event(actors[chosen], point);
                    let arrival = self.held_back.borrow_mut().remove(index);
                    order.phase.eligible.set(order.phase.eligible.get() - 1);
                    self.deliver(order, phase, arrival);
                    return Ok(PollOutcome::Arrivals);
                }
                Next::Job(id) => {
                    let must = alternatives.len() == 1;
                    if !self.wait_for_job(id, must, phase, cx)? {
                        self.slow.borrow_mut().insert(id);
                        continue;
                    }
                    order.begin_event(actors[chosen], point);
                    self.touch_pool(order, cx);
                    let result = self.finished.borrow_mut().remove(&id);
                    let message = result.map(|result| Message::JobDone(id, result));
                    self.deliver(order, phase, message.map(Batched::Message));
                    return Ok(PollOutcome::Arrivals);
                }
                Next::Wait if !order.phase.has_delivered.get() => {
                    order.begin_event(Actor::Clock, point);
                    order.phase.waits_next.set(false);
                    let outcome = self.pull(phase, cx, wait, wait_now)?;
                    order.end_event(self.choices.asked());
                    if outcome == PollOutcome::ClockHeld {
                        return Ok(outcome);
                    }
                    order.phase.has_waited.set(true);
                    self.admit_arrivals(order, cx);
                }
                next => {
                    order.begin_event(actors[chosen], point);
                    order.phase.waits_next.set(next == Next::Wait);
                    order.phase.drift.set(match next {
                        _ if wait == Wait::Zero || is_overdue(wait, cx) => Drift::Either,
                        Next::EndOfPhase if point.is_some() => Drift::Must,
                        _ => Drift::Never,
                    });
                    self.end_phase(phase);
                    return Ok(PollOutcome::Arrivals);
                }
            }
        }
    }

    /// Returns everything that may come next, the plain order first.
    fn alternatives(
        &self,
        order: &Order,
        phase: &PollPhase,
        cx: &PollContext<'_>,
        wait: Wait,
    ) -> Vec<Next> {
        let held_back = self.held_back.borrow();
        let heads = held_back.heads_of_first(order.phase.eligible.get());
        let is_due = heads
            .iter()
            .any(|head| held_back.lane(*head) == Lane::Simulated);
        let mut jobs = cx.pool.outstanding_ids();
        jobs.retain(|id| *id < order.phase.jobs_end.get());
        jobs.truncate(cx.pool.limit()); // R60
        let is_known = |id: &JobId| *id < self.known_finished.get();
        let any_is_known = jobs.iter().any(is_known);
        if any_is_known {
            jobs.retain(is_known);
        } else {
            let (finished, slow) = (self.finished.borrow(), self.slow.borrow());
            jobs.retain(|id| finished.contains_key(id) || !slow.contains(id));
        }
        let would_run = wait == Wait::Zero || is_overdue(wait, cx);
        let has_heads = !heads.is_empty();
        let is_first = !order.phase.has_delivered.get() && !order.phase.has_waited.get();
        let may_drift = matches!(wait, Wait::Until(due_ms) if due_ms == cx.clock.now_ms() + 1)
            && self.may_pass_time(phase, cx)
            && (has_heads || (is_first && self.completion_is_due_next(phase, cx)));
        let jobs_hold = cx.pool.has_outstanding() && self.job_must_come(phase, cx, wait);
        let may_wait = !would_run && !has_heads && !jobs_hold && !order.phase.has_waited.get();
        let mut alternatives: Vec<Next> = heads.into_iter().map(Next::Arrival).collect();
        if may_wait && order.phase.waits_next.get() {
            return vec![Next::Wait];
        }
        if !is_due && !any_is_known {
            if may_wait && (may_drift || !jobs.is_empty()) {
                alternatives.push(Next::Wait);
            }
            if would_run || may_drift {
                alternatives.push(Next::EndOfPhase);
            }
        }
        alternatives.extend(jobs.into_iter().map(Next::Job));
        if alternatives.is_empty() {
            let must_wait = is_first && !would_run;
            alternatives.push(if must_wait {
                Next::Wait
            } else {
                Next::EndOfPhase
            });
        }
        alternatives
    }

    /// Returns whether a completion is due at the next millisecond, which a timer may come before only
    /// if time passes in the turn.
    fn completion_is_due_next(&self, phase: &PollPhase, cx: &PollContext<'_>) -> bool {
        let next = Duration::from_millis(cx.clock.now_ms() + 1);
        phase.simulated.next_due() == Some(next)
    }

    /// Puts an arrival into the batch, and the request to decide after it.
    fn deliver(&self, order: &Order, phase: &PollPhase, arrival: Option<Batched>) {
        order.phase.has_delivered.set(true);
        let mut batch = phase.batch.borrow_mut();
        batch.push_front(Batched::Undecided);
        if let Some(arrival) = arrival {
            batch.push_front(arrival);
        }
    }

    /// Delivers the signals, which come last (R64), and the results of jobs that were aborted.
    fn end_phase(&self, phase: &PollPhase) {
        let signals = self.held_back.borrow_mut().take_signals();
        let aborted = self.unwanted.take().into_iter().map(Batched::Message);
        phase
            .batch
            .borrow_mut()
            .extend(signals.into_iter().chain(aborted));
    }

    fn actor_of(&self, next: Next, order: &Order) -> Actor {
        match next {
            Next::Arrival(index) => order.actor_of(self.held_back.borrow().lane(index)),
            Next::Job(id) => Actor::Job(id),
            Next::EndOfPhase => Actor::Turn,
            Next::Wait if order.phase.has_delivered.get() => Actor::Turn,
            Next::Wait => Actor::Clock,
        }
    }

    fn name_of(&self, next: Next, phase: &PollPhase, cx: &PollContext<'_>) -> String {
        match next {
            Next::Arrival(index) => name(self.held_back.borrow().get(index), phase, cx),
            Next::Job(id) => job_name(id, cx.pool),
            Next::EndOfPhase => "the rest of the turn".to_owned(),
            Next::Wait => "a wait".to_owned(),
        }
    }

    fn describe(
        &self,
        alternatives: &[Next],
        chosen: usize,
        name_of: impl Fn(Next) -> String,
    ) -> String {
        let (plain, chosen) = (alternatives[0], alternatives[chosen]);
        match (chosen, plain) {
            (Next::EndOfPhase, _) => format!("{} came a poll phase later", name_of(plain)),
            (Next::Job(_), Next::EndOfPhase | Next::Wait) => {
                format!(
                    "{} had finished when the poll phase looked",
                    name_of(chosen)
                )
            }
            (Next::Job(_), Next::Job(_)) => {
                format!("{} finished before {}", name_of(chosen), name_of(plain))
            }
            _ => format!("{} came before {}", name_of(chosen), name_of(plain)),
        }
    }
}

/// Returns whether a timer is due.
fn is_overdue(wait: Wait, cx: &PollContext<'_>) -> bool {
    matches!(wait, Wait::Until(due_ms) if due_ms <= cx.clock.now_ms())
}
