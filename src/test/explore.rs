//! The same test under many seeds, and what to say about the one that fails.

use std::cell::Cell;
use std::fmt;
use std::fmt::Write as _;
use std::panic::{self, Location};
use std::rc::Rc;
use std::sync::Once;
use std::thread;

use super::log::{Log, LogEntry};
use super::{Ran, Test, TestBuilder, TestFailure, diff};
use crate::phases::poll::delivery::{Decision, Seed};

/// The environment variable that has one seed replayed.
const REPLAY: &str = "NODELOOP_SEED";

/// How many runs are spent on finding the decisions that matter.
const RUNS_TO_SHRINK: usize = 200;

/// Runs `body` as [`run`](super::run) does, under the plain order and under the seeds 1 to
/// `seeds`, each of which decides otherwise what Node does not guarantee.
///
/// | permuted | in the plain order |
/// |---|---|
/// | which of the jobs that run at the same time finishes first (`spawn_blocking`, `queue_work`, `fs`) | the one that was submitted first |
/// | whether a job has finished when a poll phase that does not wait looks | not yet |
/// | the order of the sockets that are ready in one poll phase, of messages and wakes of different threads, and of both | as they came |
/// | whether one of those is seen in this poll phase or in the next | in this one |
/// | whether a write to a socket is done at once or has to wait for the poll phase | at once |
/// | whether a millisecond has passed when the timers phase reads the clock, so that a timer of 0 or 1 ms comes before an immediate | none has |
///
/// What is guaranteed never changes: ticks, microtasks, phases, the order of timers, of
/// immediates and of simulated completions, the messages of one thread among themselves, a clock
/// that is held and a clock that is advanced.
///
/// A seed gives the same run every time, as far as the world answers alike: always for jobs,
/// which are taken in the order of the seed however fast their threads are, and for time. Threads
/// and sockets are permuted as they come.
///
/// When seeds fail, it panics with the one that fails by the fewest decisions, those decisions,
/// how to replay it (`NODELOOP_SEED=… cargo test …` runs that seed alone), and the difference to
/// the plain order. The panics of the body are not printed on the way: a process-wide panic hook,
/// set at the first exploration, keeps silent for threads that explore and passes everything else
/// on.
///
/// ```should_panic
/// use nodeloop::test;
///
/// // A race: the code takes for granted that what it asked for first comes first.
/// test::explore(20, async |t| {
///     let log = t.log();
///     nodeloop::queue_work(|| (), { let mut a = log.callback("a"); move |()| a() });
///     nodeloop::queue_work(|| (), { let mut b = log.callback("b"); move |()| b() });
///     t.until_idle().await;
///     log.assert_order(["a", "b"]);
/// });
/// ```
///
/// # Panics
///
/// As said, and as [`run`](super::run); and if `NODELOOP_SEED` is set and is no seed.
#[track_caller]
pub fn explore<F>(seeds: u64, body: F) -> Explored
where
    F: AsyncFn(Test) + 'static,
{
    TestBuilder::new().explore(seeds, body)
}

/// What an exploration has seen.
#[derive(Debug, Clone)]
pub struct Explored {
    runs: u64,
    orders: Vec<Vec<String>>,
}

