//! Who observes a loop, where the loop is, and what an observer can be told.
//!
//! The bottom half of [`observe`](crate::observe): it keeps the list of observers, the numbers that
//! join an entry of a queue with its run, and the position. Telling needs the loop, and is done in
//! `current/tell.rs`.
//!
//! Invariants: while nobody observes, nothing is numbered and both lines of numbers are empty;
//! while somebody does, they stand beside the queues entry by entry.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::time::Duration;

use crate::phases::macrotask::{Origin, SourceLocation, StepKind};
use crate::phases::queues::Queues;
use crate::reactor::clock::Clock;

use super::event::{Event, Phase, PromiseId, Step, StepId};
use super::position::Position;

/// Is told what happens in a loop, at the moment at which it happens.
///
/// An observer looks and never takes part: it stands *outside* of the loop that it observes. The
/// verbs of the crate (`next_tick`, `spawn`, …) panic in it as they do outside of any loop, changing
/// anything through a handle that it holds (a resolver, a [`Timeout`](crate::TimeoutHandle)) panics, and a
/// waker that it wakes goes the way of a wake from another thread. A panic that leaves an observer
/// removes it and ends the run with [`RunError::Uncaught`](crate::RunError), past every hook.
///
/// What a loop does while it cancels everything, at its end or behind a run that ended early, is
/// not told.
///
/// Closures `Fn(&Event, &EventContext<'_>)` are observers.
pub trait Observer {
    /// `event` happens now. Keep it short: it runs between any two steps of the loop, and its time
    /// counts as the loop's.
    fn observe(&self, event: &Event, context: &EventContext<'_>);
}

impl<F: Fn(&Event, &EventContext<'_>)> Observer for F {
    fn observe(&self, event: &Event, context: &EventContext<'_>) {
        self(event, context);
    }
}

/// The moment of an event: where the loop is, and how much is queued.
pub struct EventContext<'a> {
    pub(crate) observers: &'a ObserverRegistry,
    pub(crate) clock: &'a Clock,
    pub(crate) queues: &'a Queues,
}

impl EventContext<'_> {
    /// The time of the loop's clock, virtual or real, from an arbitrary start: zero for a virtual
    /// clock. A real clock is read by each call.
    pub fn time(&self) -> Duration {
        self.clock.now()
    }

    /// Whether the clock is virtual.
    pub fn is_virtual(&self) -> bool {
        self.clock.is_virtual()
    }

    /// Turn, phase, step and time in one.
    pub fn position(&self) -> Position {
        self.observers.position(self.clock.now())
    }

    /// The number of the turn, counted from 1 in each run; 0 in front of the first.
    pub fn turn(&self) -> u64 {
        self.observers.turn.get()
    }

    /// The phase, if one is under way.
    pub fn phase(&self) -> Option<Phase> {
        self.observers.phase.get()
    }

    /// The step that is under way: the innermost, as `exit` is called inside of another one.
    pub fn step(&self) -> Option<Step> {
        self.observers.step()
    }

    /// How many ticks are queued.
    pub fn queued_ticks(&self) -> usize {
        self.queues.tick_count()
    }

    /// How many microtasks are queued.
    pub fn queued_microtasks(&self) -> usize {
        self.queues.microtask_count()
    }
}

impl fmt::Debug for EventContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Moment").field(&self.position()).finish()
    }
}

/// An observer, and the number under which it is removed.
pub(crate) struct ObserverHandle {
    pub(crate) id: u64,
    pub(crate) observer: Rc<dyn Observer>,
    pub(crate) location: SourceLocation,
    pub(crate) is_removed: Cell<bool>,
}

/// Who observes a loop, and where the loop is.
#[derive(Default)]
pub(crate) struct ObserverRegistry {
    is_on: Cell<bool>,
    /// Whether an observer is being told something.
    pub(crate) is_notifying: Cell<bool>,
    /// Replaced as a whole: it may be under way when one comes or goes.
    observers: RefCell<Rc<[Rc<ObserverHandle>]>>,
    next_observer: Cell<u64>,
    turn: Cell<u64>,
    /// The turn of which observers know that it has begun and not that it is over.
    pub(crate) observed_turn: Cell<Option<u64>>,
    phase: Cell<Option<Phase>>,
    kind: Cell<Option<StepKind>>,
    location: Cell<Option<SourceLocation>>,
    /// The steps under way, the innermost last; known only while somebody observes.
    steps: RefCell<Vec<Step>>,
    last_step: Cell<u64>,
    last_promise: Cell<u64>,
    /// The numbers of what stands in the two queues of the drain; 0 where nobody was told.
    ticks: RefCell<VecDeque<u32>>,
    microtasks: RefCell<VecDeque<u32>>,
}

