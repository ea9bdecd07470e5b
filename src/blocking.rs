//! Blocking calls on the worker pool: `spawn_blocking` returns a promise, `queue_work` calls a
//! callback.
//!
//! `blocking/pool.rs` decides the order of jobs and of their completions.

mod codec;
pub(crate) mod pool;

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use crate::blocking::pool::{Job, JobCodec, JobId, JobWork};
use crate::event_loop::current::current;
use crate::event_loop::state::LoopState;
use crate::hooks::rejection::Reason;
use crate::phases::macrotask::SourceLocation;
use crate::promise::{
    Promise, PromiseError, ReasonOf, SettledBy, State, TryPromise, error_of, no_reason,
};
use crate::reactor::journal::value::{Input, Output, Value};
use codec::{Codec, Encoded, Opaque};

/// Runs `job` on a thread of the loop's worker pool and returns a promise of its result.
///
/// Jobs start in the order of submission, at most
/// [`blocking_threads`](crate::Builder::blocking_threads) at a time (4 by default, as in Node), and
/// each keeps the loop alive. The completion is a macrotask of the poll phase (R61); awaiters of
/// the promise continue in a microtask after it.
///
/// A panic in the job resumes in the code that awaits the promise. An `Err` is a value like any
/// other; for a job that returns a `Result`, use [`try_spawn_blocking`], which reports an `Err` that
/// is not handled.
///
/// Dropping the promise detaches the job, which still runs. [`Settled::abort`](crate::promise::Settled::abort)
/// removes a job that no thread has started from the queue; a running job continues, and its result is dropped. When
/// the loop ends, jobs that have not started are dropped. The loop does not wait for running jobs;
/// their results are dropped on their threads.
///
/// # Examples
///
/// ```
/// let sum = nodeloop::block_on(async { nodeloop::spawn_blocking(|| (1..=10).sum::<u32>()).await });
/// assert_eq!(sum, 55);
/// ```
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn spawn_blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Promise<T> {
    job_with("spawn_blocking", job, |value| value)
}

/// Runs a job that can fail on a thread of the loop's worker pool.
///
/// It behaves like [`spawn_blocking`], but the promise can be rejected: an `Err` that is not handled
/// is reported as Node reports it (R14). See [`try_spawn`](crate::try_spawn).
///
/// # Examples
///
/// ```
/// let number = nodeloop::block_on(async {
///     nodeloop::try_spawn_blocking(|| "4x".parse::<i32>()).await
/// });
/// assert!(number.is_err());
/// ```
///
/// # Panics
///
/// Panics if called outside of an event loop.
#[track_caller]
pub fn try_spawn_blocking<T: Send + 'static, E: Reason + Send>(
    job: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> TryPromise<T, E> {
    try_job_with("try_spawn_blocking", job, |result| result)
}

/// Runs a job as [`spawn_blocking`] does, and converts its result into the value of the promise.
///
/// `finish` converts on the loop's thread, in the macrotask of the completion, and must not call
/// user code. `verb` names the public function in the panic outside of a loop.
#[track_caller]
pub(crate) fn job_with<R: Send + 'static, T: 'static>(
    verb: &str,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> T + 'static,
) -> Promise<T> {
    Promise::new(submit::<_, _, Opaque>(
        Call::of(verb),
        no_reason,
        work,
        finish,
    ))
}

/// Runs a job as [`job_with`] does. Its result is recorded by a loop with a journal.
#[track_caller]
pub(crate) fn recorded_job_with<R: Value + Send + 'static, T: 'static>(
    verb: &str,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> T + 'static,
) -> Promise<T> {
    Promise::new(submit::<_, _, Encoded>(
        Call::of(verb),
        no_reason,
        work,
        finish,
    ))
}

/// Runs a job as [`try_spawn_blocking`] does, and converts its result as [`job_with`] does.
#[track_caller]
pub(crate) fn try_job_with<R: Send + 'static, T: 'static, E: Reason>(
    verb: &str,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> Result<T, E> + 'static,
) -> TryPromise<T, E> {
    TryPromise::new(submit::<_, _, Opaque>(
        Call::of(verb),
        error_of,
        work,
        finish,
    ))
}

/// Runs a job as [`try_job_with`] does. Its result is recorded by a loop with a journal.
#[track_caller]
pub(crate) fn try_recorded_job_with<R: Value + Send + 'static, T: 'static, E: Reason>(
    verb: &str,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> Result<T, E> + 'static,
) -> TryPromise<T, E> {
    TryPromise::new(submit::<_, _, Encoded>(
        Call::of(verb),
        error_of,
        work,
        finish,
    ))
}

/// Runs a job as [`job_with`] does, for a call that the program has made before.
pub(crate) fn job_at<R: Send + 'static, T: 'static>(
    call: Call<'_>,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> T + 'static,
) -> Promise<T> {
    Promise::new(submit::<_, _, Opaque>(call, no_reason, work, finish))
}

/// Runs a job as [`recorded_job_with`] does, for a call that the program has made before.
pub(crate) fn recorded_job_at<R: Value + Send + 'static, T: 'static>(
    call: Call<'_>,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> T + 'static,
) -> Promise<T> {
    Promise::new(submit::<_, _, Encoded>(call, no_reason, work, finish))
}

/// Runs a job as [`try_recorded_job_with`] does, for a call that the program has made before.
pub(crate) fn try_recorded_job_at<T: 'static, E: Reason>(
    call: Call<'_>,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> TryPromise<T, E>
where
    Result<T, E>: Value + Send,
{
    TryPromise::new(submit::<_, _, Encoded>(call, error_of, work, |it| it))
}

