//! When a virtual clock may jump: what holds it, and whether it moves by itself.
//!
//! A jump is made by the poll phase when nothing else can run, and only there. Whether it may is
//! decided in here from what is out in the real world. It never reads a clock.

use std::cell::Cell;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct TimeRules {
    /// Whether waits on sources hold the clock.
    pub(crate) io_holds: bool,
    /// Whether jobs of the pool hold the clock.
    pub(crate) jobs_hold: bool,
    /// How many want the clock to stand still unless it is moved by hand.
    holds: Cell<usize>,
    /// Moving it by hand allows it to jump up to here.
    free_until: Cell<Duration>,
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

    /// The clock stands still from now on, until [`release`](TimeRules::release).
    pub(crate) fn hold(&self) {
        self.holds.set(self.holds.get() + 1);
    }

    pub(crate) fn release(&self) {
        self.holds.set(self.holds.get() - 1);
    }

    /// Somebody moves the clock by hand up to `target`.
    pub(crate) fn allow_until(&self, target: Duration) {
        self.free_until.set(self.free_until.get().max(target));
    }

    /// Whether nobody holds the clock.
    pub(crate) fn is_free(&self) -> bool {
        self.holds.get() == 0
    }

    /// Whether the clock may go to `target` by itself, or because somebody moves it there.
    pub(crate) fn allow(&self, target: Duration) -> bool {
        self.holds.get() == 0 || target <= self.free_until.get()
    }
}
