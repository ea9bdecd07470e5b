//! What has arrived and was not delivered yet, in lanes that each keep their own order.

use std::collections::VecDeque;
use std::thread::ThreadId;

use mio::Token;

use super::super::Batched;
use super::seed::Choices;

/// What has arrived in a loop that is explored, and was not delivered yet.
#[derive(Default)]
pub(super) struct HeldBack {
    held: VecDeque<(Lane, Batched)>,
}

/// What keeps its own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Simulated,
    /// Signals, which come last in their poll phase (R64).
    Signals,
    /// Messages of one thread.
    Thread(Option<ThreadId>),
    /// Events of one source.
    Source(Token),
    /// The job results of one poll phase, which have been put in order already.
    Jobs,
}

impl Lane {
    /// Whether the world may take a poll phase longer. A job was chosen for this poll phase, and a
    /// simulated completion is due in it.
    fn may_be_late(self) -> bool {
        matches!(self, Lane::Thread(_) | Lane::Source(_))
    }
}

impl HeldBack {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn push(&mut self, lane: Lane, one: Batched) {
        self.held.push_back((lane, one));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Batched> {
        self.held.iter().map(|(_, one)| one)
    }

    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Batched> + use<> {
        std::mem::take(&mut self.held)
            .into_iter()
            .map(|(_, one)| one)
    }

    /// Merges the lanes and returns what one poll phase delivers, in order. What is left waits for the
    /// next one. A poll phase that `has_waited` delivers something.
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
        let mut now = VecDeque::new();
        while !lanes.is_empty() {
            let heads = heads(&lanes);
            let next = choices.choose(heads.len(), |chosen| {
                let (chosen, first) = (&lanes[heads[chosen]].1, &lanes[heads[0]].1);
                format!("{} came before {}", name(chosen), name(first))
            });
            let (lane, one) = &lanes[heads[next]];
            let may_wait = lane.may_be_late() && (!has_waited || !now.is_empty());
            let late = || format!("{} came a poll phase later", name(one));
            if may_wait && choices.choose_bool(late) {
                break;
            }
            now.extend(lanes.remove(heads[next]).map(|(_, one)| one));
        }
        let (later, due): (VecDeque<_>, VecDeque<_>) =
            lanes.into_iter().partition(|(lane, _)| lane.may_be_late());
        let last = due.into_iter().chain(signals); // R64: signals after everything else
        now.extend(last.map(|(_, one)| one));
        self.held = later;
        now
    }
}

/// The index of the first entry of each lane.
fn heads(lanes: &VecDeque<(Lane, Batched)>) -> Vec<usize> {
    let mut heads: Vec<usize> = Vec::new();
    for (index, (lane, _)) in lanes.iter().enumerate() {
        if heads.iter().all(|head| lanes[*head].0 != *lane) {
            heads.push(index);
        }
    }
    heads
}
