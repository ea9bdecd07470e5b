//! The loop itself: a run, a turn, and the phases of a turn.
//!
//! This is libuv's `uv_run` (`src/unix/core.c`) with Node's drain points. The phases are
//! passive queues (`phases/`). This file decides when each phase runs and how long the loop waits.
//! It enters user code through `invoke.rs`, drains afterwards through `checkpoint.rs`, and turns each
//! arrival of the poll phase into a macrotask. `phases/poll/delivery.rs` decides what arrives when.

use std::ops::ControlFlow;

use crate::event_loop::external::ExternalCallback;
use crate::event_loop::invoke::Flow;
use crate::event_loop::runner::Runner;
use crate::event_loop::state::LoopState;
use crate::event_loop::status::Stop;
use crate::hooks::uncaught::drop_quietly;
use crate::observe::event::Phase;
use crate::phases::macrotask::{Macrotask, Origin, StepKind, Work};
use crate::phases::pending::ROUNDS_AFTER_POLL;
use crate::phases::poll::{Arrival, PollContext, PollOutcome, Wait};
use crate::phases::timers::Step;
use crate::reactor::remote_queue::Message;

pub(crate) mod checkpoint;
pub(crate) mod current;
mod destructors;
pub(crate) mod eager;
mod embed;
pub(crate) mod external;
mod failure;
pub(crate) mod invoke;
mod journaled;
pub(crate) mod main_future;
mod notify;
pub(crate) mod release;
pub(crate) mod runner;
mod shutdown;
mod simulated_job;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod tasks;
mod trampoline;

/// Whether the poll phase of a turn may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PollMode {
    /// Never waits and never moves a clock, because the host of the loop waits.
    Never,
    /// Waits while something keeps the loop alive (R5).
    WhileAlive,
    /// Waits even if nothing keeps the loop alive, because the main future waits for another thread.
    EvenIfIdle,
}

