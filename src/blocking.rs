//! Blocking calls on the worker pool: `spawn_blocking` returns a promise, `queue_work` calls a
//! callback.
//!
//! `blocking/pool.rs` decides the order of jobs and of their completions.

mod codec;
pub(crate) mod pool;

use std::any::Any;
use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;

use crate::async_local::context::AsyncContext;
use crate::blocking::pool::{
    Completion, Job, JobCodec, JobId, JobResult, JobType, JobWork, Submission,
};
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
    let state = submit::<_, _, Opaque, _>(Call::of("spawn_blocking"), no_reason, job, Rc::clone);
    Promise::new(state)
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
    let state = submit::<_, _, Opaque, _>(Call::of("try_spawn_blocking"), error_of, job, Rc::clone);
    TryPromise::new(state)
}

/// Runs a job as [`recorded_job_at`] does.
#[track_caller]
pub(crate) fn recorded_job_with<R: Value + Send + 'static, T: 'static>(
    verb: &str,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> T + 'static,
) -> Promise<T> {
    recorded_job_at(Call::of(verb), work, finish)
}

/// Runs a job as [`try_spawn_blocking`] does, and converts its result as [`job_at`] does.
#[track_caller]
pub(crate) fn try_job_with<R: Send + 'static, T: 'static, E: Reason>(
    verb: &str,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> Result<T, E> + 'static,
) -> TryPromise<T, E> {
    let done = |state: &_| Finishing::new(state, finish);
    TryPromise::new(submit::<_, _, Opaque, _>(
        Call::of(verb),
        error_of,
        work,
        done,
    ))
}

/// Runs a job as [`try_job_with`] does. Its result is recorded by a loop with a journal.
#[track_caller]
pub(crate) fn try_recorded_job_with<R: Value + Send + 'static, T: 'static, E: Reason>(
    verb: &str,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> Result<T, E> + 'static,
) -> TryPromise<T, E> {
    let done = |state: &_| Finishing::new(state, finish);
    TryPromise::new(submit::<_, _, Encoded, _>(
        Call::of(verb),
        error_of,
        work,
        done,
    ))
}

/// Runs a job as [`try_recorded_job_with`] does. Its result is the value of the promise.
#[track_caller]
pub(crate) fn try_recorded_job<T: 'static, E: Reason>(
    verb: &str,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> TryPromise<T, E>
where
    Result<T, E>: Value + Send,
{
    try_recorded_job_at(Call::of(verb), work)
}

/// Runs a job as [`spawn_blocking`] does, and converts its result into the value of the promise. The
/// program may have made the call before.
///
/// `finish` converts on the loop's thread, in the macrotask of the completion, and must not call
/// user code.
#[track_caller]
pub(crate) fn job_at<R: Send + 'static, T: 'static>(
    call: Call<'_>,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> T + 'static,
) -> Promise<T> {
    let done = |state: &_| Finishing::new(state, finish);
    Promise::new(submit::<_, _, Opaque, _>(call, no_reason, work, done))
}

/// Runs a job as [`job_at`] does. Its result is recorded by a loop with a journal.
#[track_caller]
pub(crate) fn recorded_job_at<R: Value + Send + 'static, T: 'static>(
    call: Call<'_>,
    work: impl FnOnce() -> R + Send + 'static,
    finish: impl FnOnce(R) -> T + 'static,
) -> Promise<T> {
    let done = |state: &_| Finishing::new(state, finish);
    Promise::new(submit::<_, _, Encoded, _>(call, no_reason, work, done))
}

/// Runs a job as [`try_recorded_job`] does, for a call that the program has made before.
#[track_caller]
pub(crate) fn try_recorded_job_at<T: 'static, E: Reason>(
    call: Call<'_>,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> TryPromise<T, E>
where
    Result<T, E>: Value + Send,
{
    TryPromise::new(submit::<_, _, Encoded, _>(call, error_of, work, Rc::clone))
}

/// The call of the program that submits a job.
pub(crate) struct Call<'a> {
    /// Names the public function, in the panic outside of a loop.
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

/// Submits a job and returns the state of its promise. `done` makes what the job completes: the promise
/// itself, or a [`Finishing`].
#[track_caller]
fn submit<R: Send + 'static, O: 'static, C: Codec<R>, D: Completion + 'static>(
    call: Call<'_>,
    reason_of: ReasonOf<O>,
    work: impl FnOnce() -> R + Send + 'static,
    done: impl FnOnce(&Rc<State<O>>) -> Rc<D>,
) -> Rc<State<O>> {
    let state = State::new(current(call.verb), call.location, reason_of);
    let owner = state.owner();
    if !owner.is_open() {
        state.settle(Err(PromiseError::Aborted));
        return state;
    }
    let job = submission::<_, _, C>(work, done(&state));
    let id = owner.submit_job(job, call.location);
    state.settled_by.set(SettledBy::Job(id));
    state
}

