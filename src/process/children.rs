//! The children of a loop: who they are until the system has told how they ended (R65).
//!
//! All of them are asked whenever a `SIGCHLD` has come, in the order in which they were started,
//! as libuv does (`process.c` `uv__wait_children`): of several that have ended by then, the one
//! that was started first is told first.
//!
//! Children that are still running when their loop ends belong to the process from then on: they
//! are asked again whenever any loop asks its own, so that none stays a zombie for long.
//!
//! Invariant: the identity of a child in the table is its own: it was not given back to the system
//! unless its status is known.

use std::collections::BTreeMap;
use std::io;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, StepKind};

/// Which child of a loop. Numbers are not used again.
pub(crate) type ChildKey = u64;

/// What is called with the status of a child, as a macrotask.
pub(crate) type ChildDone = Box<dyn FnOnce(io::Result<ExitStatus>)>;

#[derive(Default)]
pub(crate) struct Children {
    running: BTreeMap<ChildKey, Running>,
    next_key: ChildKey,
}

/// A child that was just started.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) done: ChildDone,
    pub(crate) kill_on_drop: bool,
}

pub(crate) struct Running {
    child: Child,
    done: ChildDone,
    pub(crate) refed: bool,
    /// Its status was asked for and is known, so its identity may be another's by now.
    has_ended: bool,
    /// It is not to outlive its loop.
    kill_on_drop: bool,
    location: SourceLocation,
}

/// The children of loops that have ended.
static ORPHANS: Mutex<Vec<Child>> = Mutex::new(Vec::new());

impl Children {
    pub(crate) fn add(&mut self, started: Started, location: SourceLocation) -> ChildKey {
        let key = self.next_key;
        self.next_key += 1;
        let running = Running {
            child: started.child,
            done: started.done,
            refed: true,
            has_ended: false,
            kill_on_drop: started.kill_on_drop,
            location,
        };
        self.running.insert(key, running);
        key
    }

    pub(crate) fn get_mut(&mut self, key: ChildKey) -> Option<&mut Running> {
        self.running.get_mut(&key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Takes out those that have ended. What is called with their status comes back in the order
    /// in which they were started, with whether they kept the loop alive.
    pub(crate) fn take_ended(&mut self) -> Vec<(Macrotask, bool)> {
        ask_orphans(Vec::new());
        let mut ended = Vec::new();
        for (key, running) in &mut self.running {
            match running.status() {
                Ok(None) => {}
                Ok(Some(status)) => ended.push((*key, Ok(status))),
                Err(error) => ended.push((*key, Err(error))), // somebody else has asked for it
            }
        }
        let macrotask = |(key, status)| {
            let Running {
                done,
                refed,
                location,
                ..
            } = self.running.remove(&key)?;
            let origin = Origin::of(StepKind::ChildExit, location, key);
            Some((Macrotask::callback(move || done(status), origin), refed))
        };
        ended.into_iter().filter_map(macrotask).collect()
    }

    /// The children that are running, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let resources = self.running.values().map(|running| ResourceEntry {
            refed: running.refed,
            ..ResourceEntry::new(ResourceKind::Child, Some(running.location))
        });
        resources.collect()
    }

    /// The end of the loop. The caller drops what comes back outside of any borrow.
    pub(crate) fn take_all(&mut self) -> Vec<ChildDone> {
        let (mut orphans, mut done) = (Vec::new(), Vec::new());
        for (_, mut running) in std::mem::take(&mut self.running) {
            done.push(running.done);
            if running.kill_on_drop {
                // It ends now, and nobody will ask for it; a thread waits as long as that takes.
                let _ = running.child.kill(); // or it has ended by itself
                blocking::unblock(move || running.child.wait()).detach();
            } else {
                orphans.push(running.child);
            }
        }
        ask_orphans(orphans);
        done
    }
}

impl Running {
    pub(crate) fn is_refed(&self) -> bool {
        self.refed
    }

    /// Whether its identity is still its own; it may have ended.
    pub(crate) fn has_identity(&self) -> bool {
        !self.has_ended
    }

    /// Asks the system; the macrotask of the end comes all the same.
    pub(crate) fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait();
        self.has_ended |= !matches!(status, Ok(None));
        status
    }

    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }
}

fn ask_orphans(more: Vec<Child>) {
    let mut orphans = ORPHANS.lock().unwrap_or_else(PoisonError::into_inner);
    orphans.extend(more);
    orphans.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}
