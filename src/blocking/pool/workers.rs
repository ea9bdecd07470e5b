//! The threads' side of the pool: which thread runs which job.
//!
//! The `blocking` crate supplies the threads; this file decides the order of the jobs. The threads
//! are shared by the whole process and start in no guaranteed order. A loop therefore keeps its own
//! queue, first in, first out, and requests a thread only while it has fewer than `limit` of them.
//! A thread runs jobs until the queue is empty, but only [`JOBS_PER_THREAD`] while a loop waits for a
//! thread, and at most [`MAX_JOBS_PER_THREAD`]: then another thread is requested, so that two loops can
//! share even a single thread (`BLOCKING_MAX_THREADS=1`). `tests/loom` is a loom model of this file.
//!
//! Invariant: at most `limit` threads run jobs of one loop.
//!
//! Invariant: a job in the queue has a thread that will run it.
//!
//! Invariant: every job that was started sends exactly one message.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use super::threads::{
    AtomicBool, CHECKS_BEFORE_LEAVING, Condvar, JOBS_PER_THREAD, MAX_JOBS_PER_THREAD, Mutex,
    MutexGuard, Ordering, is_thread_requested, request_thread, yield_now,
};
use super::{JobId, JobResult, JobWork};
use crate::reactor::remote_queue::{Message, RemoteQueue};

pub(super) struct Workers {
    pub(super) remote_queue: Arc<RemoteQueue>,
    limit: usize,
    queue: Mutex<Queue>,
    /// Whether the queue contains jobs. Threads that check an empty queue again read it without the lock,
    /// which the loop needs. Only a hint, because the lock orders everything.
    has_waiting: AtomicBool,
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

impl Workers {
    pub(super) fn new(remote_queue: Arc<RemoteQueue>, limit: usize) -> Arc<Workers> {
        let queue = Mutex::new(Queue {
            waiting: VecDeque::new(),
            threads: 0,
            lingering: 0,
        });
        Arc::new(Workers {
            remote_queue,
            limit,
            queue,
            has_waiting: AtomicBool::new(false),
            idle: Condvar::new(),
        })
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Removes a job that no thread has started.
    pub(super) fn cancel(&self, id: JobId) -> Option<(JobId, JobWork)> {
        let mut queue = self.lock();
        let index = queue
            .waiting
            .binary_search_by_key(&id, |(waiting, _)| *waiting)
            .ok()?;
        queue.waiting.remove(index)
    }

    /// Removes the jobs that no thread has started.
    pub(super) fn take_waiting(&self) -> VecDeque<(JobId, JobWork)> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// Blocks this thread until every job has finished.
    pub(super) fn wait_until_idle(&self) {
        let mut queue = self.lock();
        while queue.threads > 0 {
            queue = self
                .idle
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Appends a job, and requests a thread for it unless one is about to take it.
    pub(super) fn add(workers: &Arc<Workers>, id: JobId, work: JobWork) {
        let mut queue = workers.lock();
        queue.waiting.push_back((id, work));
        if queue.waiting.len() == 1 {
            workers.has_waiting.store(true, Ordering::Relaxed);
        }
        if queue.threads < workers.limit && queue.waiting.len() > queue.lingering {
            queue.threads += 1;
            drop(queue);
            Workers::start_thread(workers.clone());
        }
    }

    fn start_thread(workers: Arc<Workers>) {
        request_thread(move || {
            for count in 0..MAX_JOBS_PER_THREAD {
                if count >= JOBS_PER_THREAD && is_thread_requested() {
                    break;
                }
                let Some((id, work)) = workers.next_job() else {
                    return;
                };
                let result: JobResult = catch_unwind(AssertUnwindSafe(|| work.run()));
                // A loop that has ended refuses the message, and the result is dropped here.
                if let Err(message) = workers.remote_queue.push(Message::JobDone(id, result)) {
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(message)));
                }
            }
            Workers::start_thread(workers);
        });
    }

    /// Returns the next job for a thread. If there is none, the thread is no longer counted.
    ///
    /// A loop that submits one short job after another would wake a thread for each, because each
    /// thread finds the queue empty again. So a thread checks a few more times before it leaves.
    fn next_job(&self) -> Option<(JobId, JobWork)> {
        let mut queue = self.lock();
        if queue.waiting.is_empty() {
            queue.lingering += 1;
            self.has_waiting.store(false, Ordering::Relaxed);
            drop(queue);
            for _ in 0..CHECKS_BEFORE_LEAVING {
                yield_now();
                if self.has_waiting.load(Ordering::Relaxed) {
                    break;
                }
            }
            queue = self.lock();
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

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No user code runs under the lock, so the contents of a poisoned one are consistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
