//! The worker pool: `src/blocking/pool/workers.rs`, unchanged, with loom's threads in place of those of
//! the `blocking` crate.

use std::any::Any;
use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};

use remote_queue::RemoteQueue;
use workers::Workers;

type JobId = u64;
type JobResult = std::thread::Result<Box<dyn Any + Send>>;
type JobWork = Box<dyn Job>;

trait Job: Send {
    fn run(self: Box<Self>) -> Box<dyn Any + Send>;
}

impl<W: FnOnce() -> Box<dyn Any + Send> + Send> Job for W {
    fn run(self: Box<Self>) -> Box<dyn Any + Send> {
        self()
    }
}

mod threads {
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
    pub(super) use loom::thread::yield_now;

    // Each more is another thread, or another state of one, in every execution.
    pub(super) const JOBS_PER_THREAD: usize = 2;
    pub(super) const MAX_JOBS_PER_THREAD: usize = 4;
    pub(super) const CHECKS_BEFORE_LEAVING: usize = 1;

    pub(super) fn request_thread(run: impl FnOnce() + Send + 'static) {
        loom::thread::spawn(run);
    }

    /// Always, so that a thread leaves while there are jobs.
    pub(super) fn is_thread_requested() -> bool {
        true
    }
}

/// The part of the remote queue that receives what a job returned.
pub(crate) mod remote_queue {
    use loom::sync::{Condvar, Mutex};

    use super::{JobId, JobResult};

    pub(crate) enum Message {
        JobDone(JobId, JobResult),
    }

    #[derive(Default)]
    pub(crate) struct RemoteQueue {
        done: Mutex<Vec<JobId>>,
        changed: Condvar,
    }

    impl RemoteQueue {
        #[expect(
            clippy::unnecessary_wraps,
            reason = "as the real one, which may be closed"
        )]
        pub(crate) fn push(&self, message: Message) -> Result<(), Message> {
            let Message::JobDone(id, result) = message;
            assert!(result.is_ok(), "more jobs run at once than the limit");
            self.done.lock().unwrap().push(id);
            self.changed.notify_one();
            Ok(())
        }

        /// Waits until `count` jobs have finished, and returns them.
        pub(super) fn wait_for(&self, count: usize) -> Vec<JobId> {
            let mut done = self.done.lock().unwrap();
            while done.len() < count {
                done = self.changed.wait(done).unwrap();
            }
            done.clone()
        }
    }
}

#[expect(dead_code, reason = "the model cancels nothing")]
#[path = "../../../src/blocking/pool/workers.rs"]
mod workers;

/// A job that fails if more than `limit` jobs run.
fn job(running: Arc<AtomicUsize>, limit: usize) -> JobWork {
    Box::new(move || -> Box<dyn Any + Send> {
        assert!(running.fetch_add(1, Ordering::Relaxed) < limit);
        running.fetch_sub(1, Ordering::Relaxed);
        Box::new(())
    })
}

/// Submits two jobs to a pool of `threads`, and waits for both. `limit` is what the jobs expect.
fn run_two(threads: usize, limit: usize) -> Vec<JobId> {
    let remote_queue = Arc::new(RemoteQueue::default());
    let workers = Workers::new(remote_queue.clone(), threads);
    let running = Arc::new(AtomicUsize::new(0));
    Workers::add(&workers, 0, job(running.clone(), limit));
    Workers::add(&workers, 1, job(running, limit));
    let done = remote_queue.wait_for(2);
    workers.wait_until_idle();
    done
}

#[test]
fn one_thread_runs_all_jobs_in_order() {
    super::explore_at_most(3, || assert_eq!(run_two(1, 1), [0, 1]));
}

/// The second job is submitted while the thread of the first one looks for another and leaves.
#[test]
fn a_job_has_a_thread_when_another_thread_leaves() {
    super::explore_at_most(3, || {
        let remote_queue = Arc::new(RemoteQueue::default());
        let workers = Workers::new(remote_queue.clone(), 1);
        let running = Arc::new(AtomicUsize::new(0));
        for id in 0..2 {
            Workers::add(&workers, id, job(running.clone(), 1));
            assert_eq!(remote_queue.wait_for(id as usize + 1).last(), Some(&id));
        }
    });
}

#[test]
fn two_threads_run_all_jobs() {
    super::explore_at_most(3, || {
        let mut done = run_two(2, 2);
        done.sort_unstable();
        assert_eq!(done, [0, 1]);
    });
}

/// Two jobs, the first one waiting for the second, after a job whose thread lingers.
fn wait_for_a_later_job(threads: usize, count_before: usize) {
    let remote_queue = Arc::new(RemoteQueue::default());
    let workers = Workers::new(remote_queue.clone(), threads);
    let running = Arc::new(AtomicUsize::new(0));
    for id in 0..count_before {
        Workers::add(&workers, id as JobId, job(running.clone(), 1));
    }
    remote_queue.wait_for(count_before);
    let later = Arc::new((Mutex::new(false), Condvar::new()));
    let first = later.clone();
    let first = move || -> Box<dyn Any + Send> {
        let mut has_run = first.0.lock().unwrap();
        while !*has_run {
            has_run = first.1.wait(has_run).unwrap();
        }
        Box::new(())
    };
    let second = move || -> Box<dyn Any + Send> {
        *later.0.lock().unwrap() = true;
        later.1.notify_one();
        Box::new(())
    };
    Workers::add(&workers, count_before as JobId, Box::new(first));
    Workers::add(&workers, count_before as JobId + 1, Box::new(second));
    remote_queue.wait_for(count_before + 2);
}

#[test]
fn a_job_may_wait_for_a_later_one() {
    super::explore_at_most(3, || wait_for_a_later_job(2, 0));
}

/// The thread of an earlier job may be checking the queue again, about to leave, or gone.
#[test]
fn a_job_may_wait_for_a_later_one_beside_a_thread_without_a_job() {
    super::explore_at_most(2, || wait_for_a_later_job(2, 1));
}

#[test]
#[should_panic(expected = "more jobs run at once than the limit")]
fn two_threads_run_two_jobs_at_once() {
    super::explore_at_most(3, || drop(run_two(2, 1)));
}
