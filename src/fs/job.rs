//! File operations as jobs of the pool.
//!
//! A value that belongs to its loop, such as a [`File`](super::File), cannot be created on another
//! thread. The job returns its parts, and the last argument of [`job`] assembles them on the loop's
//! thread. [`Promise::map`] cannot be used for that, because an abort of its
//! result does not remove the job from the queue.

use std::io;
use std::path::Path;
use std::sync::Arc;

pub(super) use crate::blocking::{job_with as job, try_job_with as try_job};
use crate::promise::TryPromise;

use super::PathError;

/// Submits an operation on one path. `verb` is the public function, such as `fs::read`.
#[track_caller]
pub(super) fn path_job<T: Send + 'static>(
    verb: &'static str,
    path: impl AsRef<Path>,
    work: impl FnOnce(Arc<Path>) -> io::Result<T> + Send + 'static,
) -> TryPromise<T, io::Error> {
    let path: Arc<Path> = path.as_ref().into();
    let work =
        move || work(path.clone()).map_err(|error| PathError::wrap(verb, &path, None, error));
    try_job(verb, work, |result| result)
}

/// Submits an operation on two paths.
#[track_caller]
pub(super) fn two_path_job<T: Send + 'static>(
    verb: &'static str,
    path: impl AsRef<Path>,
    other_path: impl AsRef<Path>,
    work: impl FnOnce(Arc<Path>, Arc<Path>) -> io::Result<T> + Send + 'static,
) -> TryPromise<T, io::Error> {
    let path: Arc<Path> = path.as_ref().into();
    let other: Arc<Path> = other_path.as_ref().into();
    let work = move || {
        work(path.clone(), other.clone())
            .map_err(|error| PathError::wrap(verb, &path, Some(&other), error))
    };
    try_job(verb, work, |result| result)
}
