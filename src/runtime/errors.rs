//! Why a run ended without a value, and what it was stuck on.

use std::fmt;

use crate::event_loop::status::Stop;
use crate::hooks::uncaught::Uncaught;
use crate::observe::starvation::Starvation;
use crate::observe::why_alive::WhyAlive;
use crate::phases::macrotask::SourceLocation;

/// Why a run ended without a value.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The main future is pending, and nothing keeps the loop alive.
    Stuck(Stuck),
    /// A promise was rejected, and nobody handled it.
    Unhandled {
        /// The reason as `Debug` prints it.
        reason: String,
        /// Where the promise was made.
        location: SourceLocation,
    },
    /// A panic left a callback, or the main future panicked.
    Uncaught(Uncaught),
    /// A drain has passed the bound of [`Builder::drain_limit`](crate::Builder::drain_limit).
    Starvation(Starvation),
    /// The program called [`exit`](crate::exit) with this code.
    Exit(i32),
}

impl RunError {
    pub(super) fn from_stop(stop: Option<Stop>, stuck_policy: Option<Stuck>) -> RunError {
        match (stop, stuck_policy) {
            (Some(Stop::Exit(code)), _) => RunError::Exit(code),
            (Some(Stop::Uncaught(error)), _) => RunError::Uncaught(error),
            (Some(Stop::Unhandled { reason, location }), _) => {
                RunError::Unhandled { reason, location }
            }
            (Some(Stop::Starvation(starving)), _) => RunError::Starvation(starving),
            (Some(Stop::ClockHeld), stuck_policy) => RunError::Stuck(Stuck {
                is_clock_held: true,
                ..stuck_policy.unwrap_or_default()
            }),
            (_, Some(stuck_policy)) => RunError::Stuck(stuck_policy),
            (Some(Stop::Done) | None, None) => RunError::Stuck(Stuck::default()),
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Stuck(stuck_policy) => stuck_policy.fmt(f),
            RunError::Unhandled { reason, location } => write!(
                f,
                "unhandled rejection of the promise made at {location}: {reason}; await it, give it \
                 a reaction, or install `on_unhandled_rejection`"
            ),
            RunError::Uncaught(error) => error.fmt(f),
            RunError::Starvation(starving) => starving.fmt(f),
            RunError::Exit(code) => write!(f, "the program called `exit({code})`"),
        }
    }
}

impl std::error::Error for RunError {}

/// The report of a run that can never finish.
///
/// `Display` prints what the main future waits for, and everything else that is pending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stuck {
    pub(super) is_clock_held: bool,
    pub(super) main: Option<SourceLocation>,
    pub(super) pending: Vec<SourceLocation>,
    pub(super) report: WhyAlive,
}

impl Stuck {
    /// Where the tasks that are pending were spawned.
    pub fn pending(&self) -> &[SourceLocation] {
        &self.pending
    }

    /// What the tasks wait for, as far as known, and which operations are out without keeping
    /// the loop alive.
    pub fn report(&self) -> &WhyAlive {
        &self.report
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_clock_held {
            "nothing can run unless time passes, and the virtual clock is held by hand: advance it"
        } else {
            "the main future is pending and nothing keeps the loop alive: no timer, immediate, \
             job, I/O wait or keep-alive token is left to wake it"
        })?;
        let mut tasks = self.report.tasks().iter();
        if let Some(main) = tasks.find(|task| Some(task.location()) == self.main) {
            write!(f, "\n  the main future, run at {}", main.location())?;
            main.write_blocked_on(f)?;
        }
        self.report.write_without(self.main, f)
    }
}
