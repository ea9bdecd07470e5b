//! What a loop that is recorded or replayed does differently, apart from the arrivals of its poll phase.

use std::io;
use std::time::Duration;

use super::state::LoopState;
use crate::blocking::pool::{JobId, Submission};
use crate::phases::macrotask::{Origin, SourceLocation};
use crate::reactor::journal::value::Value;
use crate::reactor::journal::{Journal, Operation, Reader, Subject};

impl LoopState {
    /// Returns the journal that is recorded or replayed, if there is one.
    #[inline]
    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.poll.delivery.journal()
    }

    /// Calls the operating system for an object that is created at `location`. A replay returns the
    /// recorded result instead.
    pub(crate) fn call_system<T: Value>(
        &self,
        operation: Operation,
        location: SourceLocation,
        call: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        match self.journal() {
            None => call(),
            Some(journal) => journal.call(operation, Subject::Place(location), call),
        }
    }

    /// Evaluates a condition that other threads may change. A replay returns the recorded answer.
    pub(crate) fn condition(&self, operation: Operation, real: impl FnOnce() -> bool) -> bool {
        match self.journal() {
            None => real(),
            Some(journal) => journal.condition(operation, real),
        }
    }

    /// Returns whether a token or a message of another thread keeps the loop alive.
    pub(super) fn is_kept_alive_by_threads(&self) -> bool {
        // Tokens are checked before messages: once a token is gone, the messages that its
        // thread has sent are in the queue. In the other order a message between the two checks
        // would be missed.
        let real = || self.remote_queue.has_tokens() || !self.remote_queue.is_empty();
        self.condition(Operation::IsAlive, real)
    }

    #[cold]
    pub(super) fn submit_journaled(
        &self,
        journal: &Journal,
        job: Submission,
        origin: Origin,
    ) -> JobId {
        let has_result = |id| {
            journal
                .reader()
                .is_some_and(|reader| reader.has_result_of(id))
        };
        let (id, unused) = self.pool.submit_journaled(job, origin, has_result);
        if let Some(unused) = unused {
            self.drop_value(unused, origin.location); // the closure of the program
        }
        id
    }

    #[cold]
    pub(super) fn cancel_journaled(&self, journal: &Journal, id: JobId) -> bool {
        let mut cancelled = None;
        let is_cancelled = journal.call(Operation::CancelJob, Subject::Number(id), || {
            cancelled = self.pool.cancel(id, Duration::ZERO);
            Ok(cancelled.is_some())
        });
        if let Some((cancelled, origin)) = cancelled {
            self.drop_cancelled(cancelled, origin);
        }
        let is_cancelled = is_cancelled.unwrap_or(false);
        if is_cancelled
            && journal
                .reader()
                .is_some_and(|reader| !Reader::has_diverged(reader))
        {
            let (cancelled, origin) = self.pool.cancel_replayed(id);
            self.drop_cancelled(cancelled, origin);
        }
        is_cancelled
    }
}
