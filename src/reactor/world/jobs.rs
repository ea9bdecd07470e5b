//! How long the jobs of a host take.

use std::ops::RangeInclusive;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::{HostId, HostState, WorldHost};
use crate::reactor::disk::Random;

/// A job of the worker pool of a simulated host, for a function that decides how long it takes; see
/// [`Host::set_job_times`](crate::test::Host::set_job_times).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SimulatedJob {
    /// How many jobs the host had submitted before, since the world began.
    pub number: u64,
    /// Where the program has submitted it.
    pub location: &'static Location<'static>,
}

/// Chooses how long a job takes; `None` if it never finishes.
pub(crate) type ChooseTime = Rc<dyn Fn(&SimulatedJob) -> Option<Duration>>;

/// How long the jobs of a host take.
pub(crate) struct JobTimes {
    times: Times,
    random: Random,
    submitted: u64,
}

enum Times {
    Within(RangeInclusive<Duration>),
    Chosen(ChooseTime),
}

impl JobTimes {
    pub(super) fn new(start: u64, host: HostId) -> JobTimes {
        JobTimes {
            times: Times::Within(Duration::ZERO..=Duration::ZERO),
            // Hosts have numbers of their own, so that one does not change those of another.
            random: Random::new(Random::new(start).next().wrapping_add(host.0 as u64)),
            submitted: 0,
        }
    }

    pub(crate) fn set_range(&mut self, range: RangeInclusive<Duration>) {
        self.times = Times::Within(range);
    }

    pub(crate) fn set_choice(&mut self, choose: ChooseTime) {
        self.times = Times::Chosen(choose);
    }

    fn random_within(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        let spread = range.end().saturating_sub(*range.start());
        let nanoseconds = u64::try_from(spread.as_nanos()).unwrap_or(u64::MAX - 1);
        *range.start() + Duration::from_nanos(self.random.below(nanoseconds + 1))
    }
}

impl HostState {
    /// Turns the disk into what a restart finds after a crash.
    pub(crate) fn crash_disk(&mut self) {
        self.disk.crash(self.jobs.random.next());
    }
}

impl WorldHost {
    /// Returns how long a job takes that is submitted now; `None` if it never finishes.
    pub(crate) fn job_duration(&self, location: &'static Location<'static>) -> Option<Duration> {
        let (choose, job) = self.world.with_host(self.id, |host| {
            let jobs = &mut host.jobs;
            let number = jobs.submitted;
            jobs.submitted += 1;
            let choose = match &jobs.times {
                Times::Chosen(choose) => Ok(choose.clone()),
                Times::Within(range) => {
                    let range = range.clone();
                    Err(jobs.random_within(&range))
                }
            };
            (choose, SimulatedJob { number, location })
        });
        match choose {
            Ok(choose) => choose(&job),
            Err(duration) => Some(duration),
        }
    }
}
