//! Why a run ended without a value, and what it was stuck on.

use std::fmt;

use crate::current::Stop;
use crate::macrotask::Place;
use crate::uncaught::Uncaught;
use crate::watch::Starving;

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
        place: Place,
    },
    /// A panic left a callback, or the main future panicked.
    Uncaught(Uncaught),
    /// A drain has passed the bound of [`Builder::drain_limit`](crate::Builder::drain_limit).
    Starving(Starving),
    /// The program called [`exit`](crate::exit) with this code.
    Exit(i32),
}

impl RunError {
    pub(super) fn from_stop(stop: Option<Stop>, stuck: Option<Stuck>) -> RunError {
        match (stop, stuck) {
            (Some(Stop::Exit(code)), _) => RunError::Exit(code),
            (Some(Stop::Uncaught(error)), _) => RunError::Uncaught(error),
            (Some(Stop::Unhandled { reason, place }), _) => RunError::Unhandled { reason, place },
            (Some(Stop::Starving(starving)), _) => RunError::Starving(starving),
            (_, Some(stuck)) => RunError::Stuck(stuck),
            (Some(Stop::Done) | None, None) => RunError::Stuck(Stuck {
                pending: Vec::new(),
            }),
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Stuck(stuck) => stuck.fmt(f),
            RunError::Unhandled { reason, place } => write!(
                f,
                "unhandled rejection of the promise made at {place}: {reason}; await it, give it \
                 a reaction, or install `on_unhandled_rejection`"
            ),
            RunError::Uncaught(error) => error.fmt(f),
            RunError::Starving(starving) => starving.fmt(f),
            RunError::Exit(code) => write!(f, "the program called `exit({code})`"),
        }
    }
}

impl std::error::Error for RunError {}

/// The report of a run that can never finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    pub(super) pending: Vec<Place>,
}

impl Stuck {
    /// Where the tasks that are pending were spawned.
    pub fn pending(&self) -> &[Place] {
        &self.pending
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the main future is pending and nothing keeps the loop alive: no timer, immediate, \
             job, I/O wait or keep-alive token is left to wake it",
        )?;
        for place in &self.pending {
            write!(f, "\n  a task spawned at {place} is pending")?;
        }
        Ok(())
    }
}
