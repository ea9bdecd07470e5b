//! Runs a test with many seeds, and reports a seed that fails.

use std::fmt;
use std::panic::Location;

use super::report::{self, Failing, Passing, quietly};
use super::{FinishedRun, Test, TestBuilder};
use crate::phases::poll::delivery::Seed;

/// Runs `body` as [`run`](super::run) does, once in the plain order and once for each of the seeds 1
/// to `seeds`. Each seed decides differently what Node does not guarantee.
///
/// | permuted | in the plain order |
/// |---|---|
/// | which of the jobs that run at the same time finishes first (`spawn_blocking`, `queue_work`, `fs`) | the one that was submitted first |
/// | whether a job has finished when a poll phase does not wait | it has not |
/// | the order of ready sockets in one poll phase, of messages and wakes of different threads, and of both | the order of arrival |
/// | whether such an event is handled in this poll phase or in the next | in this one |
/// | whether a write to a socket completes immediately or waits for the poll phase | immediately |
/// | whether a millisecond has passed when the timers phase reads the clock, so that a timer of 0 or 1 ms runs before an immediate | it has not |
/// | how long an operation of [`complete_within`](super::complete_within) takes | the shortest time of its range |
///
/// A job takes no virtual time, so no timer of more than 1 ms comes before it. To race them, call
/// [`jobs_hold_time(false)`](TestBuilder::jobs_hold_time), or simulate it by
/// [`complete_within`](super::complete_within).
///
/// What Node guarantees never changes: ticks, microtasks, phases, the order of timers, of immediates
/// and of simulated completions of a known duration, the order of the messages of one thread, and the
/// clock while it is held or advanced.
///
/// A seed repeats the same run if the outside world behaves in the same way. Time and jobs always do:
/// jobs finish in the order of the seed, no matter how fast their threads are. Events of threads and
/// sockets are permuted in the order of their arrival.
///
/// If any seed fails, the report is about the one that fails with the fewest decisions, of which it
/// lists the fewest that still fail. It contains a command that replays them
/// (`NODELOOP_SEED=… cargo test …` runs only that seed), and the difference from the most similar order
/// that passes. A replay continues in the plain order where a decision does not apply any more, because
/// the program has changed, and prints which ones these are. It fails if none applies. Panics of the body during the exploration are not
/// printed: a process-wide panic hook, set by the first exploration, suppresses them on threads
/// that explore.
///
/// # Panics
///
/// Panics if a seed fails, like [`run`](super::run), if `seeds` is 0, if `NODELOOP_SEED` is not a valid seed, and inside of an
/// event loop.
///
/// # Examples
///
/// ```should_panic
/// use nodeloop::test;
///
/// // A race: the test assumes that the job submitted first finishes first.
/// test::explore(20, async |t| {
///     let log = t.log();
///     nodeloop::queue_work(|| (), { let mut a = log.callback("a"); move |()| a() });
///     nodeloop::queue_work(|| (), { let mut b = log.callback("b"); move |()| b() });
///     t.until_idle().await;
///     log.assert_order(["a", "b"]);
/// });
/// ```
#[track_caller]
pub fn explore<F>(seeds: u64, body: F) -> Explored
where
    F: AsyncFn(Test),
{
    TestBuilder::new().explore(seeds, body)
}

/// The result of an exploration.
#[derive(Debug, Clone)]
pub struct Explored {
    runs: u64,
    orders: Vec<Vec<String>>,
    not_followed: u64,
    /// Whether a run has decided anything else than the plain order does.
    is_permuted: bool,
}

impl Explored {
    /// Returns how often the body was run.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Returns the different orders of the log, beginning with the plain order.
    pub fn orders(&self) -> &[Vec<String>] {
        &self.orders
    }

    /// Returns how many of the runs have ended because their order could not be followed, which only the
    /// exploration of a recording has; see [`Replay::explore`](super::Replay::explore).
    pub fn not_followed(&self) -> u64 {
        self.not_followed
    }

