//! The worker pool: a queue of jobs, served by at most N threads at once (R60).
//!
//! The `blocking` crate supplies the threads, this file the order. Its threads are shared by the
//! whole process and start in no promised order, so a loop keeps its own queue, first in, first
//! out, and asks for a thread only while fewer than N of its threads are at work. A thread takes
//! job after job until the queue is empty; behind [`JOBS_IN_A_ROW`] of them it steps back in line
//! at the `blocking` crate, so that two loops share even a single thread
//! (`BLOCKING_MAX_THREADS=1`).
//!
//! Results come back through the remote door, in the order in which the jobs finished (R61).
//! What is called with them stays on the loop's thread, in [`Pool::outstanding`].
//!
//! Invariants: at most `limit` threads run jobs of one loop; a job in the queue has a thread that
//! will take it; every job that was started sends exactly one message.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{Origin, SourceLocation};
use crate::reactor::remote_queue::{Message, RemoteQueue};

pub(crate) type JobId = u64;

/// What a job gives back: its value, or the payload of its panic.
pub(crate) type JobResult = std::thread::Result<Box<dyn Any + Send>>;

pub(crate) type JobWork = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;
pub(crate) type JobDone = Box<dyn FnOnce(JobResult)>;

/// How many jobs a thread runs before it lets another loop have it.
const JOBS_IN_A_ROW: usize = 64;

/// How often a thread that has found the queue empty looks again: some microseconds in all.
const LOOKS_BEFORE_LEAVING: usize = 16;

/// The loop's side of the pool.
pub(crate) struct Pool {
    workers: Arc<Workers>,
    /// What to call with the results of the jobs that are not back yet.
    outstanding: RefCell<FxHashMap<JobId, Outstanding>>,
    next_id: std::cell::Cell<JobId>,
    /// The jobs below this number have been waited for.
    waited_for: std::cell::Cell<JobId>,
}

struct Outstanding {
    done: JobDone,
    origin: Origin,
}

/// The threads' side of the pool.
struct Workers {
    remote_queue: Arc<RemoteQueue>,
    limit: usize,
    queue: Mutex<Queue>,
    /// Notified when the last job has finished and none waits.
    quiet: Condvar,
}

struct Queue {
    waiting: VecDeque<(JobId, JobWork)>,
    /// Threads at work, asked for, or lingering.
    threads: usize,
    /// Those of them that have found the queue empty and will look again: as many jobs of the
    /// queue are theirs to take.
    lingering: usize,
}

impl Pool {
    pub(crate) fn new(remote_queue: Arc<RemoteQueue>, limit: usize) -> Pool {
        let queue = Mutex::new(Queue {
            waiting: VecDeque::new(),
            threads: 0,
            lingering: 0,
        });
        Pool {
            workers: Arc::new(Workers {
                remote_queue,
                limit,
                queue,
                quiet: Condvar::new(),
            }),
            outstanding: RefCell::default(),
            next_id: std::cell::Cell::new(0),
            waited_for: std::cell::Cell::new(0),
        }
    }

    /// The number that the next job will have.
    pub(crate) fn next_id(&self) -> JobId {
        self.next_id.get()
    }

    /// Puts a job at the end of the queue. `done` is called on the loop's thread, in the poll
    /// phase.
    pub(crate) fn submit(&self, work: JobWork, done: JobDone, origin: Origin) -> JobId {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        self.outstanding
            .borrow_mut()
            .insert(id, Outstanding { done, origin });
        Workers::add(&self.workers, id, work);
        id
    }

    /// Takes a job that no thread has started out of the queue; what comes back is to be
    /// dropped outside of any borrow.
    pub(crate) fn cancel(&self, id: JobId) -> Option<(impl Sized + use<>, Option<Origin>)> {
        let mut queue = self.workers.lock();
        let index = queue
            .waiting
            .binary_search_by_key(&id, |(waiting, _)| *waiting)
            .ok()?;
        let work = queue.waiting.remove(index);
        drop(queue);
        let job = self.outstanding.borrow_mut().remove(&id);
        let origin = job.as_ref().map(|job| job.origin);
        Some(((work, job), origin))
    }

    /// The callback of a finished job, and where the job was made.
    pub(crate) fn take_done(&self, id: JobId) -> Option<(JobDone, Origin)> {
        let outstanding = self.outstanding.borrow_mut().remove(&id)?;
        Some((outstanding.done, outstanding.origin))
    }

