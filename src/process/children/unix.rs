//! A started child on Unix, whose end is announced by `SIGCHLD`.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::sync::{Mutex, PoisonError};

use crate::reactor::journal::value::{Input, Output, Value};

pub(crate) struct Process(Option<Child>);

/// The children of loops that have ended.
static ORPHANS: Mutex<Vec<Child>> = Mutex::new(Vec::new());

impl Process {
    #[expect(clippy::unnecessary_wraps, reason = "it can fail on Windows")]
    pub(crate) fn new(child: Child, _: impl FnOnce() + Send + 'static) -> io::Result<Process> {
        Ok(Process(Some(child)))
    }

    /// Returns a child of a replay, which was never started.
    pub(crate) fn replayed() -> Process {
        Process(None)
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.as_mut().map_or(Ok(None), Child::try_wait)
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.0.as_mut().map_or(Ok(()), Child::kill)
    }
}

/// Waits for children that have outlived their loop, each with whether it is to be killed.
pub(super) fn leave(children: Vec<(Process, bool)>) {
    let mut orphans = Vec::new();
    for (Process(child), is_killed) in children {
        let Some(mut child) = child else {
            continue;
        };
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

impl Value for ExitStatus {
    fn encode(&self, out: &mut Output) {
        self.into_raw().encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Option<ExitStatus> {
        i32::decode(input).map(ExitStatus::from_raw)
    }
}

/// The pipes of a child in a replay, which no operation reaches.
type Stdio = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

/// Returns stand-ins for the pipes that a child had in a recording.
pub(crate) fn replayed_stdio((stdin, stdout, stderr): (bool, bool, bool)) -> io::Result<Stdio> {
    let unused = || File::options().read(true).write(true).open("/dev/null");
    let open = |exists: bool| exists.then(unused).transpose();
    Ok((
        open(stdin)?.map(|file| OwnedFd::from(file).into()),
        open(stdout)?.map(|file| OwnedFd::from(file).into()),
        open(stderr)?.map(|file| OwnedFd::from(file).into()),
    ))
}
