//! Turns that another event loop drives, single phases, and advancing a virtual clock.
//!
//! A host asks how long it may wait, waits on its own, and runs a turn. A test does the same phase
//! by phase, and moves the virtual clock in between. The phases are those of `event_loop.rs`, in
//! the same order.
//!
//! Invariant: between two of these calls no callback runs and no clock moves.

use std::time::Duration;

use super::PollMode;
use crate::event_loop::runner::Runner;
use crate::event_loop::state::LoopState;
use crate::observe::event::Phase;
use crate::phases::poll::{Advance, Outstanding, Wait};
use crate::reactor::clock::machine_now;
use crate::reactor::journal::Operation;

impl Runner<'_> {
    /// Runs one turn that does not wait.
    pub(crate) fn turn_without_waiting(&self) {
        self.remote_queue.unpark();
        self.turn(PollMode::Never);
        self.leave_phase();
    }

    /// Runs one phase that does not wait.
    pub(crate) fn step_phase(&self, phase: Phase) {
        self.remote_queue.unpark();
        if phase == Phase::Pending {
            self.begin_turn();
        }
        match phase {
            Phase::Pending => self.pending_phase(),
            Phase::Poll => {
                self.poll_phase(PollMode::Never);
                self.pending_after_poll(); // R63
            }
            Phase::Check => self.check_phase(),
            Phase::Close => self.close_phase(),
            Phase::Timers => {
                self.timers_phase();
                self.leave_phase(); // the turn has ended
            }
        }
    }

    /// Runs the timers phase that precedes the first turn (R3).
    pub(crate) fn initial_timers_phase(&self) {
        self.timers_phase();
        self.leave_phase();
    }

    /// Runs turns until one of them finds nothing to call, or the run stops.
    pub(crate) fn turn_until_stalled(&self) {
        loop {
            let before = self.macrotask_count.get();
            self.turn_without_waiting();
            let is_quiet = self.macrotask_count.get() == before && !self.poll.is_holding();
            if is_quiet || self.is_stopping() {
                break;
            }
        }
    }

    /// Runs one turn on behalf of a main future that waits for another thread. The turn waits for at
    /// most `limit` of real time. Returns whether it has waited that long and called nothing.
    pub(crate) fn turn_within(&self, limit: Duration) -> bool {
        let (before, began) = (self.macrotask_count.get(), machine_now());
        self.poll.longest_wait.set(Some(limit));
        self.turn(PollMode::EvenIfIdle);
        self.poll.longest_wait.set(None);
        // A notification that has come after its message ends a wait early.
        let has_waited = || machine_now().saturating_sub(began) >= limit;
        let has_waited = self.condition(Operation::HasWaited, has_waited);
        has_waited && self.macrotask_count.get() == before
    }

    /// Calls the callbacks that wait until nothing keeps the loop alive. Returns whether there were
    /// any.
    pub(crate) fn call_idle(&self) -> bool {
        let idle = self.idle.take();
        let has_callbacks = !idle.is_empty();
        for macrotask in idle {
            if !self.is_stopping() {
                self.run_macrotask(macrotask);
            }
        }
        has_callbacks
    }

    /// Moves the virtual clock to `target`, and runs everything that is due by then, each at its own
    /// time. While an operation holds the clock, this waits for the operation instead.
    pub(crate) fn advance_to(&self, target: Duration) {
        self.poll.time.allow_until(target);
        loop {
            self.turn_until_stalled();
            if self.is_stopping() {
                return;
            }
            let outstanding = Outstanding {
                jobs: self.pool.has_outstanding(),
                io: self.poll.registrations.borrow().has_refed_waiters(), // a signal may never arrive
                tokens: false,
            };
            let due = self.next_due();
            match self
                .poll
                .time
                .advance(self.clock.now(), due, target, outstanding)
            {
                Advance::JumpTo(time) => self.clock.jump_to(time),
                Advance::Wait => {
                    self.turn(PollMode::WhileAlive);
                    self.leave_phase();
                }
                Advance::Done => return,
            }
        }
    }
}

impl LoopState {
    /// Returns how long a host may wait before the next turn; `None` if only an external event can
    /// end the wait.
    pub(crate) fn host_timeout(&self) -> Option<Duration> {
        let now = self.clock.now();
        let must_turn = !self.queues.is_empty()
            || !self.remote_queue.is_empty()
            || self.poll.has_arrivals(now)
            || self.poll_wait(PollMode::EvenIfIdle) == Wait::Zero;
        if must_turn {
            return Some(Duration::ZERO);
        }
        self.next_due().map(|due| due.saturating_sub(now))
    }

    /// Returns when the next timer or simulated completion is due, on the loop's clock.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let timer = self.timers.borrow().loop_timer_ms();
        let timer = timer.map(Duration::from_millis);
        timer
            .into_iter()
            .chain(self.poll.simulated.next_due())
            .chain(self.pool.next_end())
            .min()
    }
}
