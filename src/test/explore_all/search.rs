//! The search through the orders of a program: which order to run next.
//!
//! It is stateless: it keeps the questions of the current run with their answers, and each run starts
//! the program again. Without a reduction it tries every alternative of every question. With it, it is
//! the dynamic partial-order reduction by source sets of Abdulla, Aronis, Jonsson and Sagonas (*Optimal
//! dynamic partial order reduction*, POPL 2014, algorithm 1) with sleep sets: in each run it looks for
//! *races*, which are two dependent events with no dependent event in between, and tries the second
//! one first at the point where the first one was chosen. Values, such as durations, are all tried.
//!
//! Invariant: with the reduction, no two runs that are not cut are equivalent.

use std::fmt;

use crate::phases::poll::delivery::Seed;
use crate::phases::poll::delivery::footprint::{Footprint, Key};
use crate::phases::poll::delivery::order::{Alternatives, EventRecord, OrderRecord, Plan, Sleeper};

/// Whether equivalent orders are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduction {
    /// Every order is run.
    #[cfg(test)]
    Off,
    On,
}

/// A question of the current run.
struct Node {
    alternatives: Alternatives,
    answer: usize,
    /// What was asleep when the question was first asked.
    asleep: Vec<Sleeper>,
    /// The alternatives to try.
    wanted: Vec<bool>,
    /// What the event of each alternative has touched, in all runs in which it was chosen.
    tried: Vec<Option<Footprint>>,
}

/// The program did not ask the same questions again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Diverged {
    /// The number of the question.
    pub(super) question: usize,
}

impl fmt::Display for Diverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the test did something else when its run was repeated (at decision {}): keep no state \
             outside of the body (statics, hash maps, the real clock), and join threads before the loop \
             looks for what they send",
            self.question
        )
    }
}

pub(super) struct Search {
    nodes: Vec<Node>,
    reduction: Reduction,
    is_ignored: fn(Key) -> bool,
}

impl Search {
    /// `is_ignored` selects the keys that are taken as independent although they are not.
    pub(super) fn new(reduction: Reduction, is_ignored: fn(Key) -> bool) -> Search {
        Search {
            nodes: Vec::new(),
            reduction,
            is_ignored,
        }
    }

    /// Returns the seed and the plan of the next run, which follows the answers of all questions so
    /// far.
    pub(super) fn plan(&self) -> (Seed, Plan) {
        let answers = self.nodes.iter().map(|node| node.answer).enumerate();
        let seed = Seed::of_order(answers.filter(|(_, answer)| *answer > 0).collect());
        let plan = Plan {
            answered: self.nodes.len(),
            asleep: match self.reduction {
                Reduction::On => self.nodes.last().map(Node::asleep_now).unwrap_or_default(),
                #[cfg(test)]
                Reduction::Off => Vec::new(),
            },
            is_ignored: self.is_ignored,
        };
        (seed, plan)
    }

    /// Learns from a run of the last plan.
    pub(super) fn learn(&mut self, record: OrderRecord) -> Result<(), Diverged> {
        let followed = self.nodes.len();
        for (question, node) in self.nodes.iter().enumerate() {
            let point = record.points.get(question);
            let is_same = point.is_some_and(|point| {
                point.alternatives == node.alternatives && point.answer == node.answer
            });
            if !is_same {
                return Err(Diverged { question });
            }
        }
        for point in record.points.into_iter().skip(followed) {
            self.nodes.push(Node::new(
                point.alternatives,
                point.answer,
                point.asleep,
                self.reduction,
            ));
        }
        for event in &record.events[..record.cut_after.unwrap_or(record.events.len())] {
            if let Some(node) = event.point.and_then(|point| self.nodes.get_mut(point)) {
                let tried = node.tried[node.answer].get_or_insert_default();
                tried.extend(&event.footprint);
            }
        }
        if self.reduction == Reduction::On {
            let count = record.cut_after.unwrap_or(record.events.len());
            self.reverse_races(&record.events[..count]);
        }
        Ok(())
    }

    /// Moves to the next order. Returns `false` if there is none.
    pub(super) fn advance(&mut self) -> bool {
        while let Some(node) = self.nodes.last_mut() {
            node.tried[node.answer].get_or_insert_default();
            if let Some(next) = node.next_answer() {
                node.answer = next;
                return true;
            }
            self.nodes.pop();
        }
        false
    }

    /// Returns whether durations account for most of the orders of the last run's questions.
    pub(super) fn has_long_ranges(&self) -> bool {
        let (mut of_durations, mut of_others) = (0.0, 0.0);
        for node in &self.nodes {
            match node.alternatives {
                // Other questions of values have two answers.
                Alternatives::Values(count) if count > 2 => of_durations += (count as f64).ln(),
                _ => {
                    let wanted = node.wanted.iter().filter(|wanted| **wanted).count();
                    of_others += (wanted.max(1) as f64).ln();
                }
            }
        }
        of_durations > of_others
    }

