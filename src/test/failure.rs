//! The failure of a test of order, and its report.

use std::any::Any;
use std::fmt;

use super::log::Log;
use crate::hooks::uncaught::PanicPayload;
use crate::observe::why_alive::WhyAlive;
use crate::phases::macrotask::SourceLocation;
use crate::runtime::RunError;

/// The failure of a test.
///
/// `Display` prints a report: what happened, with the source locations, and the log so far.
#[derive(Debug)]
pub struct TestFailure {
    kind: Kind,
    log: Log,
}

#[derive(Debug)]
enum Kind {
    /// The body panicked.
    Body(PanicPayload),
    /// The run ended without a value.
    Ended(RunError),
    /// Tasks are pending, although nothing keeps the loop alive.
    Leftovers(WhyAlive),
    /// The run of a world has failed, perhaps by a panic with this message.
    World { text: String, panic: Option<String> },
}

impl TestFailure {
    pub(super) fn of_run(error: RunError, body: SourceLocation, log: &Log) -> TestFailure {
        let kind = match error {
            RunError::Uncaught(error) if error.location() == body => {
                Kind::Body(PanicPayload::new(error.into_payload()))
            }
            error => Kind::Ended(error),
        };
        TestFailure {
            kind,
            log: log.clone(),
        }
    }

    pub(super) fn leftovers_of(report: WhyAlive, log: &Log) -> TestFailure {
        TestFailure {
            kind: Kind::Leftovers(report),
            log: log.clone(),
        }
    }

    pub(super) fn of_world(text: String, panic: Option<String>, log: &Log) -> TestFailure {
        TestFailure {
            kind: Kind::World { text, panic },
            log: log.clone(),
        }
    }

    /// Creates the failure of a body that has panicked outside of a loop.
    pub(super) fn of_panic(payload: Box<dyn Any + Send>, log: &Log) -> TestFailure {
        TestFailure {
            kind: Kind::Body(PanicPayload::new(payload)),
            log: log.clone(),
        }
    }

    /// Returns the error of a run that ended early. A panic of the body is not such an error.
    pub fn error(&self) -> Option<&RunError> {
        match &self.kind {
            Kind::Ended(error) => Some(error),
            _ => None,
        }
    }

    /// Returns what was still pending at the end, if that is why the test failed.
    pub fn leftovers(&self) -> Option<&WhyAlive> {
        match &self.kind {
            Kind::Leftovers(report) => Some(report),
            _ => None,
        }
    }

    /// Returns the log of the test.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Returns the message of the panic, if one is the failure.
    pub(super) fn panic_message(&self) -> Option<String> {
        match &self.kind {
            Kind::Body(payload) => Some(payload.message()),
            Kind::Ended(RunError::Uncaught(error)) => Some(error.message()),
            Kind::World { panic, .. } => panic.clone(),
            _ => None,
        }
    }

    /// Returns what happened, without the log.
    pub(super) fn cause(&self) -> String {
        match &self.kind {
            Kind::Body(payload) => payload.message(),
            Kind::Ended(error) => error.to_string(),
            Kind::World { text, .. } => text.clone(),
            Kind::Leftovers(report) => {
                let tasks = report.tasks();
                let (count, them) = match tasks.len() {
                    1 => ("a pending task".to_owned(), "it"),
                    count => (format!("{count} pending tasks"), "them"),
                };
                let mut text = format!(
                    "the test has left {count} that can never be woken; await, abort or finish \
                     {them}, or call `allow_leftovers`"
                );
                let written = report.write_tasks_without(None, &mut text);
                debug_assert!(written.is_ok(), "writing to a string can't fail");
                text
            }
        }
    }

    /// Returns the payload if the body panicked. Its message has already been printed.
    pub(super) fn into_body_panic(self) -> Result<Box<dyn Any + Send>, TestFailure> {
        match self.kind {
            Kind::Body(payload) => Ok(payload.into_inner()),
            _ => Err(self),
        }
    }
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause())?;
        match self.kind {
            // A failed comparison of the log has printed the difference.
            Kind::Body(_) => Ok(()),
            _ => write!(f, "\n{}", self.log),
        }
    }
}

impl std::error::Error for TestFailure {}
