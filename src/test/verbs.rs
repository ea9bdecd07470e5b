//! What the body of a test is given: the log, and time in hand.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::log::Log;
use crate::event_loop::state::LoopState;
use crate::phases::macrotask::{Macrotask, Origin, StepKind};
use crate::phases::poll::delivery::Seed;
use crate::promise::with_resolver;
use crate::time::{advance, simulate_completion};

/// The test, seen from its body: its log, and time in hand. Clones are the same test.
///
/// What it gives are promises: each can be awaited with the others of the body, and dropping one
/// changes nothing but that nobody waits. They keep the loop alive, [`until_idle`](Test::until_idle)
/// excepted.
#[derive(Clone)]
pub struct Test {
    state: Rc<LoopState>,
    log: Log,
}

impl Test {
    pub(super) fn new(state: Rc<LoopState>, log: Log) -> Test {
        Test { state, log }
    }

    /// The log of this test. It is printed when the test fails.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// The virtual time since the test began.
    pub fn now(&self) -> Duration {
        self.state.clock.now()
    }

    /// The seed of an [exploration](super::explore), if this run has one.
    pub fn seed(&self) -> Option<Seed> {
        self.state.poll.delivery.seed()
    }

    /// Lets exactly `duration` pass: behind it the clock is that much later, and everything that
    /// was due by then has run, each at its own time.
    #[track_caller]
    pub fn advance(&self, duration: Duration) -> impl Future<Output = ()> + use<> {
        advance(duration)
    }

    /// Lets time pass to the next timer, or simulated completion, and runs it. Gives how much
    /// that was; `None` if there is none.
    ///
    /// Everything that can run without time passing runs first, and may make timers.
    #[track_caller]
    pub fn advance_to_next_timer(&self) -> impl Future<Output = Option<Duration>> + use<> {
        let (stalled, state) = (self.until_stalled(), self.state.clone());
        async move {
            stalled.await;
            let ahead = state.next_due()?.saturating_sub(state.clock.now());
            advance(ahead).await;
            Some(ahead)
        }
    }

    /// Lets the loop go round once: goes on in a poll phase, behind every other phase and the poll
    /// phase before. No time passes.
    #[track_caller]
    pub fn turn(&self) -> impl Future<Output = ()> + use<> {
        let (promise, resolver) = with_resolver();
        simulate_completion(Duration::ZERO, move || {
            simulate_completion(Duration::ZERO, move || resolver.resolve(()));
        });
        promise
    }

    /// Goes on as soon as nothing can run unless time passes or the outside world answers: a
    /// job, a socket, another thread. No time passes.
    #[track_caller]
    pub fn until_stalled(&self) -> impl Future<Output = ()> + use<> {
        let (promise, resolver) = with_resolver();
        let origin = Origin::new(StepKind::Simulated, Location::caller());
        let stalled = Macrotask::callback(move || resolver.resolve(()), origin);
        self.state.poll.simulated.add_stalled(stalled);
        promise
    }

    /// Goes on as soon as nothing keeps the loop alive: time has passed as it had to, jobs are
    /// done, sockets are quiet. With something that never ends, such as an interval or a
    /// listening socket, that never comes, and time passes very fast.
    #[track_caller]
    pub fn until_idle(&self) -> impl Future<Output = ()> + use<> {
        let (promise, resolver) = with_resolver();
        let origin = Origin::new(StepKind::Simulated, Location::caller());
        let idle = Macrotask::callback(move || resolver.resolve(()), origin);
        self.state.idle.borrow_mut().push(idle);
        promise
    }

    /// Keeps the clock from jumping by itself until the guard is dropped: for a part of the test
    /// that waits for real I/O, or that wants to see what happens without any time passing.
    ///
    /// Verbs that move time still do. If nothing but time could wake anybody, the test fails and
    /// says so.
    pub fn hold_time(&self) -> TimeHeld {
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

/// Holds the virtual clock until it is dropped; made by [`Test::hold_time`].
#[must_use = "dropping it lets time pass again"]
pub struct TimeHeld {
    state: Rc<LoopState>,
}

impl Drop for TimeHeld {
    fn drop(&mut self) {
        self.state.poll.time.release();
    }
}

impl fmt::Debug for TimeHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeHeld").finish_non_exhaustive()
    }
}
