//! The observers of a loop, and the position of the loop.
//!
//! The registry contains the list of observers, the numbers that connect an entry of a queue with its
//! run, and the position. It never calls an observer: `event_loop/notify.rs` does.
//!
//! Invariant: without observers nothing is numbered, and `ticks` and `microtasks` are empty.
//! Invariant: with observers, `ticks` and `microtasks` have one number for each queued entry.

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

/// Receives the events of a loop.
///
/// An observer is *outside* of the loop that it observes and must not change it. In an observer the
/// functions of the crate (`next_tick`, `spawn`, …) panic as they do outside of any loop, and so do
/// the methods of a handle that change the loop (a resolver, a
/// [`TimeoutHandle`](crate::TimeoutHandle)). A waker that it wakes arrives like a wake from another
/// thread. A panic that leaves an observer removes the observer and ends the run with
/// [`RunError::Uncaught`](crate::RunError::Uncaught), without calling any hook.
///
/// Observers are not notified while a loop cancels everything, at its end or after a run that ended
/// early.
///
/// Closures `Fn(&Event, &EventContext<'_>)` are observers.
pub trait Observer {
    /// Receives `event` when it happens.
    ///
    /// This is called between two steps of the loop and delays it, so it should be short.
    fn observe(&self, event: &Event, context: &EventContext<'_>);
}

impl<F: Fn(&Event, &EventContext<'_>)> Observer for F {
    fn observe(&self, event: &Event, context: &EventContext<'_>) {
        self(event, context);
    }
}

/// The state of the loop at an event: its position, its clock and the lengths of its queues.
pub struct EventContext<'a> {
    pub(crate) observers: &'a ObserverRegistry,
    pub(crate) clock: &'a Clock,
    pub(crate) queues: &'a Queues,
    pub(crate) label: Option<&'a str>,
}

impl EventContext<'_> {
    /// Returns the time of the loop's clock.
    ///
    /// A virtual clock starts at zero, a real one at an arbitrary point; each call reads it.
    pub fn time(&self) -> Duration {
        self.clock.unrecorded_now()
    }

    /// Returns `true` if the clock is virtual.
    pub fn is_virtual(&self) -> bool {
        self.clock.is_virtual()
    }

    /// Returns the position of the loop: turn, phase, step and time.
    pub fn position(&self) -> Position {
        self.observers.position(self.clock.unrecorded_now())
    }

    /// Returns the number of the turn, counted from 1 in each run; 0 before the first.
    pub fn turn(&self) -> u64 {
        self.observers.turn.get()
    }

    /// Returns the current phase; `None` in the main script, `before_exit` and `exit`.
    pub fn phase(&self) -> Option<Phase> {
        self.observers.phase.get()
    }

    /// Returns the current step. If steps are nested, as `exit` is in the step that calls it, it is
    /// the innermost.
    pub fn step(&self) -> Option<Step> {
        self.observers.step()
    }

    /// Returns the label of an [`Event::Labeled`]; `None` at all other events.
    pub fn label(&self) -> Option<&str> {
        self.label
    }

    /// Returns how many ticks are queued.
    pub fn queued_ticks(&self) -> usize {
        self.queues.tick_count()
    }

    /// Returns how many microtasks are queued.
    pub fn queued_microtasks(&self) -> usize {
        self.queues.microtask_count()
    }
}

impl fmt::Debug for EventContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventContext")
            .field(&self.position())
            .finish()
    }
}

/// An observer, and the number under which it is removed.
pub(crate) struct RegisteredObserver {
    pub(crate) id: u64,
    pub(crate) observer: Rc<dyn Observer>,
    pub(crate) location: SourceLocation,
    pub(crate) is_removed: Cell<bool>,
}

/// The observers of a loop, and the position of the loop.
#[derive(Default)]
pub(crate) struct ObserverRegistry {
    is_on: Cell<bool>,
    /// Whether observers are being called.
    pub(crate) is_notifying: Cell<bool>,
    /// Replaced as a whole, because observers may be added and removed while they are called.
    observers: RefCell<Rc<[Rc<RegisteredObserver>]>>,
    next_observer: Cell<u64>,
    turn: Cell<u64>,
    /// The turn for which observers have received `TurnBegin` and not yet `TurnEnd`.
    pub(crate) observed_turn: Cell<Option<u64>>,
    phase: Cell<Option<Phase>>,
    kind: Cell<Option<StepKind>>,
    location: Cell<Option<SourceLocation>>,
    /// The current steps, the innermost last; empty without observers.
    steps: RefCell<Vec<Step>>,
    last_step: Cell<u64>,
    last_promise: Cell<u64>,
    /// The numbers of the entries of the two queues; 0 for one that was queued without observers.
    ticks: RefCell<VecDeque<u32>>,
    microtasks: RefCell<VecDeque<u32>>,
}

