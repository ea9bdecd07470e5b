//! How long the jobs of a host take.

use std::ops::RangeInclusive;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use super::WorldHost;
use crate::reactor::choices::Choices;

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
    choices: Rc<Choices>,
    submitted: u64,
}

enum Times {
    Within(RangeInclusive<Duration>),
    Chosen(ChooseTime),
}

impl JobTimes {
    pub(super) fn new(choices: Rc<Choices>) -> JobTimes {
        JobTimes {
            times: Times::Within(Duration::ZERO..=Duration::ZERO),
            choices,
            submitted: 0,
        }
    }

    pub(crate) fn set_range(&mut self, range: RangeInclusive<Duration>) {
        self.times = Times::Within(range);
    }

    pub(crate) fn set_choice(&mut self, choose: ChooseTime) {
        self.times = Times::Chosen(choose);
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
                Times::Within(range) => Err(jobs.choices.choose_duration(range, |took| {
                    let shortest = range.start();
                    format!("the job of {location} took {took:?} instead of {shortest:?}")
                })),
            };
            (choose, SimulatedJob { number, location })
        });
        match choose {
            Ok(choose) => choose(&job),
            Err(duration) => Some(duration),
        }
    }
}
