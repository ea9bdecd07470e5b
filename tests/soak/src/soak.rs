//! The soak: rounds of activities, and between them points at which nothing may be left.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nodeloop::{EventLoop, StuckPolicy, TaskGroup, time, why_alive};

use crate::account::{fail, failures, has_failed, totals};
use crate::activities::{self, Chooser};
use crate::plant::{self, Plant};
use crate::resources::{
    Children, children, describe_descriptors, descriptors, eventually, live_bytes, threads,
};
use crate::{hooks, watchdog};

pub struct Options {
    pub duration: Duration,
    pub seed: Option<u64>,
    pub only: Vec<String>,
    pub plant: Option<Plant>,
}

/// The activities that run at the same time.
const AT_ONCE: usize = 32;

/// How much the live memory of the second half may exceed that of the first.
///
/// It is not zero, because queues and tables keep the capacity of their fullest moment, and the
/// threads of the pool have some memory of their own. Both are bounded. What an
/// activity loses is not: a thousand activities that lose 64 bytes each are found.
const TOLERANCE: usize = 64 << 10;

/// The limit of an activity against hangs. All of them end within a second on an idle machine.
const ACTIVITY: Duration = Duration::from_secs(120);

/// The quiescent points that a soak needs, however short it is, to compare its halves.
const LEAST_POINTS: usize = 10;

/// How long what ends a moment later may take: threads that idle, children that are being reaped.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the soak and prints the account.
pub fn run(options: &Options) -> ExitCode {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = options
        .seed
        .unwrap_or_else(|| now.map_or(0, |now| now.as_secs()));
    println!("soak for {} s, seed {seed}", options.duration.as_secs());
    if let Some(plant) = options.plant {
        plant::set(plant);
        println!("planted: {plant:?}");
    }
    hooks::print_only_other_panics();
    watchdog::start(ACTIVITY, options.duration * 2 + Duration::from_secs(300));
    let chooser = Chooser::new(seed, |activity| {
        options.only.is_empty() || options.only.iter().any(|name| name == activity.name)
    });
    if chooser.is_empty() {
        eprintln!("no activity of these names: {:?}", options.only);
        return ExitCode::from(2);
    }
    let before = Before::now();
    // An activity that can never end fails at once, with a report of what it waits for.
    let builder = EventLoop::builder().stuck_policy(StuckPolicy::Error);
    let mut event_loop = builder.build().expect("a loop");
    let soak = Soak::new(chooser, seed, options.duration);
    let report = event_loop
        .run(soak.run())
        .map_err(|error| error.to_string());
    if let Err(error) = &report {
        fail(format_args!("the run of the main loop has failed: {error}"));
    }
    let left = event_loop.why_alive();
    if !left.active_resources().is_empty() || !left.tasks().is_empty() {
        fail(format_args!("the loop has ended and still has: {left}"));
    }
    drop(event_loop);
    before.compare();
    print_account(report.ok().flatten(), seed)
}

/// What the process had before the loop was built.
struct Before {
    descriptors: usize,
    threads: usize,
}

impl Before {
    fn now() -> Before {
        Before {
            descriptors: descriptors(),
            threads: threads().names.len(),
        }
    }

    /// Fails if something of the loop is left.
    fn compare(&self) {
        // After a failure, what is left then was waited for already.
        let patience = if has_failed() {
            Duration::ZERO
        } else {
            PATIENCE
        };
        if !eventually(patience, || children() == Children::None) {
            fail(format_args!("a child is left: {:?}", children()));
        }
        if !eventually(patience, || threads().names.len() <= self.threads) {
            fail(format_args!("threads are left: {:?}", threads().names));
        }
        if !eventually(patience, || descriptors() <= self.descriptors) {
            fail(format_args!(
                "descriptors are left: {:?}",
                describe_descriptors()
            ));
        }
    }
}

/// What was measured at the quiescent points.
struct Report {
    points: usize,
    descriptors: usize,
    pool_threads: usize,
    /// The live bytes at each point.
    live: Vec<usize>,
    elapsed: Duration,
}

struct Soak {
    chooser: Chooser,
    seed: u64,
    duration: Duration,
    number: u64,
    /// The threads at the start.
    threads: usize,
    report: Report,
}

impl Soak {
    fn new(chooser: Chooser, seed: u64, duration: Duration) -> Soak {
        Soak {
            chooser,
            seed,
            duration,
            number: 0,
            threads: threads().names.len(),
            report: Report {
                points: 0,
                descriptors: 0,
                pool_threads: 0,
                // What is measured must not be measured itself.
                live: Vec::with_capacity(10_000),
                elapsed: Duration::ZERO,
            },
        }
    }

