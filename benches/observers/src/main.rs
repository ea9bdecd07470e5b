//! Measures the cost of observers: none, a no-op, and those of the crate.
//!
//! ```text
//! cargo run --release -p nodeloop-observers [-- [--rounds N]]
//! cargo run --release -p nodeloop-observers -- --one <chain> <observer> <links>
//! ```
//!
//! Each round measures every chain with every observer, one after the other, so that other work of
//! the machine affects all of them. It prints the median and the minimum of the rounds in
//! nanoseconds per link. `--one` runs one chain once, for tools that count instructions (see the
//! README).

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nodeloop::observe::{self, Event, EventContext, Metrics};
use nodeloop::{Builder, EventLoop, next_tick, queue_microtask, set_immediate};

/// Starts a chain.
type Start = fn(Rc<Chain>);

/// Adds an observer to a builder.
type Observe = fn(Builder) -> Builder;

/// Callbacks that queue the next one. An immediate is one whole turn of the loop.
const CHAINS: [(&str, Start); 3] = [
    ("tick", |chain| next_tick(move || chain.link())),
    ("microtask", |chain| queue_microtask(move || chain.link())),
    ("immediate", |chain| {
        set_immediate(move || chain.link());
    }),
];

const OBSERVERS: [(&str, Observe); 5] = [
    ("none", |builder| builder),
    ("no-op", |builder| {
        builder.observer(|_: &Event, _: &EventContext<'_>| {})
    }),
    ("metrics", |builder| builder.observer(Metrics::new())),
    ("slow callbacks", |builder| {
        builder.observer(observe::slow_callbacks(Duration::MAX, |_| {}))
    }),
    ("drain limit", |builder| builder.drain_limit(u64::MAX)),
];

const LINKS: u64 = 10_000;

struct Chain {
    left: Cell<u64>,
    queue: fn(Rc<Chain>),
}

impl Chain {
    fn link(self: Rc<Chain>) {
        self.left.set(self.left.get() - 1);
        if self.left.get() > 0 {
            (self.queue)(self);
        }
    }
}

fn run(queue: fn(Rc<Chain>), observe: fn(Builder) -> Builder, links: u64) -> Duration {
    let mut event_loop = observe(EventLoop::builder())
        .build()
        .expect("cannot build the loop: free some descriptors");
    let left = Cell::new(links);
    let chain = Rc::new(Chain { left, queue });
    let first = chain.clone();
    let start = Instant::now();
    event_loop
        .run_script(move || queue(first))
        .expect("a chain ends");
    let time = start.elapsed();
    assert_eq!(chain.left.get(), 0, "every link has run");
    time
}

/// Runs one chain once; `None` if the arguments are invalid.
fn run_one(arguments: &[String]) -> Option<()> {
    let [chain, observer, links] = arguments else {
        return None;
    };
    let (_, queue) = CHAINS.iter().find(|(name, _)| name == chain)?;
    let (_, observe) = OBSERVERS.iter().find(|(name, _)| name == observer)?;
    run(*queue, *observe, links.parse().ok()?);
    Some(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = match arguments.first().map(String::as_str) {
        None => Some(101),
        Some("--rounds") => arguments.get(1).and_then(|number| number.parse().ok()),
        Some("--one") if run_one(&arguments[1..]).is_some() => return ExitCode::SUCCESS,
        Some(_) => None,
    };
    let Some(rounds) = rounds.filter(|rounds| *rounds > 0) else {
        eprintln!("options: [--rounds N] | --one <chain> <observer> <links>");
        return ExitCode::from(2);
    };
    println!("| chain     | observer       |  median | fastest | over none |");
    println!("|:----------|:---------------|--------:|--------:|----------:|");
    for (chain, queue) in CHAINS {
        let mut samples = vec![Vec::new(); OBSERVERS.len()];
        for round in 0..=rounds {
            for (samples, (_, observe)) in samples.iter_mut().zip(OBSERVERS) {
                let time = run(queue, observe, LINKS);
                if round > 0 {
                    samples.push(time.as_secs_f64() * 1e9 / LINKS as f64); // round 0 warms up
                }
            }
        }
        let none = median(&mut samples[0]);
        for (samples, (observer, _)) in samples.iter_mut().zip(OBSERVERS) {
            let median = median(samples);
            println!(
                "| {chain:<9} | {observer:<14} | {median:>7.1} | {:>7.1} | {:>9.2} |",
                samples[0],
                median / none
            );
        }
    }
    ExitCode::SUCCESS
}

/// Sorts the samples and returns the median.
fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
