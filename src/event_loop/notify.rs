//! Notifying observers at the fixed points of the loop.
//!
//! Without observers each function tests one cell; all other code is `#[cold]`. Observers are user
//! code outside of the order of the loop: no loop is current while they run, and a panic in one ends
//! the run without reaching a hook.
//!
//! Invariant: no `RefCell` of the loop is borrowed while an observer is called.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::current::{CURRENT, Current};
use super::state::LoopState;
use super::status::Stop;
use crate::hooks::uncaught::Uncaught;
use crate::observe::event::{Event, Phase, PromiseId};
use crate::observe::registry::{EventContext, ObserverRegistry};
use crate::phases::macrotask::{Origin, SourceLocation, StepKind};
use crate::phases::poll::Wait;
use crate::phases::timers::TimerKey;

impl LoopState {
    /// Notifies every observer of an event.
    #[inline]
    pub(crate) fn notify_observers(&self, event: impl FnOnce() -> Event) {
        if self.observers.is_on() {
            self.notify_all(event);
        }
    }

    #[cold]
    #[inline(never)]
    fn notify_all(&self, event: impl FnOnce() -> Event) {
        self.refuse_observer();
        self.notify_each(&event());
    }

    fn notify_each(&self, event: &Event) {
        self.notify_with(event, None);
    }

