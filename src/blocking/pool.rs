//! The worker pool: a queue of jobs that at most `limit` threads run at once (R60).
//!
//! Results arrive through the remote queue, in the order in which the jobs finished (R61). The
//! completions, which receive them, stay on the loop's thread, in [`Pool::outstanding`]. The threads' side is
//! `pool/workers.rs`.

mod outstanding;
mod simulated;
mod workers;

/// What `workers.rs` uses of threads, which the loom model replaces.
mod threads {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
    pub(super) use std::thread::yield_now;

    use blocking::unblock;

    /// The number of jobs that a thread runs before it serves another loop that waits for a thread.
    pub(super) const JOBS_PER_THREAD: usize = 64;

    /// The number of jobs that a thread runs before it serves another user of the `blocking` crate, of
    /// which nothing is known.
    pub(super) const MAX_JOBS_PER_THREAD: usize = 4096;

    /// The number of times that a thread checks an empty queue again: a few microseconds in all.
    pub(super) const CHECKS_BEFORE_LEAVING: usize = 16;

    /// How many of the threads that the loops of this process have requested have not started yet.
    static REQUESTED: AtomicUsize = AtomicUsize::new(0);

    /// Calls `run` on a thread of the `blocking` crate.
    pub(super) fn request_thread(run: impl FnOnce() + Send + 'static) {
        REQUESTED.fetch_add(1, Ordering::Relaxed); // Relaxed, here and below: it orders nothing
        unblock(move || {
            REQUESTED.fetch_sub(1, Ordering::Relaxed);
            run();
        })
        .detach();
    }

    /// Returns whether any loop waits for a thread.
    pub(super) fn is_thread_requested() -> bool {
        REQUESTED.load(Ordering::Relaxed) > 0
    }
}

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{Origin, SourceLocation, StepKind};
use crate::reactor::journal::value::{Input, Output};
use crate::reactor::remote_queue::RemoteQueue;
use outstanding::Outstanding;
use simulated::SimulatedWorkers;
use workers::Workers;

pub(crate) type JobId = u64;

/// The result of a job: its value, or the payload of its panic.
pub(crate) type JobResult = std::thread::Result<Box<dyn Any + Send>>;

/// A job, which is run on a thread of the pool.
pub(crate) trait Job: Send {
    /// Runs the job, and returns the same allocation with its value.
    fn run(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// What can be done with the value of a job, whose type only the code that submits it knows.
pub(crate) struct JobType {
    /// Moves the value of a job that has run to an `Option` of its type.
    pub(crate) move_value: fn(Box<dyn Any + Send>, &mut dyn Any),
    /// How the value is recorded, if a recording can contain it.
    pub(crate) codec: Option<JobCodec>,
}

impl JobType {
    /// Takes the value out of a job that has run.
    pub(crate) fn value_of<R: 'static>(&self, job: Box<dyn Any + Send>) -> R {
        let mut value = None::<R>;
        (self.move_value)(job, &mut value);
        value.expect("a job that has run has the value of its type")
    }
}

/// How the value of a job is recorded.
#[derive(Clone, Copy)]
pub(crate) struct JobCodec {
    /// Appends the value of a job that has run.
    pub(crate) put: fn(&(dyn Any + Send), &mut Output),
    /// Makes what a job of the same type has when it has run.
    pub(crate) take: fn(&mut Input<'_>) -> Option<Box<dyn Any + Send>>,
}

pub(crate) type JobWork = Box<dyn Job>;

/// What receives the result of a job: its promise, or a callback. One of both methods is called, once.
pub(crate) trait Completion {
    /// Receives the result, in the macrotask of the completion.
    fn complete(self: Rc<Self>, result: JobResult, job_type: &JobType);

    /// Is called instead if there will be no result: the job was removed from the queue, or the loop has
    /// ended.
    fn abandon(self: Rc<Self>);
}

/// A job with everything that the pool needs of it.
pub(crate) struct Submission {
    pub(crate) work: JobWork,
    pub(crate) job_type: &'static JobType,
    pub(crate) done: Rc<dyn Completion>,
}

/// The loop's side of the pool.
pub(crate) struct Pool {
    workers: Arc<Workers>,
    /// What takes the place of the threads on a host of a simulated world.
    simulated: Option<RefCell<SimulatedWorkers>>,
    /// The jobs that have not been delivered yet.
    outstanding: RefCell<Outstanding<OutstandingJob>>,
    /// The labels of some of them, for reports.
    labels: RefCell<BTreeMap<JobId, Arc<str>>>,
}

/// A job that has not been delivered yet. A program may submit many of them before the first one finishes,
/// so that each word counts: what the loop reads is not in the caches.
pub(crate) struct OutstandingJob {
    done: Done,
    job_type: &'static JobType,
    location: SourceLocation,
    /// See [`Origin::entry`].
    entry: u32,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Option<OutstandingJob>>() <= 40);

impl OutstandingJob {
    fn origin(&self, id: JobId) -> Origin {
        Origin {
            entry: self.entry,
            ..Origin::of(StepKind::JobDone, self.location, id)
        }
    }