    fn note(&mut self, order: Vec<String>) {
        self.runs += 1;
        if !self.orders.contains(&order) {
            self.orders.push(order);
        }
    }
}

impl TestBuilder {
    /// Explores as [`explore`] does, with these settings.
    ///
    /// # Panics
    ///
    /// Panics like [`explore`].
    #[track_caller]
    pub fn explore<F>(self, seeds: u64, body: F) -> Explored
    where
        F: AsyncFn(Test),
    {
        report::refuse_loop("explore");
        let location = Location::caller();
        let body = &body;
        let run = |seed: Seed| {
            let main = move |test: Test| async move { body(test).await };
            self.with_seed(seed).run_future(location, main)
        };
        explore_seeds(seeds, run, None)
    }

    pub(super) fn with_seed(&self, seed: Seed) -> TestBuilder {
        TestBuilder {
            settings: self.settings.clone(),
            allow_leftovers: self.allow_leftovers,
            seed: Some(seed),
            limits: self.limits,
            shared_state: self.shared_state,
        }
    }
}

/// Returns what a run of a seed has done, one entry into user code a line.
pub(super) type TraceOf<'a> = &'a dyn Fn(Seed) -> Vec<String>;

/// Calls `run` with seed 0, which has the plain order, and with the seeds 1 to `seeds`, or only with the
/// one that the environment asks to replay.
///
/// # Panics
///
/// Panics with a report if a seed fails.
#[track_caller]
pub(super) fn explore_seeds(
    seeds: u64,
    run: impl Fn(Seed) -> FinishedRun<()>,
    trace_of: Option<TraceOf<'_>>,
) -> Explored {
    assert!(
        seeds > 0,
        "an exploration of no seeds tests only the plain order: explore at least one"
    );
    let mut explored = Explored {
        runs: 0,
        orders: Vec::new(),
        not_followed: 0,
        is_permuted: false,
    };
    if let Some(seed) = report::seed_to_replay() {
        explored.note(report::replay(seed, run));
        return explored;
    }
    let plain = quietly(|| run(Seed::new(0)));
    if let Some(reason) = &plain.not_followed {
        panic!("the plain order can't be followed: {reason}");
    }
    let plain = match Failing::of(Seed::new(0), plain) {
        Ok(failing) => panic!("{}", failing.in_the_plain_order()),
        Err(log) => log,
    };
    explored.note(plain.labels());
    let mut passing = Passing::new(&plain);
    let mut simplest: Option<Failing> = None;
    for number in 1..=seeds {
        let seed = Seed::new(number);
        let finished = quietly(|| run(seed.clone()));
        explored.is_permuted |= !finished.decisions.is_empty();
        if finished.not_followed.is_some() {
            explored.runs += 1;
            explored.not_followed += 1;
            continue;
        }
        let labels = finished.log.labels();
        let decisions = finished.decisions.len();
        match Failing::of(seed.clone(), finished) {
            Ok(failing) => {
                let fewest = simplest.as_ref().map_or(usize::MAX, Failing::decisions);
                if decisions < fewest {
                    simplest = Some(failing);
                }
            }
            Err(_) if !explored.orders.contains(&labels) => passing.note(seed, labels.clone()),
            Err(_) => {}
        }
        explored.note(labels);
    }
    if let Some(failing) = simplest {
        let title = format!("seed {} of {seeds}", failing.seed());
        let run = |seed| quietly(|| run(seed));
        panic!("{}", failing.report(&title, passing, run, trace_of));
    }
    explored
}

/// Prints the number of runs and the number of orders, and whether there was nothing to permute.
impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        let (runs, orders) = (self.runs, self.orders.len() as u64);
        let (of_runs, of_orders) = (plural(runs), plural(orders));
        write!(f, "{runs} run{of_runs}, {orders} order{of_orders}")?;
        if !self.is_permuted && runs > 1 {
            f.write_str(": nothing was permuted")?;
        }
        match self.not_followed {
            0 => Ok(()),
            count => write!(f, ", {count} of the runs could not be followed"),
        }
    }
}
