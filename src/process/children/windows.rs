//! A started child on Windows, whose end is announced by a thread that waits for it.
//!
//! The thread only notifies the loop, which then queries all of its children, as it does on Unix, so
//! the order of their ends is that of their starts on both.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::thread;

use shared_child::SharedChild;

pub(crate) struct Process(Arc<SharedChild>);

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
            Ok(_) => Ok(Process(child)),
            Err(error) => {
                let _ = child.kill(); // fails if it has ended
                Err(error)
            }
        }
    }

    pub(super) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.0.kill()
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
