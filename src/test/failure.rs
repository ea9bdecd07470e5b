//! How a test of order has failed, and the report of it.

use std::any::Any;
use std::fmt;

use super::log::Log;
use crate::hooks::uncaught::payload_text;
use crate::observe::why_alive::WhyAlive;
use crate::phases::macrotask::SourceLocation;
use crate::runtime::RunError;

/// Why a test has failed. `Display` prints the report: what happened, where what had to do with it
/// was made, and the log so far.
#[derive(Debug)]
pub struct TestFailure {
    kind: Kind,
    log: Log,
}

#[derive(Debug)]
enum Kind {
    /// The body panicked.
    Body(Box<dyn Any + Send>),
    /// The run ended without a value.
    Ended(RunError),
    /// Tasks are pending, and nothing keeps the loop alive.
    Left(WhyAlive),
}

impl TestFailure {
    pub(super) fn ended(error: RunError, body: SourceLocation, log: &Log) -> TestFailure {
        let kind = match error {
            RunError::Uncaught(error) if error.location() == body => {
                Kind::Body(error.into_payload())
            }
            error => Kind::Ended(error),
        };
        TestFailure {
            kind,
            log: log.clone(),
        }
    }

    pub(super) fn left(left: WhyAlive, log: &Log) -> TestFailure {
        TestFailure {
            kind: Kind::Left(left),
            log: log.clone(),
        }
    }

    /// How the run ended, if it ended early. The panic of the body itself is none of these.
    pub fn error(&self) -> Option<&RunError> {
        match &self.kind {
            Kind::Ended(error) => Some(error),
            _ => None,
        }
    }

    /// What was left behind, if that is what failed the test.
    pub fn leftovers(&self) -> Option<&WhyAlive> {
        match &self.kind {
            Kind::Left(left) => Some(left),
            _ => None,
        }
    }

    /// What had been logged.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// What happened, without the log.
    pub(super) fn cause(&self) -> String {
        match &self.kind {
            Kind::Body(payload) => payload_text(&**payload),
            Kind::Ended(error) => error.to_string(),
            Kind::Left(left) => {
                let tasks = left.tasks();
                let mut text = format!(
                    "the test has left {} behind that nothing will ever wake: await, abort or \
                     finish what is pending, or `allow_leftovers`",
                    match tasks.len() {
                        1 => "a task".to_owned(),
                        count => format!("{count} tasks"),
                    }
                );
                for task in tasks {
                    text += &format!("\n  {task}");
                }
                text
            }
        }
    }

    /// The payload, if the body panicked: its message has been printed.
    pub(super) fn into_panic_of_the_body(self) -> Result<Box<dyn Any + Send>, TestFailure> {
        match self.kind {
            Kind::Body(payload) => Ok(payload),
            _ => Err(self),
        }
    }
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause())?;
        match self.kind {
            // What the body asserts of the log says where it differs.
            Kind::Body(_) => Ok(()),
            _ => write!(f, "\n{}", self.log),
        }
    }
}

impl std::error::Error for TestFailure {}
