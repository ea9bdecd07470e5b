//! The helpers of `tests/fs/fs_kit.rs` for a simulated disk.

use std::future::Future;
use std::path::Path;

use nodeloop::{MainOutput, Promise, spawn_blocking};

use crate::common;

/// A directory that every disk has. Each loop has a disk of its own.
pub(crate) struct Directory;

impl Directory {
    pub(crate) fn path(&self) -> &Path {
        Path::new("/tmp")
    }
}

pub(crate) fn tempdir() -> Directory {
    Directory
}

/// Jobs take no time, so they take place one by one.
pub(crate) fn one_by_one<F: Future<Output: MainOutput>>(future: F) -> F::Output {
    common::run(future)
}

pub(crate) fn run<F: Future<Output: MainOutput>>(future: F) -> F::Output {
    common::run(future)
}

/// A job before those of the test. No job begins before the poll phase of the loop.
pub(crate) struct Plug {
    job: Promise<()>,
}

impl Plug {
    pub(crate) fn new() -> Plug {
        let job = spawn_blocking(|| ());
        Plug { job }
    }

    pub(crate) fn release(self) {}

    pub(crate) async fn pull(self) {
        self.job.await;
    }
}
