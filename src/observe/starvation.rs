//! A drain that does not end: what is said of it.

use std::fmt;

use super::event::Step;
use crate::phases::macrotask::{SourceLocation, StepKind};

/// The report of a drain that has passed its bound: ticks or microtasks that queue each other keep
/// the loop from moving (R11).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Starvation {
    /// How many ticks the drain has run.
    pub ticks: u64,
    /// How many microtasks the drain has run.
    pub microtasks: u64,
    /// What ran in front of the drain, if that is known: a drain at the beginning of a phase has
    /// nothing in front of it.
    pub behind: Option<Step>,
    /// Where the links of the chain were made: the places seen last, the most frequent first.
    pub links: Vec<Link>,
    /// Whether there were more places than are listed.
    pub has_more_links: bool,
}

/// One place from which links of a starving chain came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// What they were: ticks, callbacks of `queue_microtask`, tasks.
    pub kind: StepKind,
    /// Where they were made.
    pub location: SourceLocation,
    /// How many of them have run.
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
             and no timer, immediate or I/O gets a turn meanwhile (R11); a chain that gives way \
             awaits `yield_now()` or queues itself with `set_immediate`",
            self.ticks, self.microtasks
        )?;
        if let Some(step) = &self.behind {
            write!(
                f,
                "\n  it began behind the {} made at {}",
                step.kind, step.location
            )?;
        }
        for link in &self.links {
            let Link {
                kind,
                location,
                count,
            } = link;
            write!(f, "\n  {count:>8} × a {kind} made at {location}")?;
        }
        if self.has_more_links {
            f.write_str("\n  and others, made elsewhere, that ran earlier")?;
        }
        Ok(())
    }
}

impl std::error::Error for Starvation {}
