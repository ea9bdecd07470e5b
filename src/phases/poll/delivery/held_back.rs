//! Arrivals that were not delivered yet, in lanes that each keep their own order.

use std::collections::VecDeque;
use std::thread::ThreadId;

use mio::Token;

use super::super::Batched;
use super::seed::Choices;

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
        name: impl Fn(&Batched) -> String,
    ) -> VecDeque<Batched> {
        let held = std::mem::take(&mut self.held);
        let (signals, mut lanes): (VecDeque<_>, VecDeque<_>) = held
            .into_iter()
            .partition(|(lane, _)| *lane == Lane::Signals);
        let mut delivered = VecDeque::new();
        while !lanes.is_empty() {
            let heads = heads(&lanes);
            let next = choices.choose(heads.len(), |chosen| {
                let (chosen, first) = (&lanes[heads[chosen]].1, &lanes[heads[0]].1);
                format!("{} came before {}", name(chosen), name(first))
            });
            let (lane, batched) = &lanes[heads[next]];
            let may_wait = lane.may_be_late() && (!has_waited || !delivered.is_empty());
            let late = || format!("{} came a poll phase later", name(batched));
            if may_wait && choices.choose_bool(late) {
                break;
            }
            delivered.extend(lanes.remove(heads[next]).map(|(_, batched)| batched));
        }
        let (later, due): (VecDeque<_>, VecDeque<_>) =
            lanes.into_iter().partition(|(lane, _)| lane.may_be_late());
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
