//! The hot path on one screen: a run, a turn, its phases, a macrotask.
//!
//! This is libuv's `uv_run` (`src/unix/core.c`, 1.46) with Node's drain points. The phases are
//! passive queues; every line that moves the wheel is in here.

use std::rc::Rc;

use crate::event_loop::state::{LoopState, Stop};
use crate::hooks::uncaught::drop_quietly;
use crate::observe::event::Phase;
use crate::phases::macrotask::{Macrotask, Origin, StepKind, Work};
use crate::phases::pending::ROUNDS_AFTER_POLL;
use crate::phases::poll::{Arrival, ExternalWork, PollOutcome, Wait};
use crate::phases::timers::Step;
use crate::reactor::remote_queue::Message;

pub(crate) mod checkpoint;
pub(crate) mod current;
mod embed;
mod explore;
mod notify;
mod shutdown;
pub(crate) mod state;

/// How long a turn may wait when nothing keeps the loop alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PollMode {
    /// Not at all, and no clock jumps: somebody else waits.
    Never,
    /// Not at all (R5).
    WhileAlive,
    /// Until something comes from another thread: the main future waits for that.
    EvenIfIdle,
}

impl LoopState {
    /// Turns the wheel as long as anything keeps the loop alive (R3).
    pub(crate) fn run_while_alive(self: &Rc<Self>) {
        let mut alive = self.is_alive();
        if alive {
            self.timers_phase(); // R3: once in front of the first turn, which comes in any case
        }
        while alive && !self.is_stopping() {
            self.turn(PollMode::WhileAlive);
            alive = self.is_alive();
        }
        self.leave_phase();
    }

    /// One turn.
    pub(crate) fn turn(self: &Rc<Self>, mode: PollMode) {
        self.begin_turn();
        self.pending_phase(); // R63
        self.poll_phase(mode); // R5–R8, R61
        self.pending_after_poll(); // R63: what was fed meanwhile
        self.check_phase(); // R37–R40
        self.close_phase(); // R62
        self.timers_phase(); // R20–R36: the end of a turn, before aliveness is asked (R4)
    }

    fn pending_phase(self: &Rc<Self>) {
        self.enter_phase(Phase::Pending);
        if self.pending.borrow().is_empty() {
            return;
        }
        self.pending.borrow_mut().begin_round();
        while let Some(macrotask) = self.next_unless_stopping(|| self.pending.borrow_mut().next()) {
            self.run_macrotask(macrotask);
        }
    }

    fn pending_after_poll(self: &Rc<Self>) {
        for _ in 0..ROUNDS_AFTER_POLL {
            if self.pending.borrow().is_empty() {
                break;
            }
            self.pending_phase();
        }
    }

    fn poll_phase(self: &Rc<Self>, mode: PollMode) {
        self.enter_phase(Phase::Poll);
        if self.is_stopping() {
            return;
        }
        let wait = self.poll_wait(mode);
        let external_work = self.external_work();
        let must_wait = || self.poll_wait(mode) != Wait::Zero;
        let outcome = self.waiting(wait, || {
            if self.explorer.is_on() {
                return self.poll_events_explored(mode);
            }
            self.poll.poll_events(
                &self.clock,
                &self.remote_queue,
                wait,
                external_work,
                must_wait,
            )
        });
        match outcome {
            Ok(PollOutcome::Arrivals) => {}
            Ok(PollOutcome::ClockHeld) => return self.stop(Stop::ClockHeld),
            Err(error) => panic!("the system's poll failed: {error}"), // libuv aborts, too
        }
        while let Some(macrotask) = self.next_unless_stopping(|| self.next_arrival()) {
            self.run_macrotask(macrotask);
        }
    }

    fn external_work(&self) -> ExternalWork {
        ExternalWork {
            jobs: self.pool.has_outstanding(),
            signals: self.signals.has_refed(),
        }
    }

    /// R5: how long the poll phase may wait.
    fn poll_wait(&self, mode: PollMode) -> Wait {
        let no_wait = mode == PollMode::Never
            || self.check.borrow().has_refed()
            || !self.pending.borrow().is_empty()
            || !self.close.borrow().is_empty()
            || (mode == PollMode::WhileAlive && !self.is_alive());
        match self.timers.borrow().loop_timer_ms() {
            _ if no_wait => Wait::Zero,
            Some(due_ms) => Wait::Until(due_ms),
            None => Wait::Forever,
        }
    }

