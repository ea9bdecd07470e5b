//! Checks one race: exploration finds the bug, reports it so that a person can follow it, and finds
//! nothing in the mended version.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nodeloop::Seed;
use nodeloop::test::{self, CheckedOrders, Test, TestBuilder};

use crate::common::limit::limit_of;

/// The number of seeds within which a bug must be found, and with which its mended version must pass.
const SEEDS: u64 = 1_000;

/// With so many seeds a mended version runs by default if it uses the pool. A job is handed to a thread
/// and back, which takes milliseconds on a machine whose cores are all busy.
const SEEDS_WITH_JOBS: u64 = 100;

/// A report is about the simplest failure that so many seeds find.
const REPORT_SEEDS: u64 = 100;

/// At most this many decisions may be left in a report: a race is between few operations.
const MAX_DECISIONS: usize = 4;

/// The number of orders within which a bug must be found.
const BUGGY_ORDERS: u64 = 4_000;

/// The number of orders of a mended version that are run at most; `NODELOOP_ORDERS` overrides it.
fn mended_orders() -> u64 {
    match std::env::var("NODELOOP_ORDERS") {
        Ok(count) => count.parse().expect("NODELOOP_ORDERS is a number"),
        Err(_) => 800,
    }
}

const README: &str = include_str!("README.md");

/// Which version of a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Buggy,
    Mended,
}

impl Version {
    pub fn is_mended(self) -> bool {
        self == Version::Mended
    }
}

/// What reorders the steps of a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// How long simulated operations take.
    Time,
    /// Which job of the pool finishes first.
    Jobs,
    /// Which event of a real socket is handled first, and when.
    #[cfg(unix)] // Windows has no socket pairs
    Sockets,
}

/// A published race.
#[derive(Debug)]
pub struct Race {
    /// The name in the table of the README.
    pub name: &'static str,
    pub by: By,
    /// The steps that race, as they are logged. In the plain order the first one comes, and the
    /// second one not before it; where the bug shows, it is the other way round. The report must contain both.
    pub steps: [&'static str; 2],
}

impl Race {
    /// Checks the race. `body` is the program with its assertions.
    #[track_caller]
    pub fn check(&self, body: impl AsyncFn(Test, Version)) {
        let reason = "up to a thousand programs of a few virtual milliseconds each run";
        let _limit = limit_of(Duration::from_secs(60), reason);
        if std::env::var_os("NODELOOP_SEED").is_some() {
            // The command of a report: the buggy version, so that it fails.
            test::explore(1, async |t| body(t, Version::Buggy).await);
            return;
        }
        let needed = self.seeds_needed(&body);
        self.check_report(needed.max(REPORT_SEEDS), &body);
        test::explore(self.mended_seeds(), async |t| {
            body(t, Version::Mended).await
        });
        let orders = self.settle(&body);
        self.check_readme(needed, &orders);
    }

    /// Explores every order: the buggy version fails, and the mended version passes in all that are run.
    fn settle(&self, body: &impl AsyncFn(Test, Version)) -> CheckedOrders {
        let explore = |version: Version, runs: u64| {
            let builder = TestBuilder::new().max_runs(runs);
            builder.explore_all(async |t| body(t, version).await)
        };
        let failed = catch_unwind(AssertUnwindSafe(|| explore(Version::Buggy, BUGGY_ORDERS)));
        let report = match failed {
            Ok(checked) => panic!("{}: no order shows the bug: {checked}", self.name),
            Err(report) => report.downcast::<String>().expect("a report is text"),
        };
        assert!(
            report.contains("NODELOOP_SEED=order:"),
            "the report of an order: {report}"
        );
        explore(Version::Mended, mended_orders())
    }

    /// The number of seeds for the mended version; `NODELOOP_SEEDS` overrides it.
    fn mended_seeds(&self) -> u64 {
        match std::env::var("NODELOOP_SEEDS") {
            Ok(count) => count.parse().expect("NODELOOP_SEEDS is a number"),
            Err(_) if self.by == By::Jobs => SEEDS_WITH_JOBS,
            Err(_) => SEEDS,
        }
    }

