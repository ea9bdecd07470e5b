//! The argument of the body of a test, with its log and the control of time.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::log::Log;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::{Macrotask, Origin, StepKind};
use crate::phases::poll::delivery::Seed;
use crate::phases::poll::delivery::footprint::{Access, Key};
use crate::promise::with_resolver;
use crate::time::{advance, simulate_completion};

/// A running test, which owns a log and controls time. Clones refer to the same test.
///
/// The methods that wait start immediately and return a promise. Dropping the promise does not stop
/// what was started. Except for [`until_idle`](Test::until_idle), they keep the loop alive.
#[derive(Clone)]
pub struct Test {
    state: Rc<LoopState>,
    log: Log,
}

impl Test {
    pub(super) fn new(state: Rc<LoopState>, log: Log) -> Test {
        Test { state, log }
    }

    /// Returns the log of this test, which is printed if the test fails.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// Returns the virtual time since the test began.
    pub fn now(&self) -> Duration {
        self.state.clock.now()
    }

    /// Returns the seed of an [exploration](super::explore), if this run has one.
    pub fn seed(&self) -> Option<Seed> {
        self.state.poll.delivery.seed()
    }

    /// Advances time by exactly `duration`. When the promise resolves, everything that is due by then
    /// has run, each at its own time.
    #[track_caller]
    pub fn advance(&self, duration: Duration) -> impl Future<Output = ()> + use<> {
        advance(duration)
    }

    /// Advances time to the next timer or simulated completion and runs it. Resolves to the
    /// duration by which the clock was advanced, or to `None` if nothing is due later.
    ///
    /// Everything that can run without time passing runs before, and may set timers.
    #[track_caller]
    pub fn advance_to_next_timer(&self) -> impl Future<Output = Option<Duration>> + use<> {
        let (stalled, state) = (self.until_stalled(), self.state.clone());
        async move {
            stalled.await;
            let duration = state.next_due()?.saturating_sub(state.clock.now());
            advance(duration).await;
            Some(duration)
        }
    }

    /// Waits for one turn of the loop: resolves in a poll phase, after another poll phase and all
    /// phases between the two. No time passes.
    #[track_caller]
    pub fn turn(&self) -> impl Future<Output = ()> + use<> {
        let (promise, resolver) = with_resolver();
        simulate_completion(Duration::ZERO, move || {
            simulate_completion(Duration::ZERO, move || resolver.resolve(()));
        });
        promise
    }

    /// Waits until nothing can run unless time passes or an event arrives from outside, such as
    /// the end of a job, a ready socket or a message of another thread. No time passes.
    #[track_caller]
    pub fn until_stalled(&self) -> impl Future<Output = ()> + use<> {
        let (promise, resolver) = with_resolver();
        let origin = Origin::new(StepKind::Simulated, Location::caller());
        let stalled = Macrotask::callback(move || resolver.resolve(()), origin);
        self.state.poll.simulated.add_stalled(stalled);
        promise
    }

    /// Waits until nothing keeps the loop alive. Time advances as needed. If something never ends,
    /// such as an interval or a listening socket, this waits forever.
    #[track_caller]
    pub fn until_idle(&self) -> impl Future<Output = ()> + use<> {
        let (promise, resolver) = with_resolver();
        let origin = Origin::new(StepKind::Simulated, Location::caller());
        let idle = Macrotask::callback(move || resolver.resolve(()), origin);
        self.state.idle.borrow_mut().push(idle);
        promise
    }

    /// Stops the clock from jumping by itself until the returned guard is dropped. Use this in a
    /// part of a test that waits for real I/O, or during which no time may pass.
    ///
    /// [`advance`](Test::advance) and [`advance_to_next_timer`](Test::advance_to_next_timer) still
    /// move the clock. If only time could wake a task, the test fails with a report about the clock.
    pub fn hold_time(&self) -> TimeHeld {
        self.state.poll.delivery.touch(Key::Clock, Access::Write);
        self.state.poll.time.hold();
        TimeHeld {
            state: self.state.clone(),
        }
    }
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Test")
            .field("now", &self.now())
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

/// A guard that holds the virtual clock until it is dropped; created by [`Test::hold_time`].
#[must_use = "dropping the guard releases the clock"]
pub struct TimeHeld {
    state: Rc<LoopState>,
}

impl Drop for TimeHeld {
    fn drop(&mut self) {
        self.state.poll.delivery.touch(Key::Clock, Access::Write);
        self.state.poll.time.release();
    }
}

impl fmt::Debug for TimeHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeHeld").finish_non_exhaustive()
    }
}