impl Runner<'_> {
    /// Runs turns as long as anything keeps the loop alive (R3).
    pub(crate) fn run_while_alive(&self) {
        let mut alive = self.is_alive();
        if alive {
            // R3: runs before the first turn, which follows even if these timers were the last work.
            self.timers_phase();
        }
        while alive && !self.is_stopping() {
            self.phases(PollMode::WhileAlive);
            alive = self.is_alive();
        }
        self.leave_phase();
    }

    /// Runs one turn.
    pub(crate) fn turn(&self, mode: PollMode) {
        self.phases(mode);
    }

    #[inline(always)] // a part of the loop of turns
    fn phases(&self, mode: PollMode) {
        self.begin_turn();
        if !self.has_only_immediates() {
            self.pending_phase(); // R63
            self.poll_phase(mode); // R5–R8, R61
            self.pending_after_poll(); // R63: results that were queued since
        }
        self.check_phase(); // R37–R40
        self.close_phase(); // R62
        self.timers_phase(); // R20–R36: the end of a turn, before aliveness is checked (R4)
    }

    /// Returns whether nothing happens before the check phase, of which nobody is notified: an immediate
    /// keeps the poll phase from waiting (R5), and nothing has arrived.
    #[inline]
    fn has_only_immediates(&self) -> bool {
        self.check.borrow().has_refed()
            && !self.observers.is_on()
            && self.pending.borrow().is_empty()
            && self.poll.has_nothing(&self.remote_queue)
    }

    #[inline]
    fn pending_phase(&self) {
        self.enter_phase(Phase::Pending);
        if !self.pending.borrow().is_empty() {
            self.pending_round();
        }
    }

    #[inline(never)] // so that a turn in which it is empty only tests that
    fn pending_round(&self) {
        self.pending.borrow_mut().begin_round();
        while let Some(macrotask) = self.next_unless_stopping(|| self.pending.borrow_mut().next()) {
            self.run_macrotask(macrotask);
        }
    }

    #[inline]
    fn pending_after_poll(&self) {
        for _ in 0..ROUNDS_AFTER_POLL {
            if self.pending.borrow().is_empty() {
                break;
            }
            self.pending_phase();
        }
    }

    #[inline]
    fn poll_phase(&self, mode: PollMode) {
        self.enter_phase(Phase::Poll);
        if self.is_stopping() {
            return;
        }
        let wait = self.poll_wait(mode);
        if wait == Wait::Zero && self.poll.has_nothing(&self.remote_queue) {
            return; // keeps a turn without event sources cheap
        }
        self.poll_and_deliver(mode, wait);
    }

    #[inline(never)] // as above
    fn poll_and_deliver(&self, mode: PollMode, wait: Wait) {
        let outcome = self.waiting(wait, || {
            let cx = self.poll_context();
            self.poll.poll_events(&cx, wait, || self.poll_wait(mode))
        });
        match outcome {
            Ok(PollOutcome::Arrivals) => {}
            Ok(PollOutcome::ClockHeld) => return self.stop(Stop::ClockHeld),
            Err(error) => panic!("the operating system's poll failed: {error}"), // libuv aborts
        }
        while !self.is_stopping() {
            if let Some((origin, task)) = self.poll.next_reader() {
                self.run_wake(origin, task);
            } else if let Some(macrotask) = self.next_arrival() {
                self.run_macrotask(macrotask);
            } else {
                break;
            }
        }
    }

    fn check_phase(&self) {
        self.enter_phase(Phase::Check);
        if self.is_stopping() {
            return;
        }
        let mut is_drained = match self.variants.check_phase_drains {
            true => self.checkpoint().is_continue(), // R12: what an error has left runs first (R55)
            false => self.queues.is_empty(),
        };
        self.check.borrow_mut().begin_round();
        while let Some(called) = self.call_immediate(is_drained) {
            // R58: a panic in the drain does not end the round
            is_drained = called.is_continue() && self.checkpoint().is_continue();
            if called.is_break() && self.check.borrow().round_is_over() {
                self.check.borrow_mut().begin_round(); // R57: a new round, which includes new immediates
            }
        }
    }

    /// Calls the next immediate of the round, unless the run is stopping. `is_drained` is `true` if both
    /// queues are known to be empty.
    #[inline(always)] // a part of the check phase
    fn call_immediate(&self, is_drained: bool) -> Option<Flow> {
        if self.is_stopping() {
            return None;
        }
        let mut check = self.check.borrow_mut();
        if let Some(wake) = check.next_wake() {
            drop(check);
            return Some(self.call_wake(wake.task, || wake.origin(), is_drained));
        }
        let macrotask = check.next();
        drop(check);
        Some(self.call(macrotask?))
    }

    #[inline]
    fn close_phase(&self) {
        self.enter_phase(Phase::Close);
        if !self.close.borrow().is_empty() {
            self.close_round();
        }
    }

    #[inline(never)] // as above
    fn close_round(&self) {
        self.close.borrow_mut().begin();
        while let Some(macrotask) = self.next_unless_stopping(|| self.close.borrow_mut().next()) {
            self.run_macrotask(macrotask);
        }
    }

    #[inline]
    fn timers_phase(&self) {
        self.enter_phase(Phase::Timers);
        if self.timers.borrow().loop_timer_ms().is_some() {
            self.timers_passes(); // without a timer the clock is not read
        }
    }

    #[inline(never)] // as above
    fn timers_passes(&self) {
        let timer_due_at = |at_ms| self.timers.borrow().first_due_at(at_ms);
        let now_ms = self.poll.timers_now_ms(&self.poll_context(), timer_due_at);
        self.timers.borrow_mut().note_time(now_ms);
        // If the drain at the end of a pass arms a timer, it also updates the cached time. Up to Node 20,
        // timers that are due by then run in the same phase (`uv__run_timers`). Nothing else repeats a
        // pass (R24, R25).
        while !self.is_stopping() && self.timers.borrow().is_due() {
            self.timers_pass();
            if !self.variants.timers_phase_repeats {
                break;
            }
        }
    }

    fn timers_pass(&self) {
        self.timers.borrow_mut().begin(self.clock.now_ms()); // R24: read once
        while !self.is_stopping() {
            let step = self.timers.borrow_mut().step();
            let flow = match step {
                Step::Done => break,
                Step::Drain => self.checkpoint(), // R12, R34
                Step::Run(key, macrotask) => self.call_timer(key, macrotask),
            };
            if flow.is_break() {
                self.timers.borrow_mut().start_over(); // R56, R58
            }
        }
        self.timers.borrow_mut().end();
        if !self.is_stopping() {
            let _ = self.checkpoint(); // R12: the end of the phase
        }
    }

    fn next_unless_stopping(&self, next: impl FnOnce() -> Option<Macrotask>) -> Option<Macrotask> {
        if self.is_stopping() { None } else { next() }
    }

    /// Returns the next event of the poll phase as a macrotask. Those that end a job run here: their results
    /// would be moved several times otherwise.
    fn next_arrival(&self) -> Option<Macrotask> {
        loop {
            return Some(match self.poll.next(&self.remote_queue)? {
                Arrival::Macrotask(macrotask) => macrotask,
                Arrival::Signal(number) => {
                    let callbacks = self.signals.take_arrived(&self.poll.registrations, number);
                    self.poll.put_first(callbacks);
                    continue;
                }
                Arrival::Undecided => {
                    if self.decide().is_break() {
                        return None;
                    }
                    continue;
                }
                Arrival::Message(Message::Post(callback, location)) => {
                    Macrotask::callback(callback, Origin::new(StepKind::Message, location))
                }
                Arrival::Message(Message::Runnable(runnable, location)) => {
                    let origin = Origin::new(StepKind::Message, location);
                    Macrotask::callback(move || runnable.run(), origin)
                }
                Arrival::Message(Message::Wake(waker)) => {
                    waker.receive();
                    match self.origin_of_wake(waker.task()) {
                        Some(origin) => Macrotask::new(Work::WakeTask(waker.task()), origin),
                        None => continue, // it has ended
                    }
                }
                Arrival::Message(Message::WakeMain(waker)) => {
                    waker.receive();
                    if waker.is_finished() {
                        continue; // the wake of a run that has ended
                    }
                    let state = self.shared().clone();
                    let origin = waker.meta.origin(StepKind::RemoteWake);
                    Macrotask::callback(move || state.schedule_main(&waker), origin)
                }
                Arrival::SimulatedJob(id) => {
                    self.simulated_job(id);
                    if self.is_stopping() {
                        return None;
                    }
                    continue;
                }
                Arrival::Message(Message::JobDone(id, result)) => {
                    self.complete_job(id, result);
                    if self.is_stopping() {
                        return None;
                    }
                    continue;
                }
                Arrival::Message(Message::External(id, result)) => match self.external.take(id) {
                    Some((ExternalCallback::Completion(done), location)) => {
                        let origin = Origin::new(StepKind::Message, location);
                        Macrotask::callback(move || done(result), origin)
                    }
                    Some((ExternalCallback::Native(native), location)) => {
                        self.run_native(native, location);
                        if self.is_stopping() {
                            return None;
                        }
                        continue;
                    }
                    None => {
                        drop_quietly(result); // its run has ended
                        continue;
                    }
                },
                Arrival::Message(Message::ExternalDropped(id)) => {
                    if let Some((callback, location)) = self.external.take(id) {
                        self.drop_value(callback, location);
                    }
                    continue;
                }
                Arrival::Message(Message::Source(token, event)) => {
                    match self.poll.next_of_source(token, event) {
                        Some(macrotask) => macrotask,
                        None => continue, // nothing waits
                    }
                }
                Arrival::Message(Message::Signal(number)) => {
                    self.poll.put_signal_last(number);
                    continue;
                }
            });
        }
    }
}

