//! The jobs that have not been delivered yet, by id.
//!
//! Ids are consecutive and jobs finish in about the order in which they were submitted, so the jobs are
//! in a queue, in which an id is a position. A job that takes much longer than those after it would
//! keep their empty places, so it is moved to a map.
//!
//! Invariant: the queue contains exactly the ids from `first` on, and its head is a job.
//! Invariant: when a job has been added, the queue has at most as many empty places as jobs, and
//! [`SPARE`] more.

use std::collections::{BTreeMap, VecDeque};

use super::JobId;

pub(super) struct Outstanding<J> {
    /// Jobs with ids below `first`.
    stragglers: BTreeMap<JobId, J>,
    /// The id of the head of the queue.
    first: JobId,
    queue: VecDeque<Option<J>>,
    /// How many jobs are in the queue.
    queued: usize,
}

/// How many empty places a queue without jobs may have.
const SPARE: usize = 64;

impl<J> Default for Outstanding<J> {
    fn default() -> Outstanding<J> {
        Outstanding {
            stragglers: BTreeMap::new(),
            first: 0,
            queue: VecDeque::new(),
            queued: 0,
        }
    }
}

impl<J> Outstanding<J> {
    /// Returns the id of the next job.
    pub(super) fn next_id(&self) -> JobId {
        self.first + self.queue.len() as JobId
    }

    /// Adds a job and returns its id.
    pub(super) fn add(&mut self, job: J) -> JobId {
        let id = self.next_id();
        self.queue.push_back(Some(job));
        self.queued += 1;
        while self.queue.len() > 2 * self.queued + SPARE {
            self.move_head();
        }
        id
    }

    pub(super) fn remove(&mut self, id: JobId) -> Option<J> {
        let Some(index) = id.checked_sub(self.first) else {
            return self.stragglers.remove(&id);
        };
        if index == 0 {
            let job = self.queue.pop_front()??; // as jobs that are alike finish
            self.first += 1;
            self.queued -= 1;
            self.drop_empty_places();
            return Some(job);
        }
        let job = self.queue.get_mut(index as usize)?.take()?;
        self.queued -= 1;
        Some(job)
    }

    pub(super) fn get(&self, id: JobId) -> Option<&J> {
        match id.checked_sub(self.first) {
            Some(index) => self.queue.get(index as usize)?.as_ref(),
            None => self.stragglers.get(&id),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queued == 0 && self.stragglers.is_empty()
    }

    /// Returns the ids in order of submission.
    pub(super) fn ids(&self) -> impl Iterator<Item = JobId> {
        let queued = (self.first..)
            .zip(&self.queue)
            .filter_map(|(id, job)| job.is_some().then_some(id));
        self.stragglers.keys().copied().chain(queued)
    }

    /// Removes all jobs, in order of submission. The ids continue.
    pub(super) fn take_all(&mut self) -> Vec<J> {
        self.first = self.next_id();
        self.queued = 0;
        let queued = std::mem::take(&mut self.queue).into_iter().flatten();
        let stragglers = std::mem::take(&mut self.stragglers).into_values();
        stragglers.chain(queued).collect()
    }

    /// Moves the first job of the queue to the map.
    fn move_head(&mut self) {
        if let Some(Some(job)) = self.queue.pop_front() {
            self.stragglers.insert(self.first, job);
            self.queued -= 1;
        }
        self.first += 1;
        self.drop_empty_places();
    }

    fn drop_empty_places(&mut self) {
        while let Some(None) = self.queue.front() {
            self.queue.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_removed_by_their_ids_in_any_order() {
        let mut jobs = Outstanding::default();
        let ids: Vec<JobId> = (0..4).map(|number| jobs.add(number * 10)).collect();
        assert_eq!(ids, [0, 1, 2, 3]);
        assert_eq!(jobs.remove(2), Some(20));
        assert_eq!(jobs.remove(2), None);
        assert_eq!(jobs.ids().collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!(jobs.remove(0), Some(0));
        assert_eq!(
            (jobs.get(1), jobs.get(3), jobs.get(4)),
            (Some(&10), Some(&30), None)
        );
        assert_eq!(jobs.take_all(), [10, 30]);
        assert!(jobs.is_empty());
        assert_eq!(jobs.add(40), 4);
    }

    #[test]
    fn a_job_that_takes_long_keeps_no_empty_places() {
        let mut jobs = Outstanding::default();
        let long = jobs.add(1);
        for _ in 0..10_000 {
            let short = jobs.add(2);
            assert_eq!(jobs.ids().collect::<Vec<_>>(), [long, short]);
            assert!(jobs.queue.len() <= 2 * jobs.queued + SPARE);
            assert_eq!(jobs.remove(short), Some(2));
        }
        assert_eq!((jobs.get(long), jobs.next_id()), (Some(&1), 10_001));
        assert_eq!(jobs.get(5), None);
        assert_eq!(jobs.remove(long), Some(1));
        assert!(jobs.is_empty());
    }
}