impl Explored {
    /// How many times the body has been run.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// The different orders of the log, that of the plain order first.
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
    /// [`explore`] with these settings.
    ///
    /// # Panics
    ///
    /// As [`explore`].
    #[track_caller]
    pub fn explore<F>(self, seeds: u64, body: F) -> Explored
    where
        F: AsyncFn(Test) + 'static,
    {
        let location = Location::caller();
        let body = Rc::new(body);
        let run = |seed: Seed| {
            let body = body.clone();
            let main = move |test: Test| async move { body(test).await };
            self.again(seed).run_future(location, main)
        };
        let mut explored = Explored {
            runs: 0,
            orders: Vec::new(),
        };
        if let Ok(seed) = std::env::var(REPLAY) {
            let ran = run(read_seed(&seed));
            eprintln!("{REPLAY}={seed}\n{}", told(&ran.decisions));
            explored.note(ran.log.labels());
            super::loudly(ran.result);
            return explored;
        }
        let plain = quietly(|| run(Seed::new(0)));
        if let Err(failure) = plain.result {
            panic!("the test fails in the plain order, without any exploration: {failure}");
        }
        explored.note(plain.log.labels());
        let mut worst: Option<(Seed, Ran<()>, TestFailure)> = None;
        for number in 1..=seeds {
            let seed = Seed::new(number);
            let mut ran = quietly(|| run(seed.clone()));
            explored.note(ran.log.labels());
            let fewest = worst
                .as_ref()
                .map_or(usize::MAX, |(_, ran, _)| ran.decisions.len());
            if ran.decisions.len() < fewest
                && let Err(failure) = std::mem::replace(&mut ran.result, Ok(()))
            {
                worst = Some((seed, ran, failure));
            }
        }
        if let Some(found) = worst {
            let report = report(found, seeds, &plain.log, |seed| quietly(|| run(seed)));
            panic!("{report}");
        }
        explored
    }

    /// The same settings for one more run.
    fn again(&self, seed: Seed) -> TestBuilder {
        TestBuilder {
            settings: self.settings.clone(),
            leftovers: self.leftovers,
            seed: Some(seed),
        }
    }
}

/// Takes decisions out as long as the test still fails, and tells what is left.
fn report(
    (mut seed, mut ran, mut failure): (Seed, Ran<()>, TestFailure),
    seeds: u64,
    plain: &Log,
    run: impl Fn(Seed) -> Ran<()>,
) -> String {
    let (number, of) = (seed.clone(), ran.decisions.len());
    let mut runs = 0;
    let mut index = 0;
    while index < ran.decisions.len() && runs < RUNS_TO_SHRINK {
        let questions = ran.decisions.iter().map(|decision| decision.question);
        let mut kept: Vec<usize> = questions.collect();
        kept.remove(index);
        let fewer = number.only(kept);
        let mut again = run(fewer.clone());
        runs += 1;
        match std::mem::replace(&mut again.result, Ok(())) {
            Err(found) => (seed, ran, failure) = (fewer, again, found),
            Ok(()) => index += 1,
        }
    }
    let name = thread::current().name().map(str::to_owned);
    let name = name.filter(|name| name != "main").unwrap_or_default();
    let mut text = format!("seed {number} of {seeds} fails; replay it with\n");
    let replay = format!("{REPLAY}={seed} cargo test {name}");
    let _ = writeln!(text, "    {}", replay.trim_end());
    let left = ran.decisions.len();
    let _ = writeln!(text, "It takes {left} of its {of} decisions:");
    let _ = writeln!(text, "{}", told(&ran.decisions));
    let _ = writeln!(
        text,
        "Then the test fails:\n  {}",
        failure.cause().replace('\n', "\n  ")
    );
    text += &compared(plain, &ran.log);
    text
}

fn told(decisions: &[Decision]) -> String {
    let line = |decision: &Decision| format!("  {:>4}  {}", decision.question, decision.text);
    let lines: Vec<String> = decisions.iter().map(line).collect();
    match lines.is_empty() {
        true => "  none".to_owned(),
        false => lines.join("\n"),
    }
}

/// What came under the seed, beside the plain order, which passes.
fn compared(plain: &Log, failing: &Log) -> String {
    let plain = plain.labels();
    let plain: Vec<&str> = plain.iter().map(String::as_str).collect();
    let failing = failing.entries();
    if failing
        .iter()
        .map(LogEntry::label)
        .eq(plain.iter().copied())
    {
        return "The log up to there is that of the plain order.".to_owned();
    }
    let difference = diff::difference(&plain, &failing);
    format!("The plain order (-), which passes, and what came instead (+):\n{difference}")
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

/// Runs something whose panics are caught and told later.
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

/// How many runs, and how many orders.
impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} runs, {} orders", self.runs, self.orders.len())
    }
}
