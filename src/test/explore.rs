//! Runs a test with many seeds, and reports a seed that fails.

use std::cell::Cell;
use std::fmt;
use std::fmt::Write as _;
use std::panic::{self, Location};
use std::sync::Once;
use std::thread;

use super::log::{Log, LogEntry};
use super::{FinishedRun, Test, TestBuilder, TestFailure, diff};
use crate::phases::poll::delivery::{Decision, Seed};

/// The environment variable that selects one seed to replay.
const REPLAY: &str = "NODELOOP_SEED";

/// The maximum number of runs to find the decisions that cause a failure.
const MAX_SHRINK_RUNS: usize = 200;

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
/// What Node guarantees never changes: ticks, microtasks, phases, the order of timers, of immediates
/// and of simulated completions of a known duration, the order of the messages of one thread, and the
/// clock while it is held or advanced.
///
/// A seed repeats the same run if the outside world behaves in the same way. Time and jobs always do:
/// jobs finish in the order of the seed, no matter how fast their threads are. Events of threads and
/// sockets are permuted in the order of their arrival.
///
/// If any seed fails, the report is about the one that fails with the fewest decisions. It contains
/// the decisions, a command that replays them (`NODELOOP_SEED=… cargo test …` runs only that seed),
/// and the difference from the plain order. Panics of the body during the exploration are not
/// printed: a process-wide panic hook, set by the first exploration, suppresses them on threads
/// that explore.
///
/// # Panics
///
/// Panics if a seed fails, like [`run`](super::run), and if `NODELOOP_SEED` is not a valid seed.
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
        let location = Location::caller();
        let body = &body;
        let run = |seed: Seed| {
            let main = move |test: Test| async move { body(test).await };
            self.with_seed(seed).run_future(location, main)
        };
        let mut explored = Explored {
            runs: 0,
            orders: Vec::new(),
        };
        if let Ok(seed) = std::env::var(REPLAY) {
            let finished = run(read_seed(&seed));
            eprintln!("{REPLAY}={seed}\n{}", decision_list(&finished.decisions));
            explored.note(finished.log.labels());
            super::value_or_panic(finished.result);
            return explored;
        }
        let plain = quietly(|| run(Seed::new(0)));
        if let Err(failure) = plain.result {
            panic!("the test fails in the plain order, without any exploration: {failure}");
        }
        explored.note(plain.log.labels());
        let mut simplest: Option<(Seed, FinishedRun<()>, TestFailure)> = None;
        for number in 1..=seeds {
            let seed = Seed::new(number);
            let mut finished = quietly(|| run(seed.clone()));
            explored.note(finished.log.labels());
            let fewest = simplest
                .as_ref()
                .map_or(usize::MAX, |(_, finished, _)| finished.decisions.len());
            if finished.decisions.len() < fewest
                && let Err(failure) = std::mem::replace(&mut finished.result, Ok(()))
            {
                simplest = Some((seed, finished, failure));
            }
        }
        if let Some(simplest) = simplest {
            let report = report(simplest, seeds, &plain.log, |seed| quietly(|| run(seed)));
            panic!("{report}");
        }
        explored
    }

    fn with_seed(&self, seed: Seed) -> TestBuilder {
        TestBuilder {
            settings: self.settings.clone(),
            allow_leftovers: self.allow_leftovers,
            seed: Some(seed),
        }
    }
}

/// Removes decisions as long as the test still fails, and returns a report about those that are left.
fn report(
    (mut seed, mut finished, mut failure): (Seed, FinishedRun<()>, TestFailure),
    seeds: u64,
    plain: &Log,
    run: impl Fn(Seed) -> FinishedRun<()>,
) -> String {
    let (original, total) = (seed.clone(), finished.decisions.len());
    let mut runs = 0;
    let mut index = 0;
    while index < finished.decisions.len() && runs < MAX_SHRINK_RUNS {
        let questions = finished.decisions.iter().map(|decision| decision.question);
        let mut kept: Vec<usize> = questions.collect();
        kept.remove(index);
        let smaller = original.only(kept);
        let mut rerun = run(smaller.clone());
        runs += 1;
        match std::mem::replace(&mut rerun.result, Ok(())) {
            Err(cause) => (seed, finished, failure) = (smaller, rerun, cause),
            Ok(()) => index += 1,
        }
    }
    let name = thread::current().name().map(str::to_owned);
    let name = name.filter(|name| name != "main").unwrap_or_default();
    let mut text = format!("seed {original} of {seeds} fails; replay it with\n");
    let replay = format!("{REPLAY}={seed} cargo test {name}");
    let _ = writeln!(text, "    {}", replay.trim_end());
    let left = finished.decisions.len();
    let _ = writeln!(text, "It fails with {left} of its {total} decisions:");
    let _ = writeln!(text, "{}", decision_list(&finished.decisions));
    let _ = writeln!(
        text,
        "The failure:\n  {}",
        failure.cause().replace('\n', "\n  ")
    );
    text += &compared(plain, &finished.log);
    text
}

fn decision_list(decisions: &[Decision]) -> String {
    let line = |decision: &Decision| format!("  {:>4}  {}", decision.question, decision.text);
    let lines: Vec<String> = decisions.iter().map(line).collect();
    match lines.is_empty() {
        true => "  none".to_owned(),
        false => lines.join("\n"),
    }
}

/// Returns the difference between the log of the seed and the plain order, which passes.
fn compared(plain: &Log, failing: &Log) -> String {
    let plain = plain.labels();
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    let failing = failing.entries();
    if failing
        .iter()
        .map(LogEntry::label)
        .eq(plain.iter().copied())
    {
        return "The log up to the failure equals that of the plain order.".to_owned();
    }
    let difference = diff::difference(&plain, &failing);
    format!("The plain order (-), which passes, and the order of this seed (+):\n{difference}")
}

#[track_caller]
fn read_seed(text: &str) -> Seed {
    match text.parse() {
        Ok(seed) => seed,
        Err(error) => panic!("{REPLAY}={text}: {error}"),
    }
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Calls `run` without printing its panics, which are reported later.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.try_with(Cell::get).unwrap_or(false) {
                hook(info);
            }
        }));
    });
    let _quiet = Quiet {
        before: IS_QUIET.replace(true),
    };
    run()
}

struct Quiet {
    before: bool,
}

impl Drop for Quiet {
    fn drop(&mut self) {
        IS_QUIET.set(self.before);
    }
}

/// Prints the number of runs and the number of orders.
impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} runs, {} orders", self.runs, self.orders.len())
    }
}
