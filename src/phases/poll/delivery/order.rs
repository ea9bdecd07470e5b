//! One order of a run: which event came next at each point, what else could have come, and what each
//! event touched.
//!
//! A search runs the same program again and again. Each run follows the answers of a [`Plan`], then
//! takes the first alternative that is not asleep, and leaves an [`OrderRecord`]. An event is asleep if
//! every order that begins with it has been checked, and nothing that depends on it has come since;
//! a run in which only such events are left is *cut*: its order is equivalent to one that was checked.
//!
//! Invariant: without a plan every question is answered by the seed, or by the plain order.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread::ThreadId;

use rustc_hash::FxHashMap;

use super::footprint::{Access, Footprint, Footprints, Key};
use super::held_back::Lane;
use crate::blocking::pool::JobId;
use crate::reactor::choices::Choices;

/// Where an event comes from. The events of one origin keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Actor {
    /// The loop: the rest of a turn after the poll phase.
    Turn,
    /// What runs when nothing keeps the loop alive.
    Idle,
    /// The clock, which moves while nothing else can run.
    Clock,
    /// Simulated completions, in the order of their times.
    Simulated,
    /// A thread, counted from 0 in the order of the first messages.
    Thread(usize),
    /// A source, by its token.
    Source(usize),
    Job(JobId),
}

/// An event that need not be tried at a point, with what it touched when it was.
#[derive(Debug, Clone)]
pub(crate) struct Sleeper {
    pub(crate) actor: Actor,
    pub(crate) footprint: Footprint,
}

/// How the next run of a search begins.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// How many questions are answered by the seed, also with 0.
    pub(crate) answered: usize,
    /// What is asleep at the last of these.
    pub(crate) asleep: Vec<Sleeper>,
    /// Keys that are taken as independent although they are not, to test the search.
    pub(crate) is_ignored: fn(Key) -> bool,
}

/// The alternatives of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Alternatives {
    /// Which event comes next.
    Events(Vec<Actor>),
    /// A value that an event depends on, such as a duration.
    Values(usize),
}

/// A question of a run and its answer.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) alternatives: Alternatives,
    pub(crate) answer: usize,
    pub(crate) asleep: Vec<Sleeper>,
    /// How many events had begun.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the tests of the search use it")
    )]
    pub(crate) begun: usize,
}

/// An event of a run.
#[derive(Debug)]
pub(crate) struct EventRecord {
    pub(crate) actor: Actor,
    pub(crate) footprint: Footprint,
    /// The question that chose it; `None` if nothing else could come.
    pub(crate) point: Option<usize>,
}

/// What a run has recorded.
#[derive(Debug, Default)]
pub(crate) struct OrderRecord {
    pub(crate) events: Vec<EventRecord>,
    pub(crate) points: Vec<Point>,
    /// The number of events after which the run repeats an order that was checked.
    pub(crate) cut_after: Option<usize>,
}

/// The order of one run, while it is made.
#[derive(Default)]
pub(super) struct Order {
    plan: RefCell<Option<Plan>>,
    pub(super) footprints: Rc<Footprints>,
    record: RefCell<OrderRecord>,
    /// What is asleep now; `None` while the plan answers.
    asleep: RefCell<Option<Vec<Sleeper>>>,
    /// How many events of each actor have begun.
    begun: RefCell<FxHashMap<Actor, u64>>,
    threads: RefCell<Vec<Option<ThreadId>>>,
    pub(super) phase: PhaseState,
}

/// The state of the poll phase that is being decided.
#[derive(Default)]
pub(super) struct PhaseState {
    /// How many of the arrivals that were held back had arrived when the phase began.
    pub(super) eligible: Cell<usize>,
    /// Jobs below this number had been submitted by then.
    pub(super) jobs_end: Cell<JobId>,
    pub(super) has_delivered: Cell<bool>,
    pub(super) has_waited: Cell<bool>,
    /// The next poll phase waits before it delivers a job.
    pub(super) waits_next: Cell<bool>,
    pub(super) drift: Cell<Drift>,
}

/// Whether a millisecond passes before the timers phase of the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Drift {
    /// Both are tried.
    #[default]
    Either,
    /// It passes: that is what the turn is for.
    Must,
    /// It does not: nothing runs in the turn, and the next poll phase decides.
    Never,
}

impl Order {
    pub(super) fn set_plan(&self, plan: Plan) {
        self.plan.replace(Some(plan));
        self.begin_event(Actor::Turn, None); // the main script, up to the first poll phase
    }

    /// Returns what the run has recorded, once it has ended.
    pub(super) fn take_record(&self) -> OrderRecord {
        self.end_event(0);
        self.record.take()
    }

    pub(super) fn actor_of(&self, lane: Lane) -> Actor {
        match lane {
            Lane::Simulated => Actor::Simulated,
            Lane::Thread(thread) => {
                let mut threads = self.threads.borrow_mut();
                let known = threads.iter().position(|known| *known == thread);
                Actor::Thread(known.unwrap_or_else(|| {
                    threads.push(thread);
                    threads.len() - 1
                }))
            }
            Lane::Source(token) => Actor::Source(token.0),
            Lane::SimulatedJob(id, _) => Actor::Job(id),
            Lane::Signals | Lane::Jobs => Actor::Turn, // these have no alternatives
        }
    }

