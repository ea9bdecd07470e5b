//! A started child on Unix, whose end is announced by `SIGCHLD`.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::sync::{Mutex, PoisonError};

use signal_hook::consts::SIGKILL;

use super::RunningChild;
use crate::reactor::journal::value::{Input, Output, Value};
use crate::reactor::world::{ChildNumber, Ending, WorldHost};

pub(crate) enum Process {
    System(Child),
    /// A child of a replay, which was never started.
    Replayed,
    /// A child of a simulated host.
    World(WorldHost, ChildNumber),
}

/// The children of loops that have ended.
static ORPHANS: Mutex<Vec<Child>> = Mutex::new(Vec::new());

impl Process {
    #[expect(clippy::unnecessary_wraps, reason = "it can fail on Windows")]
    pub(crate) fn new(child: Child, _: impl FnOnce() + Send + 'static) -> io::Result<Process> {
        Ok(Process::System(child))
    }

    /// Returns a child of a replay, which was never started.
    pub(crate) fn replayed() -> Process {
        Process::Replayed
    }

    pub(crate) fn of_world(host: WorldHost, child: ChildNumber) -> Process {
        Process::World(host, child)
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        match self {
            Process::System(child) => child.try_wait(),
            Process::Replayed => Ok(None),
            Process::World(host, child) => Ok(host.child_ending(*child).map(status)),
        }
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        match self {
            Process::System(child) => child.kill(),
            Process::Replayed => Ok(()),
            Process::World(host, child) => {
                host.kill_child(*child, SIGKILL);
                Ok(())
            }
        }
    }
}

/// Returns the status with which a simulated child has ended.
fn status(ending: Ending) -> ExitStatus {
    ExitStatus::from_raw(match ending {
        Ending::Code(code) => (code & 0xff) << 8,
        Ending::Signal(number) => number,
    })
}

impl RunningChild {
    /// Returns the host and the number of a child of a simulated host.
    pub(crate) fn of_world(&self) -> Option<(&WorldHost, ChildNumber)> {
        match &self.new.process {
            Process::World(host, child) => Some((host, *child)),
            Process::System(_) | Process::Replayed => None,
        }
    }
}

/// Waits for children that have outlived their loop, each with whether it is to be killed.
pub(super) fn leave(children: Vec<(Process, bool)>) {
    let mut orphans = Vec::new();
    for (process, is_killed) in children {
        let mut child = match process {
            Process::System(child) => child,
            Process::World(host, child) if is_killed => {
                host.kill_child(child, SIGKILL);
                continue;
            }
            Process::World(..) | Process::Replayed => continue,
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