    fn check_phase(self: &Rc<Self>) {
        self.enter_phase(Phase::Check);
        if self.is_stopping() {
            return;
        }
        let _ = self.checkpoint(); // R12: every check phase opens with a drain (R55 needs it)
        self.check.borrow_mut().begin_round();
        while let Some(macrotask) = self.next_unless_stopping(|| self.check.borrow_mut().next()) {
            if self.call(macrotask) {
                let _ = self.checkpoint(); // R58: one that throws changes nothing here
            } else if self.check.borrow().round_is_over() {
                self.check.borrow_mut().begin_round(); // R57: a new round, with the new ones
            }
        }
    }

    fn close_phase(self: &Rc<Self>) {
        self.enter_phase(Phase::Close);
        if self.close.borrow().is_empty() {
            return;
        }
        self.close.borrow_mut().begin();
        while let Some(macrotask) = self.next_unless_stopping(|| self.close.borrow_mut().next()) {
            self.run_macrotask(macrotask);
        }
    }

    fn timers_phase(self: &Rc<Self>) {
        self.enter_phase(Phase::Timers);
        if self.timers.borrow().loop_timer_ms().is_none() {
            return; // no timer at all, and what arms one reads the clock itself (R26)
        }
        if self.explorer.is_on() {
            self.a_millisecond_may_have_passed();
        }
        self.timers.borrow_mut().note_time(self.clock.now_ms());
        // A drain at the end of a pass that arms a timer brings the time up to date, and what is
        // due by that runs in this very phase (`uv__run_timers`). Nothing else repeats a pass (R25).
        while !self.is_stopping() && self.timers.borrow().is_due() {
            self.timers_pass();
        }
    }

    fn timers_pass(self: &Rc<Self>) {
        self.timers.borrow_mut().begin(self.clock.now_ms()); // R24: read once
        while !self.is_stopping() {
            let step = self.timers.borrow_mut().step();
            let thrown = match step {
                Step::Done => break,
                Step::Drain => self.checkpoint().is_err(), // R12, R34
                Step::Run(key, mut macrotask) => {
                    self.entered.set(self.entered.get() + 1);
                    let origin = macrotask.origin;
                    let repeats = matches!(macrotask.work, Work::Repeating(_));
                    let called_at_ms = if repeats { self.clock.now_ms() } else { 0 }; // R30
                    let thrown = self.enter(origin, || macrotask.call()).is_err();
                    let spent = self
                        .timers
                        .borrow_mut()
                        .finished(key, macrotask, called_at_ms);
                    self.timer_armed(key); // again, if it is an interval
                    thrown | self.guard(origin.location, || drop(spent)).is_err()
                }
            };
            if thrown {
                self.timers.borrow_mut().start_over(); // R56, R58
            }
        }
        self.timers.borrow_mut().end();
        if !self.is_stopping() {
            let _ = self.checkpoint(); // R12: the end of the phase
        }
    }

    /// Poll, pending and close: a callback, then its drain (R12). Behind one that throws there
    /// is none (R55).
    fn run_macrotask(&self, macrotask: Macrotask) {
        if self.call(macrotask) {
            let _ = self.checkpoint();
        }
    }

    /// Enters the user's code; false if it threw.
    fn call(&self, mut macrotask: Macrotask) -> bool {
        self.entered.set(self.entered.get() + 1);
        if let Work::Wake(Some(waker)) = macrotask.work {
            return self.enter(macrotask.origin, || waker.wake()).is_ok(); // the shortest way
        }
        self.enter(macrotask.origin, || {
            macrotask.call();
            drop(std::mem::replace(&mut macrotask.work, Work::Nothing));
        })
        .is_ok()
    }

    fn next_unless_stopping(&self, next: impl FnOnce() -> Option<Macrotask>) -> Option<Macrotask> {
        if self.is_stopping() { None } else { next() }
    }

    /// What arrived in the poll phase, as a macrotask.
    fn next_arrival(self: &Rc<Self>) -> Option<Macrotask> {
        loop {
            return Some(match self.poll.next(&self.remote_queue)? {
                Arrival::Macrotask(macrotask) => macrotask,
                Arrival::Signal(number) => {
                    let callbacks = self.signals.take_arrived(&self.poll.registrations, number);
                    self.poll.put_first(callbacks);
                    continue;
                }
                Arrival::Message(Message::Post(callback, location)) => {
                    Macrotask::callback(callback, Origin::new(StepKind::Message, location))
                }
                Arrival::Message(Message::Wake(runnable)) => {
                    let state = self.clone();
                    let origin = runnable.metadata().origin(StepKind::RemoteWake);
                    Macrotask::callback(move || state.push_task(runnable), origin)
                }
                Arrival::Message(Message::JobDone(id, result)) => {
                    let Some((done, origin)) = self.pool.take_done(id) else {
                        drop_quietly(result); // aborted while it ran
                        continue;
                    };
                    Macrotask::callback(move || done(result), origin)
                }
            });
        }
    }
}