impl ObserverRegistry {
    /// Whether anybody observes.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.get()
    }

    /// Adds an observer. What is queued already gets no number.
    pub(crate) fn install(
        &self,
        observer: Rc<dyn Observer>,
        location: SourceLocation,
        queues: &Queues,
    ) -> u64 {
        if !self.is_on.replace(true) {
            *self.ticks.borrow_mut() = std::iter::repeat_n(0, queues.tick_count()).collect();
            let microtasks = std::iter::repeat_n(0, queues.microtask_count());
            *self.microtasks.borrow_mut() = microtasks.collect();
        }
        let id = self.next_observer.get();
        self.next_observer.set(id + 1);
        let installed = Rc::new(ObserverHandle {
            id,
            observer,
            location,
            is_removed: Cell::new(false),
        });
        let others = self.observers();
        let all = others.iter().cloned().chain([installed]).collect();
        drop(self.observers.replace(all));
        id
    }

    /// Takes an observer out. It is dropped at the end of what is being told.
    pub(crate) fn remove(&self, id: u64) {
        let before = self.observers();
        let removed = |known: &&Rc<ObserverHandle>| known.id == id;
        if let Some(installed) = before.iter().find(removed) {
            installed.is_removed.set(true);
        }
        let left = before.iter().filter(|known| known.id != id).cloned();
        let left: Rc<[Rc<ObserverHandle>]> = left.collect();
        self.off_if_none(left.is_empty());
        drop(self.observers.replace(left)); // `before` is the one that drops it
    }

    /// Takes all observers out, to be dropped by the caller outside of any borrow.
    pub(crate) fn take_all(&self) -> impl Sized + use<> {
        self.off_if_none(true);
        self.observers.replace(Rc::new([]))
    }

    fn off_if_none(&self, none: bool) {
        if none {
            self.is_on.set(false);
            self.steps.borrow_mut().clear();
            self.observed_turn.set(None);
            self.forget_entries();
        }
    }

    /// Who observes now, in order.
    #[inline]
    pub(crate) fn observers(&self) -> Rc<[Rc<ObserverHandle>]> {
        self.observers.borrow().clone()
    }

    /// The queues were emptied behind the back of the observers.
    pub(crate) fn forget_entries(&self) {
        self.ticks.borrow_mut().clear();
        self.microtasks.borrow_mut().clear();
    }

    #[inline]
    pub(crate) fn new_promise(&self) -> PromiseId {
        let id = self.last_promise.get() + 1;
        self.last_promise.set(id);
        PromiseId(id)
    }

    /// A number for what is about to be queued.
    pub(crate) fn new_entry(&self, kind: StepKind) -> u32 {
        let entry = self.new_step().0 as u32;
        match kind {
            StepKind::Tick => self.ticks.borrow_mut().push_back(entry),
            StepKind::Microtask | StepKind::Task => self.microtasks.borrow_mut().push_back(entry),
            _ => {}
        }
        entry
    }

    fn new_step(&self) -> StepId {
        let mut id = self.last_step.get() + 1;
        if id as u32 == 0 {
            id += 1; // 0 in an entry means that it has no number
        }
        self.last_step.set(id);
        StepId(id)
    }

    /// An entry keeps the lower half of its number. The upper half is that of the latest number
    /// that ends so: four billion are not given while one entry waits.
    pub(crate) fn numbered(&self, origin: Origin, entry: u32) -> Step {
        let last = self.last_step.get();
        let id = match entry {
            0 => self.new_step(),
            entry => StepId(last - u64::from((last as u32).wrapping_sub(entry))),
        };
        Step {
            id,
            kind: origin.kind,
            location: origin.location,
            resource: origin.resource.map(NonZeroU64::get),
        }
    }

    /// Notes what runs now.
    #[inline]
    pub(crate) fn note(&self, kind: StepKind, location: SourceLocation) {
        self.kind.set(Some(kind));
        self.location.set(Some(location));
    }

    /// The step that runs now, if anybody observes.
    pub(crate) fn step(&self) -> Option<Step> {
        self.steps.borrow().last().copied()
    }

    /// What is about to run, as a step.
    pub(crate) fn begin_step(&self, origin: Origin) -> Step {
        let entry = match origin.kind {
            StepKind::Tick => self.ticks.borrow_mut().pop_front(),
            StepKind::Microtask | StepKind::Task => self.microtasks.borrow_mut().pop_front(),
            _ => Some(origin.entry),
        };
        let step = self.numbered(origin, entry.unwrap_or(0));
        self.steps.borrow_mut().push(step);
        self.note(step.kind, step.location);
        step
    }

    /// Goes back to the step inside of which the last one was.
    pub(crate) fn end_step(&self) {
        self.steps.borrow_mut().pop();
        self.note_outer(self.step());
    }

    /// Nothing runs any more.
    pub(crate) fn note_nothing(&self) {
        self.steps.borrow_mut().clear();
        self.note_outer(None);
    }

    fn note_outer(&self, step: Option<Step>) {
        self.kind.set(step.map(|step| step.kind));
        self.location.set(step.map(|step| step.location));
    }

    #[inline]
    pub(crate) fn set_turn(&self, turn: u64) {
        self.turn.set(turn);
    }

    #[inline]
    pub(crate) fn turn(&self) -> u64 {
        self.turn.get()
    }

    #[inline]
    pub(crate) fn set_phase(&self, phase: Option<Phase>) {
        self.phase.set(phase);
    }

    pub(crate) fn phase(&self) -> Option<Phase> {
        self.phase.get()
    }

    pub(crate) fn position(&self, time: Duration) -> Position {
        Position {
            turn: self.turn.get(),
            phase: self.phase.get(),
            kind: self.kind.get(),
            location: self.location.get(),
            step: self.step().map(|step| step.id),
            time,
        }
    }
}
