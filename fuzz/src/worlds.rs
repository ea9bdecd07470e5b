//! The scripts of [`sockets`](crate::sockets) on a host of a simulated world, with its faults.

use std::time::Duration;

use arbitrary::Arbitrary;
use nodeloop::Seed;
use nodeloop::test::World;

use crate::sockets::{self, Outcome, Script};

#[derive(Debug, Clone, Arbitrary)]
pub struct Input {
    pub seed: u64,
    /// The decisions of the seed that are made, if not all are.
    pub only: Option<Vec<u8>>,
    pub latency_ms: u8,
    pub short_reads: u8,
    pub short_writes: u8,
    pub resets: u8,
    pub script: Script,
}

/// Runs the script twice; panics if anything is wrong, or if the runs differ.
pub fn run(input: &Input) {
    assert_eq!(run_once(input), run_once(input), "two runs of one seed");
}

fn run_once(input: &Input) -> Outcome {
    // Less than 1: a fault that is certain is no decision, and where a seed lists its decisions, each read
    // of 300 kB would then move one byte.
    let probability = |byte: u8| f64::from(byte) / 256.0;
    let latest = Duration::from_millis(u64::from(input.latency_ms));
    let mut builder = World::builder()
        .seed(seed(input))
        .latency(Duration::ZERO..=latest)
        .short_reads(probability(input.short_reads))
        .short_writes(probability(input.short_writes));
    let has_resets = input.resets > 128;
    if has_resets {
        builder = builder.resets(probability(input.resets - 128));
    }
    let is_clean = input.script.is_clean() && !has_resets;
    sockets::run_on(builder.event_loop(), &input.script, is_clean)
}

fn seed(input: &Input) -> Seed {
    let Some(only) = &input.only else {
        return Seed::new(input.seed);
    };
    let decisions: Vec<String> = only.iter().map(u8::to_string).collect();
    let text = match decisions.is_empty() {
        true => input.seed.to_string(),
        false => format!("{}:{}", input.seed, decisions.join(",")),
    };
    text.parse().expect("a seed with decisions")
}