    /// The first seed that shows the bug. The plain order must not show it.
    fn seeds_needed(&self, body: &impl AsyncFn(Test, Version)) -> u64 {
        let run = |seed: u64| {
            let builder = TestBuilder::new().seed(Seed::new(seed));
            builder.try_run(async |t| {
                body(t.clone(), Version::Buggy).await;
                t.log().labels()
            })
        };
        let plain = match run(0) {
            Ok(labels) => labels,
            Err(failure) => panic!("{}: the plain order shows the bug: {failure}", self.name),
        };
        assert!(
            self.is_in_order(&plain),
            "{}: the steps in the plain order: {plain:?}",
            self.name
        );
        let failed = (1..=SEEDS).find_map(|seed| Some((seed, run(seed).err()?)));
        let Some((seed, failure)) = failed else {
            panic!("{}: no seed up to {SEEDS} shows the bug", self.name);
        };
        let failing = failure.log().labels();
        assert!(
            !self.is_in_order(&failing),
            "{}: other steps race: {failing:?}",
            self.name
        );
        seed
    }

    /// Whether the first step was logged, and the second one not before it.
    fn is_in_order(&self, labels: &[String]) -> bool {
        let position = |step| labels.iter().position(|label| label == step);
        let [first, second] = self.steps.map(position);
        first.is_some_and(|first| second.is_none_or(|second| first < second))
    }

    /// Checks that the report names the decisions, the failure and the steps that race.
    fn check_report(&self, seeds: u64, body: &impl AsyncFn(Test, Version)) {
        let exploration = || test::explore(seeds, async |t| body(t, Version::Buggy).await);
        let failed = catch_unwind(AssertUnwindSafe(exploration));
        let report = failed.expect_err("one of these seeds fails");
        let report = report.downcast::<String>().expect("a report is text");
        println!("{}: {report}\n", self.name);
        let part = |start: &str, end: &str| {
            let rest = report.split_once(start).map(|(_, rest)| rest);
            let part = rest
                .and_then(|rest| rest.split_once(end))
                .map(|(part, _)| part);
            part.unwrap_or_else(|| panic!("no {start:?} … {end:?} in: {report}"))
        };
        let decisions = part("decisions:\n", "\nThe failure").lines().count();
        assert!(decisions <= MAX_DECISIONS, "too many decisions: {report}");
        let (_, trace) = report
            .split_once(" and the order of this seed (+):\n")
            .unwrap_or_else(|| panic!("the orders do not differ: {report}"));
        for step in self.steps {
            let is_named = trace.contains(&format!(" {step:?} "));
            assert!(is_named, "the trace does not show {step:?}: {report}");
        }
    }

    /// Checks the row of the README, which is printed if it differs.
    #[track_caller]
    fn check_readme(&self, needed: u64, orders: &CheckedOrders) {
        // Another system may report the events of one poll in another order.
        let is_of_the_kit = matches!(self.by, By::Time | By::Jobs);
        if !is_of_the_kit && !cfg!(target_os = "linux") {
            return;
        }
        let name = format!("| `{}` |", self.name);
        let row = README.lines().find(|line| line.starts_with(&name));
        let row =
            row.unwrap_or_else(|| panic!("README.md has no row `{}`: {needed} seeds", self.name));
        let mut columns = row.trim_end_matches('|').rsplit('|').map(str::trim);
        let (listed_orders, listed_seeds) = (columns.next().unwrap(), columns.next().unwrap());
        assert_eq!(
            listed_seeds,
            needed.to_string(),
            "the seeds of `{}` in README.md",
            self.name
        );
        let listed: Option<u64> = listed_orders.replace(',', "").parse().ok();
        let is_right = match orders.is_complete() {
            true => listed == Some(orders.count()),
            false => listed.is_none_or(|listed| listed > orders.count()),
        };
        assert!(
            is_right,
            "the orders of `{}` in README.md are {listed_orders}, but: {orders}",
            self.name
        );
    }
}

/// Each row of the README has a test. Each test has a row, which it checks itself.
#[test]
fn each_row_of_the_readme_has_a_test() {
    let sources = [
        include_str!("events.rs"),
        include_str!("files.rs"),
        include_str!("io.rs"),
        include_str!("state.rs"),
    ];
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let is_tested = |row: &&str| {
        let name = format!("name: \"{row}\"");
        sources.iter().any(|source| source.contains(&name))
    };
    let missing: Vec<&&str> = rows.iter().filter(|row| !is_tested(row)).collect();
    assert!(missing.is_empty(), "rows without a test: {missing:?}");
    let tests: usize = sources
        .iter()
        .map(|source| source.matches("name: \"").count())
        .sum();
    assert_eq!(tests, rows.len());
}
