//! Load and faults as a table. Each row is measured in a process of its own, because it changes what
//! belongs to a process: limits, mounts, whether it runs at all.
//!
//! Real time decides nothing here: latencies are printed, and what is lost is the verdict.

mod clients;
mod connections;
mod descriptors;
mod disk;
mod pool;
mod row;
mod storm;
mod suspend;

use std::io::Read;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use crate::resources::eventually;
use crate::{hooks, watchdog};
use row::Row;

type Measure = fn(bool) -> Row;

/// The rows: name, and the function that measures it, in the quick or in the full form.
const ROWS: [(&str, Measure); 5] = [
    ("connections", connections::measure),
    ("descriptors", descriptors::measure),
    ("pool", pool::measure),
    ("disk", disk::measure),
    ("suspend", suspend::measure),
];

/// The limit of a row against hangs.
const LIMIT: Duration = Duration::from_secs(600);

/// Measures the rows and prints the table.
pub fn run(quick: bool, only: &[String]) -> ExitCode {
    let mut rows = Vec::new();
    for (name, _) in ROWS {
        if only.is_empty() || only.iter().any(|wanted| wanted == name) {
            eprintln!("measuring: {name}");
            rows.push((name, in_a_process(name, quick)));
        }
    }
    let (mut panics, mut kinds, mut all_passed) = (0, 0, !rows.is_empty());
    println!("{}", Row::HEADER);
    for (name, row) in &rows {
        match row {
            Ok(row) => {
                println!("{}", row.line(name));
                panics += row.panics;
                kinds = kinds.max(row.kinds);
                all_passed &= row.lost.is_empty();
            }
            Err(error) => {
                println!("{}", Row::failed(error).line(name));
                all_passed = false;
            }
        }
    }
    println!("{}", Row::of_panics(panics, kinds).line("panics"));
    match all_passed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Measures a row in a process of its own.
fn in_a_process(name: &str, quick: bool) -> Result<Row, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let form = if quick { "quick" } else { "full" };
    // A mount of this row must end with its process.
    let may_mount = Command::new("unshare").args(["-m", "true"]).output();
    let mut command = match may_mount {
        Ok(output) if name == "disk" && output.status.success() => {
            let mut command = Command::new("unshare");
            command.arg("-m").arg(program);
            command
        }
        _ => Command::new(program),
    };
    command
        .args(["load-row", name, form])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut text = String::new();
    let mut output = child.stdout.take().expect("piped");
    // The process has a watchdog, so its output ends.
    output
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    end(&mut child)?;
    Row::parse(&text).ok_or_else(|| format!("it printed no row: {text}"))
}

/// Waits until a process whose output has ended is gone.
fn end(child: &mut Child) -> Result<(), String> {
    let mut status = None;
    let has_ended = eventually(Duration::from_secs(20), || {
        status = child.try_wait().ok().flatten();
        status.is_some()
    });
    if !has_ended {
        let _ = child.kill();
        let _ = child.wait();
        return Err("its process did not end".to_owned());
    }
    match status {
        Some(status) if status.success() => Ok(()),
        status => Err(format!("its process has failed: {status:?}")),
    }
}

/// `load-row NAME quick|full`: measures one row.
pub fn run_row(arguments: &[String]) -> Result<ExitCode, String> {
    let [name, form] = arguments else {
        return Err("`load-row` needs a row and a form".to_owned());
    };
    let row = ROWS.into_iter().find(|(known, _)| known == name);
    let (_, measure) = row.ok_or_else(|| format!("unknown row `{name}`"))?;
    hooks::print_only_other_panics();
    watchdog::start(LIMIT, LIMIT);
    let mut row = measure(form == "quick");
    // Panics and rejections that were not planned.
    row.lost.extend(crate::account::failures());
    print!("{}", row.print());
    Ok(ExitCode::SUCCESS)
}

/// `load-clients KIND ADDRESS …`: the clients of a row.
pub fn run_clients(arguments: &[String]) -> Result<ExitCode, String> {
    watchdog::start(LIMIT, LIMIT);
    clients::run(arguments)
}