/// The value of the job is that of the promise.
impl<O: 'static> Completion for State<O> {
    fn complete(self: Rc<Self>, result: JobResult, job_type: &JobType) {
        let outcome = result.map_err(PromiseError::of_panic);
        self.settle(outcome.map(|job| job_type.value_of(job)));
    }

    fn abandon(self: Rc<Self>) {
        self.settle(Err(PromiseError::Aborted)); // no effect if it has settled
    }
}

/// A promise whose value is made of that of a job.
struct Finishing<R, O: 'static, F> {
    state: Rc<State<O>>,
    finish: Cell<Option<F>>,
    job: PhantomData<fn(R)>,
}

impl<R, O: 'static, F> Finishing<R, O, F> {
    fn new(state: &Rc<State<O>>, finish: F) -> Rc<Finishing<R, O, F>> {
        Rc::new(Finishing {
            state: state.clone(),
            finish: Cell::new(Some(finish)),
            job: PhantomData,
        })
    }
}

impl<R: 'static, O, F: FnOnce(R) -> O> Completion for Finishing<R, O, F> {
    fn complete(self: Rc<Self>, result: JobResult, job_type: &JobType) {
        let outcome = result.map_err(PromiseError::of_panic);
        if let Some(finish) = self.finish.take() {
            let outcome = outcome.map(|job| finish(job_type.value_of(job)));
            self.state.settle(outcome);
        }
    }

    fn abandon(self: Rc<Self>) {
        self.state.clone().abandon();
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
    let done = (state.clone(), state.context.get(), done);
    let done = Callback {
        done: Cell::new(Some(done)),
        job: PhantomData,
    };
    let job = submission::<_, _, Opaque>(job, Rc::new(done));
    let id = state.submit_job(job, Location::caller());
    QueuedWork {
        state,
        id: Some(id),
    }
}

/// The callback of [`queue_work`], with its loop and the async context in which it runs.
struct Callback<T, D> {
    done: Cell<Option<(Rc<LoopState>, AsyncContext, D)>>,
    job: PhantomData<fn(T)>,
}

impl<T: 'static, D: FnOnce(T)> Completion for Callback<T, D> {
    fn complete(self: Rc<Self>, result: JobResult, job_type: &JobType) {
        let Some((owner, context, done)) = self.done.take() else {
            return;
        };
        owner.context.set(context);
        match result {
            Ok(job) => done(job_type.value_of(job)),
            Err(payload) => resume_unwind(payload),
        }
    }

    fn abandon(self: Rc<Self>) {}
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
    stage: Stage<W, R>,
    codec: PhantomData<fn() -> C>,
}

enum Stage<W, R> {
    Waiting(W),
    Running,
    Finished(R),
}

impl<W, R, C> Job for TypedJob<W, R, C>
where
    W: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
    C: Codec<R>,
{
    fn run(mut self: Box<Self>) -> Box<dyn Any + Send> {
        if let Stage::Waiting(work) = std::mem::replace(&mut self.stage, Stage::Running) {
            self.stage = Stage::Finished(work());
        }
        self
    }
}

impl<W, R, C> TypedJob<W, R, C>
where
    W: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
    C: Codec<R>,
{
    const TYPE: &'static JobType = &JobType {
        move_value: Self::move_value,
        codec: match C::IS_RECORDED {
            true => Some(JobCodec {
                put: Self::put,
                take: Self::take,
            }),
            false => None,
        },
    };

    fn boxed(stage: Stage<W, R>) -> Box<TypedJob<W, R, C>> {
        Box::new(TypedJob {
            stage,
            codec: PhantomData,
        })
    }

    fn move_value(job: Box<dyn Any + Send>, place: &mut dyn Any) {
        let job = job.downcast::<Self>().ok();
        if let (Some(job), Some(place)) = (job, place.downcast_mut::<Option<R>>())
            && let Stage::Finished(value) = job.stage
        {
            *place = Some(value);
        }
    }

    fn put(job: &(dyn Any + Send), out: &mut Output) {
        if let Some(job) = job.downcast_ref::<Self>()
            && let Stage::Finished(value) = &job.stage
        {
            C::encode(value, out);
        }
    }

    fn take(input: &mut Input<'_>) -> Option<Box<dyn Any + Send>> {
        Some(Self::boxed(Stage::Finished(C::decode(input)?)))
    }
}

/// Erases the type of a job.
fn submission<W, R, C>(work: W, done: Rc<dyn Completion>) -> Submission
where
    W: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
    C: Codec<R>,
{
    Submission {
        work: TypedJob::<W, R, C>::boxed(Stage::Waiting(work)) as JobWork,
        job_type: TypedJob::<W, R, C>::TYPE,
        done,
    }
}
