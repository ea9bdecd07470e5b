//! A loop that a test drives from outside: by phases, by turns, or by timers.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::failure::TestFailure;
use super::log::Log;
use super::value_or_panic;
use crate::observe::event::Phase;
use crate::phases::macrotask::SourceLocation;
use crate::runtime::{EventLoop, RunError};

/// Drives a loop step by step, from outside of it.
///
/// Between two steps nothing runs, so that a test can inspect the state.
///
/// Only [`advance`](Stepper::advance),
/// [`advance_to_next_timer`](Stepper::advance_to_next_timer) and
/// [`run_until_idle`](Stepper::run_until_idle) move time or wait for jobs of the pool.
///
/// # Examples
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
pub struct Stepper {
    event_loop: EventLoop,
    log: Log,
    allow_leftovers: bool,
    /// The phase that runs next.
    next: Phase,
    started_at: SourceLocation,
}

impl Stepper {
    #[track_caller]
    pub(super) fn new(event_loop: EventLoop, allow_leftovers: bool) -> Stepper {
        Stepper {
            event_loop,
            log: Log::new(),
            allow_leftovers,
            next: Phase::Pending,
            started_at: Location::caller(),
        }
    }

    /// Creates a loop and runs only `script` as the main script, with its drain. Use
    /// [`TestBuilder::stepper`](super::TestBuilder::stepper) for other settings.
    ///
    /// # Panics
    ///
    /// Panics with a report if the run ends early, by an uncaught panic or an unhandled rejection.
    #[track_caller]
    pub fn start(script: impl FnOnce(Log) + 'static) -> Stepper {
        let mut stepper = super::TestBuilder::new().stepper();
        stepper.script(script);
        stepper
    }

    /// Runs `script` as a main script, with its drain. It can be called again between two steps.
    ///
    /// # Panics
    ///
    /// Panics with a report if the run ends early, by an uncaught panic or an unhandled rejection.
    #[track_caller]
    pub fn script(&mut self, script: impl FnOnce(Log) + 'static) {
        let log = self.log();
        let result = self.event_loop.start_script(move || script(log));
        self.check(result);
    }

    /// Returns the log.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// Returns the virtual time since the loop was created.
    pub fn now(&self) -> Duration {
        self.event_loop.state().clock.now()
    }

    /// Returns the loop itself, for a handle or for [`why_alive`](EventLoop::why_alive).
    pub fn event_loop(&mut self) -> &mut EventLoop {
        &mut self.event_loop
    }

    /// Runs the next phase, with the drains after its callbacks, and returns that phase.
    ///
    /// The poll phase includes the rounds of pending callbacks after it (R63). Before the first turn
    /// there is an additional timers phase if the loop is alive (R3).
    ///
    /// # Panics
    ///
    /// Panics with a report if the run ends early, by an uncaught panic or an unhandled rejection.
    #[track_caller]
    pub fn run_phase(&mut self) -> Phase {
        let mut phase = self.next;
        let result = self.event_loop.hosted("run_phase", |event_loop| {
            if event_loop.timers_before_first_turn() {
                phase = Phase::Timers;
            } else {
                event_loop.runner().step_phase(phase);
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

    /// Runs the loop to the end of the current turn, or for a whole turn between two turns. Returns
    /// whether something still keeps the loop alive.
    ///
    /// # Panics
    ///
    /// Panics with a report if the run ends early, by an uncaught panic or an unhandled rejection.
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

    /// Runs everything that can run without time passing and without waiting for an event from
    /// outside. Returns whether something still keeps the loop alive.
    ///
    /// # Panics
    ///
    /// Panics with a report if the run ends early, by an uncaught panic or an unhandled rejection.
    #[track_caller]
    pub fn run_until_stalled(&mut self) -> bool {
        self.finish_turn();
        let result = self.event_loop.run_until_stalled();
        self.check(result)
    }

    /// Advances time by exactly `duration` and runs what is due by then, each at its own time.
    /// Returns whether something still keeps the loop alive.
    ///
    /// # Panics
    ///
    /// Panics with a report if the run ends early, by an uncaught panic or an unhandled rejection.
    #[track_caller]
    pub fn advance(&mut self, duration: Duration) -> bool {
        self.finish_turn();
        let result = self.event_loop.advance(duration);
        self.check(result)
    }

    /// Advances time to the next timer or simulated completion and runs it. Returns the duration by
    /// which the clock was advanced, or `None` if nothing is due later.
    ///
    /// # Panics
    ///
    /// Panics with a report if the run ends early, by an uncaught panic or an unhandled rejection.
    #[track_caller]
    pub fn advance_to_next_timer(&mut self) -> Option<Duration> {
        self.run_until_stalled();
        let duration = self
            .event_loop
            .state()
            .next_due()?
            .saturating_sub(self.now());
        self.advance(duration);
        Some(duration)
    }

    /// Runs until nothing keeps the loop alive. Advances time and waits for real events as needed.
    ///
    /// # Panics
    ///
    /// Panics with a report if the run ends early, by an uncaught panic or an unhandled rejection.
    #[track_caller]
    pub fn run_until_idle(&mut self) {
        self.finish_turn();
        let result = self.event_loop.hosted("run_until_idle", |event_loop| {
            event_loop.timers_before_first_turn();
            event_loop.runner().run_while_alive();
        });
        self.check(result);
    }

    /// Runs until nothing keeps the loop alive, and fails if a task is still pending then.
    ///
    /// # Panics
    ///
    /// Panics if the run ends early, or if a task is pending that can never be woken.
    #[track_caller]
    pub fn finish(mut self) {
        self.run_until_idle();
        let report = self.event_loop.why_alive();
        if !report.tasks().is_empty() && !self.allow_leftovers {
            value_or_panic(Err(TestFailure::leftovers_of(report, &self.log)))
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
        value_or_panic(
            result.map_err(|error| TestFailure::of_run(error, self.started_at, &self.log)),
        )
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
