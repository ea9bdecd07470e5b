//! The faults that were configured, and how often each has happened.

use std::fmt;
use std::time::Duration;

/// Identifies a fault that was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FaultId(usize);

/// A fault that was configured.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// What it is, for reports.
    pub(crate) text: String,
    /// When it was injected, if a call has injected it.
    pub(crate) at: Option<Duration>,
    pub(crate) count: u64,
}

/// Prints what it is, such as `the partition of a and b at 30s`.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{} at {at:?}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

#[derive(Default)]
pub(crate) struct Faults {
    faults: Vec<Fault>,
}

impl Faults {
    /// Adds a fault.
    pub(crate) fn add(&mut self, text: String) -> FaultId {
        self.push(text, None)
    }

    /// Adds a fault that is injected at `now`.
    pub(crate) fn add_at(&mut self, text: String, now: Duration) -> FaultId {
        self.push(text, Some(now))
    }

    fn push(&mut self, text: String, at: Option<Duration>) -> FaultId {
        self.faults.push(Fault { text, at, count: 0 });
        FaultId(self.faults.len() - 1)
    }

    /// Returns the fault with this text, which is added by the first call.
    pub(crate) fn add_once(&mut self, text: String) -> FaultId {
        let known = self.faults.iter().position(|fault| fault.text == text);
        known.map_or_else(|| self.add(text), FaultId)
    }

    /// Records that a fault has happened.
    pub(crate) fn fire(&mut self, id: FaultId) {
        self.faults[id.0].count += 1;
    }

    pub(crate) fn all(&self) -> &[Fault] {
        &self.faults
    }
}