    /// Begins an event. `point` is the question that chose it.
    pub(super) fn begin_event(&self, actor: Actor, point: Option<usize>) {
        if self.plan.borrow().is_none() {
            return;
        }
        let mut begun = self.begun.borrow_mut();
        let number = begun.entry(actor).or_default();
        *number += 1;
        self.footprints.begin((actor, *number));
        self.record.borrow_mut().events.push(EventRecord {
            actor,
            footprint: Footprint::default(),
            point,
        });
        match actor {
            Actor::Turn | Actor::Idle => {
                self.touch(Key::Turn, Access::Write);
                self.touch(Key::Timers, Access::Write);
                self.touch(Key::Simulated, Access::Write);
            }
            Actor::Clock => {
                self.touch(Key::Clock, Access::Write);
                self.touch(Key::Timers, Access::Write);
                self.touch(Key::Simulated, Access::Write);
            }
            Actor::Simulated => self.touch(Key::Simulated, Access::Write),
            Actor::Source(_) => self.touch(Key::Sources, Access::Write),
            Actor::Thread(_) | Actor::Job(_) => {}
        }
        self.touch(Key::Clock, Access::Read);
        if self.phase.has_waited.get() {
            self.touch(Key::Simulated, Access::Read); // the turn may go on because of it
        }
    }

    pub(super) fn touch(&self, key: Key, access: Access) {
        self.footprints.touch(key, access);
    }

    /// Ends the event that is running, and wakes the sleeping events that depend on it. `asked` is the
    /// number of questions so far.
    pub(super) fn end_event(&self, asked: usize) {
        let footprint = self.footprints.end();
        self.fall_asleep(asked);
        if self.forget_empty_turn(&footprint) {
            return;
        }
        if let (Some(asleep), Some(plan)) = (&mut *self.asleep.borrow_mut(), &*self.plan.borrow()) {
            asleep.retain(|other| !other.footprint.conflicts_with(&footprint, plan.is_ignored));
        }
        if let Some(event) = self.record.borrow_mut().events.last_mut() {
            event.footprint.extend(&footprint);
        }
    }

    /// Removes the event that ends if it was a turn in which nothing ran, which is no event: an order
    /// with it is equivalent to the one without it.
    fn forget_empty_turn(&self, footprint: &Footprint) -> bool {
        let mut record = self.record.borrow_mut();
        let is_empty = |event: &mut EventRecord| {
            event.actor == Actor::Turn
                && event.point.is_none()
                && !self.footprints.has_run()
                && !footprint.has_written(Key::Clock)
        };
        if record.events.pop_if(is_empty).is_none() {
            return false;
        }
        *self.begun.borrow_mut().entry(Actor::Turn).or_insert(1) -= 1;
        true
    }

    /// Begins with what the plan says to be asleep once its answers are used up.
    fn fall_asleep(&self, asked: usize) {
        let mut asleep = self.asleep.borrow_mut();
        if asleep.is_none()
            && let Some(plan) = &*self.plan.borrow()
            && asked >= plan.answered
        {
            *asleep = Some(plan.asleep.clone());
        }
    }

    /// Returns the index of the actor whose event comes next, and the question that chose it, if
    /// there are several.
    pub(super) fn choose_event(
        &self,
        actors: &[Actor],
        choices: &Choices,
        describe: impl FnOnce(usize) -> String,
    ) -> (usize, Option<usize>) {
        let question = choices.asked();
        self.fall_asleep(question);
        let first_awake = self.first_awake(actors);
        if actors.len() < 2 {
            return (0, None);
        }
        let listed = choices.listed(actors.len());
        let chosen = choices.record(listed.unwrap_or(first_awake), describe);
        self.record_point(Alternatives::Events(actors.to_vec()), chosen);
        (chosen, Some(question))
    }

    /// Returns the index of the first actor that is not asleep. If all are, the run is cut.
    fn first_awake(&self, actors: &[Actor]) -> usize {
        let asleep = self.asleep.borrow();
        let Some(asleep) = &*asleep else {
            return 0;
        };
        let is_awake = |actor: &Actor| asleep.iter().all(|other| other.actor != *actor);
        actors.iter().position(is_awake).unwrap_or_else(|| {
            let mut record = self.record.borrow_mut();
            let count = record.events.len();
            record.cut_after.get_or_insert(count);
            0
        })
    }

    /// Records that one of several values was chosen.
    pub(super) fn record_value(&self, question: usize, options: usize, chosen: usize) {
        self.fall_asleep(question);
        self.record_point(Alternatives::Values(options), chosen);
    }

    fn record_point(&self, alternatives: Alternatives, answer: usize) {
        if self.plan.borrow().is_none() {
            return;
        }
        let mut record = self.record.borrow_mut();
        if record.cut_after.is_none() {
            let begun = record.events.len();
            record.points.push(Point {
                begun,
                alternatives,
                answer,
                asleep: self.asleep.borrow().clone().unwrap_or_default(),
            });
        }
    }
}