impl ObserverRegistry {
    /// Returns whether there are observers.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.get()
    }

    /// Adds an observer and returns its number. Entries that are already queued get no number.
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
        let registered = Rc::new(RegisteredObserver {
            id,
            observer,
            location,
            is_removed: Cell::new(false),
        });
        let others = self.observers();
        let all = others.iter().cloned().chain([registered]).collect();
        drop(self.observers.replace(all));
        id
    }

    /// Removes an observer, which the caller drops outside of any borrow. If observers are being
    /// called, it is dropped when that ends.
    #[must_use]
    pub(crate) fn remove(&self, id: u64) -> impl Sized + use<> {
        let before = self.observers();
        let (removed, left): (Vec<_>, Vec<_>) = before
            .iter()
            .cloned()
            .partition(|registered| registered.id == id);
        for registered in removed {
            registered.is_removed.set(true);
        }
        if left.is_empty() {
            self.switch_off();
        }
        (self.observers.replace(left.into()), before) // the last owners of the observer
    }

    /// Removes all observers, which the caller drops outside of any borrow.
    pub(crate) fn take_all(&self) -> impl Sized + use<> {
        self.switch_off();
        self.observers.replace(Rc::new([]))
    }

    fn switch_off(&self) {
        self.is_on.set(false);
        self.steps.borrow_mut().clear();
        self.observed_turn.set(None);
        self.forget_entries();
    }

    /// Returns the observers in the order in which they are called.
    #[inline]
    pub(crate) fn observers(&self) -> Rc<[Rc<RegisteredObserver>]> {
        self.observers.borrow().clone()
    }

    /// Forgets the numbers of both queues, which were emptied without events.
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

    /// Returns a number for an entry that is about to be queued.
    pub(crate) fn new_entry(&self, kind: StepKind) -> u32 {
        let entry = self.new_step().0 as u32;
        match kind {
            StepKind::Tick => self.ticks.borrow_mut().push_back(entry),
            StepKind::Microtask | StepKind::Task | StepKind::Reaction => {
                self.microtasks.borrow_mut().push_back(entry)
            }
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

    /// Returns the step of an entry.
    ///
    /// An entry keeps only the lower half of its number. The upper half is that of the latest number
    /// with this lower half: no entry stays queued while four billion others are numbered.
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

    /// Records what runs now.
    #[inline]
    pub(crate) fn note(&self, kind: StepKind, location: SourceLocation) {
        self.kind.set(Some(kind));
        self.location.set(Some(location));
    }

    /// Returns the current step; `None` without observers.
    pub(crate) fn step(&self) -> Option<Step> {
        self.steps.borrow().last().copied()
    }

    /// Begins the step of what is about to run.
    pub(crate) fn begin_step(&self, origin: Origin) -> Step {
        let entry = match origin.kind {
            StepKind::Tick => self.ticks.borrow_mut().pop_front(),
            StepKind::Microtask | StepKind::Task | StepKind::Reaction => {
                self.microtasks.borrow_mut().pop_front()
            }
            _ => Some(origin.entry),
        };
        let step = self.numbered(origin, entry.unwrap_or(0));
        self.steps.borrow_mut().push(step);
        self.note(step.kind, step.location);
        step
    }

    /// Ends the current step; the enclosing step becomes the current one again.
    pub(crate) fn end_step(&self) {
        self.steps.borrow_mut().pop();
        self.note_outer(self.step());
    }

    /// Removes all current steps: nothing runs.
    pub(crate) fn clear_steps(&self) {
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

    /// Returns the number of the turn; `None` before the first turn of a run.
    pub(crate) fn numbered_turn(&self) -> Option<u64> {
        Some(self.turn()).filter(|turn| *turn > 0)
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
