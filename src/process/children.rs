//! The running children of a loop (R65).
//!
//! The end of a child makes the loop query all of them, in the order in which they were started, as
//! libuv does on Unix (`process.c` `uv__wait_children`). If several have ended, they are therefore
//! reported in that order. On Unix `SIGCHLD` announces an end, on Windows a thread that waits for the
//! child.
//!
//! On Unix, children that are still running when their loop ends are kept in a list of the process.
//! They are queried whenever any loop queries its own children, so that they do not stay zombies for
//! long.
//!
//! Invariant: the process id of a child in the table belongs to that child, unless its status is
//! known: the system does not reuse the id of a child that was not waited for.

#[cfg_attr(unix, path = "children/unix.rs")]
#[cfg_attr(not(unix), path = "children/windows.rs")]
mod system;

use std::collections::BTreeMap;
use std::io;
use std::process::ExitStatus;

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind};
use crate::reactor::journal::{Journal, Operation, Subject};
pub(crate) use system::{Process, replayed_stdio};

/// Identifies a child of a loop. Keys are not reused.
pub(crate) type ChildKey = u64;

/// A callback for the status of a child, called as a macrotask.
pub(crate) type ExitCallback = Box<dyn FnOnce(io::Result<ExitStatus>)>;

#[derive(Default)]
pub(crate) struct Children {
    running: BTreeMap<ChildKey, RunningChild>,
    next_key: ChildKey,
}

/// A child that was just started.
pub(crate) struct NewChild {
    pub(crate) process: Process,
    pub(crate) on_exit: ExitCallback,
    pub(crate) kill_on_drop: bool,
}

pub(crate) struct RunningChild {
    new: NewChild,
    pub(crate) refed: bool,
    /// The system has reported its status, so its process id may have been reused.
    has_ended: bool,
    location: SourceLocation,
}

impl Children {
    pub(crate) fn add(&mut self, new: NewChild, location: SourceLocation) -> ChildKey {
        let key = self.next_key;
        self.next_key += 1;
        let running = RunningChild {
            new,
            refed: true,
            has_ended: false,
            location,
        };
        self.running.insert(key, running);
        key
    }

    pub(crate) fn get_mut(&mut self, key: ChildKey) -> Option<&mut RunningChild> {
        self.running.get_mut(&key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Removes the children that have ended. Returns the macrotasks of their ends in the order in
    /// which they were started, each with whether the child kept the loop alive.
    pub(crate) fn take_ended(&mut self, journal: Option<&Journal>) -> Vec<(Macrotask, bool)> {
        system::query_left();
        let mut ended = Vec::new();
        for (key, running) in &mut self.running {
            // An error means that other code of the process has waited for the child.
            if let Some(status) = running.status(*key, journal).transpose() {
                ended.push((*key, status));
            }
        }
        let macrotask = |(key, status)| {
            let RunningChild {
                new,
                refed,
                location,
                ..
            } = self.running.remove(&key)?;
            let origin = Origin::of(StepKind::ChildExit, location, key);
            let callback = move || (new.on_exit)(status);
            Some((Macrotask::callback(callback, origin), refed))
        };
        ended.into_iter().filter_map(macrotask).collect()
    }

    /// Returns the running children, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let resources = self.running.values().map(|running| ResourceEntry {
            refed: running.refed,
            ..ResourceEntry::new(ResourceKind::Child, Some(running.location))
        });
        resources.collect()
    }

    /// Removes all children at the end of the loop. The caller drops the callbacks outside of any
    /// borrow.
    pub(crate) fn take_all(&mut self) -> Vec<ExitCallback> {
        let (mut left, mut callbacks) = (Vec::new(), Vec::new());
        for (_, running) in std::mem::take(&mut self.running) {
            callbacks.push(running.new.on_exit);
            left.push((running.new.process, running.new.kill_on_drop));
        }
        system::leave(left);
        callbacks
    }
}

impl RunningChild {
    /// Returns whether the process id still belongs to the child, which may have ended.
    pub(crate) fn owns_id(&self) -> bool {
        !self.has_ended
    }

    /// Queries the operating system for the status. The macrotask of the end follows in any case.
    pub(crate) fn status(
        &mut self,
        key: ChildKey,
        journal: Option<&Journal>,
    ) -> io::Result<Option<ExitStatus>> {
        let status = match journal {
            None => self.new.process.try_wait(),
            Some(journal) => journal.call(Operation::ChildStatus, Subject::Number(key), || {
                self.new.process.try_wait()
            }),
        };
        self.has_ended |= !matches!(status, Ok(None));
        status
    }

    /// Kills the child if it has not ended.
    pub(crate) fn kill(&mut self, key: ChildKey, journal: Option<&Journal>) -> io::Result<()> {
        if self.has_ended {
            return self.status(key, journal).map(drop);
        }
        match journal {
            None => self.new.process.kill(),
            Some(journal) => journal.call(Operation::KillChild, Subject::Number(key), || {
                self.new.process.kill()
            }),
        }
    }
}
