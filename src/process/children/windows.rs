//! A started child on Windows, whose end is announced by a thread that waits for it.
//!
//! The thread only notifies the loop, which then queries all of its children, as it does on Unix, so
//! the order of their ends is that of their starts on both.

use std::fs::File;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::os::windows::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::sync::Arc;
use std::thread;

use shared_child::SharedChild;

use crate::reactor::journal::value::{Input, Output, Value};

pub(crate) struct Process(Option<Arc<SharedChild>>);

/// The thread calls nothing but the system.
const STACK_BYTES: usize = 64 * 1024;

impl Process {
    /// Starts the thread that waits and then calls `on_end`. If there is none, the child is killed.
    pub(crate) fn new(child: Child, on_end: impl FnOnce() + Send + 'static) -> io::Result<Process> {
        let child = Arc::new(SharedChild::new(child)?);
        let waited = child.clone();
        let wait = move || {
            let _ = waited.wait(); // an error is reported when the loop queries the child
            drop(waited);
            on_end();
        };
        let thread = thread::Builder::new().name("nodeloop-child".to_owned());
        match thread.stack_size(STACK_BYTES).spawn(wait) {
            Ok(_) => Ok(Process(Some(child))),
            Err(error) => {
                let _ = child.kill(); // fails if it has ended
                Err(error)
            }
        }
    }

    /// Returns a child of a replay, which was never started.
    pub(crate) fn replayed() -> Process {
        Process(None)
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.as_ref().map_or(Ok(None), |child| child.try_wait())
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |child| child.kill())
    }
}

/// Leaves children that have outlived their loop to their threads. The system keeps nothing of a child
/// that has ended once the thread has returned.
pub(super) fn leave(children: Vec<(Process, bool)>) {
    for (mut process, is_killed) in children {
        if is_killed {
            let _ = process.kill(); // fails if it has ended
        }
    }
}

/// There is nothing to query: a child that has ended is no zombie.
pub(super) fn query_left() {}

impl Value for ExitStatus {
    fn encode(&self, out: &mut Output) {
        self.code().unwrap_or_default().encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Option<ExitStatus> {
        let code = i32::decode(input)?;
        Some(ExitStatus::from_raw(code.cast_unsigned()))
    }
}

/// The pipes of a child in a replay, which no operation reaches.
type Stdio = (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>);

/// Returns stand-ins for the pipes that a child had in a recording.
pub(crate) fn replayed_stdio((stdin, stdout, stderr): (bool, bool, bool)) -> io::Result<Stdio> {
    let unused = || File::options().read(true).write(true).open("NUL");
    let open = |exists: bool| exists.then(unused).transpose();
    Ok((
        open(stdin)?.map(|file| OwnedHandle::from(file).into()),
        open(stdout)?.map(|file| OwnedHandle::from(file).into()),
        open(stderr)?.map(|file| OwnedHandle::from(file).into()),
    ))
}