/// The call of the program that submits a job.
pub(crate) struct Call<'a> {
    /// Names the public function.
    pub(crate) verb: &'a str,
    pub(crate) location: SourceLocation,
}

impl Call<'_> {
    #[track_caller]
    fn of(verb: &str) -> Call<'_> {
        let location = Location::caller();
        Call { verb, location }
    }
}

#[track_caller]
fn submit<R: Send + 'static, O: 'static, C: Codec<R>>(
    call: Call<'_>,
    reason_of: ReasonOf<O>,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> O + 'static,
) -> Rc<State<O>> {
    let owner = current(call.verb);
    let state = State::new(owner.clone(), call.location, reason_of);
    if !owner.is_open() {
        state.settle(Err(PromiseError::Aborted));
        return state;
    }
    let guard = AbortedIfDropped {
        state: state.clone(),
    };
    let (job, value_of) = erase::<_, _, C>(work);
    let done = move || {
        let result = guard.state.owner().pool.take_result();
        let outcome = result.map_err(PromiseError::of_panic);
        let outcome = outcome.map(|job| finish(value_of(job)));
        guard.state.settle(outcome);
    };
    let id = owner.submit_job(job, Box::new(done), call.location);
    state.settled_by.set(SettledBy::Job(id));
    state
}

/// Settles the promise as aborted if the callback of the job is dropped without being called: the
/// loop has ended, or the job was removed from the queue.
struct AbortedIfDropped<T: 'static> {
    state: Rc<State<T>>,
}

impl<T: 'static> Drop for AbortedIfDropped<T> {
    fn drop(&mut self) {
        self.state.settle(Err(PromiseError::Aborted)); // no effect if it has settled
    }
}

/// Runs `job` on a thread of the loop's worker pool and calls `done` with its result: libuv's
/// `uv_queue_work`, which Node uses for `fs.readFile(path, callback)`.
///
/// `done` is itself the macrotask of the poll phase, so ticks that it queues run before promise
/// jobs (R12). If the job panics, `done` is not called and the panic is an uncaught error of that
/// macrotask. Otherwise it behaves like [`spawn_blocking`].
///
/// # Panics
///
/// Panics if called outside of an event loop.
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
    let (context, owner) = (state.context.get(), state.clone());
    let (job, value_of) = erase::<_, _, Opaque>(job);
    let done = move || {
        let result = owner.pool.take_result();
        owner.context.set(context);
        match result {
            Ok(job) => done(value_of(job)),
            Err(payload) => resume_unwind(payload),
        }
    };
    let id = state.submit_job(job, Box::new(done), Location::caller());
    QueuedWork {
        state,
        id: Some(id),
    }
}

/// A handle to the job of [`queue_work`].
///
/// Dropping it does not cancel the job.
#[derive(Clone)]
pub struct QueuedWork {
    state: Rc<LoopState>,
    id: Option<JobId>,
}

impl QueuedWork {
    /// Removes the job from the queue if no thread has started it, so that neither the job nor its
    /// callback runs.
    ///
    /// Returns whether it was removed.
    pub fn cancel(&self) -> bool {
        self.id.is_some_and(|id| self.state.cancel_job(id))
    }
}

impl QueuedWork {
    /// Gives the job a label; see [`TimeoutHandle::set_label`](crate::TimeoutHandle::set_label). It has no
    /// effect once the job was delivered.
    pub fn set_label(&self, label: impl Into<Arc<str>>) -> &QueuedWork {
        if let Some(id) = self.id {
            let label = label.into();
            if let Some(origin) = self.state.pool.set_label(id, label.clone()) {
                self.state.labeled(origin, &label);
            }
        }
        self
    }
}

impl std::fmt::Debug for QueuedWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueuedWork")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A job and its value, in one allocation that goes to the thread and comes back.
struct TypedJob<W, R, C> {
    work: Option<W>,
    value: Option<R>,
    codec: PhantomData<fn() -> C>,
}

impl<W, R, C> Job for TypedJob<W, R, C>
where
    W: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
    C: Codec<R>,
{
    fn run(mut self: Box<Self>) -> Box<dyn Any + Send> {
        self.value = self.work.take().map(|work| work());
        self
    }

    fn codec(&self) -> Option<JobCodec> {
        let put = |job: &(dyn Any + Send), out: &mut Output| {
            let value = job
                .downcast_ref::<Self>()
                .and_then(|job| job.value.as_ref());
            C::encode(
                value.expect("a job that has run has the value of its type"),
                out,
            );
        };
        let take = |input: &mut Input<'_>| {
            let value = Some(C::decode(input)?);
            let job = TypedJob::<W, R, C> {
                work: None,
                value,
                codec: PhantomData,
            };
            Some(Box::new(job) as Box<dyn Any + Send>)
        };
        C::IS_RECORDED.then_some(JobCodec { put, take })
    }
}

/// Takes the value out of a job that has run.
type ValueOf<R> = fn(Box<dyn Any + Send>) -> R;

/// Erases the type of a job.
fn erase<W, R, C>(work: W) -> (JobWork, ValueOf<R>)
where
    W: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
    C: Codec<R>,
{
    let job = TypedJob {
        work: Some(work),
        value: None::<R>,
        codec: PhantomData::<fn() -> C>,
    };
    let value_of = |job: Box<dyn Any + Send>| {
        let job = job.downcast::<TypedJob<W, R, C>>().ok();
        let value = job.and_then(|job| job.value);
        value.expect("a job that has run has the value of its type")
    };
    (Box::new(job), value_of)
}
