//! Rounds in which the runtimes take turns.

use std::io::{self, Write};
use std::time::Instant;

use crate::process;
use crate::results::{Cell, Row};
use crate::runtimes::Side;
use crate::servers;
use crate::workloads::{Kind, QUICK_SIZE, Workload};

/// Measures the workloads. A runtime that fails in one is not asked again.
pub fn measure(workloads: &[&'static Workload], sides: &[Side], rounds: usize) -> Vec<Row> {
    let start = Instant::now();
    let mut rows: Vec<Row> = workloads
        .iter()
        .map(|each| empty_row(each, sides))
        .collect();
    for round in 0..rounds {
        for row in &mut rows {
            let count = row.cells.len();
            for position in 0..count {
                let cell = &mut row.cells[(round + position) % count];
                let Ok(costs) = &mut cell.costs else { continue };
                progress(&format!(
                    "round {} of {rounds}, {} s: {} {}",
                    round + 1,
                    start.elapsed().as_secs(),
                    row.workload.name,
                    cell.runtime
                ));
                let Some(side) = sides.iter().find(|side| side.name == cell.runtime) else {
                    continue;
                };
                match once(
                    side,
                    row.workload,
                    row.workload.size,
                    row.workload.times(side),
                ) {
                    Ok(cost) => costs.push(cost),
                    Err(reason) => cell.costs = Err(reason),
                }
            }
        }
    }
    progress("");
    rows
}

/// Runs everything once, with few operations.
pub fn check(workloads: &[&'static Workload], sides: &[Side]) -> Vec<Row> {
    let mut rows: Vec<Row> = workloads
        .iter()
        .map(|each| empty_row(each, sides))
        .collect();
    for row in &mut rows {
        for cell in &mut row.cells {
            let Some(side) = sides.iter().find(|side| side.name == cell.runtime) else {
                continue;
            };
            let size = match row.workload.kind {
                Kind::Run if row.workload.name == "start-up" => 20,
                // Memory comes in pages.
                Kind::Run if row.workload.unit() == "bytes" => 20 * QUICK_SIZE,
                Kind::Run => row.workload.size.min(QUICK_SIZE),
                _ => row.workload.size.min(50),
            };
            cell.costs = once(side, row.workload, size, 1).map(|cost| vec![cost]);
        }
    }
    rows
}

fn empty_row(workload: &'static Workload, sides: &[Side]) -> Row {
    let cells = sides.iter().filter(|side| has(side, workload));
    let cells = cells.map(|side| Cell {
        runtime: side.name,
        costs: Ok(Vec::new()),
    });
    Row {
        workload,
        cells: cells.collect(),
    }
}

/// Whether a runtime has a workload. All measurements of servers use one program.
pub fn has(side: &Side, workload: &Workload) -> bool {
    side.has(match workload.kind {
        Kind::Run => workload.name,
        _ => "serve",
    })
}

fn once(side: &Side, workload: &Workload, size: u64, times: u32) -> Result<f64, String> {
    match workload.kind {
        Kind::Run => process::run(side, workload.name, size, times),
        kind => servers::measure(side, kind, size).map_err(|error| error.to_string()),
    }
}

/// Writes a line over the last one.
fn progress(text: &str) {
    eprint!("\r{text:<70}");
    if text.is_empty() {
        eprint!("\r");
    }
    let _ = io::stderr().flush();
}

impl Workload {
    /// Node compiles while it runs, so its first results mean little.
    fn times(&self, side: &Side) -> u32 {
        match (side.name, self.times) {
            (_, 1) => 1,
            ("Node", times) => 3 * times,
            (_, times) => times,
        }
    }
}
