//! Telling the observers: the fixed points of the loop, and what stands at each of them.
//!
//! While nobody observes, each of these is a test of one cell, and everything behind the test is
//! out of the way of the loop. Observers are the user's code: nothing is borrowed when they are
//! called, no loop is current for them, and a panic that leaves one ends the run.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::current::{CURRENT, Current};
use super::state::{LoopState, Stop};
use crate::hooks::uncaught::{Uncaught, drop_quietly};
use crate::observe::event::{Event, Phase, PromiseId};
use crate::observe::registry::{EventContext, ObserverRegistry};
use crate::phases::macrotask::{Origin, SourceLocation, StepKind};
use crate::phases::poll::Wait;
use crate::phases::timers::TimerKey;

impl LoopState {
    /// Tells every observer what happens now.
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
        if !self.is_open() {
            return;
        }
        let _telling = Notifying::begin(&self.observers);
        let context = EventContext {
            observers: &self.observers,
            clock: &self.clock,
            queues: &self.queues,
        };
        let observers = self.observers.observers();
        for installed in &*observers {
            if installed.is_removed.get() {
                continue; // by one of those that were told before it
            }
            let call = || installed.observer.observe(event, &context);
            if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
                self.observers.remove(installed.id);
                self.update_fast_path();
                let location = installed.location;
                self.stop(Stop::Uncaught(Uncaught { payload, location }));
            }
        }
        if Rc::strong_count(&observers) == 1 {
            drop_quietly(observers); // one has gone meanwhile
        }
    }

    /// An observer must not change what it observes.
    #[track_caller]
    pub(crate) fn refuse_observer(&self) {
        assert!(
            !self.observers.is_notifying.get(),
            "an observer changed the loop that it observes: it may look, note and print, but \
             not queue, clear, settle or abort anything there; send a message from another thread \
             if it has to"
        );
    }

    /// The same, for what tells nothing.
    #[inline]
    #[track_caller]
    pub(crate) fn refuse_if_observer(&self) {
        if self.observers.is_on() {
            self.refuse_observer();
        }
    }

    pub(crate) fn begin_run(&self, location: SourceLocation) {
        self.observers.set_turn(0);
        self.observers.observed_turn.set(None);
        self.notify_observers(|| Event::RunBegin { location });
    }

    pub(crate) fn end_run(&self) {
        self.leave_phase();
        self.notify_observers(|| Event::RunEnd);
        self.observers.note_nothing();
    }

    /// One turn more.
    #[inline]
    pub(crate) fn begin_turn(&self) {
        self.observers.set_turn(self.observers.turn() + 1);
    }

    /// The phase before is over, and `phase` begins; with the first phase of a turn, the turn.
    #[inline]
    pub(crate) fn enter_phase(&self, phase: Phase) {
        if self.observers.is_on() {
            self.notify_phase(Some(phase));
        }
        self.observers.set_phase(Some(phase));
    }

    /// The wheel stands still: no phase and no turn is under way any more.
    pub(crate) fn leave_phase(&self) {
        if self.observers.is_on() {
            self.notify_phase(None);
        }
        self.observers.set_phase(None);
    }

    #[cold]
    #[inline(never)]
    fn notify_phase(&self, next: Option<Phase>) {
        if let Some(phase) = self.observers.phase() {
            self.notify_each(&Event::PhaseEnd(phase));
            self.observers.set_phase(None);
        }
        let (told, turn) = (self.observers.observed_turn.get(), self.observers.turn());
        let goes_on = next.is_some() && told == Some(turn);
        if told.is_some() && !goes_on {
            self.observers.observed_turn.set(None);
            self.notify_each(&Event::TurnEnd);
        }
        if let Some(phase) = next {
            if turn > 0 && !goes_on {
                self.observers.observed_turn.set(Some(turn));
                self.notify_each(&Event::TurnBegin);
            }
            self.observers.set_phase(next);
            self.notify_each(&Event::PhaseBegin(phase));
        }
    }

    /// Looks at what has come, and waits for it if `wait` says so.
    #[inline]
    pub(crate) fn waiting<R>(&self, wait: Wait, poll_events: impl FnOnce() -> R) -> R {
        if self.observers.is_on() && wait != Wait::Zero {
            return self.observed_waiting(wait, poll_events);
        }
        poll_events()
    }

    #[cold]
    fn observed_waiting<R>(&self, wait: Wait, poll_events: impl FnOnce() -> R) -> R {
        let began = self.clock.now();
        let at_most = match wait {
            Wait::Until(due_ms) => Some(Duration::from_millis(due_ms).saturating_sub(began)),
            _ => None,
        };
        self.notify_observers(|| Event::WaitBegin { at_most });
        let result = poll_events();
        let waited = self.clock.now().saturating_sub(began);
        self.notify_observers(|| Event::WaitEnd { waited });
        result
    }

    /// The loop enters the user's code and comes back.
    #[inline]
    pub(crate) fn step<R>(&self, origin: Origin, enter: impl FnOnce() -> R) -> R {
        if self.observers.is_on() {
            return self.observed_step(origin, enter);
        }
        self.observers.note(origin.kind, origin.location);
        enter()
    }

    #[cold]
    pub(crate) fn observed_step<R>(&self, origin: Origin, enter: impl FnOnce() -> R) -> R {
        let step = self.observers.begin_step(origin);
        self.notify_each(&Event::StepBegin(step));
        let result = enter();
        self.notify_observers(|| Event::StepEnd(step));
        self.observers.end_step();
        result
    }

    /// The user's code has thrown.
    #[cold]
    pub(crate) fn notify_thrown(&self) {
        if let Some(step) = self.observers.step() {
            self.notify_observers(|| Event::Thrown(step));
        }
    }

    /// Something is about to be queued; the number for it.
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
            entry => entry, // a timer that moves
        };
        if self.is_open() {
            let step = self.observers.numbered(origin, entry);
            let by = self.observers.step();
            self.notify_each(&Event::Enqueued { step, due, by });
        }
        entry
    }

    /// An immediate is about to be queued; the number for it.
    #[cold]
    pub(super) fn notify_immediate(&self, location: SourceLocation) -> u32 {
        let id = self.check.borrow().next_id();
        self.enqueued(Origin::of(StepKind::Immediate, location, id), None)
    }

    /// A timer was armed: for the first time, behind its call, or by a refresh.
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
        }
    }

    /// A timer is about to be cleared.
    #[inline]
    pub(crate) fn timer_cleared(&self, key: TimerKey) {
        if self.observers.is_on() {
            let pending = self.timers.borrow().pending(key);
            if let Some((origin, _)) = pending {
                self.cleared(origin);
            }
        }
    }

    /// Something was taken out of its queue.
    #[inline]
    pub(crate) fn cleared(&self, origin: Origin) {
        if self.observers.is_on() {
            self.notify_cleared(origin);
        }
    }

    /// By an observer, too: that drops something.
    #[cold]
    fn notify_cleared(&self, origin: Origin) {
        if origin.entry != 0 && !self.observers.is_notifying.get() {
            let step = self.observers.numbered(origin, origin.entry);
            self.notify_each(&Event::Cleared(step.id));
        }
    }

    /// A promise is made; its number.
    #[inline]
    pub(crate) fn new_promise(&self, location: SourceLocation) -> PromiseId {
        let promise = self.observers.new_promise();
        self.notify_observers(|| Event::PromiseMade { promise, location });
        promise
    }
}

/// For the time of telling no loop is current.
struct Notifying<'a> {
    observers: &'a ObserverRegistry,
    /// Whether a loop was.
    left: bool,
}

impl<'a> Notifying<'a> {
    fn begin(observers: &'a ObserverRegistry) -> Notifying<'a> {
        observers.is_notifying.set(true);
        let leave = |current: &RefCell<Current>| {
            let mut current = current.borrow_mut();
            match std::mem::take(&mut *current) {
                Current::Running(state) => {
                    state.is_current.set(false);
                    *current = Current::Notifying(state);
                }
                other => {
                    *current = other; // an observer of another loop does this, or nothing runs
                    return false;
                }
            }
            true
        };
        let left = CURRENT.try_with(leave).unwrap_or(false);
        Notifying { observers, left }
    }
}

impl Drop for Notifying<'_> {
    fn drop(&mut self) {
        self.observers.is_notifying.set(false);
        if self.left {
            let _ = CURRENT.try_with(|current| {
                let mut current = current.borrow_mut();
                if let Current::Notifying(state) = std::mem::take(&mut *current) {
                    state.is_current.set(true);
                    *current = Current::Running(state);
                }
            });
        }
    }
}