    /// Passes the result to the completion. The caller is the macrotask of that.
    #[inline]
    pub(crate) fn complete(self, result: JobResult) {
        self.done.complete(result, self.job_type);
    }
}

/// A completion, which is abandoned if it is dropped without having been called.
struct Done(Option<Rc<dyn Completion>>);

impl Done {
    fn complete(mut self, result: JobResult, job_type: &JobType) {
        if let Some(completion) = self.0.take() {
            completion.complete(result, job_type);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(completion) = self.0.take() {
            completion.abandon();
        }
    }
}

impl Pool {
    pub(crate) fn new(remote_queue: Arc<RemoteQueue>, limit: usize) -> Pool {
        Pool {
            workers: Workers::new(remote_queue, limit),
            simulated: None,
            outstanding: RefCell::default(),
            labels: RefCell::default(),
        }
    }

    /// Creates the pool of a host of a simulated world, which has no threads.
    pub(crate) fn simulated(remote_queue: Arc<RemoteQueue>, limit: usize) -> Pool {
        Pool {
            simulated: Some(RefCell::new(SimulatedWorkers::new(limit))),
            ..Pool::new(remote_queue, limit)
        }
    }

    /// Returns the queue that the results of jobs arrive through.
    pub(crate) fn remote_queue(&self) -> &Arc<RemoteQueue> {
        &self.workers.remote_queue
    }

    /// Returns the id of the next job.
    pub(crate) fn next_id(&self) -> JobId {
        self.outstanding.borrow().next_id()
    }

    /// Returns the maximum number of jobs that run at the same time.
    pub(crate) fn limit(&self) -> usize {
        self.workers.limit()
    }

    /// Appends a job to the queue. Its completion runs on the loop's thread, in the poll phase.
    #[inline]
    pub(crate) fn submit(&self, job: Submission, origin: Origin) -> JobId {
        let (work, id) = self.add(job, origin);
        Workers::add(&self.workers, id, work);
        id
    }

    /// Appends a job as [`submit`](Pool::submit) does, in a loop with a journal. It is not run if the
    /// journal has its result; then its work is returned, for the caller to drop.
    pub(crate) fn submit_journaled(
        &self,
        job: Submission,
        origin: Origin,
        has_result: impl FnOnce(JobId) -> bool,
    ) -> (JobId, Option<JobWork>) {
        let has_codec = job.job_type.codec.is_some();
        let (work, id) = self.add(job, origin);
        // Asked about each job, because a replay in another order counts them.
        if has_result(id) && has_codec {
            return (id, Some(work));
        }
        Workers::add(&self.workers, id, work);
        (id, None)
    }

    /// Adds a job to those that have not been delivered yet, and returns its work and its id.
    #[inline]
    fn add(&self, job: Submission, origin: Origin) -> (JobWork, JobId) {
        let Submission {
            work,
            job_type,
            done,
        } = job;
        let id = self.outstanding.borrow_mut().add(OutstandingJob {
            done: Done(Some(done)),
            job_type,
            location: origin.location,
            entry: origin.entry,
        });
        (work, id)
    }

    /// Returns how the value of a job is recorded, if it is.
    pub(crate) fn codec(&self, id: JobId) -> Option<JobCodec> {
        self.outstanding.borrow().get(id)?.job_type.codec
    }

    /// Appends a job of a simulated host, which takes `duration` from its start; `None` if it never
    /// finishes.
    pub(crate) fn submit_simulated(
        &self,
        job: Submission,
        origin: Origin,
        now: Duration,
        duration: Option<Duration>,
    ) -> JobId {
        let (work, id) = self.add(job, origin);
        if let Some(simulated) = &self.simulated {
            simulated.borrow_mut().add(id, work, now, duration);
        }
        id
    }

    /// Removes a job from the queue if no thread has started it. The caller drops the first value
    /// outside of any borrow.
    pub(crate) fn cancel(
        &self,
        id: JobId,
        now: Duration,
    ) -> Option<(impl Sized + use<>, Option<Origin>)> {
        let work = match &self.simulated {
            Some(simulated) => simulated.borrow_mut().cancel(id, now)?,
            None => self.workers.cancel(id)?.1,
        };
        Some(self.forget(id, Some(work)))
    }

    /// Removes a job as [`cancel`](Pool::cancel) does, in a replay of a recording in which that
    /// succeeded. If a thread has started it meanwhile, its result is dropped.
    pub(crate) fn cancel_replayed(&self, id: JobId) -> (impl Sized + use<>, Option<Origin>) {
        let work = self.workers.cancel(id).map(|(_, work)| work);
        self.forget(id, work)
    }

