//! Whether the cost of an operation of nodeloop depends on how many there are.

use std::fmt::Write;

use crate::machine::Machine;
use crate::process;
use crate::results::Spread;
use crate::runtimes::Side;
use crate::workloads::{GROWTH, Kind, Workload};

/// How many times the cost at one size may be that of the least size.
const LIMIT: f64 = 1.5;

/// The sizes, in terms of the least one, and how often a process repeats each.
const SIZES: [(u64, u32); 3] = [(1, 40), (10, 10), (100, 3)];

pub struct Growth {
    rows: Vec<Row>,
}

struct Row {
    title: &'static str,
    unit: &'static str,
    least: u64,
    costs: [f64; 3],
}

pub fn measure(
    side: &Side,
    workloads: &[&'static Workload],
    rounds: usize,
) -> Result<Growth, String> {
    let special = GROWTH
        .iter()
        .map(|(name, title, least)| (*name, *title, "ns", *least));
    let all = workloads.iter().filter(|workload| {
        let is_run = workload.kind == Kind::Run && side.has(workload.name);
        // It is the cost of a process that repeats something.
        is_run && workload.name != "start-up"
    });
    let all = all.map(|each| {
        (
            each.name,
            each.title,
            each.unit(),
            (each.size / 100).max(100),
        )
    });
    let mut rows = Vec::new();
    for (name, title, unit, least) in special.chain(all) {
        eprintln!("{title}");
        let mut costs = [0.0; 3];
        for (cost, (factor, times)) in costs.iter_mut().zip(SIZES) {
            let times = if unit == "bytes" { 1 } else { times };
            let measured: Result<Vec<f64>, String> = (0..rounds)
                .map(|_| process::run(side, name, least * factor, times))
                .collect();
            let measured = measured.map_err(|reason| format!("{name}: {reason}"))?;
            *cost = Spread::of(measured.into_iter()).map_or(f64::NAN, |spread| spread.median);
        }
        rows.push(Row {
            title,
            unit,
            least,
            costs,
        });
    }
    Ok(Growth { rows })
}

impl Row {
    /// The greatest cost in terms of that at the least size.
    fn growth(&self) -> f64 {
        self.costs[1].max(self.costs[2]) / self.costs[0]
    }
}

impl Growth {
    pub fn is_within_limit(&self) -> bool {
        self.rows.iter().all(|row| row.growth() <= LIMIT)
    }

    pub fn table(&self, machine: &Machine) -> String {
        let mut text = format!("On {}.\n\n", machine.text());
        text += "| operation | n | n | 10 n | 100 n | growth |\n|:--|--:|--:|--:|--:|--:|\n";
        for row in &self.rows {
            let [one, ten, hundred] = row.costs;
            let mark = if row.growth() > LIMIT { " (!)" } else { "" };
            let _ = writeln!(
                text,
                "| {} | {} | {one:.0} {} | {ten:.0} | {hundred:.0} | {:.2}{mark} |",
                row.title,
                row.least,
                row.unit,
                row.growth()
            );
        }
        text
    }
}