    /// Returns which part of the search is done, as an estimate: alternatives that are wanted later are
    /// not known yet.
    pub(super) fn progress(&self) -> f64 {
        let (mut done, mut weight) = (0.0, 1.0);
        for node in &self.nodes {
            let wanted = node.wanted.iter().filter(|wanted| **wanted).count();
            let tried = node.tried.iter().enumerate();
            let others = tried.filter(|(answer, it)| it.is_some() && *answer != node.answer);
            weight /= wanted.max(1) as f64;
            done += weight * others.count() as f64;
        }
        if self.nodes.is_empty() {
            1.0
        } else {
            done.min(1.0)
        }
    }

    /// Wants the reversal of each race of a run.
    fn reverse_races(&mut self, events: &[EventRecord]) {
        let causes = happens_before(events, self.is_ignored);
        for second in 0..events.len() {
            for first in racing_with(second, events, &causes, self.is_ignored) {
                let Some(node) = events[first].point.and_then(|at| self.nodes.get_mut(at)) else {
                    continue; // nothing else could come first
                };
                node.want_first_of(first, second, events, &causes);
            }
        }
    }
}

impl Node {
    fn new(
        alternatives: Alternatives,
        answer: usize,
        asleep: Vec<Sleeper>,
        reduction: Reduction,
    ) -> Node {
        let (count, all) = match &alternatives {
            Alternatives::Events(actors) => (actors.len(), reduction != Reduction::On),
            Alternatives::Values(count) => (*count, true),
        };
        let mut wanted = vec![all; count];
        wanted[answer] = true;
        Node {
            alternatives,
            answer,
            asleep,
            wanted,
            tried: vec![None; count],
        }
    }

    fn next_answer(&self) -> Option<usize> {
        let is_awake = |answer: &usize| match &self.alternatives {
            Alternatives::Events(actors) => {
                let is_same = |sleeper: &Sleeper| sleeper.actor == actors[*answer];
                !self.asleep.iter().any(is_same)
            }
            Alternatives::Values(_) => true,
        };
        let mut answers = 0..self.wanted.len();
        answers.find(|answer| {
            self.wanted[*answer] && self.tried[*answer].is_none() && is_awake(answer)
        })
    }

    /// Returns what is asleep at this question: what was, and the alternatives that have been tried.
    fn asleep_now(&self) -> Vec<Sleeper> {
        let mut asleep = self.asleep.clone();
        if let Alternatives::Events(actors) = &self.alternatives {
            let tried = actors.iter().zip(&self.tried);
            asleep.extend(tried.filter_map(|(actor, footprint)| {
                let footprint = footprint.clone()?;
                Some(Sleeper {
                    actor: *actor,
                    footprint,
                })
            }));
        }
        asleep
    }

    /// Wants, at the point of `first`, an event with which an order can begin in which `second` comes
    /// before `first`.
    fn want_first_of(
        &mut self,
        first: usize,
        second: usize,
        events: &[EventRecord],
        causes: &[Vec<bool>],
    ) {
        let Alternatives::Events(actors) = &self.alternatives else {
            return;
        };
        let between = (first + 1..second).filter(|event| !causes[*event][first]);
        let needed: Vec<usize> = between.chain([second]).collect();
        let is_initial = |event: &&usize| {
            let earlier = needed.iter().take_while(|other| other < event);
            earlier.into_iter().all(|other| !causes[**event][*other])
        };
        let initials = needed.iter().filter(is_initial);
        let alternatives: Vec<usize> = initials
            .filter_map(|event| {
                let actor = events[*event].actor;
                actors.iter().position(|other| *other == actor)
            })
            .collect();
        if alternatives.iter().any(|index| self.wanted[*index]) {
            return;
        }
        match alternatives.last() {
            Some(index) => self.wanted[*index] = true,
            None => self.wanted.fill(true), // what makes it possible is not known
        }
    }
}

/// Returns, for each event, which earlier events it depends on, directly or through others.
pub(super) fn happens_before(
    events: &[EventRecord],
    is_ignored: fn(Key) -> bool,
) -> Vec<Vec<bool>> {
    let mut causes: Vec<Vec<bool>> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let mut all = vec![false; events.len()];
        for earlier in (0..index).rev() {
            if !all[earlier] && depend(&events[earlier], event, is_ignored) {
                all[earlier] = true;
                for (known, before) in all.iter_mut().zip(&causes[earlier]) {
                    *known |= before;
                }
            }
        }
        causes.push(all);
    }
    causes
}

/// Returns the events that race with `second`: they come before it and depend on it, and no event in
/// between orders the two.
fn racing_with(
    second: usize,
    events: &[EventRecord],
    causes: &[Vec<bool>],
    is_ignored: fn(Key) -> bool,
) -> Vec<usize> {
    let mut ordered = vec![false; events.len()];
    let mut races = Vec::new();
    for first in (0..second).rev() {
        if ordered[first] || !depend(&events[first], &events[second], is_ignored) {
            continue;
        }
        if events[first].actor != events[second].actor {
            races.push(first);
        }
        for (known, before) in ordered.iter_mut().zip(&causes[first]) {
            *known |= before;
        }
    }
    races
}

fn depend(first: &EventRecord, second: &EventRecord, is_ignored: fn(Key) -> bool) -> bool {
    let conflict = || {
        first
            .footprint
            .conflicts_with(&second.footprint, is_ignored)
    };
    first.actor == second.actor || conflict()
}
