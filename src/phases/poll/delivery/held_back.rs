//! Arrivals that were not delivered yet, in lanes that each keep their own order.

use std::collections::VecDeque;
use std::thread::ThreadId;
use std::time::Duration;

use mio::Token;

use super::super::Batched;
use crate::blocking::pool::JobId;
use crate::reactor::choices::Choices;

/// The arrivals that an explored loop has not delivered yet.
#[derive(Default)]
pub(super) struct HeldBack {
    held: VecDeque<(Lane, Batched)>,
}

/// Identifies arrivals that keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Simulated,
    /// Signals, which come last in their poll phase (R64).
    Signals,
    /// Messages of one thread.
    Thread(Option<ThreadId>),
    /// Events of one source.
    Source(Token),
    /// The job results of one poll phase, which are in order already.
    Jobs,
    /// A job of a simulated host, with the time at which it has finished.
    SimulatedJob(JobId, Duration),
}

/// Which jobs of a simulated host may come next.
pub(super) struct SimulatedJobs {
    /// The jobs that have not been delivered, in the order of submission.
    pub(super) outstanding: Vec<JobId>,
    /// How many of them run at the same time.
    pub(super) limit: usize,
    /// The jobs below this number are known to have finished.
    pub(super) known_finished: JobId,
}

impl SimulatedJobs {
    /// Returns whether the arrival with this index may come next: if it is a job, no other has finished
    /// earlier, and it is one of those that can have had a thread (R60).
    fn may_come(&self, lanes: &VecDeque<(Lane, Batched)>, index: usize) -> bool {
        let Lane::SimulatedJob(id, end) = lanes[index].0 else {
            return true;
        };
        let is_earlier = |(lane, _): &(Lane, Batched)| matches!(lane, Lane::SimulatedJob(_, other) if *other < end);
        let position = self.outstanding.iter().position(|other| *other == id);
        !lanes.iter().any(is_earlier) && position.is_none_or(|position| position < self.limit)
    }

    /// Returns those of `heads` that may come next.
    fn may_come_of(&self, lanes: &VecDeque<(Lane, Batched)>, heads: Vec<usize>) -> Vec<usize> {
        let may_come = heads.iter().copied();
        let may_come: Vec<usize> = may_come.filter(|it| self.may_come(lanes, *it)).collect();
        debug_assert!(
            !may_come.is_empty(),
            "the first job that has finished may come (R60)"
        );
        match may_come.is_empty() {
            true => heads,
            false => may_come,
        }
    }

    fn may_be_late(&self, lane: Lane) -> bool {
        match lane {
            Lane::SimulatedJob(id, _) => id >= self.known_finished,
            lane => lane.may_be_late(),
        }
    }

    fn deliver(&mut self, lane: Lane) {
        if let Lane::SimulatedJob(id, _) = lane {
            self.outstanding.retain(|other| *other != id);
        }
    }
}

impl Lane {
    /// Returns whether an arrival may be delivered a poll phase later. A job was chosen for this poll
    /// phase, and a simulated completion is due in it.
    fn may_be_late(self) -> bool {
        matches!(self, Lane::Thread(_) | Lane::Source(_))
    }
}

impl HeldBack {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn push(&mut self, lane: Lane, batched: Batched) {
        self.held.push_back((lane, batched));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Batched> {
        self.held.iter().map(|(_, batched)| batched)
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn get(&self, index: usize) -> &Batched {
        &self.held[index].1
    }

    pub(super) fn lane(&self, index: usize) -> Lane {
        self.held[index].0
    }

    /// Returns the indices of the first entry of each lane among the first `count` entries, without
    /// signals.
    pub(super) fn heads_of_first(&self, count: usize) -> Vec<usize> {
        let mut heads = heads(&self.held);
        heads.retain(|head| *head < count && self.lane(*head) != Lane::Signals);
        heads
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<Batched> {
        self.held.remove(index).map(|(_, batched)| batched)
    }

    pub(super) fn take_signals(&mut self) -> Vec<Batched> {
        let is_signal = |(lane, _): &(Lane, Batched)| *lane == Lane::Signals;
        let (signals, others) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(is_signal);
        self.held = others;
        let signals: VecDeque<(Lane, Batched)> = signals;
        signals.into_iter().map(|(_, batched)| batched).collect()
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Batched> + use<> {
        std::mem::take(&mut self.held)
            .into_iter()
            .map(|(_, batched)| batched)
    }

    /// Merges the lanes and returns what one poll phase delivers, in order. The next poll phase
    /// delivers the rest. A poll phase that `has_waited` delivers something.
    pub(super) fn merge(
        &mut self,
        choices: &Choices,
        has_waited: bool,
        mut jobs: SimulatedJobs,
        name: impl Fn(&Batched) -> String,
    ) -> VecDeque<Batched> {
        let held = std::mem::take(&mut self.held);
        let (signals, mut lanes): (VecDeque<_>, VecDeque<_>) = held
            .into_iter()
            .partition(|(lane, _)| *lane == Lane::Signals);
        let mut delivered = VecDeque::new();
        while !lanes.is_empty() {
            let heads = jobs.may_come_of(&lanes, heads(&lanes));
            let next = choices.choose(heads.len(), |chosen| {
                let (chosen, first) = (&lanes[heads[chosen]].1, &lanes[heads[0]].1);
                format!("{} came before {}", name(chosen), name(first))
            });
            let (lane, batched) = &lanes[heads[next]];
            let may_wait = jobs.may_be_late(*lane) && (!has_waited || !delivered.is_empty());
            let late = || format!("{} came a poll phase later", name(batched));
            if may_wait && choices.choose_bool(late) {
                break;
            }
            jobs.deliver(*lane);
            delivered.extend(lanes.remove(heads[next]).map(|(_, batched)| batched));
        }
        let is_late = |(lane, _): &(Lane, Batched)| jobs.may_be_late(*lane);
        let (later, due): (VecDeque<_>, VecDeque<_>) = lanes.into_iter().partition(is_late);
        let last = due.into_iter().chain(signals); // R64: signals after everything else
        delivered.extend(last.map(|(_, batched)| batched));
        self.held = later;
        delivered
    }
}

/// Returns the index of the first entry of each lane.
fn heads(lanes: &VecDeque<(Lane, Batched)>) -> Vec<usize> {
    let mut heads: Vec<usize> = Vec::new();
    for (index, (lane, _)) in lanes.iter().enumerate() {
        if heads.iter().all(|head| lanes[*head].0 != *lane) {
            heads.push(index);
        }
    }
    heads
}
