//! The poll phase of an exploration: what has arrived is handed out in an order that a seed
//! chooses among the legal ones.
//!
//! | what Node does not promise (SEMANTICS.md §8) | what is permuted here | what is not |
//! |---|---|---|
//! | the order of jobs that run at the same time | which of the first N jobs comes next | a job before one that has to end for it to get a thread (R60) |
//! | whether a completion has arrived when a poll phase that does not wait looks | a job comes now or later | jobs behind `wait_for_jobs`, which are there |
//! | the order of descriptors in one poll phase, of messages of different threads | lanes are merged | a lane: one descriptor, one thread |
//! | the number of poll phases that an operation needs | the rest waits for the next one | |
//! | whether a millisecond has passed when the timers phase reads the clock | a timer due within one is due | a held clock, an `advance`, the order of timers |
//!
//! To be repeatable, jobs are not taken as they come: the seed says which is next, and the loop
//! waits until that one has really finished. Simulated completions are promised for the first
//! poll phase at their time, in their order, so they are one lane that never waits.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::PollMode;
use crate::blocking::pool::JobId;
use crate::event_loop::state::LoopState;
use crate::hooks::uncaught::drop_quietly;
use crate::phases::poll::held_back::Lane;
use crate::phases::poll::{Batched, PollOutcome, Wait};
use crate::reactor::remote_queue::Message;

/// How long, in real time, a job is waited for that need not have come yet. Only one that waits
/// for the loop takes so long; it then counts as not there.
const PATIENCE_WITH_A_JOB: Duration = Duration::from_secs(2);

impl LoopState {
    /// [`PollPhase::poll_events`](crate::phases::poll::PollPhase::poll_events), in an order of the seed's.
    pub(super) fn poll_events_explored(self: &Rc<Self>, mode: PollMode) -> io::Result<PollOutcome> {
        if self.poll.has_batch() {
            return Ok(PollOutcome::Arrivals); // a run was stopped in the middle of its poll phase
        }
        self.pull(Wait::Zero)?;
        let is_holding = || self.held_back.borrow().is_holding();
        let mut wait = self.poll_wait(mode);
        if is_holding() {
            wait = Wait::Zero;
        }
        let must = wait != Wait::Zero && self.only_jobs_can_come(wait);
        let mut jobs = self.jobs_that_come(must)?;
        if wait != Wait::Zero && jobs.is_empty() && !is_holding() {
            if self.pull(wait)? == PollOutcome::ClockHeld {
                return Ok(PollOutcome::ClockHeld);
            }
            if !is_holding() && self.only_jobs_can_come(wait) {
                jobs = self.jobs_that_come(true)?;
            }
        }
        let mut held_back = self.held_back.borrow_mut();
        for id in jobs {
            if let Some(result) = held_back.finished.remove(&id) {
                let message = Batched::Message(Message::JobDone(id, result));
                held_back.held.push_back((Lane::Jobs, message));
            }
        }
        let held = std::mem::take(&mut held_back.held);
        drop(held_back);
        let (now, later) = self.merged(held, wait != Wait::Zero);
        self.held_back.borrow_mut().held = later;
        self.poll.set_batch(now);
        Ok(PollOutcome::Arrivals)
    }

    /// Whether nothing but a job can end a wait: it holds the clock, or no clock would wake.
    fn only_jobs_can_come(&self, wait: Wait) -> bool {
        let jobs_hold = self.poll.time.jobs_hold || self.poll.first_due(wait).is_none();
        self.pool.has_outstanding() && jobs_hold && !self.poll.has_stalled()
    }

    /// Takes what is there into the lanes; waits for it if `wait` says so.
    fn pull(&self, wait: Wait) -> io::Result<PollOutcome> {
        let external_work = self.external_work();
        let outcome =
            self.poll
                .poll_events(&self.clock, &self.remote_queue, wait, external_work, || {
                    true
                })?;
        self.take_batch();
        Ok(outcome)
    }

    fn take_batch(&self) {
        let mut unwanted = Vec::new();
        for one in self.poll.take_batch() {
            let lane = match &one {
                Batched::Simulated(_) | Batched::Message(_) => Lane::Simulated,
                Batched::Ready(token, _) => Lane::Source(*token),
                Batched::Signal(_) | Batched::SignalCallback(_) => Lane::Signals,
                Batched::InRemoteQueue => {
                    let Some((message, sender)) = self.remote_queue.pop_with_sender() else {
                        continue;
                    };
                    let mut held_back = self.held_back.borrow_mut();
                    match message {
                        Message::JobDone(id, result) if self.pool.is_outstanding(id) => {
                            held_back.finished.insert(id, result);
                        }
                        Message::JobDone(_, result) => unwanted.push(result), // it was aborted
                        message => {
                            let message = Batched::Message(message);
                            held_back.held.push_back((Lane::Thread(sender), message));
                        }
                    }
                    continue;
                }
            };
            self.held_back.borrow_mut().held.push_back((lane, one));
        }
        unwanted.into_iter().for_each(drop_quietly);
    }

