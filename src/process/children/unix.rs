//! A started child on Unix, whose end is announced by `SIGCHLD`.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};

pub(crate) struct Process(Child);

/// The children of loops that have ended.
static ORPHANS: Mutex<Vec<Child>> = Mutex::new(Vec::new());

impl Process {
    #[expect(clippy::unnecessary_wraps, reason = "it can fail on Windows")]
    pub(crate) fn new(child: Child, _: impl FnOnce() + Send + 'static) -> io::Result<Process> {
        Ok(Process(child))
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.0.kill()
    }
}

/// Waits for children that have outlived their loop, each with whether it is to be killed.
pub(super) fn leave(children: Vec<(Process, bool)>) {
    let mut orphans = Vec::new();
    for (Process(mut child), is_killed) in children {
        if is_killed {
            let _ = child.kill(); // fails if it has ended
            // No loop waits for it, so a thread does.
            blocking::unblock(move || child.wait()).detach();
        } else {
            orphans.push(child);
        }
    }
    reap_orphans(orphans);
}

/// Queries the children of loops that have ended.
pub(super) fn query_left() {
    reap_orphans(Vec::new());
}

fn reap_orphans(more: Vec<Child>) {
    let mut orphans = ORPHANS.lock().unwrap_or_else(PoisonError::into_inner);
    orphans.extend(more);
    orphans.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}
