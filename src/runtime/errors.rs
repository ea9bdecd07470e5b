//! The errors of a run, and the report about a main future that can never finish.

use std::fmt;

use crate::hooks::uncaught::Uncaught;
use crate::hooks::unhandled::UnhandledReason;
use crate::observe::starvation::Starvation;
use crate::observe::why_alive::WhyAlive;
use crate::phases::macrotask::SourceLocation;

/// Why a run ended without a value.
///
/// Like every error of this crate it is `Send`, `Sync` and `'static`, so that `?` converts it into
/// the errors of programs:
///
/// ```
/// use std::error::Error;
/// use nodeloop::{EventLoop, spawn};
///
/// fn program() -> Result<u32, Box<dyn Error + Send + Sync>> {
///     let mut event_loop = EventLoop::builder().build()?;
///     let outcome = event_loop.block_on(async { spawn(async { 42 }).settled().await })?;
///     Ok(outcome?)
/// }
/// assert_eq!(program().unwrap(), 42);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The main future is pending, and nothing keeps the loop alive: it can never finish, or the
    /// [`StuckPolicy`](crate::StuckPolicy) is not to wait for another thread.
    Stuck(Stuck),
    /// A promise was rejected and no code handled it.
    Unhandled {
        /// The reason: its text, and on the loop's thread also its value.
        reason: UnhandledReason,
        /// Where the promise was created.
        location: SourceLocation,
    },
    /// A callback or the main future panicked.
    Uncaught(Uncaught),
    /// A drain exceeded the limit of [`Builder::drain_limit`](crate::Builder::drain_limit).
    Starvation(Starvation),
    /// The program called [`exit`](crate::exit) with this code.
    Exit(i32),
}

impl RunError {
    /// Releases the value of a reason, and with it the loop, and keeps the text.
    pub(crate) fn without_value(self) -> RunError {
        match self {
            RunError::Unhandled { reason, location } => RunError::Unhandled {
                reason: UnhandledReason::of_text(reason.text().to_owned()),
                location,
            },
            error => error,
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Stuck(stuck) => stuck.fmt(f),
            RunError::Unhandled { reason, location } => write!(
                f,
                "unhandled rejection of the promise created at {location}: {reason}\n  await it, add \
                 a reaction, or install `on_unhandled_rejection`"
            ),
            RunError::Uncaught(error) => error.fmt(f),
            RunError::Starvation(starvation) => starvation.fmt(f),
            RunError::Exit(code) => write!(f, "the program called `exit({code})`"),
        }
    }
}

impl std::error::Error for RunError {}

/// A report about a run that can never finish.
///
/// `Display` prints what the main future waits for, then everything else that is pending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stuck {
    pub(super) is_clock_held: bool,
    /// Whether no waker is left that could wake the main future.
    pub(super) is_out_of_reach: bool,
    pub(super) main: Option<SourceLocation>,
    pub(super) pending: Vec<SourceLocation>,
    pub(super) report: WhyAlive,
}

impl Stuck {
    /// Returns where the pending tasks were spawned.
    pub fn pending(&self) -> &[SourceLocation] {
        &self.pending
    }

    /// Returns what the tasks wait for, as far as it is known, and which operations are pending
    /// without keeping the loop alive.
    pub fn report(&self) -> &WhyAlive {
        &self.report
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_clock_held {
            "nothing can run unless time passes, and the virtual clock is held: advance it"
        } else if self.is_out_of_reach {
            "the main future can never finish: nothing keeps the loop alive, and no waker is left that \
             could wake it"
        } else {
            "the main future is pending and nothing keeps the loop alive: no timer, immediate, \
             job, I/O wait or keep-alive token is left to wake it"
        })?;
        let mut tasks = self.report.tasks().iter();
        if let Some(main) = tasks.find(|task| Some(task.location()) == self.main) {
            write!(f, "\n  the main future, run at {}", main.location())?;
            if !self.is_out_of_reach || !main.blocked_on().is_empty() {
                main.write_blocked_on(f)?;
            }
        }
        self.report.write_without(self.main, f)
    }
}
