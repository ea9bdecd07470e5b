//! A loop that a test drives from outside: phase by phase, turn by turn, timer by timer.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::failure::TestFailure;
use super::log::Log;
use super::loudly;
use crate::observe::event::Phase;
use crate::phases::macrotask::SourceLocation;
use crate::runtime::{EventLoop, RunError};

/// Goes round the wheel by hand, from outside of the loop. Between two steps nothing runs, so a
/// test can look at everything.
///
/// ```
/// use std::time::Duration;
/// use nodeloop::observe::Phase;
/// use nodeloop::{set_immediate, set_timeout, test::Stepper};
///
/// let mut stepper = Stepper::start(|log| {
///     set_timeout(Duration::from_millis(20), log.callback("timeout"));
///     set_immediate(log.callback("immediate"));
///     log.add("main");
/// });
/// stepper.log().assert_order(["main"]);
/// while stepper.run_phase() != Phase::Check {}
/// stepper.log().assert_order(["main", "immediate"]);
/// assert_eq!(stepper.advance_to_next_timer(), Some(Duration::from_millis(20)));
/// stepper.log().assert_order(["main", "immediate", "timeout"]);
/// stepper.finish();
/// ```
///
/// Every step panics with a report if the run ended early, by an uncaught panic or an unhandled
/// rejection. Time moves only by the verbs that say so. Jobs of the pool are waited for by
/// [`advance`](Stepper::advance) and [`run_until_idle`](Stepper::run_until_idle), by nothing else.
pub struct Stepper {
    event_loop: EventLoop,
    log: Log,
    leftovers: bool,
    /// The phase that comes next.
    next: Phase,
    started_at: SourceLocation,
}

impl Stepper {
    #[track_caller]
    pub(super) fn new(event_loop: EventLoop, leftovers: bool) -> Stepper {
        Stepper {
            event_loop,
            log: Log::new(),
            leftovers,
            next: Phase::Pending,
            started_at: Location::caller(),
        }
    }

    /// A fresh loop in which `script` has been run as the main script, with its drain, and nothing
    /// else. [`TestBuilder::stepper`](super::TestBuilder::stepper) is for one with other settings.
    #[track_caller]
    pub fn start(script: impl FnOnce(Log) + 'static) -> Stepper {
        let mut stepper = super::TestBuilder::new().stepper();
        stepper.script(script);
        stepper
    }

    /// Runs `script` as a main script, with its drain. The first one is what the loop begins with.
    #[track_caller]
    pub fn script(&mut self, script: impl FnOnce(Log) + 'static) {
        let log = self.log();
        let result = self.event_loop.start_script(move || script(log));
        self.check(result);
    }

    /// The log.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// The virtual time since the loop was made.
    pub fn now(&self) -> Duration {
        self.event_loop.state().clock.now()
    }

    /// The loop itself, for a handle or for [`why_alive`](EventLoop::why_alive).
    pub fn event_loop(&mut self) -> &mut EventLoop {
        &mut self.event_loop
    }

    /// Runs the next phase, with the drains behind its callbacks, and says which it was.
    ///
    /// Poll includes the rounds of pending callbacks behind it (R63). In front of the first turn
    /// there is a timers phase of its own if the loop is alive (R3).
    #[track_caller]
    pub fn run_phase(&mut self) -> Phase {
        let mut phase = self.next;
        let result = self.event_loop.hosted("run_phase", |event_loop| {
            if event_loop.timers_before_first_turn() {
                phase = Phase::Timers;
            } else {
                event_loop.state().step_phase(phase);
            }
        });
        self.check(result);
        self.next = match phase {
            Phase::Pending => Phase::Poll,
            Phase::Poll => Phase::Check,
            Phase::Check => Phase::Close,
            Phase::Close => Phase::Timers,
            Phase::Timers => Phase::Pending,
        };
        phase
    }

    /// Runs the loop to the end of a turn: the one that has begun, or a whole one. True if
    /// something still keeps the loop alive.
    #[track_caller]
    pub fn run_turn(&mut self) -> bool {
        if self.next == Phase::Pending {
            let result = self.event_loop.turn();
            self.check(result)
        } else {
            self.finish_turn();
            self.event_loop.state().is_alive()
        }
    }

    /// Runs everything that can run without time passing and without waiting for the outside
    /// world. True if something still keeps the loop alive.
    #[track_caller]
    pub fn run_until_stalled(&mut self) -> bool {
        self.finish_turn();
        let result = self.event_loop.run_until_stalled();
        self.check(result)
    }

    /// Lets exactly `duration` pass, and runs what is due by then, each at its own time. True if
    /// something still keeps the loop alive.
    #[track_caller]
    pub fn advance(&mut self, duration: Duration) -> bool {
        self.finish_turn();
        let result = self.event_loop.advance(duration);
        self.check(result)
    }

    /// Lets time pass to the next timer, or simulated completion, and runs it. Gives how much
    /// that was; `None` if there is none.
    #[track_caller]
    pub fn advance_to_next_timer(&mut self) -> Option<Duration> {
        self.run_until_stalled();
        let ahead = self
            .event_loop
            .state()
            .next_due()?
            .saturating_sub(self.now());
        self.advance(ahead);
        Some(ahead)
    }

    /// Runs until nothing keeps the loop alive; time passes as it has to, and what is real is
    /// waited for.
    #[track_caller]
    pub fn run_until_idle(&mut self) {
        self.finish_turn();
        let result = self.event_loop.hosted("run_until_idle", |event_loop| {
            event_loop.timers_before_first_turn();
            event_loop.state().run_while_alive();
        });
        self.check(result);
    }

    /// Runs until nothing keeps the loop alive, and fails if a task is left behind.
    ///
    /// # Panics
    ///
    /// As every step, and if a task is pending that nothing will ever wake.
    #[track_caller]
    pub fn finish(mut self) {
        self.run_until_idle();
        let left = self.event_loop.why_alive();
        if !left.tasks().is_empty() && !self.leftovers {
            loudly(Err(TestFailure::left(left, &self.log)))
        }
    }

    #[track_caller]
    fn finish_turn(&mut self) {
        while self.next != Phase::Pending {
            self.run_phase();
        }
    }

    #[track_caller]
    fn check<T>(&self, result: Result<T, RunError>) -> T {
        loudly(result.map_err(|error| TestFailure::ended(error, self.started_at, &self.log)))
    }
}

impl fmt::Debug for Stepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepper")
            .field("next", &self.next)
            .field("now", &self.now())
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}
