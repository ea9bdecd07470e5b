//! The worker pool: a queue of jobs that at most `limit` threads run at once (R60).
//!
//! The `blocking` crate supplies the threads; this file decides the order of the jobs. The threads
//! are shared by the whole process and start in no guaranteed order. A loop therefore keeps its own
//! queue, first in, first out, and requests a thread only while it has fewer than `limit` of them.
//! A thread runs jobs until the queue is empty, but at most [`JOBS_PER_THREAD`]: then another
//! thread is requested, so that two loops can share even a single thread
//! (`BLOCKING_MAX_THREADS=1`).
//!
//! Results arrive through the remote queue, in the order in which the jobs finished (R61). The
//! callbacks for them stay on the loop's thread, in [`Pool::outstanding`].
//!
//! Invariant: at most `limit` threads run jobs of one loop.
//!
//! Invariant: a job in the queue has a thread that will run it.
//!
//! Invariant: every job that was started sends exactly one message.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use crate::observe::active_resource::{ResourceEntry, ResourceKind};
use crate::phases::macrotask::{Origin, SourceLocation};
use crate::reactor::remote_queue::{Message, RemoteQueue};

pub(crate) type JobId = u64;

/// The result of a job: its value, or the payload of its panic.
pub(crate) type JobResult = std::thread::Result<Box<dyn Any + Send>>;

pub(crate) type JobWork = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;
pub(crate) type JobDone = Box<dyn FnOnce(JobResult)>;

/// The number of jobs that a thread runs before it can serve another loop.
const JOBS_PER_THREAD: usize = 64;

/// The number of times that a thread checks an empty queue again: a few microseconds in all.
const CHECKS_BEFORE_LEAVING: usize = 16;

/// The loop's side of the pool.
pub(crate) struct Pool {
    workers: Arc<Workers>,
    /// The callbacks of the jobs that have not been delivered yet.
    outstanding: RefCell<FxHashMap<JobId, OutstandingJob>>,
    next_id: Cell<JobId>,
}

struct OutstandingJob {
    done: JobDone,
    origin: Origin,
}

/// The threads' side of the pool.
struct Workers {
    remote_queue: Arc<RemoteQueue>,
    limit: usize,
    queue: Mutex<Queue>,
    /// Notified when the last job has finished and the queue is empty.
    idle: Condvar,
}

struct Queue {
    waiting: VecDeque<(JobId, JobWork)>,
    /// The number of threads that run jobs, are requested, or are lingering.
    threads: usize,
    /// The number of threads that have found the queue empty and will check it again. Each of them
    /// takes a job if one arrives.
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
                idle: Condvar::new(),
            }),
            outstanding: RefCell::default(),
            next_id: Cell::new(0),
        }
    }

    /// Returns the queue that the results of jobs arrive through.
    pub(crate) fn remote_queue(&self) -> &Arc<RemoteQueue> {
        &self.workers.remote_queue
    }

    /// Returns the id of the next job.
    pub(crate) fn next_id(&self) -> JobId {
        self.next_id.get()
    }

    /// Returns the maximum number of jobs that run at the same time.
    pub(crate) fn limit(&self) -> usize {
        self.workers.limit
    }

    /// Appends a job to the queue. `done` is called on the loop's thread, in the poll phase.
    pub(crate) fn submit(&self, work: JobWork, done: JobDone, origin: Origin) -> JobId {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        self.outstanding
            .borrow_mut()
            .insert(id, OutstandingJob { done, origin });
        Workers::add(&self.workers, id, work);
        id
    }

    /// Removes a job from the queue if no thread has started it. The caller drops the first value
    /// outside of any borrow.
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

    /// Removes a finished job, and returns its callback and its origin.
    pub(crate) fn take_done(&self, id: JobId) -> Option<(JobDone, Origin)> {
        let job = self.outstanding.borrow_mut().remove(&id)?;
        Some((job.done, job.origin))
    }

    /// Returns whether there are jobs that have not been delivered yet: they keep the loop alive
    /// (R6) and may stop a virtual clock.
    pub(crate) fn has_outstanding(&self) -> bool {
        !self.outstanding.borrow().is_empty()
    }

    /// Returns whether this job has not been delivered yet.
    pub(crate) fn is_outstanding(&self, id: JobId) -> bool {
        self.outstanding.borrow().contains_key(&id)
    }

    /// Returns the jobs that have not been delivered yet, in order of submission.
    pub(crate) fn outstanding_ids(&self) -> Vec<JobId> {
        let outstanding = self.outstanding.borrow();
        let mut ids: Vec<JobId> = outstanding.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Returns where a job was submitted that has not been delivered yet.
    pub(crate) fn location(&self, id: JobId) -> Option<SourceLocation> {
        let outstanding = self.outstanding.borrow();
        outstanding.get(&id).map(|job| job.origin.location)
    }

    /// Returns the jobs that have not been delivered yet, in order of submission, for a report.
    pub(crate) fn active_resources(&self) -> Vec<ResourceEntry> {
        let ids = self.outstanding_ids().into_iter();
        ids.map(|id| ResourceEntry::new(ResourceKind::Job, self.location(id)))
            .collect()
    }

    /// Blocks this thread until every job has finished, without delivering them. Returns the id of
    /// the next job.
    pub(crate) fn wait_for_jobs(&self) -> JobId {
        let mut queue = self.workers.lock();
        while queue.threads > 0 {
            queue = self
                .workers
                .idle
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.next_id.get()
    }

    /// Removes the jobs that no thread has started, and all callbacks. The caller drops them
    /// outside of any borrow. Running jobs finish, and their results are dropped.
    pub(crate) fn take_all(&self) -> impl Sized + use<> {
        let waiting = std::mem::take(&mut self.workers.lock().waiting);
        let outstanding = self.outstanding.take();
        let mut outstanding: Vec<(JobId, OutstandingJob)> = outstanding.into_iter().collect();
        outstanding.sort_unstable_by_key(|(id, _)| *id); // dropped in order of submission
        (waiting, outstanding)
    }
}

impl Workers {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No user code runs under the lock, so the contents of a poisoned one are consistent.
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
            for _ in 0..JOBS_PER_THREAD {
                let Some((id, work)) = workers.next_job() else {
                    return;
                };
                let result: JobResult = catch_unwind(AssertUnwindSafe(work));
                // A loop that has ended refuses the message, and the result is dropped here.
                if let Err(message) = workers.remote_queue.push(Message::JobDone(id, result)) {
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(message)));
                }
            }
            Workers::start_thread(workers);
        })
        .detach();
    }

    /// Returns the next job for a thread. If there is none, the thread is no longer counted.
    ///
    /// A loop that submits one short job after another would wake a thread for each, because each
    /// thread finds the queue empty again. So a thread checks a few more times before it leaves.
    fn next_job(&self) -> Option<(JobId, JobWork)> {
        let mut queue = self.lock();
        if queue.waiting.is_empty() {
            queue.lingering += 1;
            for _ in 0..CHECKS_BEFORE_LEAVING {
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
                self.idle.notify_all();
            }
        }
        job
    }
}
