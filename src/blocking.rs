//! Blocking calls: `spawn_blocking` for those who await, `queue_work` for a callback.
//!
//! The order is made in `pool.rs`; here are the two faces of it.

pub(crate) mod pool;

use std::any::Any;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;

use crate::blocking::pool::{JobId, JobResult};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::promise::{Promise, PromiseError, Source, State, no_reason};

/// Runs `job` on a thread of the loop's worker pool and gives a promise of its result.
///
/// Jobs are taken in the order of submission, at most
/// [`blocking_threads`](crate::Builder::blocking_threads) at once (default 4, as Node's pool), and
/// each keeps the loop alive. The completion is a macrotask of the poll phase (R61); whoever
/// awaits the promise continues in a microtask behind it.
///
/// A panic in the job resumes in whoever awaits. [`Promise::abort`] takes a job that no thread
/// has started out of the queue; a running one goes on and its result is dropped. When the loop
/// ends, jobs that have not started are dropped; running ones run to their end on their threads,
/// the loop does not wait for them, and their results are dropped there.
///
/// ```
/// let sum = nodeloop::block_on(async { nodeloop::spawn_blocking(|| (1..=10).sum::<u32>()).await });
/// assert_eq!(sum, 55);
/// ```
///
/// # Panics
///
/// Outside of an event loop.
#[track_caller]
pub fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Promise<T> {
    job_with("spawn_blocking", job, |value| value)
}

/// [`spawn_blocking`] with one step more: `finish` makes the value of the promise out of the
/// job's result, on the loop's thread and inside of the completion's macrotask. It must not run
/// any code of the user's.
#[track_caller]
pub(crate) fn job_with<R: Send + 'static, T: 'static>(
    verb: &str,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> T + 'static,
) -> Promise<T> {
    let owner = current(verb);
    let state = State::new(owner.clone(), Location::caller(), no_reason);
    if !owner.is_open() {
        state.settle(Err(PromiseError::Aborted));
        return Promise::new(state);
    }
    let waiting = AbortedIfDropped {
        state: state.clone(),
    };
    let done = move |result: JobResult| {
        let outcome = result.map_err(PromiseError::Panicked);
        let outcome = outcome.map(|value| finish(unerase(value)));
        waiting.state.settle(outcome);
    };
    let job = Box::new(|| -> Box<dyn Any + Send> { Box::new(work()) });
    let id = owner.submit_job(job, Box::new(done), Location::caller());
    state.source.set(Source::Job(id));
    Promise::new(state)
}

/// A job whose callback is dropped (the loop has ended, or it was taken out of the queue) will
/// never have a result: whoever awaits learns it.
struct AbortedIfDropped<T: 'static> {
    state: Rc<State<T>>,
}

impl<T: 'static> Drop for AbortedIfDropped<T> {
    fn drop(&mut self) {
        self.state.settle(Err(PromiseError::Aborted)); // nothing if it has settled
    }
}

/// Runs `job` on a thread of the worker pool, and then `done` with its result: libuv's
/// `uv_queue_work`, what `fs.readFile(path, callback)` is in Node.
///
/// `done` itself is the macrotask of the poll phase, so ticks it queues come before promise jobs
/// (R12). If the job panics, its panic is raised in place of `done`, as an uncaught error of that
/// macrotask. Everything else is as for [`spawn_blocking`].
///
/// # Panics
///
/// Outside of an event loop.
#[doc(alias = "uv_queue_work")]
#[track_caller]
pub fn queue_work<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
    done: impl FnOnce(T) + 'static,
) -> QueuedWork {
    let state = current("queue_work");
    if !state.is_open() {
        return QueuedWork { state, id: None };
    }
    let done = move |result: JobResult| match result {
        Ok(value) => done(unerase(value)),
        Err(payload) => resume_unwind(payload),
    };
    let (context, owner) = (state.context.get(), state.clone());
    let done = move |result: JobResult| {
        owner.context.set(context);
        done(result);
    };
    let job = Box::new(|| -> Box<dyn Any + Send> { Box::new(job()) });
    let id = state.submit_job(job, Box::new(done), Location::caller());
    QueuedWork {
        state,
        id: Some(id),
    }
}

/// A job given to [`queue_work`]. Dropping it changes nothing.
#[derive(Clone)]
pub struct QueuedWork {
    state: Rc<LoopState>,
    id: Option<JobId>,
}

impl QueuedWork {
    /// Takes the job out of the queue if no thread has started it: neither the job nor its
    /// callback will run. Returns whether that was so.
    pub fn cancel(&self) -> bool {
        self.id.is_some_and(|id| self.state.cancel_job(id))
    }
}

impl std::fmt::Debug for QueuedWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueuedWork")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn unerase<T: 'static>(value: Box<dyn Any + Send>) -> T {
    match value.downcast() {
        Ok(value) => *value,
        Err(_) => unreachable!("a job gives back the type it was submitted with"),
    }
}
