//! How an operation becomes a job of the pool.
//!
//! A value that belongs to its loop, as a [`File`](super::File) does, cannot come from another
//! thread: the job gives back its parts, and the last step, on the loop's thread, makes it. A
//! promise changed with [`map`](Promise::map) would not know the job any more, and
//! [`abort`](Promise::abort) could not take it out of the queue.

use std::io;
use std::path::Path;

pub(super) use crate::blocking::job_with as job;
use crate::promise::Promise;

use super::PathError;

/// An operation on one path.
#[track_caller]
pub(super) fn path_job<T: Send + 'static>(
    verb: &'static str,
    path: impl AsRef<Path>,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Promise<io::Result<T>> {
    let path = path.as_ref().to_owned();
    let work = move || work(&path).map_err(|error| PathError::wrap(verb, &path, None, error));
    job(verb, work, |result| result)
}

/// An operation on two paths.
#[track_caller]
pub(super) fn two_path_job<T: Send + 'static>(
    verb: &'static str,
    path: impl AsRef<Path>,
    other_path: impl AsRef<Path>,
    work: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
) -> Promise<io::Result<T>> {
    let path = path.as_ref().to_owned();
    let other = other_path.as_ref().to_owned();
    let work = move || {
        work(&path, &other).map_err(|error| PathError::wrap(verb, &path, Some(&other), error))
    };
    job(verb, work, |result| result)
}
