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
    /// Adds a fault.
    pub(crate) fn add(&mut self, text: String) -> FaultId {
        self.faults.push(Fault { text, count: 0 });
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
