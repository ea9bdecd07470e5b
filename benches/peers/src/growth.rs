//! Whether the cost of an operation of nodeloop depends on how many there are.

use std::fmt::Write;

use crate::machine::Machine;
use crate::process;
use crate::results::Spread;
use crate::runtimes::Side;
use crate::workloads::{GROWTH, Kind, WORKLOADS, Workload};

/// How many times the cost at one size may be that of the least size.
const LIMIT: f64 = 1.5;

/// The sizes, in terms of the least one, and how often a process repeats each at most.
const SIZES: [(u64, u32); 3] = [(1, 40), (10, 10), (100, 3)];

/// How often a process repeats a workload that the comparison runs once, because it waits for real time.
const FEW_TIMES: u32 = 4;

pub struct Growth {
    rows: Vec<Row>,
}

struct Row {
    title: &'static str,
    unit: &'static str,
    least: u64,
    /// The costs at the three sizes, or the reason why there is none.
    costs: Result<[f64; 3], String>,
}

/// Returns whether a workload can be run at several sizes.
pub fn has(name: &str) -> bool {
    WORKLOADS
        .iter()
        .any(|workload| workload.name == name && is_sized(workload))
}

/// `start-up` is the cost of a process that repeats something.
fn is_sized(workload: &Workload) -> bool {
    workload.kind == Kind::Run && workload.name != "start-up"
}

pub fn measure(side: &Side, workloads: &[&'static Workload], rounds: usize) -> Growth {
    let special = GROWTH
        .iter()
        .map(|(name, title, least)| (*name, *title, "ns", *least, u32::MAX));
    let all = workloads.iter();
    let all = all.filter(|workload| is_sized(workload) && side.has(workload.name));
    let all = all.map(|each| {
        (
            each.name,
            each.title,
            each.unit(),
            (each.size / 100).max(100),
            match each.times {
                1 => FEW_TIMES,
                _ => u32::MAX,
            },
        )
    });
    let mut rows = Vec::new();
    for (name, title, unit, least, at_most) in special.chain(all) {
        eprintln!("{title}");
        let cost_of = |(factor, times): (u64, u32)| {
            let times = if unit == "bytes" {
                1
            } else {
                times.min(at_most)
            };
            let costs: Result<Vec<f64>, String> = (0..rounds)
                .map(|_| process::run(side, name, least * factor, times))
                .collect();
            Ok(Spread::of(costs?.into_iter()).map_or(f64::NAN, |spread| spread.median))
        };
        let costs: Result<Vec<f64>, String> = SIZES.into_iter().map(cost_of).collect();
        rows.push(Row {
            title,
            unit,
            least,
            costs: costs.map(|costs| std::array::from_fn(|size| costs[size])),
        });
    }
    Growth { rows }
}

impl Row {
    /// The greatest cost in terms of that at the least size.
    fn growth(costs: &[f64; 3]) -> f64 {
        costs[1].max(costs[2]) / costs[0]
    }
}

impl Growth {
    /// Whether every operation was measured, and costs little more at a greater size.
    pub fn is_within_limit(&self) -> bool {
        let is_within = |row: &Row| {
            let growth = row.costs.as_ref().map(Row::growth);
            growth.is_ok_and(|growth| growth <= LIMIT)
        };
        self.rows.iter().all(is_within)
    }

    pub fn table(&self, machine: &Machine) -> String {
        let mut text = format!("On {}.\n\n", machine.text());
        text += "| operation | n | n | 10 n | 100 n | growth |\n|:--|--:|--:|--:|--:|--:|\n";
        for row in &self.rows {
            let _ = write!(text, "| {} | {} | ", row.title, row.least);
            let _ = match &row.costs {
                Err(reason) => writeln!(text, "failed: {reason} | – | – | – (!) |"),
                Ok(costs) => {
                    let ([one, ten, hundred], growth) = (costs, Row::growth(costs));
                    let mark = if growth <= LIMIT { "" } else { " (!)" };
                    writeln!(
                        text,
                        "{one:.0} {} | {ten:.0} | {hundred:.0} | {growth:.2}{mark} |",
                        row.unit
                    )
                }
            };
        }
        text
    }
}