    /// The jobs that come in this poll phase, in their order; they have finished. One of them at
    /// least if one `must` come.
    fn jobs_that_come(&self, must: bool) -> io::Result<Vec<JobId>> {
        let mut come: Vec<JobId> = Vec::new();
        loop {
            let is_due = |id: &JobId| *id < self.pool.waited_for();
            let mut running = self.pool.running(&come);
            let one_is_due = running.iter().any(is_due);
            let must_come = one_is_due || (must && come.is_empty());
            if one_is_due {
                running.retain(is_due);
            } else if !must_come {
                let held_back = self.held_back.borrow();
                running.retain(|id| {
                    held_back.finished.contains_key(id) || !held_back.slow.contains(id)
                });
            }
            if running.is_empty() {
                return Ok(come);
            }
            let job = |id: JobId| match self.pool.location(id) {
                Some(location) => format!("the job of {location}"),
                None => "a job".to_owned(),
            };
            let chosen = if must_come {
                self.explorer.choose(running.len(), |chosen| {
                    let (chosen, first) = (job(running[chosen]), job(running[0]));
                    format!("{chosen} finished before {first}")
                })
            } else {
                let come_or_not = self.explorer.choose(1 + running.len(), |chosen| {
                    let chosen = job(running[chosen - 1]);
                    format!("{chosen} had finished when the poll phase looked")
                });
                match come_or_not.checked_sub(1) {
                    Some(chosen) => chosen,
                    None => return Ok(come),
                }
            };
            if self.wait_for_job(running[chosen], must_come)? {
                come.push(running[chosen]);
            } else if !must_come {
                self.held_back.borrow_mut().slow.push(running[chosen]);
            }
        }
    }

    /// Waits until a job has really finished; false if it was given up, or nobody wants it any
    /// more.
    fn wait_for_job(&self, id: JobId, must: bool) -> io::Result<bool> {
        loop {
            if self.held_back.borrow().finished.contains_key(&id) {
                return Ok(true);
            }
            if !self.pool.is_outstanding(id) {
                return Ok(false);
            }
            let limit = (!must).then_some(PATIENCE_WITH_A_JOB);
            self.poll
                .wait_for_external_event(&self.clock, &self.remote_queue, limit)?;
            let before = self.held_back.borrow().finished.len();
            self.take_batch();
            if !must && self.held_back.borrow().finished.len() == before {
                return Ok(self.held_back.borrow().finished.contains_key(&id));
            }
        }
    }

    /// Merges the lanes: what is handed out now, in order, and what waits for the next poll
    /// phase. A phase that has waited hands out something.
    fn merged(
        &self,
        mut lanes: VecDeque<(Lane, Batched)>,
        has_waited: bool,
    ) -> (VecDeque<Batched>, VecDeque<(Lane, Batched)>) {
        let is_signal = |lane: &Lane| *lane == Lane::Signals;
        let (signals, mut lanes): (VecDeque<_>, VecDeque<_>) =
            lanes.drain(..).partition(|(lane, _)| is_signal(lane));
        let mut now = VecDeque::new();
        while !lanes.is_empty() {
            let mut heads: Vec<usize> = Vec::new();
            for (index, (lane, _)) in lanes.iter().enumerate() {
                if heads.iter().all(|head| lanes[*head].0 != *lane) {
                    heads.push(index);
                }
            }
            let next = self.explorer.choose(heads.len(), |chosen| {
                let (chosen, first) = (&lanes[heads[chosen]].1, &lanes[heads[0]].1);
                format!("{} came before {}", self.name(chosen), self.name(first))
            });
            // A job has been chosen for this phase; what was simulated is due in it.
            let may_wait = matches!(lanes[heads[next]].0, Lane::Thread(_) | Lane::Source(_));
            let one = &lanes[heads[next]].1;
            if may_wait
                && (!has_waited || !now.is_empty())
                && self
                    .explorer
                    .choose_bool(|| format!("{} came a poll phase later", self.name(one)))
            {
                break;
            }
            now.extend(lanes.remove(heads[next]).map(|(_, one)| one));
        }
        let is_due = |lane: &Lane| matches!(lane, Lane::Simulated | Lane::Jobs);
        let (due, later): (VecDeque<_>, VecDeque<_>) =
            lanes.into_iter().partition(|(lane, _)| is_due(lane));
        let last = due.into_iter().chain(signals); // R64: signals behind everything else
        now.extend(last.map(|(_, one)| one));
        (now, later)
    }

    fn name(&self, one: &Batched) -> String {
        match one {
            Batched::Simulated(macrotask) => {
                format!("the completion of {}", macrotask.origin.location)
            }
            Batched::Message(Message::Post(_, location)) => format!("the message of {location}"),
            Batched::Message(Message::Wake(runnable)) => {
                format!("the wake of the task of {}", runnable.metadata().location)
            }
            Batched::Message(Message::JobDone(id, _)) => match self.pool.location(*id) {
                Some(location) => format!("the job of {location}"),
                None => "a job".to_owned(),
            },
            Batched::SignalCallback(macrotask) => {
                format!("the signal of {}", macrotask.origin.location)
            }
            Batched::Signal(_) => "a signal".to_owned(),
            Batched::InRemoteQueue => "a message".to_owned(),
            Batched::Ready(token, _) => match self.poll.registrations.borrow().location(*token) {
                Some(location) => format!("the readiness of the source of {location}"),
                None => "the readiness of a source".to_owned(),
            },
        }
    }

    /// Perhaps a millisecond has passed when the timers phase reads the clock, so that the next
    /// timer is due (SEMANTICS.md §8).
    pub(super) fn a_millisecond_may_have_passed(&self) {
        let now_ms = self.clock.now_ms();
        let target = Duration::from_millis(now_ms + 1);
        let a_job_holds = self.poll.time.jobs_hold && self.pool.has_outstanding();
        let exact = self.poll.next_simulated().is_some_and(|due| due < target);
        let is_free = self.clock.is_virtual() && !a_job_holds && !exact;
        if !is_free || !self.poll.time.allow(target) || !self.poll.time.is_free() {
            return;
        }
        let Some(location) = self.timers.borrow().first_due_at(now_ms + 1) else {
            return;
        };
        let notify_observers =
            || format!("a millisecond passed, and the timer of {location} was due");
        if self.explorer.choose_bool(notify_observers) {
            self.clock.jump_to(target);
        }
    }
}