    fn forget(
        &self,
        id: JobId,
        work: Option<JobWork>,
    ) -> ((Option<JobWork>, Option<OutstandingJob>), Option<Origin>) {
        let job = self.remove(id);
        let origin = job.as_ref().map(|job| job.origin(id));
        ((work, job), origin)
    }

    #[inline]
    fn remove(&self, id: JobId) -> Option<OutstandingJob> {
        let job = self.outstanding.borrow_mut().remove(id)?;
        let mut labels = self.labels.borrow_mut();
        if !labels.is_empty() {
            labels.remove(&id);
        }
        Some(job)
    }

    /// Removes a job that has finished, to be [completed](OutstandingJob::complete). Returns `None` if the
    /// run of the job has ended.
    #[inline]
    pub(crate) fn take_done(&self, id: JobId) -> Option<(OutstandingJob, Origin)> {
        let job = self.remove(id)?;
        let origin = job.origin(id);
        Some((job, origin))
    }

    /// Gives a job that has not been delivered a label for reports. Returns its origin.
    pub(crate) fn set_label(&self, id: JobId, label: Arc<str>) -> Option<Origin> {
        let outstanding = self.outstanding.borrow();
        let job = outstanding.get(id)?;
        self.labels.borrow_mut().insert(id, label);
        Some(job.origin(id))
    }

    /// Returns whether there are jobs that have not been delivered yet: they keep the loop alive
    /// (R6) and may stop a virtual clock.
    pub(crate) fn has_outstanding(&self) -> bool {
        !self.outstanding.borrow().is_empty()
    }

    /// Returns whether this job has not been delivered yet.
    pub(crate) fn is_outstanding(&self, id: JobId) -> bool {
        self.outstanding.borrow().get(id).is_some()
    }

    /// Returns the jobs that have not been delivered yet, in order of submission.
    pub(crate) fn outstanding_ids(&self) -> Vec<JobId> {
        self.outstanding.borrow().ids().collect()
    }

    /// Returns where a job was submitted that has not been delivered yet.
    pub(crate) fn location(&self, id: JobId) -> Option<SourceLocation> {
        let outstanding = self.outstanding.borrow();
        outstanding.get(id).map(|job| job.location)
    }

    /// Returns the jobs that have not been delivered yet, in order of submission, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let ids = self.outstanding_ids().into_iter();
        let labels = self.labels.borrow();
        let entry = |id: JobId| ResourceEntry {
            label: labels.get(&id).cloned(),
            ..ResourceEntry::new(ResourceKind::Job, self.location(id))
        };
        ids.map(entry).collect()
    }

    /// Returns whether threads run the jobs, as opposed to a simulated host.
    pub(crate) fn has_threads(&self) -> bool {
        self.simulated.is_none()
    }

    /// Returns when the next job of a simulated host finishes.
    pub(crate) fn next_end(&self) -> Option<Duration> {
        self.simulated.as_ref()?.borrow().next_end()
    }

    /// Returns when all jobs of a simulated host will have finished, or the location of one that never
    /// does.
    pub(crate) fn last_end(&self) -> Result<Option<Duration>, Option<SourceLocation>> {
        let Some(simulated) = &self.simulated else {
            return Ok(None);
        };
        let last_end = simulated.borrow().last_end();
        last_end.map_err(|id| self.location(id))
    }

    /// Returns the jobs of a simulated host that have finished at `now`, in the order in which they
    /// did.
    pub(crate) fn finish_due(&self, now: Duration) -> Vec<JobId> {
        let simulated = self.simulated.as_ref();
        simulated.map_or_else(Vec::new, |it| it.borrow_mut().finish_due(now))
    }

    /// Returns when a job of a simulated host has finished that the loop has not run yet.
    pub(crate) fn finished_at(&self, id: JobId) -> Option<Duration> {
        self.simulated.as_ref()?.borrow().finished_at(id)
    }

    /// Removes the work of a job of a simulated host that has finished, for the loop to run it.
    pub(crate) fn take_finished(&self, id: JobId) -> Option<JobWork> {
        self.simulated.as_ref()?.borrow_mut().take_finished(id)
    }

    /// Blocks this thread until every job has finished, without delivering them. Returns the id of
    /// the next job.
    pub(crate) fn wait_for_jobs(&self) -> JobId {
        self.workers.wait_until_idle();
        self.next_id()
    }

    /// Removes the jobs that no thread has started, and all completions. The caller drops them
    /// outside of any borrow. Running jobs finish, and their results are dropped.
    pub(crate) fn take_all(&self) -> impl Sized + use<> {
        let waiting = self.workers.take_waiting();
        let simulated = self.simulated.as_ref();
        let simulated = simulated.map(|it| it.borrow_mut().take_all());
        let outstanding = self.outstanding.borrow_mut().take_all();
        self.labels.take();
        (waiting, simulated, outstanding)
    }
}
