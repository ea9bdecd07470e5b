//! The threads of a pool in a simulated world: when each job starts and finishes in virtual time.
//!
//! No thread runs anything. A job is planned when it is submitted: it starts on the first of `limit`
//! threads that is free, in the order of submission (R60), and finishes after its duration. The poll
//! phase delivers it then, and the loop runs it on its own thread just before its completion.
//!
//! Invariant: jobs start in the order of their ids.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{JobId, JobWork};

pub(super) struct SimulatedWorkers {
    /// When each thread is free after all planned jobs; `None` if a job of it never finishes.
    threads: Vec<Option<Duration>>,
    /// The same after the jobs that have finished.
    finished_at: Vec<Option<Duration>>,
    planned: BTreeMap<JobId, Planned>,
    /// The ends of the planned jobs that finish.
    ends: BTreeSet<(Duration, JobId)>,
    /// Jobs whose time has come and that the loop has not run yet.
    finished: BTreeMap<JobId, (Duration, JobWork)>,
}

struct Planned {
    work: JobWork,
    submitted: Duration,
    /// How long the job takes; `None` if it never finishes.
    duration: Option<Duration>,
    thread: usize,
    /// `None` if no thread will be free.
    start: Option<Duration>,
    end: Option<Duration>,
}

impl SimulatedWorkers {
    pub(super) fn new(limit: usize) -> SimulatedWorkers {
        SimulatedWorkers {
            threads: vec![Some(Duration::ZERO); limit],
            finished_at: vec![Some(Duration::ZERO); limit],
            planned: BTreeMap::new(),
            ends: BTreeSet::new(),
            finished: BTreeMap::new(),
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.threads.len()
    }

    pub(super) fn add(
        &mut self,
        id: JobId,
        work: JobWork,
        submitted: Duration,
        duration: Option<Duration>,
    ) {
        let job = Planned {
            work,
            submitted,
            duration,
            thread: 0,
            start: None,
            end: None,
        };
        self.plan(id, job);
    }

    fn plan(&mut self, id: JobId, mut job: Planned) {
        let threads = self.threads.iter().enumerate();
        let first_free = threads.min_by_key(|(_, free)| free.unwrap_or(Duration::MAX));
        let (thread, free) = first_free.expect("a pool has at least one thread");
        job.thread = thread;
        job.start = free.map(|free| free.max(job.submitted));
        let end = |start: Duration| Some(start.saturating_add(job.duration?));
        job.end = job.start.and_then(end);
        self.threads[thread] = job.end;
        self.ends.extend(job.end.map(|end| (end, id)));
        self.planned.insert(id, job);
    }

    /// Removes a job that has not started at `now`, so that later jobs start earlier.
    pub(super) fn cancel(&mut self, id: JobId, now: Duration) -> Option<JobWork> {
        let is_waiting = |job: &Planned| job.start.is_none_or(|start| start > now);
        if !is_waiting(self.planned.get(&id)?) {
            return None;
        }
        let waiting = self.planned.iter().filter(|(_, job)| is_waiting(job));
        let waiting: Vec<JobId> = waiting.map(|(id, _)| *id).collect();
        let mut again = Vec::new();
        for id in waiting {
            if let Some(job) = self.planned.remove(&id) {
                self.ends.retain(|(_, other)| *other != id);
                again.push((id, job));
            }
        }
        self.threads.clone_from(&self.finished_at);
        for job in self.planned.values() {
            self.threads[job.thread] = job.end;
        }
        let mut cancelled = None;
        for (number, job) in again {
            match number == id {
                true => cancelled = Some(job.work),
                false => self.plan(number, job),
            }
        }
        cancelled
    }

    /// Returns when the next job finishes.
    pub(super) fn next_end(&self) -> Option<Duration> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Returns when all jobs will have finished; an error if some never will.
    pub(super) fn last_end(&self) -> Result<Option<Duration>, JobId> {
        let stuck = self.planned.iter().find(|(_, job)| job.end.is_none());
        match stuck {
            Some((id, _)) => Err(*id),
            None => Ok(self.ends.last().map(|(end, _)| *end)),
        }
    }

    /// Moves the jobs that have finished at `now` to those that the loop runs, and returns their ids
    /// in the order in which they finished (R61).
    pub(super) fn finish_due(&mut self, now: Duration) -> Vec<JobId> {
        let mut due = Vec::new();
        while let Some((end, id)) = self.ends.first().copied().filter(|(end, _)| *end <= now) {
            self.ends.pop_first();
            if let Some(job) = self.planned.remove(&id) {
                self.finished_at[job.thread] = job.end;
                self.finished.insert(id, (end, job.work));
            }
            due.push(id);
        }
        due
    }

    /// Removes a job that has finished, for the loop to run it.
    pub(super) fn take_finished(&mut self, id: JobId) -> Option<JobWork> {
        self.finished.remove(&id).map(|(_, work)| work)
    }

    /// Returns when a job has finished that the loop has not run yet.
    pub(super) fn finished_at(&self, id: JobId) -> Option<Duration> {
        self.finished.get(&id).map(|(end, _)| *end)
    }

    /// Removes all jobs, which the caller drops outside of any borrow.
    pub(super) fn take_all(&mut self) -> impl Sized + use<> {
        let limit = self.limit();
        std::mem::replace(self, SimulatedWorkers::new(limit))
    }
}

#[cfg(test)]
mod tests {
    use std::any::Any;