    /// Whether a job has not been delivered yet: it keeps the loop alive (R6) and holds virtual
    /// time.
    pub(crate) fn has_outstanding(&self) -> bool {
        !self.outstanding.borrow().is_empty()
    }

    /// The jobs below this number have finished: somebody has waited for them.
    pub(crate) fn waited_for(&self) -> JobId {
        self.waited_for.get()
    }

    /// Whether a job has not been delivered yet.
    pub(crate) fn is_outstanding(&self, id: JobId) -> bool {
        self.outstanding.borrow().contains_key(&id)
    }

    /// Where a job was made that has not been delivered yet.
    pub(crate) fn location(&self, id: JobId) -> Option<SourceLocation> {
        let outstanding = self.outstanding.borrow();
        outstanding.get(&id).map(|job| job.origin.location)
    }

    /// The jobs that can be running once those in `over` have finished: the first of those that
    /// are left, as many as there are threads (R60).
    pub(crate) fn running(&self, over: &[JobId]) -> Vec<JobId> {
        let outstanding = self.outstanding.borrow();
        let mut left: Vec<JobId> = outstanding.keys().copied().collect();
        left.retain(|id| !over.contains(id));
        left.sort_unstable();
        left.truncate(self.workers.limit);
        left
    }

    /// The jobs that have not been delivered yet, in order of submission, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let outstanding = self.outstanding.borrow();
        let mut jobs: Vec<(JobId, SourceLocation)> = outstanding
            .iter()
            .map(|(id, job)| (*id, job.origin.location))
            .collect();
        jobs.sort_unstable_by_key(|(id, _)| *id);
        let resources = jobs.into_iter();
        resources
            .map(|(_, location)| ResourceEntry::new(ResourceKind::Job, Some(location)))
            .collect()
    }

    /// Blocks this thread until every job has finished; nothing is delivered meanwhile.
    pub(crate) fn wait_for_jobs(&self) {
        self.waited_for.set(self.next_id.get());
        let mut queue = self.workers.lock();
        while queue.threads > 0 {
            queue = self
                .workers
                .quiet
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes out the jobs that no thread has started, and all callbacks, to be dropped by the
    /// caller outside of any borrow. Running jobs run on; their results go nowhere.
    pub(crate) fn take_all(&self) -> impl Sized + use<> {
        let waiting = std::mem::take(&mut self.workers.lock().waiting);
        let outstanding = std::mem::take(&mut *self.outstanding.borrow_mut());
        let mut outstanding: Vec<(JobId, Outstanding)> = outstanding.into_iter().collect();
        outstanding.sort_unstable_by_key(|(id, _)| *id); // dropped in order of submission
        (waiting, outstanding)
    }
}

impl Workers {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No user code runs under the lock, so a poisoned one is still whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(workers: &Arc<Workers>, id: JobId, work: JobWork) {
        let mut queue = workers.lock();
        queue.waiting.push_back((id, work));
        if queue.threads < workers.limit && queue.waiting.len() > queue.lingering {
            queue.threads += 1;
            drop(queue);
            Workers::start_thread(workers.clone());
        }
    }

    fn start_thread(workers: Arc<Workers>) {
        blocking::unblock(move || {
            for _ in 0..JOBS_IN_A_ROW {
                let Some((id, work)) = workers.next_job() else {
                    return;
                };
                let result: JobResult = catch_unwind(AssertUnwindSafe(work));
                // A loop that has ended refuses the message: the result is dropped here.
                if let Err(message) = workers.remote_queue.push(Message::JobDone(id, result)) {
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(message)));
                }
            }
            Workers::start_thread(workers);
        })
        .detach();
    }

    /// The next job for a thread, or nothing: then the thread is no longer counted.
    ///
    /// A loop that submits one short job after the other would wake a thread for each, because
    /// each finds the queue empty again. So a thread looks a few times more before it leaves.
    fn next_job(&self) -> Option<(JobId, JobWork)> {
        let mut queue = self.lock();
        if queue.waiting.is_empty() {
            queue.lingering += 1;
            for _ in 0..LOOKS_BEFORE_LEAVING {
                drop(queue);
                std::thread::yield_now();
                queue = self.lock();
                if !queue.waiting.is_empty() {
                    break;
                }
            }
            queue.lingering -= 1;
        }
        let job = queue.waiting.pop_front();
        if job.is_none() {
            queue.threads -= 1;
            if queue.threads == 0 {
                self.quiet.notify_all();
            }
        }
        job
    }
}
