//! The report of a drain that does not end.

use std::fmt;

use super::event::Step;
use crate::phases::macrotask::{SourceLocation, StepKind};

/// The report of a drain that exceeded its limit: ticks or microtasks that queue each other starve
/// the loop (R11).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Starvation {
    /// How many ticks the drain had run.
    pub ticks: u64,
    /// How many microtasks the drain had run.
    pub microtasks: u64,
    /// The step before the drain, if it is known; a drain at the beginning of a phase has none.
    pub preceded_by: Option<Step>,
    /// Where the ticks and microtasks were created: the latest locations, the most frequent first.
    pub links: Vec<Link>,
    /// Whether there were more locations than are listed.
    pub has_more_links: bool,
}

/// A location at which ticks or microtasks of a starving drain were created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// Their kind: ticks, callbacks of `queue_microtask`, or tasks.
    pub kind: StepKind,
    /// Where they were created.
    pub location: SourceLocation,
    /// How many of them ran.
    pub count: u64,
}

impl Link {
    pub(crate) fn new(kind: StepKind, location: SourceLocation) -> Link {
        Link {
            kind,
            location,
            count: 0,
        }
    }
}

impl fmt::Display for Starvation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "one drain has run {} ticks and {} microtasks and does not end: they queue each other, \
             and timers, immediates and I/O wait (R11); await `yield_now()` or use `set_immediate` \
             to let them run",
            self.ticks, self.microtasks
        )?;
        if let Some(step) = &self.preceded_by {
            write!(
                f,
                "\n  it began after the {} created at {}",
                step.kind, step.location
            )?;
        }
        for link in &self.links {
            let Link {
                kind,
                location,
                count,
            } = link;
            write!(f, "\n  {count:>8} × a {kind} created at {location}")?;
        }
        if self.has_more_links {
            f.write_str("\n  and others, created at other locations, that ran earlier")?;
        }
        Ok(())
    }
}

impl std::error::Error for Starvation {}
