//! The threads' side of the pool: which thread runs which job.
//!
//! The `blocking` crate supplies the threads; this file decides the order of the jobs. The threads
//! are shared by the whole process and start in no guaranteed order. A loop therefore keeps its own
//! queue, first in, first out, and requests a thread only while it has fewer than `limit` of them.
//! A thread runs jobs until the queue is empty, but only [`JOBS_PER_THREAD`] while a loop waits for a
//! thread, and at most [`MAX_JOBS_PER_THREAD`]: then another thread is requested, so that two loops can
//! share even a single thread (`BLOCKING_MAX_THREADS=1`). `tests/loom` is a loom model of this file.
//!
//! The queue has two parts, each with its lock: threads take jobs from the first, and the loop adds jobs to
//! the second. A thread that finds the first part empty exchanges the two. So the loop and the threads, each
//! of which would otherwise lock the queue for each job, rarely wait for each other. A caller that needs both
//! takes that of the first part first.
//!
//! Invariant: at most `limit` threads run jobs of one loop.
//!
//! Invariant: a job in the queue has a thread that will run it.
//!
//! Invariant: every job that was started sends exactly one message.

use std::collections::VecDeque;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use super::threads::{
    AtomicBool, AtomicUsize, CHECKS_BEFORE_LEAVING, Condvar, JOBS_PER_THREAD, MAX_JOBS_PER_THREAD,
    Mutex, MutexGuard, Ordering, is_thread_requested, request_thread, yield_now,
};
use super::{JobId, JobResult, JobWork};
use crate::reactor::remote_queue::{Message, RemoteQueue};

pub(super) struct Workers {
    pub(super) remote_queue: Arc<RemoteQueue>,
    limit: usize,
    first: Line<First>,
    queue: Line<Mutex<Queue>>,
    /// Whether the queue contains jobs. Threads that check an empty queue again read it without a lock,
    /// which the loop needs. Only a hint, because the locks order everything.
    has_waiting: Line<AtomicBool>,
    /// Notified when the last job has finished and the queue is empty.
    idle: Condvar,
}

/// A value in cache lines of its own, so that a thread that writes to it does not take others from the cache
/// of the loop's thread.
#[repr(align(64))]
struct Line<T>(T);

impl<T> Deref for Line<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The part of the queue that threads take jobs from. They are older than those of the other part.
struct First {
    jobs: Mutex<VecDeque<(JobId, JobWork)>>,
    /// How many there are. Only less than at the last exchange, which holds both locks, so a reader with the
    /// second lock may see too many, but never too few.
    length: AtomicUsize,
}

struct Queue {
    /// The part that the loop adds jobs to.
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
            first: Line(First {
                jobs: Mutex::new(VecDeque::new()),
                length: AtomicUsize::new(0),
            }),
            queue: Line(queue),
            has_waiting: Line(AtomicBool::new(false)),
            idle: Condvar::new(),
        })
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Removes a job that no thread has started.
    pub(super) fn cancel(&self, id: JobId) -> Option<(JobId, JobWork)> {
        let mut first = self.lock_first();
        if let Some(job) = remove(&mut first, id) {
            self.note_length(&first);
            return Some(job);
        }
        remove(&mut self.lock().waiting, id)
    }

    /// Removes the jobs that no thread has started.
    pub(super) fn take_waiting(&self) -> VecDeque<(JobId, JobWork)> {
        let mut first = self.lock_first();
        let mut waiting = std::mem::take(&mut *first);
        self.note_length(&first);
        waiting.append(&mut self.lock().waiting);
        waiting
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
        // Relaxed: the lock orders what a thread has exchanged.
        let length = || queue.waiting.len() + workers.first.length.load(Ordering::Relaxed);
        if queue.threads < workers.limit && length() > queue.lingering {
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
    fn next_job(&self) -> Option<(JobId, JobWork)> {
        self.take_job().or_else(|| self.linger())
    }

    /// Removes the next job, if there is one.
    fn take_job(&self) -> Option<(JobId, JobWork)> {
        let mut first = self.lock_first();
        if first.is_empty() {
            self.exchange(&mut first, &mut self.lock());
        }
        self.pop(&mut first)
    }

    /// Checks the empty queue a few more times. If it stays empty, the thread is no longer counted.
    ///
    /// A loop that submits one short job after another would otherwise wake a thread for each, because each
    /// thread finds the queue empty again.
    #[cold]
    fn linger(&self) -> Option<(JobId, JobWork)> {
        self.lock().lingering += 1;
        for _ in 0..CHECKS_BEFORE_LEAVING {
            yield_now();
            if self.has_waiting.load(Ordering::Relaxed) {
                break;
            }
        }
        let mut first = self.lock_first();
        let mut queue = self.lock();
        queue.lingering -= 1; // before the job is taken, so that the loop does not count on this thread
        if first.is_empty() {
            self.exchange(&mut first, &mut queue);
        }
        if first.is_empty() {
            queue.threads -= 1;
            if queue.threads == 0 {
                self.idle.notify_all();
            }
        }
        drop(queue);
        self.pop(&mut first)
    }

    /// Exchanges the first part, which is empty, for what the loop has added.
    fn exchange(&self, first: &mut VecDeque<(JobId, JobWork)>, queue: &mut Queue) {
        if queue.waiting.is_empty() {
            self.has_waiting.store(false, Ordering::Relaxed);
            return;
        }
        std::mem::swap(first, &mut queue.waiting);
        self.note_length(first);
    }

    fn pop(&self, first: &mut VecDeque<(JobId, JobWork)>) -> Option<(JobId, JobWork)> {
        let job = first.pop_front()?;
        self.note_length(first);
        Some(job)
    }

    fn note_length(&self, first: &VecDeque<(JobId, JobWork)>) {
        self.first.length.store(first.len(), Ordering::Relaxed); // see its field
    }

    fn lock_first(&self) -> MutexGuard<'_, VecDeque<(JobId, JobWork)>> {
        self.first
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner) // as in `lock`
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No user code runs under the lock, so the contents of a poisoned one are consistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a job from a part of the queue, in which ids are in ascending order.
fn remove(waiting: &mut VecDeque<(JobId, JobWork)>, id: JobId) -> Option<(JobId, JobWork)> {
    let index = waiting.binary_search_by_key(&id, |(waiting, _)| *waiting);
    waiting.remove(index.ok()?)
}
