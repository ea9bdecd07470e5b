//! Runs a test in every order of what may arrive next.

mod search;
#[cfg(test)]
mod tests;
mod tracker;

use std::collections::BTreeSet;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::report::{self, Failing, Passing, quietly};
use super::{Test, TestBuilder};
use crate::phases::poll::delivery::Seed;
use crate::phases::poll::delivery::footprint::Key;
use crate::phases::poll::delivery::order::OrderRecord;
use crate::reactor::clock::machine_now;
use search::{Reduction, Search};
pub(super) use tracker::{SharedState, Tracker};

/// Runs `body` as [`run`](super::run) does, once in each order that Node permits.
///
/// It makes the same decisions as [`explore`](super::explore), but instead of drawing them from seeds it
/// tries all of them, for programs with a bounded number of decisions. When it returns, either
/// every order has passed or the [limit](TestBuilder::max_runs) was reached, which
/// [`CheckedOrders::is_complete`] tells apart.
///
/// A job takes no virtual time, so no timer of more than 1 ms comes before it. To race them, call
/// [`jobs_hold_time(false)`](TestBuilder::jobs_hold_time), or simulate it by
/// [`complete_within`](super::complete_within).
///
/// A run that never ends, such as a loop that simulates operations without end, is not ended: the
/// limits of the search apply between runs.
///
/// # What counts as one order
///
/// An *event* is one arrival (a job, a message or wake of another thread, the readiness of a source, a
/// simulated completion) with the drain after it, or the rest of a turn after its poll phase. Two orders
/// are equivalent if one becomes the other by swapping neighbouring events that are independent. One
/// order of each equivalence class is run.
///
/// By default any two events that run code of the program depend on each other, because they may share
/// state through an `Rc` that the loop does not see. The only orders that are left out are then
/// those that differ in turns in which nothing runs. With
/// [`TestBuilder::declared_state`] events are independent unless they share something that is seen.
///
/// The values that a program can be given, such as the duration of
/// [`complete_within`](super::complete_within), are all tried: durations that differ count as different
/// orders.
///
/// # What is repeatable
///
/// Each run starts the program again and repeats the decisions of an earlier one, so the body must do
/// the same whenever the same events arrive. Virtual time and jobs of the pool always do. Threads and
/// sockets are only repeatable if what they send has arrived when the loop looks, as after a `join`.
/// If a run does not repeat, the exploration fails and reports it.
///
/// A failing order is reported as [`explore`](super::explore) reports a seed, with the fewest decisions
/// that fail and a command that replays them, such as `NODELOOP_SEED=order:3=1 cargo test …`.
///
/// # Panics
///
/// Panics if an order fails, like [`run`](super::run), if a run does not repeat, if
/// `NODELOOP_SEED` is not a valid seed, and inside of an event loop.
///
/// # Examples
///
/// ```
/// use nodeloop::{queue_work, test};
///
/// let checked = test::explore_all(async |t| {
///     let log = t.log();
///     for name in ["a", "b", "c"] {
///         queue_work(|| (), log.reaction(name));
///     }
///     t.until_idle().await;
///     assert_eq!(log.labels().len(), 3);
/// });
/// assert_eq!(checked.to_string(), "6 of 6 orders checked");
/// ```
#[track_caller]
pub fn explore_all<F>(body: F) -> CheckedOrders
where
    F: AsyncFn(Test),
{
    TestBuilder::new().explore_all(body)
}

/// The result of an exploration of every order.
#[derive(Debug, Clone, Default)]
#[must_use = "the exploration may have reached its limit: call `assert_complete`"]
pub struct CheckedOrders {
    orders: u64,
    runs: u64,
    is_complete: bool,
    /// Whether the environment has selected one order, which was replayed.
    is_replay: bool,
    /// The estimated part of the search that is done.
    progress: f64,
    /// Whether most of the orders that are left differ in durations only.
    has_long_ranges: bool,
    logs: BTreeSet<Vec<String>>,
}

impl CheckedOrders {
    /// Returns how many orders have passed. Of equivalent orders one is counted.
    pub fn count(&self) -> u64 {
        self.orders
    }

    /// Returns how often the body was run: once for each order, and for beginnings that turned out to
    /// be equivalent to an order that was checked.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Returns whether every order was checked, which a replay of one order does not do.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Asserts that every order was checked, or the one that `NODELOOP_SEED` selects.
    ///
    /// # Panics
    ///
    /// Panics if a limit was reached before.
    #[track_caller]
    pub fn assert_complete(&self) {
        let advice = match self.has_long_ranges {
            false => "raise `max_runs` and `max_duration`, or make the test smaller",
            true => {
                "most of them differ in durations: narrow the ranges of `complete_within`, or raise \
                 `max_runs` and `max_duration`"
            }
        };
        assert!(self.is_complete || self.is_replay, "{self}; {advice}");
    }

    /// Counts an order that has passed. Returns whether its log is a new one.
    fn note(&mut self, log: Vec<String>) -> bool {
        self.orders += 1;
        self.logs.insert(log)
    }

    /// Returns the different logs of the orders that were run, sorted.
    pub fn logs(&self) -> impl Iterator<Item = &[String]> {
        self.logs.iter().map(Vec::as_slice)
    }
}

/// Prints how many orders were checked, and how far it came if these are not all.
impl fmt::Display for CheckedOrders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.orders;
        let noun = if count == 1 { "order" } else { "orders" };
        if self.is_replay {
            return write!(f, "{count} {noun} replayed");
        }
        if self.is_complete {
            return write!(f, "{count} of {count} {noun} checked");
        }
        let percent = self.progress * 100.0;
        write!(
            f,
            "{count} {noun} checked, about {percent:.1} % of the search"
        )
    }
}

