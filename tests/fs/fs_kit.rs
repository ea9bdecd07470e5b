//! Loops, a directory and a busy pool. `tests/world` has the same names for a simulated disk.

use std::future::Future;
use std::sync::mpsc;

use crate::common::limit::watch;
use crate::common::real_loop;
use nodeloop::{EventLoop, MainOutput, Promise, spawn_blocking};
use tempfile::TempDir;

pub(crate) fn tempdir() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Runs in a loop whose pool has one thread, so that operations take place one by one.
pub(crate) fn one_by_one<F: Future<Output: MainOutput>>(future: F) -> F::Output {
    let mut event_loop = EventLoop::builder().blocking_threads(1).build().unwrap();
    watch(event_loop.handle());
    event_loop.run(future).unwrap()
}

/// Runs in a loop with Node's four threads.
pub(crate) fn run<F: Future<Output: MainOutput>>(future: F) -> F::Output {
    real_loop().run(future).unwrap()
}

/// Keeps the only thread of a pool busy until it is released.
pub(crate) struct Plug {
    pull: mpsc::Sender<()>,
    job: Promise<()>,
}

impl Plug {
    /// Returns when the thread is occupied.
    pub(crate) fn new() -> Plug {
        let (pull, pulled) = mpsc::channel();
        let (start, started) = mpsc::channel();
        let job = spawn_blocking(move || {
            start.send(()).unwrap();
            pulled.recv().unwrap();
        });
        started.recv().unwrap();
        Plug { pull, job }
    }

    pub(crate) fn release(self) {
        self.pull.send(()).unwrap();
    }

    pub(crate) async fn pull(self) {
        self.pull.send(()).unwrap();
        self.job.await;
    }
}
