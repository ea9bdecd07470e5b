//! The worker pool: a queue of jobs that at most `limit` threads run at once (R60).
//!
//! Results arrive through the remote queue, in the order in which the jobs finished (R61). The
//! callbacks for them stay on the loop's thread, in [`Pool::outstanding`]. The threads' side is
//! `pool/workers.rs`.

mod outstanding;
mod simulated;
mod workers;

/// What `workers.rs` uses of threads, which the loom model replaces.
mod threads {
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
    pub(super) use std::thread::yield_now;

    pub(super) use blocking::unblock;

    /// The number of jobs that a thread runs before it can serve another loop.
    pub(super) const JOBS_PER_THREAD: usize = 64;

    /// The number of times that a thread checks an empty queue again: a few microseconds in all.
    pub(super) const CHECKS_BEFORE_LEAVING: usize = 16;
}

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{Macrotask, Origin, SourceLocation, Work};
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

    /// Returns how its value is recorded, if a recording can contain it.
    fn codec(&self) -> Option<JobCodec>;
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
/// Called as a macrotask, which [takes](Pool::take_result) the result.
pub(crate) type JobDone = Box<dyn FnOnce()>;

/// The loop's side of the pool.
pub(crate) struct Pool {
    workers: Arc<Workers>,
    /// What takes the place of the threads on a host of a simulated world.
    simulated: Option<RefCell<SimulatedWorkers>>,
    /// The callbacks of the jobs that have not been delivered yet.
    outstanding: RefCell<Outstanding<OutstandingJob>>,
    /// The result of the job whose callback is about to be called. The callback does not receive it as an
    /// argument, because a macrotask has none, and a closure around both would be one more allocation.
    result: Cell<Option<JobResult>>,
}

struct OutstandingJob {
    done: JobDone,
    origin: Origin,
    /// For reports.
    label: Option<Arc<str>>,
    /// Only in a loop with a journal.
    codec: Option<JobCodec>,
}

impl Pool {
    pub(crate) fn new(remote_queue: Arc<RemoteQueue>, limit: usize) -> Pool {
        Pool {
            workers: Workers::new(remote_queue, limit),
            simulated: None,
            outstanding: RefCell::default(),
            result: Cell::new(None),
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

    /// Appends a job to the queue. `done` is called on the loop's thread, in the poll phase.
    pub(crate) fn submit(&self, work: JobWork, done: JobDone, origin: Origin) -> JobId {
        let id = self.add(done, origin, None);
        Workers::add(&self.workers, id, work);
        id
    }

    /// Appends a job as [`submit`](Pool::submit) does, in a loop with a journal. It is not run if the
    /// journal has its result; then its work is returned, for the caller to drop.
    pub(crate) fn submit_journaled(
        &self,
        work: JobWork,
        done: JobDone,
        origin: Origin,
        has_result: impl FnOnce(JobId) -> bool,
    ) -> (JobId, Option<JobWork>) {
        let codec = work.codec();
        let id = self.add(done, origin, codec);
        // Asked about each job, because a replay in another order counts them.
        if has_result(id) && codec.is_some() {
            return (id, Some(work));
        }
        Workers::add(&self.workers, id, work);
        (id, None)
    }

    fn add(&self, done: JobDone, origin: Origin, codec: Option<JobCodec>) -> JobId {
        let job = OutstandingJob {
            done,
            origin,
            label: None,
            codec,
        };
        self.outstanding.borrow_mut().add(job)
    }

    /// Returns how the value of a job is recorded, if it is.
    pub(crate) fn codec(&self, id: JobId) -> Option<JobCodec> {
        self.outstanding.borrow().get(id)?.codec
    }

    /// Appends a job of a simulated host, which takes `duration` from its start; `None` if it never
    /// finishes.
    pub(crate) fn submit_simulated(
        &self,
        work: JobWork,
        (done, origin): (JobDone, Origin),
        now: Duration,
        duration: Option<Duration>,
    ) -> JobId {
        let id = self.add(done, origin, None);
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
        let job = self.outstanding.borrow_mut().remove(id);
        let origin = job.as_ref().map(|job| job.origin);
        ((work, job), origin)
    }

    /// Removes a finished job, and returns the macrotask that calls its callback, or the result if the run
    /// of the job has ended. The macrotask must be run before the next one is requested.
    pub(crate) fn take_done(&self, id: JobId, result: JobResult) -> Result<Macrotask, JobResult> {
        let Some(job) = self.outstanding.borrow_mut().remove(id) else {
            return Err(result);
        };
        self.result.set(Some(result));
        Ok(Macrotask::new(Work::Once(Some(job.done)), job.origin))
    }

    /// Takes the result of the job whose callback is running.
    pub(crate) fn take_result(&self) -> JobResult {
        let result = self.result.take();
        result.expect("the callback of a job runs when its result has arrived")
    }

    /// Gives a job that has not been delivered a label for reports. Returns its origin.
    pub(crate) fn set_label(&self, id: JobId, label: Arc<str>) -> Option<Origin> {
        let mut outstanding = self.outstanding.borrow_mut();
        let job = outstanding.get_mut(id)?;
        job.label = Some(label);
        Some(job.origin)
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
        outstanding.get(id).map(|job| job.origin.location)
    }

    /// Returns the jobs that have not been delivered yet, in order of submission, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let ids = self.outstanding_ids().into_iter();
        let outstanding = self.outstanding.borrow();
        let entry = |id: JobId| ResourceEntry {
            label: outstanding.get(id).and_then(|job| job.label.clone()),
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

    /// Removes the jobs that no thread has started, and all callbacks. The caller drops them
    /// outside of any borrow. Running jobs finish, and their results are dropped.
    pub(crate) fn take_all(&self) -> impl Sized + use<> {
        let waiting = self.workers.take_waiting();
        let simulated = self.simulated.as_ref();
        let simulated = simulated.map(|it| it.borrow_mut().take_all());
        let outstanding = self.outstanding.borrow_mut().take_all();
        (waiting, simulated, outstanding)
    }
}