/// When an exploration of every order ends early.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    max_runs: u64,
    max_duration: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_runs: 100_000,
            max_duration: Duration::MAX,
        }
    }
}

impl TestBuilder {
    /// Explores every order as [`explore_all`] does, with these settings.
    ///
    /// # Panics
    ///
    /// Panics like [`explore_all`].
    #[track_caller]
    pub fn explore_all<F>(self, body: F) -> CheckedOrders
    where
        F: AsyncFn(Test),
    {
        self.search_all(Search::new(Reduction::On, nothing), body, |_| ())
    }

    /// Sets how often [`explore_all`](TestBuilder::explore_all) runs the body at most; 100,000 times by
    /// default.
    pub fn max_runs(mut self, runs: u64) -> TestBuilder {
        self.limits.max_runs = runs;
        self
    }

    /// Sets after how much real time [`explore_all`](TestBuilder::explore_all) starts no other run; there
    /// is no limit by default. A run that never ends is not ended by it.
    pub fn max_duration(mut self, duration: Duration) -> TestBuilder {
        self.limits.max_duration = duration;
        self
    }

    /// Declares that the steps of the body share no state except what
    /// [`explore_all`](TestBuilder::explore_all) sees. Orders that differ only in independent events are
    /// then run once.
    ///
    /// Two events depend on each other if
    ///
    /// * they come from the same source: the same thread or socket, simulated completions, the loop itself;
    /// * both poll the same task or settle, create or react to the same promise, or one settles a promise
    ///   of an earlier event while the other awaits one that has been settled;
    /// * both write to the same [`Log`](super::Log), or one writes and the other reads it;
    /// * both use the same [`Shared`](super::Shared) value, and one changes it, or both
    ///   [`touch`](super::touch) the same key;
    /// * both set or clear timers, both set immediates, both start simulated operations, both submit jobs,
    ///   or one of them is the rest of a turn, which runs what the other has set;
    /// * one moves the clock;
    /// * both use a socket or another source, because the other end of it is unknown;
    /// * both complete jobs while other jobs wait for a thread (R60);
    /// * one calls a listener for errors or a listener of the end of a run.
    ///
    /// All other state that two steps share must be a [`Shared`](super::Shared) value or be declared by
    /// [`touch`](super::touch): what an `Rc` owns, statics, channels and locks, and also abort signals,
    /// event emitters, async-local storage that is shared, whether a handle is referenced, listeners that
    /// steps add, and the turn and phase in [`LogEntry::position`](super::LogEntry::position). If such
    /// state is not declared, orders that fail may be left out.
    ///
    /// # Examples
    ///
    /// ```
    /// use nodeloop::queue_work;
    /// use nodeloop::test::{Log, TestBuilder};
    ///
    /// let checked = TestBuilder::new().declared_state().explore_all(async |t| {
    ///     for _ in 0..4 {
    ///         let log = Log::new(); // each job has a log of its own
    ///         queue_work(|| (), log.reaction("done"));
    ///     }
    ///     t.until_idle().await;
    /// });
    /// assert_eq!(checked.count(), 1); // of 24
    /// ```
    pub fn declared_state(mut self) -> TestBuilder {
        self.shared_state = SharedState::Declared;
        self
    }

    #[track_caller]
    fn search_all<F>(
        self,
        mut search: Search,
        body: F,
        mut visit: impl FnMut(&OrderRecord),
    ) -> CheckedOrders
    where
        F: AsyncFn(Test),
    {
        report::refuse_loop("explore_all");
        let location = Location::caller();
        let body = &body;
        let run = |seed, plan| {
            let main = move |test: Test| async move { body(test).await };
            self.with_seed(seed).run_with_plan(location, plan, main)
        };
        let mut checked = CheckedOrders::default();
        if let Some(seed) = report::seed_to_replay() {
            checked.runs = 1;
            checked.is_replay = true;
            checked.note(report::replay(seed, |seed| run(seed, None)));
            return checked;
        }
        let began = machine_now();
        let mut passing: Option<Passing> = None;
        loop {
            let (seed, plan) = search.plan();
            let mut finished = quietly(|| run(seed, Some(plan)));
            let record = std::mem::take(&mut finished.record);
            checked.runs += 1;
            let seed = Seed::of_decisions(&finished.decisions);
            let log = match Failing::of(seed.clone(), finished) {
                Err(log) => log,
                Ok(failing) => {
                    let Some(passing) = passing else {
                        panic!("{}", failing.in_the_plain_order());
                    };
                    let title = format!("order {}", checked.orders + 1);
                    let run = |seed| quietly(|| run(seed, None));
                    panic!("{}", failing.report(&title, passing, run, None));
                }
            };
            let passing = passing.get_or_insert_with(|| Passing::new(&log));
            if record.cut_after.is_none() && checked.note(log.labels()) {
                passing.note(seed, log.labels());
            }
            visit(&record);
            if let Err(diverged) = search.learn(record) {
                panic!("{diverged}");
            }
            checked.is_complete = !search.advance();
            let is_over = checked.runs >= self.limits.max_runs
                || machine_now().saturating_sub(began) >= self.limits.max_duration;
            if checked.is_complete || is_over {
                checked.progress = search.progress();
                checked.has_long_ranges = search.has_long_ranges();
                return checked;
            }
        }
    }
}

/// Selects no key.
fn nothing(_: Key) -> bool {
    false
}