    fn notify_with(&self, event: &Event, label: Option<&str>) {
        if !self.is_open() {
            return;
        }
        let _notifying = Notifying::begin(&self.observers);
        let context = EventContext {
            observers: &self.observers,
            clock: &self.clock,
            queues: &self.queues,
            label,
        };
        let observers = self.observers.observers();
        for registered in &*observers {
            if registered.is_removed.get() {
                continue; // removed by an observer that was called before it
            }
            let call = || registered.observer.observe(event, &context);
            if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
                drop(self.observers.remove(registered.id)); // `observers` still owns it
                self.update_fast_path();
                let location = registered.location;
                self.stop(Stop::Uncaught(Uncaught::new(payload, location)));
            }
        }
        if Rc::strong_count(&observers) == 1 {
            // The registry has a new list, so this one may be the last owner of an observer that was
            // removed meanwhile. Its destructor may panic.
            let mut all = observers.iter();
            let removed = all.find(|registered| registered.is_removed.get());
            if let Some(location) = removed.map(|registered| registered.location) {
                self.drop_value(observers, location);
            }
        }
    }

    /// Panics if an observer is running: it must not change the loop that it observes.
    #[track_caller]
    pub(crate) fn refuse_observer(&self) {
        assert!(
            !self.observers.is_notifying.get(),
            "an observer tried to change the loop that it observes: it must not queue, clear, \
             settle or abort anything there; let another thread send a message instead"
        );
    }

    /// Does what [`refuse_observer`](LoopState::refuse_observer) does, for changes that have no
    /// event.
    #[inline]
    #[track_caller]
    pub(crate) fn refuse_if_observer(&self) {
        if self.observers.is_on() {
            self.refuse_observer();
        }
    }

    pub(crate) fn begin_run(&self, location: SourceLocation) {
        self.begin_run_at(location);
        self.observers.set_turn(0);
        self.observers.observed_turn.set(None);
        self.notify_observers(|| Event::RunBegin { location });
    }

    pub(crate) fn end_run(&self) {
        self.leave_phase();
        self.notify_observers(|| Event::RunEnd);
        self.observers.clear_steps();
    }

    /// Counts a new turn. Observers are notified of it with its first phase, and of the end of the
    /// previous one before, while that has its number.
    #[inline]
    pub(crate) fn begin_turn(&self) {
        if self.observers.is_on() {
            self.notify_phase(None);
        }
        self.observers.set_turn(self.observers.turn() + 1);
    }

    /// Ends the current phase and begins `phase`. The first phase of a turn also begins the turn.
    #[inline]
    pub(crate) fn enter_phase(&self, phase: Phase) {
        if self.observers.is_on() {
            self.notify_phase(Some(phase));
        }
        self.observers.set_phase(Some(phase));
    }

    /// Ends the current phase and the turn.
    pub(crate) fn leave_phase(&self) {
        if self.observers.is_on() {
            self.notify_phase(None);
        }
        self.observers.set_phase(None);
    }

    /// Notifies observers of the phases and turns that end and begin before `next`, and of `next`.
    #[cold]
    #[inline(never)]
    fn notify_phase(&self, next: Option<Phase>) {
        let observers = &self.observers;
        if let Some(phase) = observers.phase() {
            self.notify_each(&Event::PhaseEnd(phase));
            observers.set_phase(None);
        }
        self.notify_turn(next.and(observers.numbered_turn()));
        if let Some(phase) = next {
            observers.set_phase(next);
            self.notify_each(&Event::PhaseBegin(phase));
        }
    }

    /// Notifies observers that the observed turn ends and that `next` begins, if they differ.
    fn notify_turn(&self, next: Option<u64>) {
        let observed_turn = &self.observers.observed_turn;
        let before = observed_turn.get();
        if before == next {
            return;
        }
        observed_turn.set(None);
        if before.is_some() {
            self.notify_each(&Event::TurnEnd);
        }
        if next.is_some() {
            observed_turn.set(next);
            self.notify_each(&Event::TurnBegin);
        }
    }

    /// Calls `poll_events`, and notifies observers before and after it if it may wait.
    #[inline]
    pub(crate) fn waiting<R>(&self, wait: Wait, poll_events: impl FnOnce() -> R) -> R {
        if self.observers.is_on() && wait != Wait::Zero {
            return self.observed_waiting(wait, poll_events);
        }
        poll_events()
    }

    #[cold]
    fn observed_waiting<R>(&self, wait: Wait, poll_events: impl FnOnce() -> R) -> R {
        let began = self.clock.unrecorded_now();
        let at_most = match wait {
            Wait::Until(due_ms) => Some(Duration::from_millis(due_ms).saturating_sub(began)),
            _ => None,
        };
        self.notify_observers(|| Event::WaitBegin { at_most });
        let result = poll_events();
        let waited = self.clock.unrecorded_now().saturating_sub(began);
        self.notify_observers(|| Event::WaitEnd { waited });
        result
    }

    /// Calls `enter` as a step, and notifies observers before and after it.
    #[cold]
    pub(super) fn observed_step<R>(&self, origin: Origin, enter: impl FnOnce() -> R) -> R {
        let step = self.observers.begin_step(origin);
        self.notify_each(&Event::StepBegin(step));
        let result = enter();
        self.notify_observers(|| Event::StepEnd(step));
        self.observers.end_step();
        result
    }

    /// Notifies observers that a panic has left the current step.
    #[cold]
    pub(crate) fn notify_panicked(&self) {
        if let Some(step) = self.observers.step() {
            self.notify_observers(|| Event::Panicked(step));
        }
    }

    /// Notifies observers that something is about to be queued, and returns the number of its entry;
    /// 0 without observers.
    #[inline]
    pub(crate) fn enqueued(&self, origin: Origin, due: Option<Duration>) -> u32 {
        if self.observers.is_on() {
            self.notify_enqueued(origin, due)
        } else {
            0
        }
    }

    #[cold]
    #[inline(never)]
    fn notify_enqueued(&self, origin: Origin, due: Option<Duration>) -> u32 {
        self.refuse_observer();
        let entry = match origin.entry {
            0 => self.observers.new_entry(origin.kind),
            entry => entry, // a timer that is armed again
        };
        if self.is_open() {
            let step = self.observers.numbered(origin, entry);
            let by = self.observers.step();
            self.notify_each(&Event::Enqueued { step, due, by });
        }
        entry
    }

    /// Does what [`enqueued`](LoopState::enqueued) does, for an immediate.
    #[cold]
    pub(super) fn notify_immediate(&self, location: SourceLocation) -> u32 {
        let id = self.check.borrow().next_id();
        self.enqueued(Origin::of(StepKind::Immediate, location, id), None)
    }

    /// Notifies observers that a timer was armed: for the first time, after its call, or by a
    /// refresh.
    #[inline]
    pub(crate) fn timer_armed(&self, key: TimerKey) {
        if self.observers.is_on() {
            self.notify_armed(key);
        }
    }

    #[cold]
    fn notify_armed(&self, key: TimerKey) {
        let pending = self.timers.borrow().pending(key);
        if let Some((origin, due_ms)) = pending {
            let entry = self.enqueued(origin, Some(Duration::from_millis(due_ms)));
            self.timers.borrow_mut().set_entry(key, entry);
            let label = self.timers.borrow().label(key);
            if let Some(label) = label {
                self.labeled(Origin { entry, ..origin }, &label);
            }
        }
    }

    /// Notifies observers that a queued entry was given a label.
    #[cold]
    pub(crate) fn labeled(&self, origin: Origin, label: &str) {
        if self.observers.is_on() && origin.entry != 0 {
            let step = self.observers.numbered(origin, origin.entry);
            self.notify_with(&Event::Labeled(step.id), Some(label));
        }
    }

    /// Notifies observers that the running step was given a label.
    pub(crate) fn step_labeled(&self, label: &str) {
        if let Some(step) = self.observers.step() {
            self.notify_with(&Event::Labeled(step.id), Some(label));
        }
    }

    /// Notifies observers that a timer is about to be cleared.
    #[inline]
    pub(crate) fn timer_cleared(&self, key: TimerKey) {
        if self.observers.is_on() {
            let pending = self.timers.borrow().pending(key);
            if let Some((origin, _)) = pending {
                self.cleared(origin);
            }
        }
    }

    /// Notifies observers that something was removed from its queue.
    #[inline]
    pub(crate) fn cleared(&self, origin: Origin) {
        if self.observers.is_on() {
            self.notify_cleared(origin);
        }
    }

    #[cold]
    fn notify_cleared(&self, origin: Origin) {
        // If an observer drops a handle, that may clear an entry; observers are not notified of it.
        if origin.entry != 0 && !self.observers.is_notifying.get() {
            let step = self.observers.numbered(origin, origin.entry);
            self.notify_each(&Event::Cleared(step.id));
        }
    }

    /// Returns the number of a new promise, and notifies observers of it.
    #[inline]
    pub(crate) fn new_promise(&self, location: SourceLocation) -> PromiseId {
        let promise = self.observers.new_promise();
        self.notify_observers(|| Event::PromiseCreated { promise, location });
        promise
    }
}

/// Makes no loop current while observers are called.
struct Notifying<'a> {
    observers: &'a ObserverRegistry,
    /// Whether a loop was current before.
    was_running: bool,
}

impl<'a> Notifying<'a> {
    fn begin(observers: &'a ObserverRegistry) -> Notifying<'a> {
        observers.is_notifying.set(true);
        let was_running = CURRENT.with(|current| {
            let mut current = current.borrow_mut();
            match std::mem::take(&mut **current) {
                Current::Running(state) => {
                    state.is_current.set(false);
                    **current = Current::Notifying(state);
                }
                other => {
                    **current = other; // no loop runs, or an observer of another loop does
                    return false;
                }
            }
            true
        });
        Notifying {
            observers,
            was_running,
        }
    }
}

impl Drop for Notifying<'_> {
    fn drop(&mut self) {
        self.observers.is_notifying.set(false);
        if self.was_running {
            CURRENT.with(|current| {
                let mut current = current.borrow_mut();
                if let Current::Notifying(state) = std::mem::take(&mut **current) {
                    state.is_current.set(true);
                    **current = Current::Running(state);
                }
            });
        }
    }
}
