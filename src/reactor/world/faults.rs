//! The faults that were configured, and how often each has happened.

/// Identifies a fault that was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FaultId(usize);

/// A fault that was configured.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// What it is, for reports.
    pub(crate) text: String,
    pub(crate) count: u64,
}

#[derive(Default)]
pub(crate) struct Faults {
    faults: Vec<Fault>,
}

impl Faults {
    /// Adds a fault, or returns the one with the same text.
    pub(crate) fn add(&mut self, text: String) -> FaultId {
        let known = self.faults.iter().position(|fault| fault.text == text);
        FaultId(known.unwrap_or_else(|| {
            self.faults.push(Fault { text, count: 0 });
            self.faults.len() - 1
        }))
    }

    /// Records that a fault has happened.
    pub(crate) fn fire(&mut self, id: FaultId) {
        self.faults[id.0].count += 1;
    }

    pub(crate) fn all(&self) -> &[Fault] {
        &self.faults
    }
}