    use super::*;
    use crate::blocking::pool::Job;

    struct Nothing;

    impl Job for Nothing {
        fn run(self: Box<Self>) -> Box<dyn Any + Send> {
            self
        }
    }

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    fn workers(limit: usize, durations: &[Option<u64>]) -> SimulatedWorkers {
        let mut workers = SimulatedWorkers::new(limit);
        for (id, duration) in durations.iter().enumerate() {
            let duration = duration.map(ms);
            workers.add(id as JobId, Box::new(Nothing), ms(0), duration);
        }
        workers
    }

    #[test]
    fn jobs_wait_for_a_thread_in_their_order() {
        let mut workers = workers(2, &[Some(10), Some(3), Some(4), Some(1)]);
        assert_eq!(workers.next_end(), Some(ms(3)));
        assert_eq!(workers.last_end(), Ok(Some(ms(10))));
        assert!(workers.finish_due(ms(2)).is_empty());
        // 1 from 0 to 3, 2 from 3 to 7, 3 from 7 to 8.
        assert_eq!(workers.finish_due(ms(9)), [1, 2, 3]);
        assert_eq!(workers.finish_due(ms(10)), [0]);
        assert!(workers.take_finished(2).is_some());
        assert!(workers.take_finished(2).is_none());
    }

    #[test]
    fn only_a_job_that_waits_can_be_cancelled() {
        let mut workers = workers(1, &[Some(10), Some(10), Some(10), Some(10)]);
        assert!(workers.cancel(0, ms(0)).is_none());
        assert!(workers.cancel(2, ms(5)).is_some());
        assert!(workers.cancel(2, ms(5)).is_none());
        assert_eq!(workers.finish_due(ms(10)), [0]);
        assert!(workers.cancel(1, ms(10)).is_none(), "it has started");
        assert_eq!(workers.last_end(), Ok(Some(ms(30))));
        assert_eq!(workers.finish_due(ms(30)), [1, 3]);
    }

    #[test]
    fn a_job_that_never_finishes_occupies_its_thread() {
        let mut workers = workers(2, &[None, Some(2), Some(2), None, Some(1)]);
        assert_eq!(workers.finish_due(ms(100)), [1, 2]);
        assert_eq!(workers.next_end(), None);
        assert_eq!(workers.last_end(), Err(0));
        assert!(workers.cancel(3, ms(100)).is_none(), "it has started");
        assert!(workers.cancel(4, ms(100)).is_some());
    }
}
