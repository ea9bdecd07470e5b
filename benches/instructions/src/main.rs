//! Counts the instructions of nodeloop's operations with Valgrind's callgrind, and compares them with
//! the recorded numbers.
//!
//! ```text
//! cargo run --profile bench -p nodeloop-instructions [-- --check | --write] [part of a name]
//! ```
//!
//! A count is the difference between a run with 2n operations and a run with n, divided by n, so the
//! costs of start and end are not in it. Unlike times, counts are the same beside a busy process.
//!
//! This program runs itself as `run WORKLOAD COUNT` under Valgrind.

#[allow(
    dead_code,
    reason = "some rows are not counted, because their threads are not repeatable"
)]
mod nodeloop_side;
#[allow(dead_code, reason = "as above")]
mod operations;
mod recorded;
mod workloads;

use std::process::{Command, ExitCode};

use recorded::Recorded;
use workloads::{WORKLOADS, Workload};

/// By how much a count may grow before `--check` fails.
const TOLERANCE: f64 = 0.03;

/// The same for an operation whose count depends on how its threads take turns.
const TOLERANCE_OF_THREADS: f64 = 0.2;

const USAGE: &str = "\
usage: nodeloop-instructions [--check] [PART OF A NAME ...]   prints, or compares with, the recorded numbers
       nodeloop-instructions --write                          records all rows again";

enum Mode {
    Print,
    Check,
    Write,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["run", name, count] => run(name, count),
        ["--check", parts @ ..] => measure(&Mode::Check, parts),
        ["--write"] => measure(&Mode::Write, &[]),
        ["--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        ["--write", ..] => Err(format!("`--write` writes all rows\n{USAGE}")),
        parts => match parts.iter().find(|part| part.starts_with('-')) {
            None => measure(&Mode::Print, parts),
            Some(option) => Err(format!("unknown option `{option}`\n{USAGE}")),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, count: &str) -> Result<(), String> {
    let workload = WORKLOADS.iter().find(|workload| workload.name == name);
    let workload = workload.ok_or_else(|| format!("there is no workload `{name}`"))?;
    let count = count.parse().map_err(|_| "the count is not a number")?;
    (workload.run)(count);
    Ok(())
}

fn measure(mode: &Mode, parts: &[&str]) -> Result<(), String> {
    let is_selected = |workload: &&Workload| {
        parts.is_empty() || parts.iter().any(|part| workload.name.contains(part))
    };
    let selected: Vec<&Workload> = WORKLOADS.iter().filter(is_selected).collect();
    if selected.is_empty() {
        return Err(format!("no workload has a name with {parts:?}"));
    }
    let recorded = Recorded::read();
    let mut measured = Recorded::of_this_compiler()?;
    let mut grown = Vec::new();
    println!(
        "{:<30} {:>10} {:>10} {:>8}",
        "operation", "recorded", "now", "change"
    );
    for workload in selected {
        let now = instructions(workload)?;
        measured.counts.push((workload.name.to_owned(), now));
        let Some(before) = recorded.count(workload.name) else {
            println!("{:<30} {:>10} {now:>10}", workload.name, "-");
            if matches!(mode, Mode::Check) {
                grown.push(format!("{} is not recorded", workload.name));
            }
            continue;
        };
        let change = now as f64 / before as f64 - 1.0;
        let percent = change * 100.0;
        println!(
            "{:<30} {before:>10} {now:>10} {percent:>+7.1}%",
            workload.name
        );
        let tolerance = match workload.name {
            "jobs-at-once" => TOLERANCE_OF_THREADS,
            _ => TOLERANCE,
        };
        if change > tolerance {
            grown.push(format!("{} grew by {percent:.1} %", workload.name));
        }
    }
    match mode {
        Mode::Print => Ok(()),
        Mode::Write => measured.write(),
        Mode::Check => check(&recorded, &measured, &grown),
    }
}

/// Counts of another compiler say nothing about the source.
fn check(recorded: &Recorded, measured: &Recorded, grown: &[String]) -> Result<(), String> {
    if recorded.compiler != measured.compiler {
        println!(
            "not compared: the numbers were recorded with {}, and this is {}",
            recorded.compiler, measured.compiler
        );
        return Ok(());
    }
    if grown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\nmend it, or record the new numbers with `--write` and say why in the commit",
        grown.join("\n")
    ))
}

fn instructions(workload: &Workload) -> Result<u64, String> {
    let (once, twice) = (workload.count, 2 * workload.count);
    Ok((total(workload, twice)?.saturating_sub(total(workload, once)?)) / workload.count)
}

/// Runs a workload under callgrind, and returns how many instructions its process executed.
fn total(workload: &Workload, count: u64) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["run", workload.name, &count.to_string()])
        .output()
        .map_err(|error| format!("valgrind cannot be run ({error}): install it"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let collected = errors
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    match collected.and_then(|(_, number)| number.trim().parse().ok()) {
        Some(number) if output.status.success() => Ok(number),
        _ => Err(format!("{} has failed:\n{errors}", workload.name)),
    }
}