    async fn run(mut self) -> Option<Report> {
        hooks::install();
        let start = Instant::now();
        // On an idle machine as many points as there are seconds, and at least 20.
        let round = (self.duration / 40).min(Duration::from_secs(1));
        // The first round creates what a process creates once.
        self.round(round).await;
        self.report.descriptors = descriptors();
        plant::arm();
        let duration = self.duration;
        let is_over = |points| start.elapsed() >= duration && points >= LEAST_POINTS;
        while !is_over(self.report.points) && !has_failed() {
            self.round(round).await;
            self.quiescent().await;
        }
        self.report.elapsed = start.elapsed();
        Some(self.report)
    }

    /// Runs activities until the time is over and all have ended.
    async fn round(&mut self, duration: Duration) {
        let start = Instant::now();
        let mut group = TaskGroup::new();
        loop {
            while group.len() < AT_ONCE && start.elapsed() < duration {
                let (activity, own_seed) = self.chooser.next();
                self.number += 1;
                plant::plant_beside_an_activity();
                let seeds = (self.seed, own_seed);
                group.spawn(activities::run(activity, self.number, seeds));
            }
            match group.join_next().await {
                Some(Ok(())) => {}
                Some(Err(error)) => fail(format_args!("an activity was not closed: {error}")),
                None => return,
            }
        }
    }

    /// Checks that nothing is left of the activities, and measures the memory.
    async fn quiescent(&mut self) {
        let ends = Instant::now() + PATIENCE;
        loop {
            let left = self.left();
            if left.is_empty() {
                break;
            }
            if Instant::now() > ends {
                left.iter().for_each(|left| {
                    let number = self.number;
                    fail(format_args!(
                        "after activity {number} of seed {}: {left}",
                        self.seed
                    ));
                });
                return;
            }
            time::sleep(Duration::from_millis(1)).await;
        }
        self.report.points += 1;
        self.report.pool_threads = self.report.pool_threads.max(threads().pool);
        self.report.live.push(live_bytes());
    }

    /// Describes what is left at a quiescent point.
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let report = why_alive();
        let tasks = report.tasks().iter().filter(|task| !task.is_running());
        left.extend(tasks.map(|task| format!("a task is left: {task}")));
        let resources = report.active_resources().iter();
        left.extend(resources.map(|resource| format!("a resource is left: {resource}")));
        if children() != Children::None {
            left.push(format!("a child is left: {:?}", children()));
        }
        if descriptors() > self.report.descriptors {
            left.push(format!(
                "descriptors are left: {:?}",
                describe_descriptors()
            ));
        }
        let threads = threads().names;
        if threads.len() > self.threads {
            left.push(format!("threads are left: {threads:?}"));
        }
        left
    }
}

/// Returns the medians of the first and the second half of the points, without the first fifth, in
/// which everything grows to its usual size.
fn medians(live: &mut [usize]) -> (usize, usize) {
    let cold = live.len() / 5;
    let warm = &mut live[cold..];
    let (first, second) = warm.split_at_mut(warm.len() / 2);
    let median = |half: &mut [usize]| {
        half.sort_unstable();
        half.get(half.len() / 2).copied().unwrap_or_default()
    };
    (median(first), median(second))
}

/// Prints what came back, and returns whether everything did.
fn print_account(report: Option<Report>, seed: u64) -> ExitCode {
    println!("\n| item | owed | came back |\n|---|---|---|");
    for (name, owed, back) in totals() {
        println!("| {name} | {owed} | {back} |");
    }
    if let Some(mut report) = report {
        let (first, second) = medians(&mut report.live);
        println!(
            "\nquiescent points: {}, in {:.1} s",
            report.points,
            report.elapsed.as_secs_f64()
        );
        println!("descriptors at each: at most {}", report.descriptors);
        println!("threads of the pool: at most {}", report.pool_threads);
        println!("live bytes, median: {first} in the first half, {second} in the second");
        if second > first + TOLERANCE {
            let more = second - first;
            fail(format_args!(
                "memory: {more} bytes more in the second half, seed {seed}"
            ));
        }
    }
    let failures = failures();
    if failures.is_empty() {
        println!("everything came back");
        return ExitCode::SUCCESS;
    }
    println!("\n{} failures, seed {seed}:", failures.len());
    failures.iter().for_each(|failure| println!("  {failure}"));
    ExitCode::FAILURE
}
