//! How an operation becomes a job of the pool.
//!
//! It is [`spawn_blocking`](crate::spawn_blocking) with one step more: `finish` makes the value
//! of the promise out of the job's result, on the loop's thread and inside of the completion's
//! macrotask. A [`File`](super::File) belongs to its loop and cannot come from another thread. A
//! promise changed with [`convert`](Promise::convert) would not know the job any more, and
//! [`abort`](Promise::abort) could not take it out of the queue.

use std::any::Any;
use std::io;
use std::panic::Location;
use std::path::Path;

use crate::current::current;
use crate::pool::JobResult;
use crate::promise::{Failure, Promise, Source, State, no_reason};

use super::PathError;

/// Submits `work` now. `finish` must not run any code of the user's.
#[track_caller]
pub(super) fn job<R: Send + 'static, T: 'static>(
    verb: &'static str,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> T + 'static,
) -> Promise<T> {
    let owner = current(verb);
    let state = State::new(owner.clone(), Location::caller(), no_reason);
    if !owner.is_open() {
        state.settle(Err(Failure::Aborted));
        return Promise::new(state);
    }
    let settled = state.clone();
    let done = move |result: JobResult| {
        let outcome = result.map_err(Failure::Panicked).map(|value| {
            let value = value.downcast();
            finish(*value.expect("a job gives back the type it was submitted with"))
        });
        settled.settle(outcome);
    };
    let work = Box::new(|| -> Box<dyn Any + Send> { Box::new(work()) });
    let id = owner.submit_job(work, Box::new(done), Location::caller());
    state.source.set(Source::Job(id));
    Promise::new(state)
}

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
