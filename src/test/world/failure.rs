//! How a run of a world fails.

use std::any::Any;
use std::fmt::Write as _;
use std::panic::resume_unwind;
use std::time::Duration;

use super::super::{Log, TestFailure};
use super::{Inner, World};
use crate::hooks::uncaught::{PanicPayload, UncaughtOrigin};
use crate::reactor::world::HostId;
use crate::runtime::RunError;

/// Why a run has failed.
pub(super) enum Failure {
    /// What has happened.
    Text(String),
    /// The panic of user code, and whose it was.
    Panic(String, Box<dyn Any + Send>),
}

impl Failure {
    /// Returns the failure of a loop.
    pub(super) fn of_loop(host: &str, error: RunError) -> Failure {
        match error {
            RunError::Uncaught(error) if error.origin() != UncaughtOrigin::Rejection => {
                Failure::Panic(format!("host \"{host}\""), error.into_payload())
            }
            error => Failure::Text(format!("host \"{host}\": {error}")),
        }
    }
}

impl Failure {
    /// Returns the failure of a run that ends at `now`.
    pub(super) fn into_test_failure(self, now: Duration, log: &Log) -> TestFailure {
        match self {
            Failure::Text(what) => {
                TestFailure::of_world(format!("at {now:?} of the world: {what}"), None, log)
            }
            Failure::Panic(who, payload) => {
                let payload = PanicPayload::new(payload);
                let message = payload.message();
                let text = format!("at {now:?} of the world: {who} has panicked: {message}");
                TestFailure::of_world(text, Some(message), log)
            }
        }
    }
}

impl World {
    /// Ends the test, with the log of the world.
    #[track_caller]
    pub(super) fn report(&self, failure: Failure, log: &str) -> ! {
        if self.inner.settings.is_explored {
            self.inner.failure.replace(Some(failure));
            resume_unwind(Box::new("the run of the world has failed"));
        }
        let seed = &self.inner.settings.seed;
        let seed = seed
            .as_ref()
            .map_or(String::new(), |seed| format!(" with seed {seed}"));
        let now = self.now();
        match failure {
            Failure::Text(what) => panic!("at {now:?} of the world{seed}: {what}\n{log}"),
            Failure::Panic(who, payload) => {
                eprintln!("at {now:?} of the world{seed}: {who} has panicked\n{log}");
                resume_unwind(payload)
            }
        }
    }
}

impl Inner {
    /// Returns a failure with what each host waits for, and which hosts have no program.
    pub(super) fn failure_with_report(&self, what: &str) -> Failure {
        let mut text = what.to_owned();
        let machines = self.machines.borrow();
        for (number, machine) in machines.iter().enumerate() {
            let name = self.name(HostId(number));
            if let Some(running) = &machine.running {
                let report = running.event_loop.why_alive();
                let _ = write!(text, "\nhost \"{name}\": {report}");
            }
            if machine.program.is_none() {
                let hint = "it has no program: is its name misspelled?";
                let _ = write!(text, "\nhost \"{name}\": {hint}");
            }
        }
        Failure::Text(text)
    }
}
