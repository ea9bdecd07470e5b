//! Sending signals to a child (Unix only).

use std::io;

use rustix::process::{Pid, Signal, kill_process};

use super::Child;
use crate::reactor::journal::{Operation, Subject};
use crate::signal::SignalKind;
use crate::signal::source::is_harmless;

impl Child {
    /// Sends a signal to the child (Unix only).
    ///
    /// [`start_kill`](Child::start_kill) exists on Windows, too.
    ///
    /// The signal has no effect if the child has ended and was not waited for.
    ///
    /// # Errors
    ///
    /// Returns any error reported by the operating system, for example if the child now belongs to
    /// another user; and `InvalidInput` if the signal has no name, as those for real time, or the child is
    /// known to have ended.
    #[doc(alias = "kill")]
    pub fn signal(&self, kind: SignalKind) -> io::Result<()> {
        if self.signal_in_world(kind) {
            return Ok(());
        }
        let id = i32::try_from(self.id).ok().and_then(Pid::from_raw);
        let signal = Signal::from_named_raw(kind.as_raw());
        match (id, signal) {
            (Some(id), Some(signal)) if self.owns_id() => {
                self.kill_with(|| Ok(kill_process(id, signal)?))
            }
            (_, None) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a signal without a name can't be sent: use a `SignalKind` that has one",
            )),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the child has ended: send signals only before that",
            )),
        }
    }

    /// Sends a signal to a child of a simulated host. Returns `false` if it is no such child, or has ended.
    fn signal_in_world(&self, kind: SignalKind) -> bool {
        let child = self.with_running(|child| {
            let (host, number) = child.of_world().filter(|_| child.owns_id())?;
            Some((host.clone(), number))
        });
        let Some((host, number)) = child.flatten() else {
            return false;
        };
        if !is_harmless(kind.as_raw()) {
            host.kill_child(number, kind.as_raw());
        }
        true
    }

    /// Sends a signal to the child, which a replay does not do.
    fn kill_with(&self, kill: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        match self.state.journal() {
            None => kill(),
            Some(journal) => journal.call(Operation::KillChild, Subject::Number(self.key), kill),
        }
    }
}
