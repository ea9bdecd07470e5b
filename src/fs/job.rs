//! File operations as jobs of the pool.
//!
//! A value that belongs to its loop, such as a [`File`](super::File), cannot be created on another
//! thread. The job returns its parts, and the last argument of [`job`] assembles them on the loop's
//! thread. [`Promise::map`] cannot be used for that, because an abort of its
//! result does not remove the job from the queue.

use std::io;
use std::path::Path;
use std::sync::Arc;

pub(super) use crate::blocking::{
    Call, job_at as opaque_job_at, recorded_job_at as job_at, try_job_with as opaque_try_job,
    try_recorded_job, try_recorded_job_at as try_job_at, try_recorded_job_with as try_job,
};
use crate::promise::TryPromise;
use crate::reactor::journal::value::Value;

use super::PathError;
use super::error::type_with_destructor;
use super::system::FileSystem;

/// Submits an operation on one path. `verb` is the public function, such as `fs::read`.
#[track_caller]
pub(super) fn path_job<T: Value + Send + 'static, P: AsRef<Path>>(
    verb: &'static str,
    path: P,
    work: impl FnOnce(FileSystem, Arc<Path>) -> io::Result<T> + Send + 'static,
) -> TryPromise<T, io::Error> {
    let path = (take(path), type_with_destructor::<P>());
    try_recorded_job(verb, with_path_in_error(verb, path, work))
}

/// Submits an operation on one path, and converts its result on the loop's thread.
#[track_caller]
pub(super) fn path_job_with<R: Value + Send + 'static, T: 'static, P: AsRef<Path>>(
    verb: &'static str,
    path: P,
    work: impl FnOnce(FileSystem, Arc<Path>) -> io::Result<R> + Send + 'static,
    finish: impl FnOnce(R) -> T + 'static,
) -> TryPromise<T, io::Error> {
    let work = with_path_in_error(verb, (take(path), type_with_destructor::<P>()), work);
    try_job(verb, work, |result: io::Result<R>| result.map(finish))
}

/// Submits an operation as [`path_job_with`] does, whose result a recording can't contain.
#[track_caller]
pub(super) fn opaque_path_job_with<R: Send + 'static, T: 'static, P: AsRef<Path>>(
    verb: &'static str,
    path: P,
    work: impl FnOnce(FileSystem, Arc<Path>) -> io::Result<R> + Send + 'static,
    finish: impl FnOnce(R) -> T + 'static,
) -> TryPromise<T, io::Error> {
    let work = with_path_in_error(verb, (take(path), type_with_destructor::<P>()), work);
    opaque_try_job(verb, work, |result: io::Result<R>| result.map(finish))
}

/// Returns the operation, with the path in its error. `dropped` is the type of the argument, if it has a
/// destructor.
fn with_path_in_error<R, W>(
    verb: &'static str,
    (path, dropped): (Arc<Path>, Option<&'static str>),
    work: W,
) -> impl FnOnce() -> io::Result<R> + Send + use<R, W>
where
    W: FnOnce(FileSystem, Arc<Path>) -> io::Result<R> + Send + 'static,
{
    let system = FileSystem::current();
    move || {
        work(system, path.clone()).map_err(|error| {
            let error = PathError::new(verb, &path, None, error);
            error.with_hint(dropped).into()
        })
    }
}

/// Copies a path, and drops the argument before the operation starts. If its destructor removes the
/// file, the operation then always fails, and not only when the job is late.
fn take(path: impl AsRef<Path>) -> Arc<Path> {
    path.as_ref().into()
}

/// Submits an operation on two paths.
#[track_caller]
pub(super) fn two_path_job<T: Value + Send + 'static, P: AsRef<Path>, Q: AsRef<Path>, W>(
    verb: &'static str,
    path: P,
    other_path: Q,
    work: W,
) -> TryPromise<T, io::Error>
where
    W: FnOnce(FileSystem, Arc<Path>, Arc<Path>) -> io::Result<T> + Send + 'static,
{
    let (path, other) = (take(path), take(other_path));
    let dropped = type_with_destructor::<P>().or_else(type_with_destructor::<Q>);
    let system = FileSystem::current();
    let work = move || {
        let result = work(system, path.clone(), other.clone());
        result.map_err(|error| {
            PathError::new(verb, &path, Some(&other), error)
                .with_hint(dropped)
                .into()
        })
    };
    try_recorded_job(verb, work)
}