impl LoopState {
    /// Lets the delivery decide what arrives next in this poll phase.
    #[cold]
    fn decide(&self) -> ControlFlow<()> {
        let wait_now = || self.poll_wait(PollMode::WhileAlive);
        match self.poll.decide(&self.poll_context(), wait_now) {
            Ok(PollOutcome::Arrivals) => ControlFlow::Continue(()),
            Ok(PollOutcome::ClockHeld) => {
                self.stop(Stop::ClockHeld);
                ControlFlow::Break(())
            }
            Err(error) => panic!("the operating system's poll failed: {error}"),
        }
    }

    /// Returns the parts of the loop that the poll phase reads while it collects arrivals.
    fn poll_context(&self) -> PollContext<'_> {
        PollContext {
            clock: &self.clock,
            remote_queue: &self.remote_queue,
            pool: &self.pool,
            has_refed_signals: self.signals.has_refed(),
            tasks: self,
        }
    }

    /// Returns how long the poll phase may wait (R5).
    #[inline]
    fn poll_wait(&self, mode: PollMode) -> Wait {
        let no_wait = mode == PollMode::Never
            || self.check.borrow().has_refed()
            || !self.pending.borrow().is_empty()
            || !self.close.borrow().is_empty()
            || (mode == PollMode::WhileAlive && !self.is_alive());
        if no_wait {
            return Wait::Zero;
        }
        match self.timers.borrow().loop_timer_ms() {
            Some(due_ms) => Wait::Until(due_ms),
            None => Wait::Forever,
        }
    }
}
