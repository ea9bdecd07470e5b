//! Compares nodeloop with tokio.
//!
//! ```text
//! cargo run --release -p nodeloop-peers [-- [--quick] [--check] [--rounds N] [part of a name]]
//! ```
//!
//! Each round measures every row on both sides, one directly after the other and in alternating
//! order, so that other work of the machine affects both. It prints the median and the spread of
//! the rounds.

mod nodeloop_side;
mod operations;
mod rows;
mod statistics;
mod tokio_side;

use std::process::ExitCode;

use rows::{ROWS, Row};
use statistics::{Samples, Summary};

/// The check requires a median ratio above this in every row. The median removes the noise of
/// single rounds.
const MIN_RATIO: f64 = 1.0;

struct Options {
    check: bool,
    rounds: usize,
    part_of_name: String,
}

fn main() -> ExitCode {
    let options = match Options::from_arguments() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\noptions: [--quick] [--check] [--rounds N] [part of a name]");
            return ExitCode::from(2);
        }
    };
    let rows: Vec<&Row> = ROWS
        .iter()
        .filter(|row| row.name.contains(&options.part_of_name))
        .collect();
    let summaries: Vec<Summary> = measure(&rows, &options)
        .iter()
        .map(Samples::summary)
        .collect();
    print_table(&rows, &summaries, &options);
    let mut slower = 0;
    for (row, summary) in rows.iter().zip(&summaries) {
        if summary.ratio.median <= MIN_RATIO {
            println!("slower: {} ({:.2})", row.name, summary.ratio.median);
            slower += 1;
        }
    }
    ExitCode::from(u8::from(options.check && slower > 0))
}

impl Options {
    fn from_arguments() -> Result<Options, String> {
        let mut options = Options {
            check: false,
            rounds: 61,
            part_of_name: String::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.rounds = 15,
                "--check" => options.check = true,
                "--rounds" => {
                    let number = arguments.next().and_then(|number| number.parse().ok());
                    options.rounds = number.ok_or("`--rounds` needs a number")?;
                }
                name if !name.starts_with('-') => options.part_of_name = name.to_owned(),
                unknown => return Err(format!("unknown option `{unknown}`")),
            }
        }
        Ok(options)
    }
}

/// Measures the rows. The first round only warms up and is not counted.
fn measure(rows: &[&Row], options: &Options) -> Vec<Samples> {
    let mut samples: Vec<Samples> = rows.iter().map(|_| Samples::default()).collect();
    for round in 0..=options.rounds {
        for (row, samples) in rows.iter().zip(&mut samples) {
            let count = row.count;
            let (ours, theirs);
            if round % 2 == 0 {
                ours = (row.nodeloop)(count);
                theirs = (row.tokio)(count);
            } else {
                theirs = (row.tokio)(count);
                ours = (row.nodeloop)(count);
            }
            if round > 0 {
                samples.push(ours, theirs, count);
            }
        }
    }
    samples
}

fn print_table(rows: &[&Row], summaries: &[Summary], options: &Options) {
    println!(
        "{} rounds; median ns per operation, and the ratio of tokio's time to nodeloop's",
        options.rounds
    );
    println!(
        "| {:<42} | {:>9} | {:>9} | {:>7} | {:>15} |",
        "row", "nodeloop", "tokio", "ratio", "min..max"
    );
    println!("|:{:-<42}-|-{0:->9}:|-{0:->9}:|-{0:->7}:|-{0:->15}:|", "");
    for (row, summary) in rows.iter().zip(summaries) {
        println!(
            "| {:<42} | {:>9.1} | {:>9.1} | {:>7.2} | {:>15} |",
            row.name,
            summary.nodeloop_ns,
            summary.tokio_ns,
            summary.ratio.median,
            format!("{:.2}..{:.2}", summary.ratio.min, summary.ratio.max)
        );
    }
    let total = |ns: fn(&Summary) -> f64| summaries.iter().map(ns).sum::<f64>();
    let (ours, theirs) = (total(|row| row.nodeloop_ns), total(|row| row.tokio_ns));
    let logarithms = summaries.iter().map(|row| row.ratio.median.ln());
    let mean = (logarithms.sum::<f64>() / summaries.len() as f64).exp();
    println!(
        "| {:<42} | {ours:>9.1} | {theirs:>9.1} | {mean:>7.2} | {:>15} |",
        "total (ratio: geometric mean of the rows)", ""
    );
}
