//! When a virtual clock may move, and what an idle loop does.
//!
//! The rules depend on what is outstanding in the real world. They never read or move a clock: the
//! poll phase acts on [`WhenIdle`], and `advance` on [`Advance`].

use std::cell::Cell;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct TimeRules {
    /// Whether waits on sources hold the clock.
    pub(crate) io_holds: bool,
    /// Whether jobs of the pool hold the clock.
    pub(crate) jobs_hold: bool,
    /// How many holders keep the clock from moving by itself.
    holds: Cell<usize>,
    /// The time up to which `advance` lets the clock jump even if it is held.
    free_until: Cell<Duration>,
}

/// What is outstanding in the real world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outstanding {
    /// Jobs of the pool.
    pub(crate) jobs: bool,
    /// Waits on sources, signals and children that keep the loop alive.
    pub(crate) io: bool,
    /// Keep-alive tokens, which other threads may hold.
    pub(crate) tokens: bool,
}

/// What a loop on a virtual clock does when nothing has arrived and nothing can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenIdle {
    /// Moves the clock to this time, at which a timer or a simulated completion is due.
    JumpTo(Duration),
    /// Waits for the real world.
    Wait,
    /// Reports that nothing can run while the clock is held.
    ClockHeld,
}

/// What `advance` does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advance {
    /// Waits for the real world, which holds the clock.
    Wait,
    /// Moves the clock to this time.
    JumpTo(Duration),
    /// Ends: the clock has reached its target.
    Done,
}

impl TimeRules {
    pub(crate) fn new(io_holds: bool, jobs_hold: bool, auto_advance: bool) -> TimeRules {
        TimeRules {
            io_holds,
            jobs_hold,
            holds: Cell::new(usize::from(!auto_advance)),
            free_until: Cell::new(Duration::ZERO),
        }
    }

    /// Keeps the clock from moving by itself until [`release`](TimeRules::release).
    pub(crate) fn hold(&self) {
        self.holds.set(self.holds.get() + 1);
    }

    pub(crate) fn release(&self) {
        self.holds.set(self.holds.get() - 1);
    }

    /// Allows the clock to move up to `target`, held or not.
    pub(crate) fn allow_until(&self, target: Duration) {
        self.free_until.set(self.free_until.get().max(target));
    }

    /// Returns whether time may pass while callbacks run.
    pub(super) fn may_drift(&self, has_jobs: bool) -> bool {
        self.holds.get() == 0 && !(self.jobs_hold && has_jobs)
    }

    /// Decides what an idle loop does if nothing can run before `due`.
    pub(super) fn when_idle(&self, due: Option<Duration>, outstanding: Outstanding) -> WhenIdle {
        let is_allowed =
            |target: &Duration| self.holds.get() == 0 || *target <= self.free_until.get();
        match due {
            Some(target) if is_allowed(&target) && !self.is_held_by(outstanding) => {
                WhenIdle::JumpTo(target)
            }
            Some(_) if !outstanding.any() => WhenIdle::ClockHeld,
            _ => WhenIdle::Wait,
        }
    }

    /// Decides the next step of `advance` from `now` to `target`; the next timer or simulated
    /// completion is due at `due`.
    pub(crate) fn advance(
        &self,
        now: Duration,
        due: Option<Duration>,
        target: Duration,
        outstanding: Outstanding,
    ) -> Advance {
        match due.filter(|due| *due <= target) {
            _ if self.is_held_by(outstanding) => Advance::Wait,
            Some(due) => Advance::JumpTo(due),
            None if now < target => Advance::JumpTo(target),
            None => Advance::Done,
        }
    }

    fn is_held_by(&self, outstanding: Outstanding) -> bool {
        (outstanding.jobs && self.jobs_hold) || (outstanding.io && self.io_holds)
    }
}

impl Outstanding {
    fn any(self) -> bool {
        self.jobs || self.io || self.tokens
    }
}
